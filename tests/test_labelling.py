"""Who makes the masks of synthetic frames: the generator, a network or people."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from PIL import Image

from augbench import cli
from augbench.core import layout
from augbench.core.annotations import export_frames as export_annotations
from augbench.core.arms import arm_named, mask_source
from augbench.core.artifacts import save_weights
from augbench.core.component import available, create
from augbench.core.params import Params, parse_params
from augbench.core.shards import read_shards, write_shards
from augbench.core.types import LabelScheme
from augbench.labelling.base import LabelContext, Labelling
from augbench.stages import export_frames, networks, sample, train_segmenter

ROOT = Path(__file__).parent.parent
SCHEME = LabelScheme(("LV", "MYO", "RV"), {"4ch": ("LV", "MYO", "RV"), "2ch": ("LV", "MYO")})
FRAMES = 40  # more than one batch of the labelling network
SIZE = 32


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    """A workspace with a cohort and a memoriser of it as the generator under study."""
    monkeypatch.chdir(tmp_path)
    content: dict[str, Any] = yaml.safe_load((ROOT / "studies/smoke/params.yaml").read_text(encoding="utf-8"))
    entry = {"cohort": "generator", "seeds": [0]}
    content["generators"] = {name: entry | {"kind": name} for name in ("memoriser", "oracle")}
    arm = content["arms"]["patients"]["real"] | {"regime": {"kind": "synthetic"}}
    content["arms"]["generated"] = {
        "copies": arm | {"role": "studied", "generator": "memoriser"},
        "fresh": arm | {"role": "positive control", "generator": "oracle"},
    }
    content["comparison"]["primary"]["arm"] = "copies"
    content |= {"sampling": {"frames": FRAMES}, "views": ["4ch", "2ch"]}
    _write_cohorts()
    tensors = {"pairs": torch.from_numpy(_pairs(12)), "view": torch.arange(12) % 2}
    save_weights(
        layout.generator("memoriser", 0) / "generator.safetensors", tensors, {"views": ["4ch", "2ch"], "noise_sd": 4.0}
    )
    return parse_params(content)


def _pairs(count: int) -> np.ndarray:
    """Bright discs; the mask's value is the brightness."""
    rng = np.random.default_rng(3)
    rows, columns = np.mgrid[:SIZE, :SIZE]
    pairs = np.zeros((count, 2, SIZE, SIZE), np.uint8)
    for number, pair in enumerate(pairs):
        for value in range(1, 4 - number % 2):
            disc = np.hypot(rows - 8 * value + rng.normal(), columns - 16) < 4
            pair[1][disc] = value
        pair[0] = 60 * pair[1] + rng.integers(0, 20, pair[1].shape)
    return pairs


def _write_cohorts() -> None:
    table = pd.DataFrame({"frame_id": [f"f{i}" for i in range(12)], "subject_id": [f"p{i // 2}" for i in range(12)]})
    table = table.assign(site="main", view=["4ch", "2ch"] * 6, phase="ED", pathology="", spacing_mm=2.0)
    for role, split in (("generator", ["train"] * 12), ("segmenter", ["train"] * 8 + ["validation"] * 4)):
        write_shards(layout.cohort(role), [_pairs(12)], table.assign(split=split), SCHEME)


def _with(params: Params, labelling: str, source: str) -> Params:
    return parse_params(params.model_dump() | {"labelling": labelling, "label_source": source})


def _sampled(params: Params) -> tuple[np.ndarray, pd.DataFrame]:
    sample.run(params, "memoriser", 0)
    shards, table, _ = read_shards(layout.synthetic("memoriser", 0))
    return shards[np.arange(len(shards))], table


def test_joint_keeps_the_generators_masks_and_reads_nothing(params: Params) -> None:
    pairs, table = _sampled(params)
    known = {mask.tobytes() for mask in _pairs(12)[:, 1]}
    assert {mask.tobytes() for mask in pairs[:, 1]} <= known
    assert len(table) == FRAMES


