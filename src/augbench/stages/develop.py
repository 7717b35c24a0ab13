"""develop: the primary metric of every run on a cohort on which choices are made.

The external set is not read here: `dvc repro develop` leaves it unseen.
"""

from __future__ import annotations

from augbench.core import layout
from augbench.core.errors import UserError
from augbench.core.params import Params
from augbench.core.reports import write_report_table
from augbench.core.shards import read_frames
from augbench.runtime.parts import checkpoints_of
from augbench.stages.scoring import Scoring, mean_over_frames


def run(params: Params, cohort: str) -> None:
    """Score every run on `cohort`.

    Raises:
        UserError: choices are not made on this cohort.
    """
    if cohort not in params.evaluation.development:
        raise UserError(
            f"choices are not made on cohort '{cohort}'",
            got=cohort,
            expected=", ".join(params.evaluation.development),
            remedy="correct the command, or add the cohort to evaluation.development",
            file="params.yaml",
        )
    metric = params.comparison.primary.metric
    scoring = Scoring(
        params, read_frames(layout.cohort(cohort)), {metric: params.evaluation.metrics[metric]}, f"score {cohort}"
    )
    with checkpoints_of(params, f"develop@{cohort}") as checkpoints:
        rows = scoring.rows(checkpoints)
    means = mean_over_frames(rows)
    write_report_table(layout.development(cohort), means.assign(cohort=cohort)[["cohort", *means.columns]])
