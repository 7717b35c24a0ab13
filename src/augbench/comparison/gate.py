r"""Whether a revision may pass: non-inferiority of the primary metric, with error rates that hold for the whole gate.

Rows: `overall` (mean over gated arms, views and structures), one per arm, one per structure (mean over gated arms);
see decision 0011. All changes here are gains: positive is better, whichever way the metric points.

| outcome | rule | how often at most |
| --- | --- | --- |
| pass | `overall` above -margin at level alpha, and every part above -2 margins at 2 alpha | every row must clear its \
bound, so a row that is truly at it lets the gate pass at its level, however many rows there are |
| fail | `overall` below -margin at alpha / 2, or a part at alpha / (2 parts) | alpha when no row is truly below \
-margin (Bonferroni) |
| inconclusive | neither | |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from augbench.comparison.blocks import Array
from augbench.comparison.estimate import Estimate, Precision

PASS, FAIL, INCONCLUSIVE = "pass", "fail", "inconclusive"
OVERALL = "overall"
#: A part may be worse than the whole by this factor of the margin before it stops a pass.
PART_MARGINS = 2.0


@dataclass(frozen=True)
class Bounds:
    """What one row's gain must clear: `lower` at `lower_level` to pass, `upper` at `upper_level` to fail."""

    lower: float
    lower_level: float
    upper: float
    upper_level: float

    def judge(self, low: Array, high: Array) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """(passes, fails), each with the axes of the limits."""
        fails = np.asarray(high < self.upper)
        return np.asarray(low > self.lower) & ~fails, fails


@dataclass(frozen=True)
class Clearing:
    """A `needed.Goal`: to pass where the mean gain clears the lower bound, otherwise to fail."""

    mean: float
    bounds: Bounds

    def reached(self, precision: Precision) -> bool:
        """Whether the limits clear the bound."""
        passing = self.mean > self.bounds.lower
        gap = self.mean - self.bounds.lower if passing else self.bounds.upper - self.mean
        return bool(precision.reach(self.bounds.lower_level if passing else self.bounds.upper_level) < gap)


def bounds(row_is_overall: bool, parts: int, margin: float, alpha: float) -> Bounds:
    """See the module's table; `parts` counts the rows of arms and structures."""
    if row_is_overall:
        return Bounds(-margin, alpha, -margin, alpha / 2)
    return Bounds(-PART_MARGINS * margin, 2 * alpha, -margin, alpha / (2 * parts))


def decide(rows: Mapping[str, Estimate], margin: float, alpha: float) -> tuple[Array, Array]:
    """(passes, fails) of the whole gate, with the estimates' axes; neither: inconclusive. The first row is overall."""
    passed, failed = [], []
    for index, estimate in enumerate(rows.values()):
        limit = bounds(index == 0, len(rows) - 1, margin, alpha)
        one_passes, one_fails = limit.judge(*estimate.limits(limit.lower_level, limit.upper_level))
        passed.append(one_passes)
        failed.append(one_fails)
    return np.all(passed, axis=0), np.any(failed, axis=0)
