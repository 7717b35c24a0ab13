"""train_generator: the generator's cohort -> a fitted generator a seed, and their training curves."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from augbench.core import layout
from augbench.core.arms import require_generator
from augbench.core.artifacts import atomic_folder, load_weights, read_csv, save_weights, write_bytes, write_csv
from augbench.core.checkpoint import Checkpoints
from augbench.core.component import create
from augbench.core.errors import UserError
from augbench.core.params import Params
from augbench.core.reports import write_report_table
from augbench.core.seeding import child_seed
from augbench.core.shards import read_frames
from augbench.core.types import Frames
from augbench.datasets.base import Dataset
from augbench.generators.base import Draw, FitContext, FittedGenerator, Generator, TrainingDiverged
from augbench.report.sheets import contact_sheet
from augbench.runtime.fingerprint import Inputs
from augbench.runtime.parts import Parts
from augbench.runtime.progress import progress

_WEIGHTS, _CURVE = "generator.safetensors", "curve.csv"


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
        save_weights(folder / _WEIGHTS, tensors, config)
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


def generator_of(params: Params, name: str) -> Generator:
    """The component of an entry of `generators`."""
    entry = params.generators[name]
    return create(Generator, entry.kind, entry.options, entry=f"generators.{name}")


def load_generator(params: Params, name: str, seed: int) -> FittedGenerator:
    """A fitted generator, ready to sample on `compute.accelerator`."""
    tensors, config = load_weights(layout.generator(name, seed) / _WEIGHTS)
    generator = generator_of(params, name)
    return generator.restore(tensors, config, accelerator=params.compute.accelerator, draw=fresh_draw(params))


def generator_inputs(params: Params, name: str, narrowed: dict[str, str] | None = None) -> Inputs:
    """The dataset's own code and parameters decide the bytes of generators that draw from it, and of no other."""
    return Inputs(narrowed or {}, dataset=generator_of(params, name).draws_subjects)


def generator_frames(params: Params, name: str) -> Frames:
    """What a generator learns from: every patient of its cohort but those for validation."""
    return read_frames(layout.cohort(params.generators[name].cohort)).where(split="train")


def fresh_draw(params: Params) -> Draw | None:
    """Fresh frames of fresh subjects from the dataset behind the cohorts, where it can draw them."""
    dataset = create(Dataset, params.dataset.kind, params.dataset.options, entry="dataset")
    return dataset.draw if dataset.can_draw else None
