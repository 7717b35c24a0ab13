"""Copies of training frames as generators might make them, planted to learn what an audit would have found."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from augbench.core.types import Pairs

#: Moved by up to so many pixels of 64 each way, in proportion in larger and smaller frames.
SHIFT_PX = 6
_REFERENCE_SIDE = 64
_GAIN, _OFFSET = 0.3, 20.0
_NOISE_SD = 16.0

KINDS = ("verbatim", "shifted", "flipped", "brightened", "noised", "blended")


def max_shift(side: int) -> int:
    """Pixels that a copy may be moved by, in frames of `side` pixels; 6 at 64."""
    return max(1, SHIFT_PX * side // _REFERENCE_SIDE)


def copies(originals: Pairs, partners: Pairs, kind: str, rng: np.random.Generator) -> Pairs:
    """One copy (n, H, W) uint8 of each original (n, H, W) uint8.

    Args:
        partners: (n, H, W) uint8, frames that `blended` copies are mixed with, half and half.
        kind: `verbatim`; `shifted` by whole pixels, the edge repeated; `flipped` upside down or left to right;
            `brightened`, or darkened, by a factor in 0.7 to 1.3 and up to 20 grey levels; `noised` by 16 grey levels;
            `blended` half and half.
    """
    frames = originals.astype(np.float64)
    if kind == "shifted":
        frames = _shifted(frames, rng)
    elif kind == "flipped":
        upright = rng.random(len(frames)) < 0.5
        frames = np.where(upright[:, None, None], frames[:, :, ::-1], frames[:, ::-1])
    elif kind == "brightened":
        frames = frames * rng.uniform(1 - _GAIN, 1 + _GAIN, (len(frames), 1, 1))
        frames = frames + rng.uniform(-_OFFSET, _OFFSET, (len(frames), 1, 1))
    elif kind == "noised":
        frames = frames + rng.normal(0.0, _NOISE_SD, frames.shape)
    elif kind == "blended":
        frames = (frames + partners) / 2
    elif kind != "verbatim":
        raise ValueError(f"no such kind of copy: {kind}")
    return np.clip(np.rint(frames), 0, 255).astype(np.uint8)


def _shifted(frames: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    height, width = frames.shape[1:]
    most = max_shift(min(height, width))
    moved = np.empty_like(frames)
    for number, frame in enumerate(frames):
        down, right = rng.integers(-most, most + 1, 2)
        rows, columns = (np.clip(np.arange(size) - by, 0, size - 1) for size, by in ((height, down), (width, right)))
        moved[number] = frame[np.ix_(rows, columns)]
    return moved
