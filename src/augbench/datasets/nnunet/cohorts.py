"""Imported datasets -> cohorts: one label scheme for all of them, patients dealt out, frames in the common values."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from augbench.core.errors import UserError
from augbench.core.seeding import Rng
from augbench.core.types import Frames, LabelScheme
from augbench.datasets.nnunet.source import Imported
from augbench.datasets.nnunet.splits import Share, cohort_sizes, cut, stratified_order, validation_subjects
from augbench.datasets.nnunet.structures import in_canonical_order

#: Patients a cohort needs: the segmenter has one to train on and one to validate on.
_MINIMUM = {"generator": 1, "segmenter": 2, "internal": 1, "development": 1, "external": 1}


def build_scheme(annotated: Mapping[str, set[str]], views: tuple[str, ...]) -> LabelScheme:
    """Label values of all cohorts: what the training masks hold, so that no network has a class without examples."""
    structures = in_canonical_order(name for view in views for name in annotated[view])
    by_view = {view: tuple(name for name in structures if name in annotated[view]) for view in views}
    for view, names in by_view.items():
        if not names:
            raise UserError(
                f"view '{view}' has no labelled pixel in the training dataset",
                got="empty masks alone",
                expected="masks that show at least one structure",
                remedy="check the masks, or remove the view from `views`",
                file="params.yaml",
            )
    return LabelScheme(structures, by_view)


def scheme_of(data: Imported, common: LabelScheme) -> LabelScheme:
    """The common label values, with what this dataset annotates of them in each view.

    Raises:
        UserError: a view shares no structure with the training dataset.
    """
    own = {
        view: tuple(name for name in names if name in data.annotated[view]) for view, names in common.annotated.items()
    }
    for view, names in own.items():
        if not names:
            raise UserError(
                f"no structure of view '{view}' is labelled in both datasets",
                got=f"{', '.join(in_canonical_order(data.annotated[view])) or 'nothing'} in {data.source.folder.name}",
                expected=f"one of {', '.join(common.annotated[view])}, as in the training dataset",
                remedy="choose another dataset, or map its label names through datasets.nnunet.structure_names",
                file=data.description.file,
            )
    return LabelScheme(common.structures, own)


def split_subjects(
    data: Imported, shares: Mapping[str, Share | None], validation_fraction: float, rng: Rng
) -> dict[str, dict[str, str]]:
    """Cohort -> its subjects -> their split (`train` or `validation` in the segmenter cohort, else the cohort's name).

    Raises:
        UserError: there are fewer patients than asked for.
    """
    pathology = dict(zip(data.table["subject_id"], data.table["pathology"], strict=True))
    sizes = cohort_counts(data, shares)
    splits: dict[str, dict[str, str]] = {}
    for cohort, subjects in cut(stratified_order(pathology, rng), sizes).items():
        splits[cohort] = dict.fromkeys(subjects, cohort)
        if cohort == "segmenter":
            held = validation_subjects({name: pathology[name] for name in subjects}, validation_fraction, rng)
            splits[cohort] = {name: "validation" if name in held else "train" for name in subjects}
    return splits


def cohort_counts(data: Imported, shares: Mapping[str, Share | None]) -> dict[str, int]:
    """Cohort -> number of its patients; who they are depends on the seed, how many does not.

    Raises:
        UserError: there are fewer patients than asked for.
    """
    total = int(data.table["subject_id"].nunique())
    return cohort_sizes(total, shares, {role: _MINIMUM[role] for role in shares}, data.source.folder)


def frames_of(data: Imported, subjects: Mapping[str, str], scheme: LabelScheme) -> Frames:
    """The frames of some subjects in the values of `scheme`; a structure that is not annotated becomes background."""
    rows = np.flatnonzero(data.table["subject_id"].isin(list(subjects)).to_numpy())
    table = data.table.iloc[rows].reset_index(drop=True)
    table["split"] = table["subject_id"].map(dict(subjects))
    pairs = data.pairs[rows]
    for view, names in scheme.annotated.items():
        values = np.zeros(256, np.uint8)
        for value, name in data.description.structures.items():
            values[value] = scheme.value(name) if name in names else 0
        of_view = np.flatnonzero((table["view"] == view).to_numpy())
        pairs[of_view, 1] = values[pairs[of_view, 1]]
    return Frames(pairs, table, scheme)
