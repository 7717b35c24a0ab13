"""Example segmentations for the report: the best, median and worst frame of each view, chosen by a stated rule."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from augbench.core import layout
from augbench.core.arms import Run
from augbench.core.artifacts import atomic_folder, write_array, write_csv, write_json
from augbench.core.component import create
from augbench.core.types import Frames, Pairs
from augbench.scores.base import SegmentationScore

#: Of examples.csv; a row is a frame of examples.npy.
EXAMPLE_COLUMNS = (
    *("frame_id", "view", "subject_id", "reference_arm", "primary_arm", "reference_score", "primary_score", "rank"),
)
ABOUT = "examples.json"


def write_examples(frames: Frames, rows: pd.DataFrame, predictions: Mapping[Run, Pairs], metric: str) -> None:
    """Write (n, 4, H, W) uint8: image, reference, label maps of a run of the reference arm and of the primary arm.

    Per view, frames are ranked by the mean of `metric` over structures in the primary arm's run.

    Args:
        rows: per-frame scores of all runs.
        predictions: label maps (n, H, W) uint8 of the two runs, the reference arm's first.
        metric: kind of the primary metric.
    """
    scores = [_frame_scores(frames, rows, metric, run) for run in predictions]
    names = ("reference", "primary")
    table = frames.table[["frame_id", "view", "subject_id"]].assign(
        **{f"{name}_arm": run.arm for name, run in zip(names, predictions, strict=True)},
        **{f"{name}_score": values for name, values in zip(names, scores, strict=True)},
    )
    ascending = not create(SegmentationScore, metric).higher_is_better
    ranked = table.dropna(subset=["primary_score"])
    ranked = ranked.sort_values(["primary_score", "frame_id"], ascending=[ascending, False])
    picks = []
    for view in table["view"].unique():
        places = ranked.index[ranked["view"] == view].tolist()
        ranks = (("best", 0), ("median", len(places) // 2), ("worst", -1)) if places else ()
        picks += [(places[at], rank) for rank, at in ranks]
    index = [at for at, _ in picks]
    maps = [frames.images, frames.labels, *predictions.values()]
    with atomic_folder(layout.PREDICTIONS) as folder:
        write_array(folder / "examples.npy", np.stack([array[index] for array in maps], axis=1))
        write_csv(
            folder / "examples.csv", table.loc[index].assign(rank=[rank for _, rank in picks])[[*EXAMPLE_COLUMNS]]
        )
        write_json(folder / ABOUT, {"structures": list(frames.scheme.structures), "views": list(frames.scheme.views)})


def _frame_scores(frames: Frames, rows: pd.DataFrame, metric: str, run: Run) -> np.ndarray:
    """(n,) mean score over structures of each frame in one run; NaN where none is defined."""
    chosen = rows[rows["metric"] == metric]
    for column, value in run.identity.items():
        chosen = chosen[chosen[column].astype(str) == value]
    means = pd.to_numeric(chosen["value"]).groupby(chosen["frame_id"]).mean()
    return means.reindex(frames.table["frame_id"]).to_numpy()
