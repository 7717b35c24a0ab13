"""develop: Dice of every run on held-out patients of the main site and on the development site.

Choices are made on these scores. The external set is not read here: `dvc repro develop` leaves it unseen.
"""

from __future__ import annotations

import pandas as pd

from augbench.core import layout
from augbench.core.params import Params
from augbench.core.reports import write_report_table
from augbench.core.shards import read_frames
from augbench.runtime.fingerprint import checkpoints_of
from augbench.stages.evaluate import score_runs

_RUN = ["generator", "regime", "generator_seed", "segmenter_seed", "labels"]


def run(params: Params) -> None:
    parts = []
    for role in ("internal", "development"):
        with checkpoints_of(params, layout.DEVELOPMENT, role) as checkpoints:
            frames = read_frames(layout.cohort(role))
            rows, _ = score_runs(params, frames, {"dice": {}}, f"score {role}", checkpoints)
        rows["value"] = pd.to_numeric(rows["value"])
        # Frames of a patient first, then patients: a patient with more frames must not weigh more.
        patients = rows.groupby([*_RUN, "view", "structure", "subject_id"], as_index=False, sort=False)["value"].mean()
        means = patients.groupby([*_RUN, "view", "structure"], as_index=False, sort=False)["value"].mean()
        parts.append(means.assign(cohort=role, metric="dice"))
    table = pd.concat(parts, ignore_index=True)
    columns = ["cohort", *_RUN[:-1], "view", "structure", "metric", "value", "labels"]
    write_report_table(layout.DEVELOPMENT, table[columns])
