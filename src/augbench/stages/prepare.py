"""prepare: dataset -> cohorts. The only stage that sees raw data, and the only one that builds the external set."""

from __future__ import annotations

import numpy as np

from augbench.core import layout
from augbench.core.component import create
from augbench.core.errors import UserError
from augbench.core.params import Params
from augbench.core.shards import write_shards
from augbench.core.types import COHORTS, Frames, require_disjoint_subjects
from augbench.stages.check import check_components


def run(params: Params) -> None:
    check_components(params)
    dataset = create("datasets", params.dataset, params.datasets[params.dataset])
    cohorts: dict[str, Frames] = dataset.cohorts(params.image_size, tuple(params.views), params.seed)
    require_disjoint_subjects({role: frames.table for role, frames in cohorts.items()})
    for role in COHORTS:
        _require_views(role, cohorts.get(role), params)
        _require_labels(role, cohorts[role])
    for role, frames in cohorts.items():
        write_shards(layout.cohort(role), [frames.pairs], frames.table, frames.scheme)


def _require_views(role: str, frames: Frames | None, params: Params) -> None:
    if frames is None or len(frames) == 0:
        raise UserError(
            f"cohort '{role}' is empty",
            got="0 frames",
            expected="at least one patient",
            remedy=f"raise datasets.{params.dataset}.{role}_subjects",
            file="params.yaml",
        )
    missing = sorted(set(params.views) - set(frames.views))
    if missing:
        raise UserError(
            f"view {', '.join(missing)} has no frames in cohort '{role}'",
            got=f"views {', '.join(sorted(set(frames.views)))}",
            expected=f"every view of params.yaml: {', '.join(params.views)}",
            remedy="remove the view from `views`, or add frames of it",
            file="params.yaml",
        )


def _require_labels(role: str, frames: Frames) -> None:
    """A structure that no mask of a split shows cannot be learnt, validated or scored there."""
    if role in ("internal", "development"):  # looked at, but nothing is trained or concluded on them
        return
    for split in frames.table["split"].unique():
        for view, structures in frames.scheme.annotated.items():
            part = ((frames.table["split"] == split) & (frames.table["view"] == view)).to_numpy()
            present = set(np.unique(frames.labels[part]).tolist())
            missing = [name for name in structures if frames.scheme.value(name) not in present]
            if missing:
                raise UserError(
                    f"structure '{missing[0]}' of view '{view}' is in no mask of split '{split}'",
                    got=f"{int(part.sum())} frames of cohort '{role}', none of which shows {', '.join(missing)}",
                    expected="every annotated structure in the masks of every split",
                    remedy=f"raise the subjects of cohort '{role}', change `seed`, or leave out the structure",
                    file="params.yaml",
                )
