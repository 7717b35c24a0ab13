"""The estimates before a run: near the measured peaks, shown, and enforced; a device that is asked for is there."""

from __future__ import annotations

import re
import shutil
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from bad_input import ROOT, edit, imported, refused, run, write_params

from augbench.core.component import create
from augbench.core.params import Params, parse_params, read_params
from augbench.datasets.base import Dataset
from augbench.segmenters.base import Segmenter
from augbench.stages import duration, preflight

KINDS = ("prepare", "train_generator", "sample", "audit", "train_segmenter", "develop", "evaluate", "compare", "report")
#: Peak MiB of the stages of the smoke study and of the default one, where they were last measured.
SMOKE_PEAKS = dict(zip(KINDS, (825, 762, 742, 852, 887, 878, 887, 150, 259), strict=True)) | {"label": 849}
DEFAULT_PEAKS = dict(zip(KINDS, (883, 921, 872, 991, 1034, 1081, 1072, 193, 316), strict=True))
GIB = 2**30


@pytest.mark.parametrize(("study", "peaks"), [("studies/smoke", SMOKE_PEAKS), (".", DEFAULT_PEAKS)])
def test_the_estimate_covers_what_was_measured_and_no_more_than_half_again(study: str, peaks: dict[str, int]) -> None:
    params = read_params(ROOT / study / "params.yaml")
    for kind, peak in peaks.items():
        estimated = preflight.estimate(params, {kind}).memory / 2**20
        assert peak <= estimated <= 1.5 * peak, kind


def test_a_labelling_takes_the_disk_of_another_set() -> None:
    content = read_params(ROOT / "studies/smoke/params.yaml").model_dump()
    before = preflight.estimate(parse_params(content), {"label"}).disk
    entry = {"kind": "pseudo", "source": "data/models/real"}
    content["labelling"] = {"other": entry | {"images": "data/synthetic/pggan"}}
    made = preflight.estimate(parse_params(content), {"label"}).disk - before
    assert made == 2 * 2 * 300 * 2 * 32 * 32  # a copy in DVC's cache, two seeds, image and mask
    content["labelling"]["own"] = entry | {"images": "data/cohort/generator"}
    assert preflight.estimate(parse_params(content), {"label"}).disk > before + made


def test_disk_covers_the_default_run_and_its_copy_in_the_cache() -> None:
    """A run with 6 sets of 5000 frames held 329 MB in data/ and 361 MB in DVC's cache (measured)."""
    need = preflight.estimate(read_params(ROOT / "params.yaml"), set(KINDS))
    assert 690e6 <= need.disk <= 2 * 690e6


def test_more_of_anything_needs_more(smoke: Params) -> None:
    base, small = preflight.estimate(smoke, set(KINDS)), preflight.estimate(smoke, {"sample"})
    content = smoke.model_dump()
    for section, key, factor in (("sampling", "frames", 100), ("training", "batch_size", 50)):
        larger = {**content, section: {**content[section], key: factor * content[section][key]}}
        assert preflight.estimate(Params(**larger), set(KINDS)).memory > base.memory, key
    assert preflight.estimate(Params(**{**content, "image_size": 64}), {"sample"}).disk > small.disk
    assert preflight.estimate(smoke, set(KINDS), jobs=2).memory == 2 * base.memory
    assert preflight.estimate(smoke, {"report"}).memory < base.memory


def test_a_gpu_takes_the_networks_out_of_main_memory(smoke: Params) -> None:
    content = smoke.model_dump()
    large = {**content, "training": {**content["training"], "batch_size": 4096}}
    on_gpu = {**large, "compute": {**content["compute"], "accelerator": "gpu"}}
    stage = {"train_segmenter"}
    assert preflight.estimate(Params(**on_gpu), stage).memory < preflight.estimate(Params(**large), stage).memory


#: Options, frame side, batch, training, and the MiB that two steps took beside the libraries (measured).
STEPS = [
    ("monai_unet", {}, 64, 16, True, 116),
    ("monai_unet", {}, 128, 32, True, 712),
    ("monai_unet", {}, 64, 64, False, 209),
    ("smp_unet", {"encoder": "resnet34"}, 64, 16, True, 431),
    ("smp_unet", {"encoder": "resnet34"}, 256, 8, True, 1095),
    ("smp_unet", {"encoder": "resnet34"}, 256, 16, False, 493),
]


@pytest.mark.parametrize(("kind", "options", "size", "batch", "training", "mib"), STEPS)
def test_a_segmenter_tells_what_its_step_takes(
    kind: str, options: dict[str, Any], size: int, batch: int, training: bool, mib: int
) -> None:
    told = create(Segmenter, kind, options).memory_bytes(6, size, batch, training=training) / 2**20
    assert mib / 1.5 <= told <= 1.5 * mib


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    for name in ("params.yaml", "study.yaml"):
        shutil.copy(ROOT / "studies/smoke" / name, tmp_path / name)
    return tmp_path


