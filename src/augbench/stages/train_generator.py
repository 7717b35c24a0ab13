"""train_generator: the generator's cohort -> a fitted generator and its training curve."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from augbench.core import layout
from augbench.core.artifacts import save_weights, write_bytes
from augbench.core.component import create
from augbench.core.errors import UserError
from augbench.core.params import Params
from augbench.core.reports import write_report_table
from augbench.core.seeding import child_seed
from augbench.core.shards import read_frames
from augbench.core.types import Frames
from augbench.generators.base import FitContext, FittedGenerator, Generator, TrainingDiverged
from augbench.report.sheets import contact_sheet
from augbench.runtime.fingerprint import checkpoints_of


def run(params: Params, name: str, seed: int) -> None:
    context = FitContext(
        seed=child_seed(params.seed, "train_generator", name, seed),
        dataset_name=params.dataset,
        dataset_params=params.datasets[params.dataset],
        accelerator=params.compute.accelerator,
    )
    generator = create("generators", name, params.generators[name])
    frames = generator_frames(params)
    with checkpoints_of(params, layout.generator(name, seed)) as context.checkpoints:
        fitted = fit_or_show(generator, frames, context, layout.last_good(name, seed))
    tensors, config = fitted.state()
    save_weights(layout.generator(name, seed) / "generator.safetensors", tensors, config)
    curve = pd.DataFrame(context.curve, columns=list(context.curve[0]) if context.curve else ["kimg"])
    write_report_table(layout.generator_curve(name, seed), curve)


def fit_or_show(generator: Generator, frames: Frames, context: FitContext, sheet: Path) -> FittedGenerator:
    """Fit; if training diverges for good, its last good frames are drawn as `sheet` and the error names it."""
    try:
        return generator.fit(frames, context)
    except TrainingDiverged as error:
        pairs = error.pairs
        png = contact_sheet(pairs[:, 0], pairs[:, 1], columns=2, structures=frames.scheme.structures)
        write_bytes(sheet, png)
        raise UserError(str(error), file=sheet) from error


def generator_frames(params: Params) -> Frames:
    """What a generator may learn from: its own cohort, or in the equal-patient control the 42's training part."""
    frames = read_frames(layout.cohort(params.generator_cohort))
    return frames.where(split="train") if params.generator_cohort == "segmenter" else frames
