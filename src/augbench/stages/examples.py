"""Example segmentations for the report: the best, median and worst patient of each view, chosen by a stated rule."""

from __future__ import annotations

import numpy as np
import pandas as pd

from augbench.core import layout
from augbench.core.artifacts import atomic_folder, write_array, write_csv
from augbench.core.runs import Run
from augbench.core.types import Frames, Pairs


def write_examples(frames: Frames, rows: pd.DataFrame, predictions: dict[str, Pairs], runs: list[Run]) -> None:
    """Write (n, 4, H, W) uint8: image, reference, first real run's and first synthetic run's label map.

    Per view, frames are ranked by the mean Dice over structures of the first compared generator's synthetic run.
    """
    real, synthetic = shown_runs(runs)
    table = frames.table[["frame_id", "view", "subject_id"]].assign(
        real_arm=real.arm,
        synthetic_arm=synthetic.arm,
        real_dice=_frame_dice(frames, rows, real),
        synthetic_dice=_frame_dice(frames, rows, synthetic),
    )
    picks = []
    for _, scores in table.dropna(subset=["synthetic_dice"]).groupby("view", sort=False):
        ranked = scores.sort_values(["synthetic_dice", "frame_id"], ascending=False).index.tolist()
        for rank, at in (("best", 0), ("median", len(ranked) // 2), ("worst", len(ranked) - 1)):
            picks.append((ranked[at], rank))
    index = [at for at, _ in picks]
    maps = [frames.images, frames.labels, predictions[real.name], predictions[synthetic.name]]
    with atomic_folder(layout.PREDICTIONS) as folder:
        write_array(folder / "examples.npy", np.stack([array[index] for array in maps], axis=1))
        write_csv(folder / "examples.csv", table.loc[index].assign(rank=[rank for _, rank in picks]))


def shown_runs(runs: list[Run]) -> list[Run]:
    """The first real and the first synthetic run."""
    return [next(task for task in runs if task.regime == regime) for regime in ("real", "synthetic")]


def _frame_dice(frames: Frames, rows: pd.DataFrame, task: Run) -> np.ndarray:
    """(n,) mean Dice over structures of each frame in one run; NaN where none is defined."""
    seed = "" if task.generator_seed is None else str(task.generator_seed)
    chosen = rows[
        (rows["metric"] == "dice")
        & (rows["generator"] == (task.generator or ""))
        & (rows["regime"] == task.regime_label)
        & (rows["generator_seed"] == seed)
        & (rows["segmenter_seed"] == task.segmenter_seed)
    ]
    means = pd.to_numeric(chosen["value"]).groupby(chosen["frame_id"]).mean()
    return means.reindex(frames.table["frame_id"]).to_numpy()
