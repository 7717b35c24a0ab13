"""How many patients or seeds would have decided a row that is inconclusive."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from augbench.comparison.gate import Bounds, Estimate
from augbench.comparison.limits import Component, standard_error

#: More is no advice.
MOST_PATIENTS, MOST_SEEDS = 100_000, 60


@dataclass(frozen=True)
class Needed:
    """Fewest that decide if change and variances stay as measured; None where no sensible number does.

    Attributes:
        patients: external patients in all, with the seeds as they are.
        seeds: to add to each seed list that has more than one, with the patients as they are.
        seed_share: part of the mean's variance that seeds make, in [0, 1].
    """

    patients: int | None
    seeds: int | None
    seed_share: float


def needed(estimate: Estimate, bounds: Bounds) -> Needed:
    """For a row without leading axes: to pass where its mean clears the lower bound, otherwise to fail.

    The limit's distance from the mean is t(level, degrees) times the standard error that the measured components give
    for the larger design; degrees of freedom grow with it.
    """
    mean = float(estimate.mean)
    passing = mean > bounds.lower
    gap = mean - bounds.lower if passing else bounds.upper - mean
    level = bounds.lower_level if passing else bounds.upper_level
    total = estimate.variance()
    share = 1 - float(estimate.patients.value / total.value) if total.value > 0 else 0.0

    def decided(variance: Component) -> bool:
        from scipy.stats import t

        error, degrees = standard_error(variance)
        return bool(t.ppf(1 - level, degrees) * error < gap)

    return Needed(
        _fewest(lambda n: decided(estimate.variance(patients=n)), estimate.n, MOST_PATIENTS),
        _fewest(lambda k: decided(estimate.variance(generator_seeds=k, segmenter_seeds=k)), 0, MOST_SEEDS),
        share,
    )


def _fewest(decides: Callable[[int], bool], present: int, most: int) -> int | None:
    """Smallest number above `present` that decides, by bisection: more never decides less."""
    if not decides(most):
        return None
    low, high = present, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if decides(middle) else (middle, high)
    return high