def test_pseudo_masks_are_the_networks_own_within_the_structures_of_each_view(params: Params) -> None:
    joint, table = _sampled(params)
    arm = arm_named(params, "real")
    training = params.training.model_copy(update={"steps": 20, "validate_every": 20})
    train_segmenter.run(params.model_copy(update={"training": training}), "real")
    pairs, again = _sampled(_with(params, "pseudo", "data/models/real"))
    pd.testing.assert_frame_equal(table, again)
    np.testing.assert_array_equal(pairs[:, 0], joint[:, 0])
    assert (pairs[:, 1] != joint[:, 1]).any()
    assert not (pairs[table["view"] == "2ch", 1] == SCHEME.value("RV")).any()

    from augbench.training.fit import predict

    # The network alone puts an RV into 2ch frames; where it does not, its label map stands.
    free = predict(networks.load_network(arm, arm.runs[0])[0], pairs[:, 0])
    allowed = (table["view"] == "4ch").to_numpy()[:, None, None] | (free != SCHEME.value("RV"))
    assert not allowed.all()
    assert (pairs[:, 1] == free)[allowed].mean() > 0.999  # another batch size may round a tie the other way

    fewer = params.model_copy(update={"sampling": params.sampling.model_copy(update={"frames": 5})})
    np.testing.assert_array_equal(_sampled(_with(fewer, "pseudo", "data/models/real"))[0], pairs[:5])


def test_manual_masks_come_back_as_people_drew_them(params: Params, tmp_path: Path) -> None:
    joint, table = _sampled(params)
    manual = _with(params, "manual", "annotated")
    folder = export_frames.run(manual, "memoriser", 0)
    assert folder == Path("annotated/memoriser-0")
    assert not list((folder / "labelsTr").iterdir())
    for name, pair in zip(table["frame_id"], joint, strict=True):
        np.testing.assert_array_equal(np.asarray(Image.open(folder / f"imagesTr/{name}_0000.png")), pair[0])
        (folder / f"labelsTr/{name}.png").write_bytes((folder / f"proposals/{name}.png").read_bytes())
    np.testing.assert_array_equal(_sampled(manual)[0], joint)

    drawn = joint[7, 1].copy()
    drawn[:3, :3] = 2
    Image.fromarray(drawn).save(folder / f"labelsTr/{table['frame_id'][7]}.png")
    back = _sampled(manual)[0]
    np.testing.assert_array_equal(back[7, 1], drawn)
    back[7] = joint[7]
    np.testing.assert_array_equal(back, joint)


SPOILED: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda file: file.unlink(), r"has no mask[\s\S]*39 of 40"),
    "another size": (lambda file: Image.new("L", (32, 31)).save(file), r"another size[\s\S]*31 x 32"),
    "colour": (lambda file: Image.new("RGB", (SIZE, SIZE)).save(file), r"another size[\s\S]*one plane"),
    "no label": (lambda file: Image.new("L", (SIZE, SIZE), 9).save(file), r"9 \(no label\)"),
    "other view's": (lambda file: Image.new("L", (SIZE, SIZE), 3).save(file), r"a 2ch frame[\s\S]*3 \(RV\)"),
    "no picture": (lambda file: file.write_text("mask"), r"cannot be read"),
}  # fmt: skip


