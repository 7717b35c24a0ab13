"""Named child generators: every random number follows from `params.seed` and a path of names.

A child depends on its names alone, never on how many numbers another part drew, so adding a stage,
a frame or a seed leaves all others as they were.
"""

from __future__ import annotations

import hashlib

import numpy as np

Rng = np.random.Generator


def child_seed(seed: int, *names: str | int) -> int:
    """A 63-bit seed from a root seed and a path of names, the same on every machine and run."""
    digest = hashlib.sha256("\x1f".join(str(part) for part in (seed, *names)).encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def child_rng(seed: int, *names: str | int) -> Rng:
    """A numpy generator for one purpose: `child_rng(params.seed, "sample", "pggan", 0)`."""
    return np.random.default_rng(child_seed(seed, *names))
