"""evaluate: every trained segmenter on the external test set -> one row per frame, structure and metric.

The only stage that reads the external cohort.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from augbench.core import layout
from augbench.core.component import create
from augbench.core.params import Params
from augbench.core.progress import progress
from augbench.core.reports import write_report_table
from augbench.core.runs import Run, all_runs, mask_source
from augbench.core.shards import read_frames
from augbench.core.types import Frames, Pairs
from augbench.stages.examples import write_examples
from augbench.stages.train_segmenter import load_network


def run(params: Params) -> None:
    external = read_frames(layout.cohort("external"))
    rows, predictions = score_runs(params, external, params.evaluation.metrics, "evaluate external")
    write_report_table(layout.PER_CASE, rows)
    write_examples(external, rows, predictions, all_runs(params))


def score_runs(
    params: Params, frames: Frames, metrics: dict[str, dict[str, Any]], description: str
) -> tuple[pd.DataFrame, dict[str, Pairs]]:
    """Tidy rows of every run on `frames`, and each run's label maps (n, H, W) uint8 by run name."""
    from augbench.training.fit import predict

    scorers = {name: create("metrics", name, options) for name, options in metrics.items()}
    runs = all_runs(params)
    tables, predictions = [], {}
    with progress(description, len(runs) * len(frames)) as bar:
        for task in runs:
            network, structures = load_network(params, task)
            predicted = predict(network, frames.images)
            scores = _score(frames, predicted, structures, scorers)
            tables.append(scores.assign(**_identity(task), labels=mask_source(params, task.generator)))
            predictions[task.name] = predicted
            bar.advance(len(frames), note=task.name)
    columns = ["frame_id", "subject_id", "site", "view", *_identity(runs[0]), "structure", "metric", "value", "reason"]
    columns.append("labels")
    return pd.concat(tables, ignore_index=True)[columns], predictions


def _score(frames: Frames, predicted: Pairs, trained: list[str], scorers: dict[str, Any]) -> pd.DataFrame:
    """Scores of the structures that the network knows and the cohort annotates; others have no reference."""
    from augbench.metrics.base import score_frame

    rows = []
    places = frames.table[["frame_id", "subject_id", "site", "view"]].itertuples(index=False, name=None)
    for at, place in enumerate(places):
        annotated = frames.scheme.annotated[place[-1]]
        # The label maps share one scheme, so reference and prediction agree on every value.
        labels = {name: frames.scheme.value(name) for name in annotated if name in trained}
        spacing_mm = float(frames.table["spacing_mm"].iloc[at])
        scores = score_frame(frames.labels[at], predicted[at], labels, spacing_mm, scorers)
        rows += [(*place, *score) for score in scores]
    return pd.DataFrame(
        rows, columns=["frame_id", "subject_id", "site", "view", "structure", "metric", "value", "reason"]
    )


def _identity(task: Run) -> dict[str, str | int | None]:
    return {
        "generator": task.generator or "",
        "regime": task.regime_label,
        "generator_seed": "" if task.generator_seed is None else str(task.generator_seed),
        "segmenter_seed": task.segmenter_seed,
    }
