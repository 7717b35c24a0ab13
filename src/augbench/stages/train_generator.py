"""train_generator: the generator's cohort -> a fitted generator a seed, and their training curves."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from augbench.core import layout
from augbench.core.arms import require_generator
from augbench.core.artifacts import atomic_folder, read_csv, save_weights, write_bytes, write_csv
from augbench.core.checkpoint import Checkpoints
from augbench.core.errors import UserError
from augbench.core.params import Params
from augbench.core.reports import write_report_table
from augbench.core.seeding import child_seed
from augbench.core.types import Frames
from augbench.generators.base import FitContext, FittedGenerator, Generator, TrainingDiverged
from augbench.report.sheets import contact_sheet
from augbench.runtime.parts import Parts
from augbench.runtime.progress import progress
from augbench.stages.cohorts import generator_frames
from augbench.stages.fitted import WEIGHTS, fresh_draw, generator_inputs, generator_of

_CURVE = "curve.csv"


def run(params: Params, name: str, seed: int | None = None) -> None:
    """Fit the generator with every seed that is not finished; with `seed`, that one alone, and no report."""
    require_generator(params, name)
    seeds = params.generators[name].seeds
    parts = Parts(params, f"train_generator@{name}", layout.GENERATORS / name, lambda _: generator_inputs(params, name))
    wanted = seeds if seed is None else [seed]
    for part, checkpoints in parts.unfinished(map(str, wanted)):
        _fit(params, name, int(part), checkpoints)
    if seed is None:
        parts.keep_only(map(str, seeds))
        write_report_table(layout.generator_curve(name), _curves(name, seeds))


def _fit(params: Params, name: str, seed: int, checkpoints: Checkpoints | None) -> None:
    context = FitContext(
        seed=child_seed(params.seed, "train_generator", name, seed),
        accelerator=params.compute.accelerator,
        precision=params.compute.precision,
        draw=fresh_draw(params),
        checkpoints=checkpoints,
        bars=progress,
    )
    fitted = fit_or_show(
        generator_of(params, name), generator_frames(params, name), context, layout.last_good(name, seed)
    )
    tensors, config = fitted.state()
    with atomic_folder(layout.generator(name, seed)) as folder:
        save_weights(folder / WEIGHTS, tensors, config)
        write_csv(
            folder / _CURVE, pd.DataFrame(context.curve, columns=list(context.curve[0]) if context.curve else ["kimg"])
        )


def fit_or_show(generator: Generator, frames: Frames, context: FitContext, sheet: Path) -> FittedGenerator:
    """Fit; if training diverges for good, its last good frames are drawn as `sheet` and the error names it."""
    try:
        return generator.fit(frames, context)
    except TrainingDiverged as error:
        pairs = error.pairs
        png = contact_sheet(pairs[:, 0], pairs[:, 1], columns=2, structures=frames.scheme.structures)
        write_bytes(sheet, png)
        raise UserError(str(error), file=sheet) from error


def _curves(name: str, seeds: list[int]) -> pd.DataFrame:
    """The curves of all seeds in one table, the seed first."""
    curves = [read_csv(layout.generator(name, seed) / _CURVE, ("kimg",)).assign(seed=seed) for seed in seeds]
    table = pd.concat(curves, ignore_index=True)
    return table[["seed", *(column for column in table.columns if column != "seed")]]
