"""Tiny datasets in nnU-Net's raw layout, drawn for the tests: a disc (LV) in a ring (MYO) beside a block (RV)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from augbench.core.component import create
from augbench.datasets.base import Dataset

GREY = {"background": 40, "LV": 220, "MYO": 90, "RV": 180}
#: The two orders of real public sets: ACDC counts RV, MYO, LV; M&Ms counts LV, MYO, RV.
RV_FIRST = {"background": 0, "RV": 1, "MYO": 2, "LV": 3}
LV_FIRST = {"background": 0, "LV": 1, "MYO": 2, "RV": 3}
LV_ONLY = {"background": 0, "LV": 1}
#: Cohorts of a study on `make_pair`: one of them takes what the others leave.
COHORTS: dict[str, dict[str, object]] = {
    "generator": {"dataset": "Dataset001_Main"},
    "segmenter": {"dataset": "Dataset001_Main", "share": 0.2, "validation_fraction": 0.2},
    "internal": {"dataset": "Dataset001_Main", "share": 0.125},
    "development": {"dataset": "Dataset001_Main", "share": 0.125},
    "external": {"dataset": "Dataset002_Other"},
}


def heart(labels: Mapping[str, int], seed: int, rows: int = 80, columns: int = 72) -> tuple[NDArray, NDArray]:
    """Image (noise differs with `seed`) and mask, (rows, columns) uint8; structures not in `labels` are unlabelled."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:rows, :columns]
    radius = np.hypot(y - rows / 2, x - columns / 2)
    named = np.full((rows, columns), "background", dtype="<U10")
    named[(np.abs(y - rows / 2) < 6) & (x > columns / 2 - 22) & (x < columns / 2)] = "RV"
    named[radius < 13] = "MYO"
    named[radius < 8] = "LV"
    image = sum((named == name) * float(grey) for name, grey in GREY.items()) + rng.normal(0, 5, named.shape)
    mask = sum((named == name) * value for name, value in labels.items())
    return np.clip(image, 0, 255).astype(np.uint8), np.asarray(mask, np.uint8)


def write_png(folder: Path, case: str, image: NDArray, mask: NDArray) -> None:
    (folder / "imagesTr").mkdir(parents=True, exist_ok=True)
    (folder / "labelsTr").mkdir(exist_ok=True)
    Image.fromarray(image).save(folder / "imagesTr" / f"{case}_0000.png")
    Image.fromarray(mask).save(folder / "labelsTr" / f"{case}.png")


def write_description(folder: Path, labels: Mapping[str, object], ending: str = ".png") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    content = {"channel_names": {"0": "cineMRI"}, "labels": dict(labels), "file_ending": ending}
    (folder / "dataset.json").write_text(json.dumps(content), encoding="utf-8")


def make_dataset(folder: Path, labels: Mapping[str, int], subjects: int, *, prefix: str = "p", seed: int = 0) -> Path:
    """`subjects` patients, two PNG frames each; cases.csv with two pathologies in turn."""
    write_description(folder, labels)
    lines = ["case_id,subject_id,view,phase,pathology"]
    for number in range(subjects):
        for phase in ("ED", "ES"):
            case = f"{prefix}{number:03d}_{phase}"
            write_png(folder, case, *heart(labels, seed=1000 * seed + 2 * number + (phase == "ES")))
            lines.append(f"{case},{prefix}{number:03d},SAX,{phase},{'DCM' if number % 2 else 'NOR'}")
    (folder / "cases.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def make_pair(root: Path, subjects: int = 6) -> tuple[Path, Path]:
    """A training site that counts RV first and an external one that labels the LV alone."""
    training = make_dataset(root / "Dataset001_Main", RV_FIRST, subjects)
    return training, make_dataset(root / "Dataset002_Other", LV_ONLY, 3, prefix="x", seed=7)


def importer(root: Path, /, **fields: object) -> Dataset:
    """The component on a pair of `make_pair`."""
    return create(Dataset, "nnunet", {"root": str(root), "cohorts": COHORTS, **fields})
