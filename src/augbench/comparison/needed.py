"""What keeps a row from a decision, and how many patients or seeds would have brought it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from augbench.comparison.components import Component
from augbench.comparison.estimate import (
    GENERATOR_SEEDS,
    PATIENTS,
    REFERENCE_SEEDS,
    SEGMENTER_SEEDS,
    TRAININGS,
    Added,
    Estimate,
)

#: More is no advice.
MOST_PATIENTS, MOST_SEEDS = 100_000, 60

#: Seeds to add where a source of seeds limits; a single training is one more segmenter seed.
_LISTS = {
    GENERATOR_SEEDS: "generator_seeds",
    SEGMENTER_SEEDS: "segmenter_seeds",
    TRAININGS: "segmenter_seeds",
    REFERENCE_SEEDS: "reference_seeds",
}


class Goal(Protocol):
    """What counts as a decision of one row."""

    def reached(self, variance: Component) -> bool:
        """Whether a mean of this variance would be decided, were its value the one that was found."""


@dataclass(frozen=True)
class Limit:
    """What an undecided row lacks, if mean and variances stay as measured.

    Attributes:
        source: the source with the largest share of the mean's variance (see `estimate`); '' where nothing varies.
        share: that share, in [0, 1].
        patients: fewest patients in all that decide, with the seeds as they are; None where no sensible number does.
        seeds: fewest seeds in the list that is the source, with all else as it is; None likewise, and for patients.
    """

    source: str
    share: float
    patients: int | None
    seeds: int | None


def limit(estimate: Estimate, goal: Goal) -> Limit:
    """For an undecided row without leading axes. Degrees of freedom grow with what is added."""
    shares = {source: float(part.value) for source, part in estimate.shares().items()}
    total = sum(shares.values())
    if total == 0:
        return Limit("", 0.0, None, None)
    source = max(shares, key=lambda name: shares[name])
    patients = _fewest(lambda n: goal.reached(estimate.variance(Added(patients=n))), MOST_PATIENTS)
    seeds = None
    if source != PATIENTS:
        seeds = _fewest(lambda k: goal.reached(estimate.variance(Added(**{_LISTS[source]: k}))), MOST_SEEDS)
    return Limit(
        source,
        shares[source] / total,
        None if patients is None else estimate.n + patients,
        None if seeds is None else estimate.seeds(source) + seeds,
    )


def too_few_patients() -> Limit:
    """Of a row with too few patients for any interval, and so with nothing to reckon with."""
    return Limit(PATIENTS, np.nan, None, None)


def _fewest(decides: Callable[[int], bool], most: int) -> int | None:
    """Smallest number from 1 to `most` that decides, by bisection: more never decides less."""
    return bisect_left(range(1, most), True, key=decides) + 1 if decides(most) else None
