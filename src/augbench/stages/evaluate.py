"""evaluate: every trained network on the external test set. The only stage that reads the external cohort."""

from __future__ import annotations

import pandas as pd

from augbench.comparison.unit import per_patient
from augbench.core import layout
from augbench.core.arms import arm_named, arms_of, reference_arm
from augbench.core.artifacts import atomic_folder, write_csv
from augbench.core.params import Params
from augbench.core.reports import write_report_table
from augbench.core.shards import read_frames
from augbench.runtime.parts import checkpoints_of
from augbench.stages.examples import write_examples
from augbench.stages.scoring import Scoring


def run(params: Params) -> None:
    """Score every run on the external cohort: per frame for DVC, per patient for git."""
    frames = read_frames(layout.cohort(params.evaluation.external))
    primary = params.comparison.primary
    shown = [arm.runs[0] for arm in (reference_arm(params), arm_named(params, primary.arm))]
    scoring = Scoring(params, frames, params.evaluation.metrics, f"evaluate {params.evaluation.external}", shown)
    with checkpoints_of(params, "evaluate") as checkpoints:
        rows = scoring.rows(checkpoints)
    with atomic_folder(layout.SCORES) as folder:
        write_csv(folder / layout.PER_FRAME.name, rows)
    write_report_table(layout.PER_PATIENT, per_patient(rows))
    write_report_table(layout.ARMS, arms_table(params))
    write_examples(frames, rows, scoring.maps, primary.metric)


def arms_table(params: Params) -> pd.DataFrame:
    """What every arm is, a row each; the other tables name it alone."""
    return pd.DataFrame(
        [
            {
                "arm": arm.name,
                "role": arm.role,
                "regime": arm.regime,
                "dose": arm.dose,
                "generator": arm.generator or "",
                "cohort": arm.cohort,
                "labels": arm.labels,
                "synthetic": arm.synthetic or "",
                "segmenter": arm.segmenter,
                "augmented": arm.augmented,
                "against": arm.against,
            }
            for arm in arms_of(params)
        ]
    )