@pytest.mark.parametrize("short", ["memory", "disk"])
def test_check_refuses_a_machine_that_is_too_small(
    short: str, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _machine(monkeypatch, memory=GIB // 4 if short == "memory" else 64 * GIB, disk=1000 if short == "disk" else GIB)
    message = refused(workspace, "check", "--jobs", "1")
    assert f"too little {short} for this run" in message
    assert re.search(r"estimate: \d\.\d GiB of memory \(most in \w+\), \d\.\d\d GiB of disk", message)


def test_check_refuses_a_machine_without_the_device(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    content = yaml.safe_load((workspace / "params.yaml").read_text(encoding="utf-8"))
    edit("compute.accelerator", "gpu")(workspace, content)
    write_params(workspace, content)
    message = refused(workspace, "check")
    assert "no GPU was found" in message
    assert "set compute.accelerator to cpu" in message


def test_a_stage_without_networks_needs_no_device(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    params = read_params(workspace / "params.yaml")
    gpu = params.model_copy(update={"compute": params.compute.model_copy(update={"accelerator": "gpu"})})
    assert preflight.require_room(gpu, ["compare", "report"]).stage == "report"


def test_check_says_what_there_is_and_what_it_takes(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _machine(monkeypatch, memory=64 * GIB, disk=64 * GIB)
    start = time.monotonic()
    code, shown, _ = run(workspace, "check", "--jobs", "2")
    spent = time.monotonic() - start
    assert code == 0
    lines = shown.splitlines()
    assert lines[0] == "valid: 7 arms with 20 trainings of a segmenter, 4 generators with 5 fits"
    assert re.fullmatch(r"estimate: \d\.\d GiB of memory \(most in \w+\), 0\.\d\d GiB of disk", lines[1])
    assert re.fullmatch(r"estimate: (\d+ to|about) \d+ minutes? with --jobs 2, from a few training .*", lines[2])
    assert len(lines) == 3
    assert spent < 60


def test_a_target_of_an_arm_that_is_not_there_is_found_by_check(workspace: Path) -> None:
    text = (workspace / "study.yaml").read_text(encoding="utf-8")
    (workspace / "study.yaml").write_text(text.replace("arm: memoriser}", "arm: memorizer}"), encoding="utf-8")
    message = refused(workspace, "check")
    assert "refers to an unknown arm" in message
    assert "study.yaml" in message


def test_unknown_memory_refuses_nobody(smoke: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    _machine(monkeypatch, memory=None, disk=64 * GIB)
    assert preflight.require_room(smoke).memory > GIB // 2


def _machine(monkeypatch: pytest.MonkeyPatch, *, memory: int | None, disk: int) -> None:
    monkeypatch.setattr(preflight, "available_memory", lambda: memory)
    monkeypatch.setattr(preflight.shutil, "disk_usage", lambda _: SimpleNamespace(free=disk))


def test_only_the_stages_that_run_must_find_room(smoke: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    _machine(monkeypatch, memory=GIB // 2, disk=64 * GIB)
    with pytest.raises(Exception, match=r"too little memory[\s\S]*most in train_segmenter"):
        preflight.require_room(smoke, ["train_segmenter_generated@pggan-mixed-1", "report"])
    assert preflight.require_room(smoke, ["report"]).stage == "report"


def test_frames_of_an_imported_dataset_come_from_names_and_headers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_params(tmp_path, imported(tmp_path))
    monkeypatch.chdir(tmp_path)
    params = read_params()
    dataset = create(Dataset, params.dataset.kind, params.dataset.options)
    assert preflight.cohort_frames(params, dataset, fresh=True) == 2 * 6 + 2 * 3


def test_a_container_limit_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in (("max", "1000000"), ("current", "400000"), ("stat", "anon 1\ninactive_file 50000\n")):
        (tmp_path / name).write_text(text, encoding="ascii")
    names = tuple(str(tmp_path / name) for name in ("max", "current", "stat"))
    monkeypatch.setattr(preflight, "_CGROUPS", (names,))
    assert preflight.available_memory() == 650_000
    (tmp_path / "max").write_text("max", encoding="ascii")
    # Asked twice, the kernel gives two answers.
    monkeypatch.setattr(preflight, "_kernel_available", lambda: 123_456)
    assert preflight.available_memory() == 123_456


def test_time_grows_with_what_is_asked_for(smoke: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the probes replaced by numbers: a hundredth of a second a frame, 100 seconds a fit."""
    monkeypatch.setattr(duration, "seconds_per_frame", lambda *_: 0.01)
    monkeypatch.setattr(duration, "_draw_seconds", lambda *_: 0.001)
    monkeypatch.setattr(duration, "_fit_seconds", lambda params, _: dict.fromkeys(params.generators, 100.0))
    monkeypatch.setattr(duration.os, "sched_getaffinity", lambda _: {0, 1})
    base = duration.duration(smoke, jobs=2)
    assert base.shortest < base.longest
    assert duration.duration(smoke, jobs=1).shortest > base.shortest
    assert duration.duration(smoke, jobs=8) == base, "two processors run no more than two stages at a time"
    longer = smoke.model_copy(update={"training": smoke.training.model_copy(update={"steps": 6000})})
    # 20 trainings of 6000 steps of 8 frames, on two processors.
    expected = 20 * 6000 * 8 * 0.01 / 2
    assert expected <= duration.duration(longer, jobs=2).longest <= 2 * expected


@pytest.mark.parametrize(
    ("seconds", "words"),
    [((20, 40), "about 1 minute"), ((700, 1250), "12 to 21 minutes"), ((9000, 16000), "2 to 4 hours"),
     ((300_000, 600_000), "3 to 7 days")],
)  # fmt: skip
def test_times_are_told_in_the_unit_that_fits(seconds: tuple[float, float], words: str) -> None:
    assert str(duration.Duration(*seconds)) == words


def test_a_generator_that_does_not_fit_the_frames_is_found_before_anything_runs() -> None:
    from augbench.stages.check import check_components

    content = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    with pytest.raises(Exception, match=r"no channels given for frames of 128 pixels[\s\S]*6 numbers"):
        check_components(parse_params(content | {"image_size": 128}))
