"""Random reads from shards against a bare memory map of the same bytes, in one run. Target: at least 0.9 of its speed.

python benchmarks/shards.py
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from augbench.core.shards import read_shards, write_shards
from augbench.core.types import SYNTHETIC_COLUMNS, LabelScheme

FRAMES, SIZE, READS, ROUNDS = 12_000, 64, 20_000, 7


def reads_per_second(read: Callable[[int], np.ndarray], order: list[int]) -> float:
    start = time.perf_counter()
    for index in order:
        np.add.reduce(read(index), axis=None)
    return len(order) / (time.perf_counter() - start)


def main() -> None:
    rng = np.random.default_rng(0)
    pairs = rng.integers(0, 256, (FRAMES, 2, SIZE, SIZE), dtype=np.uint8)
    table = pd.DataFrame({"frame_id": [f"f{i}" for i in range(FRAMES)], "view": "sax", "spacing_mm": 1.0})
    table = table.assign(frame_seed=0).reindex(columns=list(SYNTHETIC_COLUMNS))
    order = rng.integers(0, FRAMES, READS).tolist()
    with tempfile.TemporaryDirectory() as folder:
        write_shards(Path(folder) / "set", [pairs], table, LabelScheme(("LV",), {"sax": ("LV",)}))
        np.save(Path(folder) / "bare.npy", pairs)
        shards, _, _ = read_shards(Path(folder) / "set")
        bare = np.load(Path(folder) / "bare.npy", mmap_mode="r")
        # In turn, so that a change of the machine's speed meets both.
        rounds = [
            (reads_per_second(shards.__getitem__, order), reads_per_second(bare.__getitem__, order))
            for _ in range(ROUNDS)
        ]
    ours, theirs = np.median(rounds, axis=0)
    ratio = np.median([first / second for first, second in rounds])
    print(f"{FRAMES} frames of {SIZE}x{SIZE}, {READS} random reads (each summed), median of {ROUNDS} rounds")
    print(f"{'reader':<18}{'reads/s':>12}")
    print(f"{'shards':<18}{ours:>12,.0f}")
    print(f"{'bare memory map':<18}{theirs:>12,.0f}")
    print(f"{'ratio':<18}{ratio:>12.2f}   target >= 0.90")


if __name__ == "__main__":
    main()
