"""Two arms side by side in one place: a view and a structure, or all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from augbench.comparison.bootstrap import Scores
from augbench.comparison.unit import score_cube

#: View and structure of the row that averages each patient over all views and structures.
ALL_VIEWS, MEAN_STRUCTURE = "all", "mean"

Place = tuple[str, str]


@dataclass(frozen=True)
class Pair:
    """Two arms in one place; a patient who makes no pair is NaN throughout.

    Attributes:
        arm, reference: (n, G, S) and (n, G', S') scores.
        lost: (n,) patients who were scored but are undefined in a run of either arm.
    """

    arm: Scores
    reference: Scores
    lost: NDArray[np.bool_]

    @classmethod
    def of(cls, arm: Scores, reference: Scores, scored: NDArray[np.bool_]) -> Pair:
        """Blank, and count as lost, the patients of `scored` (n,) who lack a score in any run of either side."""
        complete = defined(arm) & defined(reference)
        keep = complete[:, None, None]
        return cls(np.where(keep, arm, np.nan), np.where(keep, reference, np.nan), scored & ~complete)


@dataclass(frozen=True)
class Cell:
    """Scores of every arm in one view, structure and metric; a patient without this view is NaN, and not scored."""

    scores: dict[str, Scores]
    scored: NDArray[np.bool_]

    def pair(self, arm: str, reference_arm: str) -> Pair:
        return Pair.of(self.scores[arm], self.scores[reference_arm], self.scored)


def defined(scores: Scores) -> NDArray[np.bool_]:
    """(n,) patients with a score in every run."""
    return np.asarray(~np.isnan(scores).any(axis=(1, 2)))


def cells(per_patient: pd.DataFrame, ids: list[str]) -> dict[Place, Cell]:
    """(view, structure) -> scores, with one order of patients throughout.

    Args:
        per_patient: rows of `unit.require_per_patient` of one metric.
        ids: the order of the patients; one without rows is NaN, and not scored.
    """
    found = {}
    for (view, structure), rows in per_patient.groupby(["view", "structure"], sort=False):
        scores = {str(arm): score_cube(own, ids) for arm, own in rows.groupby("arm", sort=False)}
        found[str(view), str(structure)] = Cell(scores, np.isin(ids, rows["subject_id"].unique()))
    return found


def with_overall(pairs: dict[Place, Pair]) -> dict[Place, Pair]:
    """The places and, last, the mean of them; a single place is its own mean, and stays the only one."""
    return pairs if len(pairs) < 2 else pairs | {(ALL_VIEWS, MEAN_STRUCTURE): overall(list(pairs.values()))}


def overall(pairs: Sequence[Pair]) -> Pair:
    """Each patient's mean over the places where the patient makes a pair: the same places in both arms."""
    makes_pair = np.array([defined(pair.arm) for pair in pairs])
    places = np.where(makes_pair.any(axis=0), makes_pair.sum(axis=0), np.nan)[:, None, None]
    arm = np.nansum([pair.arm for pair in pairs], axis=0) / places
    reference = np.nansum([pair.reference for pair in pairs], axis=0) / places
    return Pair(arm, reference, np.any([pair.lost for pair in pairs], axis=0))
