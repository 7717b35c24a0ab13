"""sample: a fitted generator -> shards of synthetic pairs. Frame i follows from (seed, generator, i) alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd

from augbench.core import layout
from augbench.core.artifacts import load_weights
from augbench.core.component import create
from augbench.core.params import Params
from augbench.core.seeding import child_rng, child_seed
from augbench.core.shards import kept_blocks, read_shards, write_shards
from augbench.core.types import LabelScheme, Pairs
from augbench.runtime.fingerprint import checkpoints_of
from augbench.runtime.progress import progress
from augbench.stages.labels import labeller

_BLOCK = 256


def run(params: Params, name: str, seed: int) -> None:
    table, scheme, blocks = generated(params, name, seed)
    label = labeller(params, name, seed, table, scheme)
    folder = layout.synthetic(name, seed)

    def labelled(first: int) -> Iterator[Pairs]:
        return (label(pairs, rows) for rows, pairs in blocks(first))

    with checkpoints_of(params, folder) as checkpoints:
        write_shards(folder, kept_blocks(labelled, checkpoints), table, scheme)


def generated(
    params: Params, name: str, seed: int
) -> tuple[pd.DataFrame, LabelScheme, Callable[[int], Iterator[tuple[slice, Pairs]]]]:
    """The frames' table and scheme, and a function from a first row to blocks of rows with the generator's pairs."""
    generator = create("generators", name, params.generators[name])
    weights = load_weights(layout.generator(name, seed) / "generator.safetensors")
    fitted = generator.restore(*weights, accelerator=params.compute.accelerator)
    _, cohort, scheme = read_shards(layout.cohort(params.generator_cohort), verify=False)
    table = frame_table(params, name, seed, cohort)
    seeds = table["frame_seed"].to_numpy(np.int64)

    def blocks(first: int) -> Iterator[tuple[slice, Pairs]]:
        with progress(f"sample {name}-{seed}", len(table)) as bar:
            bar.advance(first)
            for start in range(first, len(table), _BLOCK):
                part = slice(start, start + _BLOCK)
                yield part, fitted.sample(list(table["view"][part]), seeds[part])
                bar.advance(len(seeds[part]))

    return table, scheme, blocks


def frame_table(params: Params, name: str, seed: int, cohort: pd.DataFrame) -> pd.DataFrame:
    """Which view and seed each synthetic frame has: views as often as in the cohort that the generator learnt from."""
    root = child_seed(params.seed, "sample", name, seed)
    known = cohort["view"].to_list()
    # A row number is what `choice` draws; drawn directly it spares 100 000 conversions of the column.
    views = [known[child_rng(root, "view", i).integers(len(known))] for i in range(params.sampling.frames)]
    return pd.DataFrame(
        {
            "frame_id": [f"{name}-{seed}-{i:06d}" for i in range(len(views))],
            "view": views,
            "spacing_mm": cohort["spacing_mm"].median(),
            "frame_seed": [child_seed(root, "frame", i) for i in range(len(views))],
        }
    )
