"""The estimate before a run: near the measured peaks, shown, and enforced."""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from bad_input import ROOT, imported, refused, run, write_params

from augbench.core.params import Params, read_params
from augbench.stages import preflight, repro

#: Peak MiB of the smoke preset's stages on the machine of reports/provenance.json.
SMOKE_PEAKS = {
    "prepare": 825, "train_generator": 762, "sample": 742, "audit": 852, "train_segmenter": 887, "develop": 878,
    "evaluate": 887, "compare": 150, "report": 259,
}  # fmt: skip
GIB = 2**30


def _measured() -> dict[str, int]:
    rows = json.loads((ROOT / "reports/provenance.json").read_text(encoding="utf-8"))["stages"]
    peaks: dict[str, int] = {}
    for row in rows:
        kind = row["stage"].partition("@")[0]
        peaks[kind] = max(peaks.get(kind, 0), row["peak_mib"])
    return {kind: peak for kind, peak in peaks.items() if not kind.startswith("all stages")}


@pytest.mark.parametrize(("file", "peaks"), [("presets/smoke.yaml", SMOKE_PEAKS), ("params.yaml", _measured())])
def test_the_estimate_covers_what_was_measured_and_no_more_than_half_again(file: str, peaks: dict[str, int]) -> None:
    params = read_params(ROOT / file)
    assert set(peaks) == set(SMOKE_PEAKS)
    for kind, peak in peaks.items():
        estimated = preflight.estimate(params, {kind}).memory / 2**20
        assert peak <= estimated <= 1.5 * peak, kind


def test_disk_covers_the_default_run_and_its_copy_in_the_cache() -> None:
    """The default run holds 329 MB in data/ and 361 MB in DVC's cache (measured)."""
    need = preflight.estimate(read_params(ROOT / "params.yaml"), set(SMOKE_PEAKS))
    assert 690e6 <= need.disk <= 1.5 * 690e6


def test_more_of_anything_needs_more(smoke: Params) -> None:
    kinds = set(SMOKE_PEAKS)
    base = preflight.estimate(smoke, kinds)
    content = smoke.model_dump()
    for section, key, factor in (("sampling", "frames", 100), ("training", "batch_size", 50)):
        larger = {**content, section: {**content[section], key: factor * content[section][key]}}
        need = preflight.estimate(Params(**larger), kinds)
        assert need.memory > base.memory, key
    assert preflight.estimate(Params(**{**content, "image_size": 128}), kinds).disk > base.disk
    assert preflight.estimate(smoke, kinds, jobs=2).memory == 2 * base.memory
    assert preflight.estimate(smoke, {"report"}).memory < base.memory


def test_a_gpu_takes_the_networks_out_of_main_memory(smoke: Params) -> None:
    content = smoke.model_dump()
    large = {**content, "training": {**content["training"], "batch_size": 4096}}
    on_gpu = {**large, "compute": {**content["compute"], "accelerator": "gpu"}}
    stage = {"train_segmenter"}
    assert preflight.estimate(Params(**on_gpu), stage).memory < preflight.estimate(Params(**large), stage).memory


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "presets/smoke.yaml", tmp_path / "params.yaml")
    return tmp_path


@pytest.mark.parametrize("short", ["memory", "disk"])
def test_check_refuses_a_machine_that_is_too_small(
    short: str, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _machine(monkeypatch, memory=GIB // 4 if short == "memory" else 64 * GIB, disk=1000 if short == "disk" else GIB)
    message = refused(workspace, "check")
    assert f"too little {short} for this run" in message
    assert "estimate: 1.0 GiB of memory" in message
    assert "GiB of disk" in message


def test_check_shows_the_estimate_in_one_line(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _machine(monkeypatch, memory=64 * GIB, disk=64 * GIB)
    code, shown, _ = run(workspace, "check")
    assert code == 0
    assert "estimate: 1.0 GiB of memory" in shown
    assert len(shown.splitlines()) == 1


def test_unknown_memory_refuses_nobody(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _machine(monkeypatch, memory=None, disk=64 * GIB)
    assert run(workspace, "check")[0] == 0


def _machine(monkeypatch: pytest.MonkeyPatch, *, memory: int | None, disk: int) -> None:
    monkeypatch.setattr(preflight, "available_memory", lambda: memory)
    monkeypatch.setattr(preflight.shutil, "disk_usage", lambda _: SimpleNamespace(free=disk))


def test_repro_refuses_before_any_stage_and_only_for_stale_stages(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _machine(monkeypatch, memory=GIB // 4, disk=64 * GIB)
    started: list[Any] = []
    for name in ("remove_temporaries", "repair_dvc", "keep_lock"):
        monkeypatch.setattr(repro, name, lambda: None)
    for name in ("defer", "install"):  # this process's own signals stay as they are
        monkeypatch.setattr(repro.interrupt, name, lambda *_: None)
    monkeypatch.setattr(repro, "dvc_at_rest", contextlib.nullcontext)
    monkeypatch.setattr(repro, "_dvc", lambda *command: started.append(command) or 0)
    monkeypatch.setattr(repro, "stale_graph", lambda _: ["train_segmenter_mixed@pggan-0-1-0", "report"])
    assert "too little memory" in refused(workspace, "repro")
    assert "(most in train_segmenter)" in refused(workspace, "repro", "--jobs", "2")
    assert started == []
    monkeypatch.setattr(repro, "stale_graph", lambda _: [])
    assert run(workspace, "repro")[:2] == (0, "Everything is up to date.\n")
    _machine(monkeypatch, memory=GIB // 2, disk=64 * GIB)
    monkeypatch.setattr(repro, "stale_graph", lambda _: ["report"])
    assert run(workspace, "repro")[0] == 0
    assert len(started) == 1


def test_frames_of_an_imported_dataset_come_from_names_and_headers(tmp_path: Path) -> None:
    write_params(tmp_path, imported(tmp_path))
    params = read_params(tmp_path / "params.yaml")
    dataset = {**params.datasets["nnunet"], "root": str(tmp_path / "raw")}
    params = params.model_copy(update={"datasets": {"nnunet": dataset}})
    assert preflight._cohort_frames(params, fresh=True) == 2 * 6 + 2 * 3


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


def test_presets_have_an_estimate() -> None:
    for path in sorted((ROOT / "presets").glob("*.yaml")):
        params = read_params(path)
        if params.dataset == "phantom":
            assert preflight.estimate(params, set(SMOKE_PEAKS)).memory > GIB // 2, path.stem
