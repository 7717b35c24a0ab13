"""evaluate: every trained segmenter on the external test set -> one row per frame, structure and metric.

The only stage that reads the external cohort.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from augbench.core import layout
from augbench.core.component import create
from augbench.core.params import Params
from augbench.core.reports import write_report_table
from augbench.core.runs import Run, all_runs, mask_source
from augbench.core.shards import read_frames
from augbench.core.types import Frames, Pairs
from augbench.runtime.checkpoints import Checkpoints
from augbench.runtime.fingerprint import checkpoints_of
from augbench.runtime.progress import progress
from augbench.stages.examples import shown_runs, write_examples
from augbench.stages.train_segmenter import load_network

#: Frames that are predicted and scored at a time; a run is interrupted between two such parts only.
_PART = 64
_PLACE = ["frame_id", "subject_id", "site", "view"]


def run(params: Params) -> None:
    external = read_frames(layout.cohort("external"))
    runs = all_runs(params)
    with checkpoints_of(params, layout.PREDICTIONS) as checkpoints:
        rows, predictions = score_runs(
            params, external, params.evaluation.metrics, "evaluate external", checkpoints, shown_runs(runs)
        )
    write_report_table(layout.PER_CASE, rows)
    write_examples(external, rows, predictions, runs)


def score_runs(
    params: Params,
    frames: Frames,
    metrics: dict[str, dict[str, Any]],
    description: str,
    checkpoints: Checkpoints | None,
    shown: Sequence[Run] = (),
) -> tuple[pd.DataFrame, dict[str, Pairs]]:
    """Tidy rows of every run on `frames`, and label maps (n, H, W) uint8 by name of the runs in `shown`."""
    import torch

    from augbench.training.fit import predict

    scorers = {name: create("scores", name, options) for name, options in metrics.items()}
    runs = all_runs(params)
    rows: dict[str, list[Any]] = {task.name: [] for task in runs}
    maps = {task.name: np.zeros_like(frames.labels) for task in shown}
    found = None if checkpoints is None else checkpoints.latest()
    if found is not None:
        rows |= found.state["rows"]
        maps = {name: tensor.numpy() for name, tensor in found.tensors.items()}
    parts = range(0, len(frames), _PART)
    done = 0 if found is None else found.step
    with progress(description, len(runs) * len(parts), "parts") as bar:
        bar.advance(done)
        for number, task in enumerate(runs):
            if (number + 1) * len(parts) <= done:
                continue
            network, structures = load_network(params, task)
            for start in parts[done - number * len(parts) :]:
                part = slice(start, start + _PART)
                predicted = predict(network, frames.images[part])
                rows[task.name] += _score(frames, start, predicted, structures, scorers)
                if task.name in maps:
                    maps[task.name][part] = predicted
                done += 1
                bar.advance(1, note=task.name)
                if checkpoints is not None and checkpoints.due():
                    tensors = {name: torch.from_numpy(array) for name, array in maps.items()}
                    checkpoints.save(done, tensors, {"rows": rows})
    tables = [
        pd.DataFrame(rows[task.name], columns=[*_PLACE, "structure", "metric", "value", "reason"]).assign(
            **_identity(task), labels=mask_source(params, task.generator)
        )
        for task in runs
    ]
    columns = [*_PLACE, *_identity(runs[0]), "structure", "metric", "value", "reason", "labels"]
    return pd.concat(tables, ignore_index=True)[columns], maps


def _score(
    frames: Frames, first: int, predicted: Pairs, trained: list[str], scorers: dict[str, Any]
) -> list[tuple[Any, ...]]:
    """Scores of the structures that the network knows and the cohort annotates; others have no reference.

    Args:
        predicted: label maps of the frames from number `first` on.
    """
    from augbench.scores.base import score_frame

    rows: list[tuple[Any, ...]] = []
    table = frames.table.iloc[first : first + len(predicted)]
    places = table[_PLACE].itertuples(index=False, name=None)
    for at, (place, spacing_mm) in enumerate(zip(places, table["spacing_mm"], strict=True)):
        annotated = frames.scheme.annotated[place[-1]]
        # The label maps share one scheme, so reference and prediction agree on every value.
        labels = {name: frames.scheme.value(name) for name in annotated if name in trained}
        scores = score_frame(frames.labels[first + at], predicted[at], labels, float(spacing_mm), scorers)
        rows += [(*place, *score) for score in scores]
    return rows


def _identity(task: Run) -> dict[str, str | int | None]:
    return {
        "generator": task.generator or "",
        "regime": task.regime_label,
        "generator_seed": "" if task.generator_seed is None else str(task.generator_seed),
        "segmenter_seed": task.segmenter_seed,
    }
