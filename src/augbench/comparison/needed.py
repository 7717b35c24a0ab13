"""What keeps a row from a decision, and how many patients or seeds would have brought it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from augbench.comparison.blocks import PATIENTS, SEGMENTER_SEEDS, TRAININGS
from augbench.comparison.estimate import Estimate, Precision

#: More is no advice.
MOST_PATIENTS, MOST_SEEDS = 100_000, 60


class Goal(Protocol):
    """What counts as a decision of one row."""

    def reached(self, precision: Precision) -> bool:
        """Whether a mean this precise would be decided, were its value the one that was found."""


@dataclass(frozen=True)
class Limit:
    """What an undecided row lacks, if mean and variances stay as measured.

    Attributes:
        source: of the sources of which more would decide (see `blocks`), the one with the largest share of the mean's
            variance; the largest of all where more of no single one would; '' where nothing varies. Few seeds prevent
            a decision even where patients vary more: they leave few degrees of freedom.
        share: its share, in [0, 1].
        patients: fewest patients in all that decide, with the seeds as they are; None where no sensible number does.
        seeds: fewest seeds in the list that is the source, with all else as it is; None likewise, and for patients.
    """

    source: str
    share: float
    patients: int | None
    seeds: int | None


def limit(estimate: Estimate, goal: Goal) -> Limit:
    """For an undecided row without leading axes. Degrees of freedom grow with what is added."""
    shares = {source: float(part) for source, part in estimate.shares().items()}
    total = sum(shares.values())
    if total == 0:
        return Limit("", 0.0, None, None)
    most = {source: MOST_PATIENTS if source == PATIENTS else MOST_SEEDS for source in shares}
    largest_first = sorted(shares, key=lambda name: -shares[name])

    def fewest(source: str) -> int | None:
        return _fewest(lambda more: goal.reached(estimate.precision(_with(source, more))), most[source])

    source = next((name for name in largest_first if fewest(name) is not None), largest_first[0])
    patients, seeds = fewest(PATIENTS), None if source == PATIENTS else fewest(source)
    return Limit(
        source,
        shares[source] / total,
        None if patients is None else estimate.n + patients,
        None if seeds is None else estimate.levels(source) + seeds,
    )


def _with(source: str, more: int) -> dict[str, int]:
    """More seeds of a source; another single training is one more segmenter seed."""
    return {SEGMENTER_SEEDS: more, TRAININGS: more} if source in (TRAININGS, SEGMENTER_SEEDS) else {source: more}


def too_few_patients() -> Limit:
    """Of a row with too few patients for any interval, and so with nothing to reckon with."""
    return Limit(PATIENTS, np.nan, None, None)


def _fewest(decides: Callable[[int], bool], most: int) -> int | None:
    """Smallest number from 1 to `most` that decides, by bisection: more never decides less."""
    return bisect_left(range(1, most), True, key=decides) + 1 if decides(most) else None
