"""label: other masks for images that are there -> shards of pairs, a part for each seed of the images' generator."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from augbench.core import layout
from augbench.core.arms import arm_named
from augbench.core.checkpoint import Checkpoints
from augbench.core.component import create
from augbench.core.device import torch_device
from augbench.core.errors import unknown_name
from augbench.core.params import LabellingEntry, Params
from augbench.core.shards import ShardArray, kept_blocks, read_frames, read_shards, write_shards
from augbench.core.synthetic import require_labelling, synthetic_set
from augbench.core.types import LabelScheme, Pairs
from augbench.labelling.base import LabelContext, Labelling
from augbench.runtime.fingerprint import Inputs
from augbench.runtime.parts import Parts
from augbench.runtime.progress import progress

if TYPE_CHECKING:
    from torch import Tensor

_BLOCK = 256


def run(params: Params, name: str, seed: int | None = None) -> None:
    """Label every part of the images that is not finished; with `seed`, that of this seed of the generator alone."""
    require_labelling(params, name)
    seeds = {layout.synthetic(name, one).name: one for one in synthetic_set(params, name).parts}
    if seed is not None and seed not in seeds.values():
        raise unknown_name(f"seed in the generator of labelling '{name}':", str(seed), list(seeds))
    parts = Parts(params, f"label@{name}", layout.SYNTHETIC / name, lambda part: _inputs(params, name, seeds[part]))
    for part, checkpoints in parts.unfinished(seeds if seed is None else [str(seed)]):
        _label(params, name, seeds[part], checkpoints)
    if seed is None:
        parts.keep_only(seeds)


def _inputs(params: Params, name: str, seed: int | None) -> Inputs:
    """A part reads the images of one seed, and the first network of the arm that labels them."""
    entry, narrowed = params.labelling[name], {}
    if entry.generator is not None:
        narrowed[entry.images] = layout.synthetic(entry.generator, seed).as_posix()
    if create(Labelling, entry.kind, entry.options, entry=f"labelling.{name}").needs_network:
        narrowed[entry.source] = layout.model(arm_named(params, str(entry.network)).runs[0]).as_posix()
    return Inputs(narrowed)


def _label(params: Params, name: str, seed: int | None, checkpoints: Checkpoints | None) -> None:
    entry = params.labelling[name]
    pairs, table, scheme = images_of(entry, seed)
    labelling = create(Labelling, entry.kind, entry.options, entry=f"labelling.{name}")
    context = LabelContext(scheme, layout.annotated(entry.source, name, seed), _Network(params, entry).logits)
    labelling.require(table, context)

    def labelled(first: int) -> Iterator[Pairs]:
        title = f"label {name}" if seed is None else f"label {name}, seed {seed}"
        with progress(title, len(table)) as bar:
            bar.advance(first)
            for rows in blocks(len(table), first):
                yield labelling.label(pairs[rows], table.iloc[rows], context)
                bar.advance(len(rows))

    write_shards(layout.synthetic(name, seed), kept_blocks(labelled, checkpoints), table, scheme)


def images_of(entry: LabellingEntry, seed: int | None) -> tuple[ShardArray | Pairs, pd.DataFrame, LabelScheme]:
    """Pairs (n, 2, H, W) uint8 whose images are labelled, in their order, their table, and what labels mean.

    Of a cohort they are the training patients' frames, and their own masks are left behind.
    """
    if entry.cohort is None:
        return read_shards(layout.synthetic(str(entry.generator), seed))
    frames = read_frames(layout.cohort(entry.cohort)).where(split="train")
    frames.labels[:] = 0
    return frames.pairs, frames.table, frames.scheme


def blocks(frames: int, first: int = 0) -> Iterator[np.ndarray]:
    """Numbers of all frames from `first` on, block by block."""
    return (np.arange(start, min(start + _BLOCK, frames)) for start in range(first, frames, _BLOCK))


class _Network:
    """The first network of the arm that `source` names, loaded when it is first asked."""

    def __init__(self, params: Params, entry: LabellingEntry) -> None:
        self._params, self._entry = params, entry

    @cached_property
    def _loaded(self) -> Any:
        from augbench.stages.networks import load_network

        arm = arm_named(self._params, str(self._entry.network))
        return load_network(arm, arm.runs[0])[0].to(torch_device(self._params.compute.accelerator))

    def logits(self, images: Pairs) -> Tensor:
        """(n, classes, H, W) of 8-bit images (n, H, W)."""
        import torch

        from augbench.training.augment import normalise

        device = torch_device(self._params.compute.accelerator)
        found: Tensor = self._loaded(normalise(images).to(device, memory_format=torch.channels_last))
        return found
