"""Two arms side by side in one place: a view and a structure, or all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from augbench.comparison.blocks import Array, Labels, Part
from augbench.comparison.unit import score_cube
from augbench.core.tables import ALL_VIEWS, MEAN_STRUCTURE, RUN

Place = tuple[str, str]


@dataclass(frozen=True)
class Side:
    """One arm's scores in one place, (n, G, S), with the names of both seed axes (`blocks.Part`)."""

    scores: Array
    generators: Labels
    segmenters: Labels

    def part(self, kept: NDArray[np.bool_], weight: float, *, of_reference: bool = False) -> Part:
        """The patients `kept` (n,) as a term of a difference."""
        return Part(self.scores[kept], weight, self.generators, self.segmenters, of_reference)


@dataclass(frozen=True)
class Pair:
    """Two arms in one place; a patient who makes no pair is NaN throughout.

    Attributes:
        lost: (n,) patients who were scored but are undefined in a run of either arm.
    """

    arm: Side
    reference: Side
    lost: NDArray[np.bool_]

    @classmethod
    def of(cls, arm: Side, reference: Side, scored: NDArray[np.bool_]) -> Pair:
        """Blank, and count as lost, the patients of `scored` (n,) who lack a score in any run of either side."""
        complete = defined(arm.scores) & defined(reference.scores)
        own, other = (
            replace(side, scores=np.where(complete[:, None, None], side.scores, np.nan)) for side in (arm, reference)
        )
        return cls(own, other, scored & ~complete)

    @property
    def kept(self) -> NDArray[np.bool_]:
        """(n,) patients who make a pair."""
        return defined(self.arm.scores)

    def parts(self, *, of_reference: bool = True) -> list[Part]:
        """Arm minus reference, of the patients who make a pair; for `of_reference` see `blocks.Part`."""
        kept = self.kept
        return [self.arm.part(kept, 1.0), self.reference.part(kept, -1.0, of_reference=of_reference)]


@dataclass(frozen=True)
class Cell:
    """Scores of every arm in one view, structure and metric; a patient without this view is NaN, and not scored."""

    sides: dict[str, Side]
    scored: NDArray[np.bool_]

    def pair(self, arm: str, reference_arm: str) -> Pair:
        """Two arms of this cell side by side."""
        return Pair.of(self.sides[arm], self.sides[reference_arm], self.scored)


def defined(scores: Array) -> NDArray[np.bool_]:
    """(n,) patients with a score in every run."""
    return np.asarray(~np.isnan(scores).any(axis=(1, 2)))


def cells(per_patient: pd.DataFrame, ids: list[str], generators: Mapping[str, str] | None = None) -> dict[Place, Cell]:
    """(view, structure) -> scores, with one order of patients throughout.

    Args:
        per_patient: rows of `unit.require_per_patient` of one metric.
        ids: the order of the patients; one without rows is NaN, and not scored.
        generators: arm -> its generator; arms of one generator share its seeds. An arm that is not named has its own.
    """
    found = {}
    for (view, structure), rows in per_patient.groupby(["view", "structure"], sort=False):
        sides = {
            str(arm): _side(own, ids, (generators or {}).get(str(arm)) or str(arm))
            for arm, own in rows.groupby("arm", sort=False)
        }
        found[str(view), str(structure)] = Cell(sides, np.isin(ids, rows["subject_id"].unique()))
    return found


def _side(rows: pd.DataFrame, ids: list[str], generator: str) -> Side:
    of_generator, of_segmenter = (sorted(set(rows[seed])) for seed in RUN[1:])
    named = () if of_generator == [""] else tuple((generator, seed) for seed in of_generator)
    return Side(score_cube(rows, ids), named, tuple(of_segmenter))


def with_overall(pairs: dict[Place, Pair]) -> dict[Place, Pair]:
    """The places and, last, the mean of them; a single place is its own mean, and stays the only one."""
    return pairs if len(pairs) < 2 else pairs | {(ALL_VIEWS, MEAN_STRUCTURE): overall(list(pairs.values()))}


def overall(pairs: Sequence[Pair]) -> Pair:
    """Each patient's mean over the places where the patient makes a pair: the same places in both arms."""
    makes_pair = np.array([pair.kept for pair in pairs])
    places = np.where(makes_pair.any(axis=0), makes_pair.sum(axis=0), np.nan)[:, None, None]
    arm, reference = (
        replace(sides[0], scores=np.nansum([side.scores for side in sides], axis=0) / places)
        for sides in ([pair.arm for pair in pairs], [pair.reference for pair in pairs])
    )
    return Pair(arm, reference, np.any([pair.lost for pair in pairs], axis=0))
