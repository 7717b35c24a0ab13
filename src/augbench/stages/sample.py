"""sample: fitted generators -> shards of synthetic pairs. Frame i follows from (seed, generator, i) alone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from augbench.core import layout
from augbench.core.arms import require_generator
from augbench.core.checkpoint import Checkpoints
from augbench.core.params import Params
from augbench.core.seeding import child_rng, child_seed
from augbench.core.shards import kept_blocks, read_shards, write_shards
from augbench.core.types import LabelScheme, Pairs
from augbench.generators.base import FittedGenerator
from augbench.runtime.parts import Parts
from augbench.runtime.progress import progress
from augbench.stages.fitted import generator_inputs, load_generator

_BLOCK = 256


def run(params: Params, name: str, seed: int | None = None) -> None:
    """Sample from every seed that is not finished; with `seed`, from that one alone."""
    require_generator(params, name)
    folder = layout.GENERATORS / name
    parts = Parts(
        params,
        f"sample@{name}",
        layout.SYNTHETIC / name,
        lambda part: generator_inputs(params, name, {folder.as_posix(): (folder / part).as_posix()}),
    )
    seeds = params.generators[name].seeds
    for part, checkpoints in parts.unfinished(map(str, seeds if seed is None else [seed])):
        _sample(params, name, int(part), checkpoints)
    if seed is None:
        parts.keep_only(map(str, seeds))


def _sample(params: Params, name: str, seed: int, checkpoints: Checkpoints | None) -> None:
    source = Source(params, name, seed)
    write_shards(layout.synthetic(name, seed), kept_blocks(source.blocks, checkpoints), source.table, source.scheme)


class Source:
    """The frames that a fitted generator makes, in their order.

    Attributes:
        table: a row a frame: frame_id, view, spacing_mm, frame_seed.
        scheme: what the label values mean.
    """

    def __init__(self, params: Params, name: str, seed: int) -> None:
        self._fitted: FittedGenerator = load_generator(params, name, seed)
        _, cohort, scheme = read_shards(layout.cohort(params.generators[name].cohort), verify=False)
        self.scheme: LabelScheme = scheme
        self.table = frame_table(params, name, seed, cohort)
        self._title = f"sample {name}, seed {seed}"

    def blocks(self, first: int = 0) -> Iterator[Pairs]:
        """The generator's pairs from frame `first` on."""
        seeds, views = self.table["frame_seed"].to_numpy(np.int64), self.table["view"]
        with progress(self._title, len(self.table)) as bar:
            bar.advance(first)
            for start in range(first, len(self.table), _BLOCK):
                part = slice(start, start + _BLOCK)
                yield self._fitted.sample(list(views[part]), seeds[part])
                bar.advance(len(seeds[part]))


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
