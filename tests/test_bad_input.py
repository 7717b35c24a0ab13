"""Bad input through the command line: one message, exit code 2, earlier outputs untouched."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd
import pytest
import yaml
from nnunet_folder import make_pair, write_png
from PIL import Image

from augbench import cli
from augbench.core.shards import write_shards
from augbench.core.types import FRAME_COLUMNS, SYNTHETIC_COLUMNS, Frames, LabelScheme

ROOT = Path(__file__).parent.parent
SCHEME = LabelScheme(("LV",), {"sax": ("LV",)})

Spoil = Callable[[Path, dict[str, Any]], None]


def _params(folder: Path) -> dict[str, Any]:
    """The smoke preset on a tiny nnU-Net folder."""
    content: dict[str, Any] = yaml.safe_load((ROOT / "presets/smoke.yaml").read_text(encoding="utf-8"))
    make_pair(folder / "raw", subjects=12)
    content |= {"dataset": "nnunet", "raw_data": "raw", "views": ["sax"], "controls": ["memoriser"]}
    content["datasets"] = {
        "nnunet": {
            "root": "raw",
            "training_dataset": "Dataset001_Main",
            "external_dataset": "Dataset002_Other",
            "segmenter_subjects": 4,
            "internal_subjects": 2,
            "development_subjects": 2,
        }
    }
    del content["generators"]["oracle"]
    return content


def _nan_volume(folder: Path) -> None:
    """A third folder layout: NIfTI slices with a pixel that is not a number."""
    site = folder / "raw/Dataset002_Other"
    for path in [*site.glob("imagesTr/*"), *site.glob("labelsTr/*"), site / "cases.csv"]:
        path.unlink()
    description = (site / "dataset.json").read_text(encoding="utf-8").replace(".png", ".nii.gz")
    (site / "dataset.json").write_text(description, encoding="utf-8")
    for number in range(3):
        image = np.random.default_rng(number).normal(100, 10, (80, 72, 1)).astype(np.float32)
        image[3, 3, 0] = np.nan if number == 1 else 0
        mask = np.zeros(image.shape, np.uint8)
        mask[30:50, 30:40] = 1
        for array, name in ((image, f"imagesTr/y{number}_a_0000"), (mask, f"labelsTr/y{number}_a")):
            nibabel.save(nibabel.Nifti1Image(array, np.eye(4)), site / f"{name}.nii.gz")


def _edit(path: str, value: Any) -> Spoil:
    def spoil(_: Path, content: dict[str, Any]) -> None:
        *parents, last = path.split(".")
        section = content
        for key in parents:
            section = section[key]
        section[last] = value

    return spoil


def _wrong_value(folder: Path, _: dict[str, Any]) -> None:
    file = next((folder / "raw/Dataset001_Main/labelsTr").glob("*.png"))
    Image.fromarray(np.full((80, 72), 9, np.uint8)).save(file)


def _same_patient(folder: Path, _: dict[str, Any]) -> None:
    """A training patient's picture at the external site under another id."""
    image = np.asarray(Image.open(next((folder / "raw/Dataset001_Main/imagesTr").glob("*.png"))))
    write_png(folder / "raw/Dataset002_Other", "x000_ED", image, np.zeros_like(image))


PREPARE: dict[str, tuple[Spoil, str]] = {
    "misspelt parameter": (_edit("traning", {}), r"unknown parameter 'traning'[\s\S]*did you mean 'training'"),
    "misspelt component parameter": (
        _edit("datasets.nnunet.crop_fracton", 0.5),
        r"crop_fracton'[\s\S]*did you mean 'crop_fraction'",
    ),
    "wrong type": (_edit("training.steps", "many"), r"'training.steps' is not valid"),
    "unknown component": (_edit("segmenters", {"monai_unett": {}}), r"monai_unet"),
    "missing folder": (_edit("datasets.nnunet.root", "nowhere"), r"nowhere"),
    "missing dataset": (_edit("datasets.nnunet.external_dataset", "Dataset009_None"), r"Dataset009_None"),
    "image without mask": (
        lambda folder, _: next((folder / "raw/Dataset001_Main/labelsTr").glob("*.png")).unlink(),
        r"mask",
    ),
    "mask value outside labels": (_wrong_value, r"9[\s\S]*labelsTr"),
    "same person at two sites": (_same_patient, r"same"),
    "no external patients": (
        lambda folder, _: [file.unlink() for file in (folder / "raw/Dataset002_Other").glob("*Tr/*")],
        r"Dataset002_Other",
    ),
    "view with no frames": (_edit("views", ["4ch"]), r"4ch"),
    "network larger than the image": (_edit("image_size", 24), r"multiple of 16"),
    "NaN pixels": (lambda folder, _: _nan_volume(folder), r"NaN|not a number|finite"),
    "labels file is no JSON": (
        lambda folder, _: (folder / "raw/Dataset001_Main/dataset.json").write_text("{"),
        r"dataset\.json",
    ),
}


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _run(workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *command: str) -> str:
    """Run a command that must fail as bad input does; its message."""
    before = _listing(workspace)
    monkeypatch.setattr(sys, "argv", ["augbench", *command])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    message = capsys.readouterr().err
    assert stop.value.code == 2, message
    assert "Traceback" not in message
    for part in ("got:", "expected:", "remedy:"):
        assert part in message, message
    assert _listing(workspace) == before, "an earlier output was changed, or a half one left behind"
    return message


