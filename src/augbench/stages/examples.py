"""Example segmentations for the report: the best, median and worst patient of each view, chosen by a stated rule."""

from __future__ import annotations

import numpy as np
import pandas as pd

from augbench.core import layout
from augbench.core.artifacts import atomic_folder, write_array, write_csv
from augbench.core.types import Frames, Pairs


def write_examples(frames: Frames, rows: pd.DataFrame, predictions: dict[str, Pairs]) -> None:
    """Write (n, 4, H, W) uint8: image, reference, first real run's and first synthetic run's label map.

    Per view, frames are ranked by the mean Dice over structures of the first compared generator's synthetic run.
    """
    real, synthetic = _shown_runs(predictions)
    picks = []
    for view, scores in _frame_dice(rows, synthetic).groupby("view"):
        ranked = scores.sort_values(["value", "frame_id"], ascending=False)["frame_id"].tolist()
        for rank, at in (("best", 0), ("median", len(ranked) // 2), ("worst", len(ranked) - 1)):
            picks.append({"view": view, "rank": rank, "frame_id": ranked[at]})
    table = pd.DataFrame(picks)
    index = [frames.table.index[frames.table["frame_id"] == name][0] for name in table["frame_id"]]
    stack = np.stack(
        [frames.images[index], frames.labels[index], predictions[real][index], predictions[synthetic][index]], axis=1
    )
    with atomic_folder(layout.PREDICTIONS) as folder:
        write_array(folder / "examples.npy", stack)
        write_csv(folder / "examples.csv", table.assign(real_run=real, synthetic_run=synthetic))


def _shown_runs(predictions: dict[str, Pairs]) -> tuple[str, str]:
    names = list(predictions)
    return names[0], next(name for name in names if "-synthetic-" in name)


def _frame_dice(rows: pd.DataFrame, run: str) -> pd.DataFrame:
    """Mean Dice over structures of each frame in one run."""
    name = rows["generator"] + "-" + rows["regime"] + "-" + rows["generator_seed"] + "-" + rows["segmenter_seed"].astype(str)
    chosen = rows[(name == run) & (rows["metric"] == "dice")]
    return chosen.groupby(["view", "frame_id"], as_index=False)["value"].mean()
