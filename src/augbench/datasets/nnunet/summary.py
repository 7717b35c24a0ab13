"""What the importer finds in the user's folders, as a dictionary that can be printed or written as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from augbench.datasets.nnunet.cohorts import cohort_counts
from augbench.datasets.nnunet.persons import merge_persons
from augbench.datasets.nnunet.source import Imported, import_source
from augbench.datasets.nnunet.structures import in_canonical_order

if TYPE_CHECKING:
    from augbench.datasets.nnunet import NnUNet


def summary(dataset: NnUNet, image_size: int = 64, views: tuple[str, ...] | None = None) -> dict[str, Any]:
    """Read and check every file as `prepare` would, and say what there is.

    Args:
        views: the views to look at; None for all.

    Returns:
        role (training, development, external) -> what its folder holds; keys as in `_describe`.

    Raises:
        UserError: the first file that cannot be used.
    """
    found: dict[str, Any] = {}
    for role, name in dataset.datasets.items():
        data = import_source(dataset.source(name), image_size, views)
        images = len(data.table)
        merged = merge_persons(data, refuse=False)
        found[role] = {
            **_describe(data),
            "frames_read": images,
            "same_person": merged,
            "subjects_per_cohort": cohort_counts(data, dataset.shares(role)),
        }
    return found


def _describe(data: Imported) -> dict[str, Any]:
    table, description = data.table, data.description
    spacings = [spacing for spacing in data.spacings if spacing is not None]
    notes = []
    if not spacings:
        notes.append("no pixel spacing: distances in mm rest on nominal_field_of_view_mm")
    return {
        "folder": str(data.source.folder),
        "file_ending": description.file_ending,
        "announced_cases": description.announced,
        "labels": {name: value for value, name in sorted(description.structures.items())},
        "frames": len(table),
        "subjects": int(table["subject_id"].nunique()),
        "views": {
            str(view): {
                "frames": len(part),
                "subjects": int(part["subject_id"].nunique()),
                "annotated": list(in_canonical_order(data.annotated[str(view)])),
            }
            for view, part in table.groupby("view")
        },
        "phases": table["phase"].value_counts().sort_index().to_dict(),
        "subjects_per_pathology": table.groupby("pathology")["subject_id"].nunique().to_dict(),
        "smallest_px": list(min(data.sizes, key=min)),
        "largest_px": list(max(data.sizes, key=max)),
        "source_spacing_mm": [min(spacings), max(spacings)] if spacings else None,
        "labelled_share_outside_crop": float(np.mean(data.outside_crop)) if data.outside_crop else None,
        "frames_cut_by_crop": int(np.count_nonzero(np.asarray(data.outside_crop) > 0)),
        "notes": notes,
    }
