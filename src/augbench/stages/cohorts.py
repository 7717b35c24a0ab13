"""Part of train_generator and audit: the frames that a generator learns from."""

from __future__ import annotations

from augbench.core import layout
from augbench.core.params import Params
from augbench.core.shards import read_frames
from augbench.core.types import Frames


def generator_frames(params: Params, name: str) -> Frames:
    """What a generator learns from: every patient of its cohort but those for validation."""
    return read_frames(layout.cohort(params.generators[name].cohort)).where(split="train")
