"""Who makes the masks of images: the generator itself, a network or people."""

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
from augbench.core.arms import arm_named
from augbench.core.artifacts import save_weights
from augbench.core.component import available, create
from augbench.core.errors import UserError
from augbench.core.params import Params, parse_params
from augbench.core.shards import read_frames, read_shards, write_shards
from augbench.core.types import LabelScheme
from augbench.labelling.base import LabelContext, Labelling
from augbench.stages import export_frames, label, networks, sample, train_segmenter
from augbench.stages.evaluate import arms_table

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
        "copies": arm | {"role": "studied", "synthetic": "memoriser"},
        "fresh": arm | {"role": "positive control", "synthetic": "oracle"},
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


def _with(params: Params, kind: str, source: str, images: str = "data/synthetic/memoriser") -> Params:
    """With an arm of all patients and one entry of `labelling`, `other`."""
    content = params.model_dump()
    content["arms"]["patients"]["real-all"] = content["arms"]["patients"]["real"] | {
        "role": "opponent",
        "cohort": "generator",
    }
    return parse_params(content | {"labelling": {"other": {"images": images, "kind": kind, "source": source}}})


def _sampled(params: Params) -> tuple[np.ndarray, pd.DataFrame]:
    sample.run(params, "memoriser", 0)
    return _read("memoriser", 0)


def _read(name: str, seed: int | None) -> tuple[np.ndarray, pd.DataFrame]:
    shards, table, _ = read_shards(layout.synthetic(name, seed))
    return shards[np.arange(len(shards))], table


def _labelled(params: Params, seed: int | None = 0) -> tuple[np.ndarray, pd.DataFrame]:
    label.run(params, "other")
    return _read("other", seed)


def _train(params: Params, arm: str) -> None:
    training = params.training.model_copy(update={"steps": 20, "validate_every": 20})
    train_segmenter.run(params.model_copy(update={"training": training}), arm)


def test_sampling_keeps_the_generators_masks_and_reads_nothing(params: Params) -> None:
    pairs, table = _sampled(params)
    known = {mask.tobytes() for mask in _pairs(12)[:, 1]}
    assert {mask.tobytes() for mask in pairs[:, 1]} <= known
    assert len(table) == FRAMES


@pytest.mark.parametrize(("kind", "arm"), [("pseudo", "real"), ("teacher", "real-all")])
def test_masks_are_the_networks_own_within_the_structures_of_each_view(kind: str, arm: str, params: Params) -> None:
    joint, table = _sampled(params)
    labelling = _with(params, kind, f"data/models/{arm}")
    _train(labelling, arm)
    pairs, again = _labelled(labelling)
    pd.testing.assert_frame_equal(table, again)
    np.testing.assert_array_equal(pairs[:, 0], joint[:, 0])
    np.testing.assert_array_equal(_read("memoriser", 0)[0], joint)
    assert (pairs[:, 1] != joint[:, 1]).any()
    assert not (pairs[table["view"] == "2ch", 1] == SCHEME.value("RV")).any()

    from augbench.training.fit import predict

    # The network alone puts an RV into 2ch frames; where it does not, its label map stands.
    found = arm_named(labelling, arm)
    free = predict(networks.load_network(found, found.runs[0])[0], pairs[:, 0])
    allowed = (table["view"] == "4ch").to_numpy()[:, None, None] | (free != SCHEME.value("RV"))
    assert not allowed.all()
    assert (pairs[:, 1] == free)[allowed].mean() > 0.999  # another batch size may round a tie the other way

    fewer = labelling.model_copy(update={"sampling": params.sampling.model_copy(update={"frames": 5})})
    _sampled(fewer)
    np.testing.assert_array_equal(_labelled(fewer)[0], pairs[:5])


def test_masks_of_unlabelled_patients_are_discarded_whatever_they_say(params: Params) -> None:
    """Self-training: the images of patients, each once, with the network's masks; the true ones leave no trace."""
    unlabelled = _with(params, "pseudo", "data/models/real", images="data/cohort/generator")
    _train(unlabelled, "real")
    pairs, table = _labelled(unlabelled, None)
    cohort = read_frames(layout.cohort("generator"))
    np.testing.assert_array_equal(pairs[:, 0], cohort.images)
    assert (pairs[:, 1] != cohort.labels).any()
    spoiled = cohort.pairs.copy()
    spoiled[:, 1] = 1
    write_shards(layout.cohort("generator"), [spoiled], cohort.table, SCHEME)
    np.testing.assert_array_equal(_labelled(unlabelled, None)[0], pairs)
    assert list(table["frame_id"]) == list(cohort.table["frame_id"])


def test_patients_for_validation_are_not_labelled(params: Params) -> None:
    own = _with(params, "pseudo", "data/models/real", images="data/cohort/segmenter")
    _train(own, "real")
    assert set(_labelled(own, None)[1]["split"]) == {"train"}


def test_an_arm_of_unlabelled_patients_has_no_generator_and_trains_on_them(params: Params) -> None:
    content = _with(params, "pseudo", "data/models/real", images="data/cohort/generator").model_dump()
    content["arms"]["generated"]["self"] = content["arms"]["generated"]["copies"] | {
        "role": "opponent",
        "synthetic": "other",
        "regime": {"kind": "mixed"},
    }
    own = parse_params(content)
    arm = arm_named(own, "self")
    assert (arm.synthetic, arm.generator, arm.labels) == ("other", None, "pseudo")
    assert [run.name for run in arm.runs] == ["0", "1"]
    _train(own, "real")
    label.run(own, "other")
    _train(own, "self")
    assert layout.model(arm.runs[0]).is_dir()