@pytest.mark.parametrize("case", SPOILED)
def test_a_mask_that_cannot_be_right_is_named(
    case: str, params: Params, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    manual = _with(params, "manual", "annotated")
    folder = export_frames.run(manual, "memoriser", 0)
    for file in (folder / "proposals").iterdir():
        (folder / "labelsTr" / file.name).write_bytes(file.read_bytes())
    table = pd.read_csv(folder / "frames.csv")
    file = folder / f"labelsTr/{table.loc[table['view'] == '2ch', 'frame_id'].iloc[-1]}.png"
    spoil, message = SPOILED[case]
    spoil(file)
    error = _error(["sample", "memoriser"], manual, monkeypatch, capsys)
    assert re.search(message, error), error
    assert f"file:     {file}" in error
    assert not layout.synthetic("memoriser", 0).exists()


def _error(
    command: list[str], params: Params, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> str:
    """The message of a command that must end as bad input does."""
    Path("params.yaml").write_text(yaml.safe_dump(params.model_dump()), encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["augbench", *command])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 2
    return capsys.readouterr().err


def test_an_export_never_touches_annotations(
    params: Params, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    manual = _with(params, "manual", "annotated")
    folder = export_frames.run(manual, "memoriser", 0)
    mask = folder / "labelsTr/memoriser-0-000000.png"
    mask.write_bytes(b"hours of work")
    assert re.search(
        r"never overwrites[\s\S]*annotated", _error(["export-frames", "memoriser", "0"], manual, monkeypatch, capsys)
    )
    assert mask.read_bytes() == b"hours of work"


def test_masks_of_another_generators_images_are_refused(
    params: Params, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    manual = _with(params, "manual", "annotated")
    folder = export_frames.run(manual, "memoriser", 0)
    for file in (folder / "proposals").iterdir():
        (folder / "labelsTr" / file.name).write_bytes(file.read_bytes())
    other = manual.model_copy(update={"seed": 1})
    error = _error(["sample", "memoriser"], other, monkeypatch, capsys)
    assert re.search(r"not the one that the generator makes now[\s\S]*memoriser-0-000000_0000", error), error


def test_frames_that_were_never_exported_or_are_not_for_people_are_named(
    params: Params, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    manual = _with(params, "manual", "annotated")
    error = _error(["sample", "memoriser"], manual, monkeypatch, capsys)
    assert "augbench export-frames memoriser 0" in error
    for case, name in ((params, "memoriser"), (manual, "oracle")):
        assert "labelling: manual" in _error(["export-frames", name, "0"], case, monkeypatch, capsys)


def test_a_control_keeps_its_masks_when_people_annotate(params: Params) -> None:
    content = _with(params, "manual", "annotated").model_dump()
    content["arms"]["generated"]["copies"]["role"] = "negative control"
    control = parse_params(content)
    pairs, _ = _sampled(control)
    np.testing.assert_array_equal(pairs, _sampled(params)[0])
    assert mask_source(control, "memoriser") == "joint"


def test_tables_name_the_source_of_every_arm(params: Params) -> None:
    for labelling, source, compared, control in (
        ("joint", "data/labels", "joint", "joint"),
        ("pseudo", "data/models/real", "pseudo", "pseudo"),
        ("manual", "annotated", "manual", "joint"),
    ):
        chosen = _with(params, labelling, source)
        assert [mask_source(chosen, name) for name in ("memoriser", "oracle")] == [compared, control]
        labels = [arm_named(chosen, name).labels for name in ("real", "copies", "fresh")]
        assert labels == ["reference", compared, control]


def frames_to_annotate(name: str, folder: Path, pairs: np.ndarray, frames: pd.DataFrame) -> None:
    """What people would have given back: the proposals as they are."""
    if name != "manual":
        return
    export_annotations(folder, [pairs], frames, SCHEME)
    for file in (folder / "proposals").iterdir():
        (folder / "labelsTr" / file.name).write_bytes(file.read_bytes())


@pytest.mark.parametrize("name", available(Labelling))
def test_every_labelling_leaves_images_and_input_as_they_were(name: str, tmp_path: Path) -> None:
    pairs = _pairs(6)
    before = pairs.copy()
    frames = pd.DataFrame({"frame_id": list("abcdef"), "view": ["4ch", "2ch"] * 3})

    def logits(images: np.ndarray) -> torch.Tensor:
        return torch.zeros(len(images), SCHEME.classes, SIZE, SIZE).index_fill_(1, torch.tensor([3]), 1.0)

    context = LabelContext(SCHEME, tmp_path, logits=logits)
    frames_to_annotate(name, tmp_path, pairs, frames)
    labelled = create(Labelling, name).label(pairs, frames, context)
    np.testing.assert_array_equal(labelled[:, 0], before[:, 0])
    np.testing.assert_array_equal(pairs, before)
