"""Dice for processor time: the real-only arm of the default study under other trainings, on one thread.

    python benchmarks/segmenter_training.py [--variants NAME ...] [--seeds 0 1 2] [--table trials.csv]

Each variant changes some of params.yaml. Networks are trained by the project's own loop on the 42 patients and scored
on the cohorts `internal` and `development`; the external cohort is never drawn. A row is appended to the table as soon
as its network is scored, and rows that are there are not made again, so a stopped run goes on where it was. Seconds
are those of the processor; on a busy machine they are some tenths larger than on a quiet one.
"""

from __future__ import annotations

import os

# Before numpy and torch load: one thread, as a stage of the default study has.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import time
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from augbench.core.component import create
from augbench.core.params import Params, read_params
from augbench.core.seeding import child_seed
from augbench.core.types import Frames
from augbench.datasets.base import Dataset
from augbench.regimes.base import Span
from augbench.scores.dice import dice
from augbench.segmenters.base import Segmenter
from augbench.training.fit import Pool, fit, predict

_ROOT = Path(__file__).parent.parent
_COHORTS = ("segmenter", "internal", "development")
_TWO_CONVOLUTIONS = {"kind": "monai_unet", "features": [16, 16, 32, 64, 128, 16]}

#: What is changed in params.yaml's sections; `segmenter` replaces the arm's network, `steps` is a factor.
VARIANTS: dict[str, dict[str, dict[str, Any]]] = {
    "default": {},
    "half the steps": {"training": {"steps": 0.5}},
    "twice the steps": {"training": {"steps": 2.0}},
    "adamw": {"training": {"optimiser": "adamw", "learning_rate": 1e-2, "weight_decay": 1e-4}},
    "learning rate x 2": {"training": {"learning_rate": 0.1}},
    "batches of 4": {"training": {"batch_size": 4, "steps": 2.0}},
    "batches of 16": {"training": {"batch_size": 16, "steps": 0.5}},
    "two convolutions a side": {"segmenter": _TWO_CONVOLUTIONS, "training": {"steps": 0.65}},
    "rotation 20, scaling 0.15": {"augmentation": {"rotation_deg": 20, "scaling": 0.15}},
    "intensity twice as strong": {
        "augmentation": {"gamma": 1.6, "blur_px": 1.0, "bias_field": 0.3, "rician_noise": 0.1}
    },
    "no intensity": {"augmentation": {"gamma": 1.0, "blur_px": 0.0, "bias_field": 0.0, "rician_noise": 0.0}},
}


def changed(params: Params, variant: dict[str, dict[str, Any]]) -> tuple[Params, dict[str, Any]]:
    """Parameters and the network's section of a variant."""
    reference = params.arms.patients["real"].segmenter
    segmenter = variant.get("segmenter", {"kind": reference.kind, **reference.options})
    training = dict(variant.get("training", {}))
    training["steps"] = round(params.training.steps * training.get("steps", 1.0))
    content = params.model_dump()
    content["training"] |= training
    content["augmentation"] |= variant.get("augmentation", {})
    return Params(**content), segmenter


def draw(params: Params) -> dict[str, Frames]:
    """The cohorts on which choices are made, and the one that is learnt from."""
    options = params.dataset.options
    options["cohorts"] = {name: options["cohorts"][name] for name in _COHORTS}
    return create(Dataset, params.dataset.kind, options).cohorts(params.image_size, tuple(params.views), params.seed)


def mean_dice(network: torch.nn.Module, frames: Frames) -> float:
    """Mean over the structures of all views, each the mean over patients, whose frames are averaged first."""
    predicted = predict(network, frames.images)
    rows = []
    for view, structures in frames.scheme.annotated.items():
        shown = (frames.table["view"] == view).to_numpy()
        for structure in structures:
            value = frames.scheme.value(structure)
            masks = frames.labels[shown] == value, predicted[shown] == value
            for subject, reference, prediction in zip(frames.table["subject_id"][shown], *masks, strict=True):
                rows.append((view, structure, subject, dice(reference, prediction).value))
    table = pd.DataFrame(rows, columns=["view", "structure", "subject_id", "value"]).astype({"value": float})
    patients = table.groupby(["view", "structure", "subject_id"])["value"].mean()
    return float(patients.groupby(["view", "structure"]).mean().mean())


def trial(params: Params, segmenter: dict[str, Any], cohorts: dict[str, Frames], number: int) -> dict[str, Any]:
    """One network, trained as the stage `train_segmenter` does, and its scores."""
    train = cohorts["segmenter"]
    seed = child_seed(params.seed, "train_segmenter", number)
    torch.manual_seed(child_seed(seed, "weights"))
    options = {name: value for name, value in segmenter.items() if name != "kind"}
    network = create(Segmenter, segmenter["kind"], options).build(train.scheme.classes, params.image_size)
    start = time.process_time()
    fit(
        network,
        Pool(train.pairs, train.pairs[:0], [Span(1.0, len(train), 0)]),
        train.take([]),
        params.training,
        params.augmentation,
        params.compute,
        seed=seed,
        description="benchmark",
    )
    seconds = time.process_time() - start
    scores = {name: round(mean_dice(network, cohorts[name]), 4) for name in ("internal", "development")}
    frames = params.training.steps * params.training.batch_size
    return {"cpu_s": round(seconds, 1), "ms_an_image": round(1e3 * seconds / frames, 2), **scores}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variants", nargs="+", choices=list(VARIANTS), default=list(VARIANTS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1])
    parser.add_argument("--table", type=Path, default=Path("segmenter-training.csv"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    params = read_params(_ROOT / "params.yaml")
    cohorts = draw(params)
    for number in arguments.seeds:
        for name in arguments.variants:
            done = (
                pd.read_csv(arguments.table) if arguments.table.is_file() else pd.DataFrame(columns=["variant", "seed"])
            )
            if ((done["variant"] == name) & (done["seed"] == number)).any():
                continue
            altered, segmenter = changed(params, VARIANTS[name])
            row = {"variant": name, "seed": number, "steps": altered.training.steps}
            row |= {"batch_size": altered.training.batch_size} | trial(altered, segmenter, cohorts, number)
            pd.concat([done, pd.DataFrame([row])]).to_csv(arguments.table, index=False)
            print(" ".join(f"{key}={value}" for key, value in row.items()), flush=True)
    table = pd.read_csv(arguments.table)
    print(table.groupby(["variant", "steps", "batch_size"], sort=False).mean(numeric_only=True).round(4).to_markdown())


if __name__ == "__main__":
    main()