def test_an_arm_that_is_not_augmented_says_so_to_the_training_and_no_other_does(
    params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = params.model_dump()
    content["arms"]["patients"]["plain"] = content["arms"]["patients"]["real"] | {
        "role": "opponent",
        "augmented": False,
    }
    own = parse_params(content)
    seen: list[float] = []
    monkeypatch.setattr(
        "augbench.training.fit.fit", lambda *given, **_: seen.append(given[4].probability) or [{"step": 1, "loss": 0.0}]
    )
    for arm in ("real", "plain"):
        train_segmenter.run(own, arm)
    assert seen == [own.augmentation.probability] * 2 + [0.0] * 2


def test_a_seed_that_the_generator_does_not_have_is_named(params: Params) -> None:
    with pytest.raises(UserError, match="no seed in the generator of labelling 'other': '7'"):
        label.run(_with(params, "pseudo", "data/models/real"), "other", 7)
    with pytest.raises(UserError, match="did you mean 'other'"):
        label.run(_with(params, "pseudo", "data/models/real"), "othr")


def test_manual_masks_come_back_as_people_drew_them(params: Params, tmp_path: Path) -> None:
    joint, table = _sampled(params)
    manual = _with(params, "manual", "annotated")
    folder = export_frames.run(manual, "other", 0)
    assert folder == Path("annotated/other-0")
    assert not list((folder / "labelsTr").iterdir())
    for name, pair in zip(table["frame_id"], joint, strict=True):
        np.testing.assert_array_equal(np.asarray(Image.open(folder / f"imagesTr/{name}_0000.png")), pair[0])
        (folder / f"labelsTr/{name}.png").write_bytes((folder / f"proposals/{name}.png").read_bytes())
    np.testing.assert_array_equal(_labelled(manual)[0], joint)

    drawn = joint[7, 1].copy()
    drawn[:3, :3] = 2
    Image.fromarray(drawn).save(folder / f"labelsTr/{table['frame_id'][7]}.png")
    back = _labelled(manual)[0]
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
    _sampled(manual)
    folder = export_frames.run(manual, "other", 0)
    for file in (folder / "proposals").iterdir():
        (folder / "labelsTr" / file.name).write_bytes(file.read_bytes())
    table = pd.read_csv(folder / "frames.csv")
    file = folder / f"labelsTr/{table.loc[table['view'] == '2ch', 'frame_id'].iloc[-1]}.png"
    spoil, message = SPOILED[case]
    spoil(file)
    error = _error(["label", "other"], manual, monkeypatch, capsys)
    assert re.search(message, error), error
    assert f"file:     {file}" in error
    assert not layout.synthetic("other", 0).exists()


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
    _sampled(manual)
    folder = export_frames.run(manual, "other", 0)
    mask = folder / "labelsTr/memoriser-0-000000.png"
    mask.write_bytes(b"hours of work")
    assert re.search(
        r"never overwrites[\s\S]*annotated", _error(["export-frames", "other", "0"], manual, monkeypatch, capsys)
    )
    assert mask.read_bytes() == b"hours of work"


def test_masks_of_another_generators_images_are_refused(
    params: Params, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    manual = _with(params, "manual", "annotated")
    _sampled(manual)
    folder = export_frames.run(manual, "other", 0)
    for file in (folder / "proposals").iterdir():
        (folder / "labelsTr" / file.name).write_bytes(file.read_bytes())
    _sampled(manual.model_copy(update={"seed": 1}))
    error = _error(["label", "other"], manual, monkeypatch, capsys)
    assert re.search(r"not the one that the generator makes now[\s\S]*memoriser-0-000000_0000", error), error


def test_frames_that_were_never_exported_or_are_not_for_people_are_named(
    params: Params, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    manual, pseudo = _with(params, "manual", "annotated"), _with(params, "pseudo", "data/models/real")
    _sampled(manual)
    error = _error(["label", "other"], manual, monkeypatch, capsys)
    assert "augbench export-frames other 0" in error
    for case, seed in ((pseudo, "0"), (manual, "3")):
        assert "kind: manual" in _error(["export-frames", "other", seed], case, monkeypatch, capsys)


def test_arms_name_who_made_their_masks(params: Params) -> None:
    for kind, source in (("pseudo", "data/models/real"), ("teacher", "data/models/real-all"), ("manual", "annotated")):
        content = _with(params, kind, source).model_dump()
        content["arms"]["generated"]["relabelled"] = content["arms"]["generated"]["copies"] | {"synthetic": "other"}
        chosen = parse_params(content)
        arms = [arm_named(chosen, name) for name in ("real", "copies", "fresh", "relabelled")]
        assert [arm.labels for arm in arms] == ["reference", "joint", "joint", kind]
        # Whoever labelled them, the images and their seeds are the generator's.
        assert (arms[3].generator, arms[3].generator_seeds) == ("memoriser", (0,))
        assert list(arms_table(chosen).set_index("arm").loc[["copies", "relabelled"], "synthetic"]) == [
            "memoriser",
            "other",
        ]


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
