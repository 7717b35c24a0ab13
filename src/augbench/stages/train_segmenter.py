"""train_segmenter: real and synthetic frames -> the trained networks of an arm. One loop for all arms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from augbench.core import layout
from augbench.core.arms import Arm, Run, arm_named
from augbench.core.artifacts import atomic_folder, save_weights, write_csv
from augbench.core.checkpoint import Checkpoints
from augbench.core.component import create
from augbench.core.errors import UserError
from augbench.core.params import Params
from augbench.core.seeding import child_seed
from augbench.core.shards import read_frames, read_shards
from augbench.regimes.base import Regime
from augbench.runtime import interrupt
from augbench.runtime.fingerprint import WHOLE, Inputs
from augbench.runtime.parts import Parts
from augbench.runtime.progress import progress
from augbench.stages.networks import WEIGHTS, segmenter_of


def run(params: Params, name: str, part: str | None = None) -> None:
    """Train every network of the arm that is not finished; with `part` (the name of a run), that one alone."""
    arm = arm_named(params, name)
    runs = {run.name: run for run in arm.runs}
    if part is not None and part not in runs:
        raise UserError(
            f"arm '{name}' has no run '{part}'",
            got=part,
            expected=", ".join(runs),
            remedy="correct --run, or add the seed to params.yaml",
            file="params.yaml",
        )
    parts = Parts(params, stage_of(arm), layout.MODELS / name, lambda part: _inputs(arm, runs[part]))
    for unfinished, checkpoints in parts.unfinished(runs if part is None else [part]):
        _train(params, arm, runs[unfinished], checkpoints)
    if part is None:
        parts.keep_only(runs)


def stage_of(arm: Arm) -> str:
    """Name of the arm's stage in dvc.yaml."""
    return f"train_segmenter@{arm.name}" if arm.synthetic is None else f"train_segmenter_generated@{arm.name}"


def _inputs(arm: Arm, run: Run) -> Inputs:
    """A run reads the frames of one generator seed alone."""
    if arm.synthetic is None:
        return WHOLE
    whole, one = layout.SYNTHETIC / arm.synthetic, layout.synthetic(arm.synthetic, run.generator_seed)
    return Inputs({whole.as_posix(): one.as_posix()})


def _train(params: Params, arm: Arm, run: Run, checkpoints: Checkpoints | None) -> None:
    import torch

    from augbench.training.fit import Pool, fit

    cohort = read_frames(layout.cohort(arm.cohort))
    real = cohort.where(split="train")
    synthetic: Any = np.empty((0, 2, cohort.image_size, cohort.image_size), np.uint8)
    if arm.synthetic is not None:
        synthetic, _, _ = read_shards(layout.synthetic(arm.synthetic, run.generator_seed))
    regime = create(Regime, arm.regime, arm.regime_options, entry=f"{arm.entry}.regime")
    # The segmenter's seed alone: runs of all arms and generators with one seed start alike and draw alike, so that
    # seeds are crossed with arms, as the statistics take them.
    seed = child_seed(params.seed, "train_segmenter", run.segmenter_seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(child_seed(seed, "weights"))
        network = segmenter_of(arm).build(cohort.scheme.classes, params.image_size)
    curve = fit(
        network,
        Pool(real.pairs, synthetic, regime.spans(len(real), len(synthetic))),
        cohort.where(split="validation"),
        params.training,
        params.augmentation if arm.augmented else params.augmentation.model_copy(update={"probability": 0.0}),
        params.compute,
        seed=seed,
        description=f"train {arm.name} {run.name}",
        checkpoints=checkpoints,
        bars=progress,
        on_start=interrupt.install_again,
    )
    with atomic_folder(layout.model(run)) as folder:
        config = {"arm": arm.name, "image_size": params.image_size, "structures": list(cohort.scheme.structures)}
        save_weights(folder / WEIGHTS, network.state_dict(), config)
        write_csv(folder / "curve.csv", pd.DataFrame(curve))
