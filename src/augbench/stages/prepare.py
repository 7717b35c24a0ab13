"""prepare: dataset -> cohorts. The only stage that sees raw data, and the only one that builds the external set."""

from __future__ import annotations

import numpy as np
import pandas as pd

from augbench.core import layout
from augbench.core.component import create
from augbench.core.errors import UserError
from augbench.core.params import Params
from augbench.core.reports import write_report_table
from augbench.core.shards import write_shards
from augbench.core.tables import COHORT_COLUMNS
from augbench.core.types import Frames, require_disjoint_subjects
from augbench.datasets.base import Dataset
from augbench.runtime.progress import progress
from augbench.stages.check import check_components


def run(params: Params) -> None:
    """Make every cohort of the study.

    Raises:
        UserError: a component, a cohort or a mask cannot be used; nothing is written then.
    """
    check_components(params)
    dataset = create(Dataset, params.dataset.kind, params.dataset.options, entry="dataset")
    cohorts = dataset.cohorts(params.image_size, tuple(params.views), params.seed, progress)
    require_disjoint_subjects({name: frames.table for name, frames in cohorts.items()})
    # Nothing is learnt from these, and a structure that is missing there is merely not scored.
    lenient = {*params.evaluation.development, params.audit.held_out}
    for name, frames in cohorts.items():
        _require_views(name, frames, params)
        if name not in lenient:
            _require_labels(name, frames)
    for name, frames in cohorts.items():
        write_shards(layout.cohort(name), [frames.pairs], frames.table, frames.scheme)
    write_report_table(layout.COHORT_SIZES, _sizes(cohorts))


def _sizes(cohorts: dict[str, Frames]) -> pd.DataFrame:
    """Patients and frames of every cohort, by site and split."""
    rows = []
    for name, frames in cohorts.items():
        for (site, split), part in frames.table.groupby(["site", "split"], sort=True):
            rows.append((name, site, split, part["subject_id"].nunique(), len(part)))
    return pd.DataFrame(rows, columns=list(COHORT_COLUMNS))


def _require_views(name: str, frames: Frames, params: Params) -> None:
    if len(frames) == 0:
        raise UserError(
            f"cohort '{name}' is empty",
            got="0 frames",
            expected="at least one patient",
            remedy=f"give dataset.cohorts.{name} more patients",
            file="params.yaml",
        )
    missing = sorted(set(params.views) - set(frames.views))
    if missing:
        raise UserError(
            f"view {', '.join(missing)} has no frames in cohort '{name}'",
            got=f"views {', '.join(sorted(set(frames.views)))}",
            expected=f"every view of params.yaml: {', '.join(params.views)}",
            remedy="remove the view from `views`, or add frames of it",
            file="params.yaml",
        )


def _require_labels(name: str, frames: Frames) -> None:
    """A structure that no mask of a split shows cannot be learnt, validated or scored there."""
    for split in frames.table["split"].unique():
        for view, structures in frames.scheme.annotated.items():
            part = ((frames.table["split"] == split) & (frames.table["view"] == view)).to_numpy()
            present = set(np.unique(frames.labels[part]).tolist())
            missing = [structure for structure in structures if frames.scheme.value(structure) not in present]
            if missing:
                raise UserError(
                    f"structure '{missing[0]}' of view '{view}' is in no mask of cohort '{name}', split '{split}'",
                    got=f"{int(part.sum())} frames, none of which shows {', '.join(missing)}",
                    expected="every annotated structure in the masks of every split",
                    remedy=f"give cohort '{name}' more patients, change `seed`, or leave out the structure",
                    file="params.yaml",
                )