def _listing(folder: Path) -> dict[Path, tuple[int, int]]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in files}


@pytest.mark.parametrize("case", PREPARE, ids=str)
def test_prepare_refuses(
    case: str, workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil, expected = PREPARE[case]
    content = _params(workspace)
    (workspace / "data/cohort/external").mkdir(parents=True)
    (workspace / "data/cohort/external/frames.csv").write_text("an earlier result\n")
    spoil(workspace, content)
    (workspace / "params.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    message = _run(workspace, monkeypatch, capsys, "prepare")
    assert re.search(expected, message), message


def test_prepare_accepts_the_unspoilt_folder(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without this, every refusal above could have another cause."""
    (workspace / "params.yaml").write_text(yaml.safe_dump(_params(workspace)), encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["augbench", "prepare"])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 0
    assert (workspace / "data/cohort/external/manifest.json").is_file()


def _cohort(folder: Path, splits: list[str], size: int = 32) -> None:
    rng = np.random.default_rng(1)
    pairs = rng.integers(0, 2, (len(splits), 2, size, size), dtype=np.uint8)
    table = pd.DataFrame({column: [f"{column}-{i}" for i in range(len(splits))] for column in FRAME_COLUMNS})
    table = table.assign(view="sax", spacing_mm=1.0, split=splits)
    write_shards(folder, [pairs], table, SCHEME)


def _synthetic(folder: Path, count: int) -> None:
    pairs = np.zeros((count, 2, 32, 32), np.uint8)
    table = pd.DataFrame({"frame_id": [str(i) for i in range(count)]}).reindex(columns=list(SYNTHETIC_COLUMNS))
    frames = Frames(pairs, table.assign(view="sax", spacing_mm=1.0, frame_seed=0), SCHEME)
    write_shards(folder, [frames.pairs], frames.table, SCHEME)


MIXED = ["train-segmenter", "mixed", "0", "--generator", "pggan", "--generator-seed", "0", "--synthetic-per-real", "5"]


@pytest.mark.parametrize(
    ("case", "command", "expected"),
    [
        ("too few synthetic frames", MIXED, r"more frames than were sampled[\s\S]*at least 20"),
        ("subject in two splits", ["train-segmenter", "real", "0"], r"in two splits"),
        ("damaged shard", ["train-segmenter", "real", "0"], r"damaged[\s\S]*00000\.npy"),
        ("no cohort", ["train-segmenter", "real", "0"], r"manifest\.json is missing[\s\S]*dvc repro"),
        ("no fitted generator", ["sample", "pggan", "0"], r"generator\.safetensors is missing"),
        ("unknown preset", ["preset", "papr"], r"unknown preset 'papr'[\s\S]*did you mean 'paper'"),
        ("no raw folder", ["preset", "acdc", "--raw-data", "nowhere"], r"nowhere"),
        ("nothing to inspect", ["inspect"], r"nothing to inspect"),
        ("no results", ["summary"], r"comparison\.csv is missing"),
    ],
    ids=lambda value: value if isinstance(value, str) and " " in value else "",
)
def test_later_commands_refuse(
    case: str,
    command: list[str],
    expected: str,
    workspace: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shutil.copytree(ROOT / "presets", workspace / "presets")
    shutil.copy(ROOT / "presets/smoke.yaml", workspace / "params.yaml")
    if case != "no cohort":
        _cohort(workspace / "data/cohort/segmenter", ["train"] * 4 + ["validation"] * 2)
    _synthetic(workspace / "data/synthetic/pggan-0", 3)
    if case == "subject in two splits":
        table = pd.read_csv(workspace / "data/cohort/segmenter/frames.csv")
        table["subject_id"] = "one"
        table.to_csv(workspace / "data/cohort/segmenter/frames.csv", index=False)
    if case == "damaged shard":
        shard = workspace / "data/cohort/segmenter/00000.npy"
        shard.write_bytes(shard.read_bytes()[:-1])
    message = _run(workspace, monkeypatch, capsys, *command)
    assert re.search(expected, message), message
