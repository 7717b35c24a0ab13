r"""Whether a revision may pass: non-inferiority of Dice, with error rates that hold for the whole gate (decision 0011).

Rows: `overall` (mean over gated arms, views and structures), one per arm, one per structure (mean over gated arms).

| outcome | rule | how often at most |
| --- | --- | --- |
| pass | `overall` above -margin at level alpha, and every part above -2 margins at 2 alpha | every row must clear its \
bound, so a row that is truly at it lets the gate pass at its level, however many rows there are |
| fail | `overall` below -margin at alpha / 2, or a part at alpha / (2 parts) | alpha when no row is truly below \
-margin (Bonferroni) |
| inconclusive | neither | |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from augbench.comparison.limits import Array, Component, Seeds, patient_variance, seed_variance, standard_error

PASS, FAIL, INCONCLUSIVE = "pass", "fail", "inconclusive"
OVERALL = "overall"
#: A part may be worse than the whole by this factor of the margin before it stops a pass.
PART_MARGINS = 2.0


@dataclass(frozen=True)
class Runs:
    """One arm's Dice in one place, in both revisions.

    Attributes:
        head, base: (..., n, G, S) and (..., n, G', S') without NaN, patients in one order.
        paired: whether both seed axes have the same labels on both sides: runs are then compared one by one.
        has_generator: False for the real arm, whose one generator seed is none.
    """

    head: Array
    base: Array
    paired: bool
    has_generator: bool

    def seed_cubes(self) -> list[Array]:
        """What the seeds' variance is measured on; nothing where every run is what it was."""
        if not self.paired:
            return [self.head, self.base]
        change = self.head - self.base
        return [change] if change.any() else []

    def differences(self) -> Array:
        """(..., n) head minus base, runs averaged first: seeds are not patients."""
        return np.asarray(self.head.mean(axis=(-2, -1)) - self.base.mean(axis=(-2, -1)))


@dataclass(frozen=True)
class Estimate:
    """The mean change of a row, and the variance of that mean by source; axes as in Runs, without n, G, S.

    Attributes:
        designs: (seed variance, generator seeds, segmenter seeds, weight) of each set of runs in the mean.
    """

    mean: Array
    n: int
    patients: Component
    designs: tuple[tuple[Seeds, int, int, float], ...]

    def limits(self, lower_level: float, upper_level: float) -> tuple[Array, Array]:
        """Lower and upper one-sided limits, each at its own level."""
        from scipy.stats import t

        error, degrees = standard_error(self.variance())
        with np.errstate(invalid="ignore"):
            low, high = t.ppf(1 - lower_level, degrees) * error, t.ppf(1 - upper_level, degrees) * error
        return self.mean - low, self.mean + high

    def variance(self, patients: int | None = None, generator_seeds: int = 0, segmenter_seeds: int = 0) -> Component:
        """Variance of the mean; with more patients, or seeds added to each list, as far as these variances tell."""
        more = 1.0 if patients is None else patients / self.n
        total = self.patients.times(1 / more).grown((more * self.n - 1) / (self.n - 1))
        for seeds, g, s, weight in self.designs:
            wider = (g + generator_seeds if g > 1 else g, s + segmenter_seeds if s > 1 else s)
            known = seeds.of_more((wider[0] - 1) / max(g - 1, 1) or 1.0, (wider[1] - 1) / max(s - 1, 1) or 1.0)
            total = total + known.of_mean(*wider).times(weight**2)
        return total


def estimates(arms: Sequence[Runs]) -> tuple[list[Estimate], Estimate]:
    """Each arm's estimate in one place, and that of the mean over arms; the seeds' variance is pooled over arms."""
    pooled = {paired: seed_variance(_cubes(arms, paired)) for paired in (True, False)}
    own = [_designs(arm, pooled[arm.paired]) for arm in arms]
    differences = [arm.differences() for arm in arms]
    parts = [_estimate(change, designs, 1.0) for change, designs in zip(differences, own, strict=True)]
    every = [design for designs in own for design in designs]
    return parts, _estimate(np.mean(differences, axis=0), every, 1 / len(arms))


def _cubes(arms: Sequence[Runs], paired: bool) -> list[Array]:
    return [cube for arm in arms if arm.paired == paired for cube in arm.seed_cubes()]


def _designs(arm: Runs, pooled: Seeds) -> list[tuple[Seeds, int, int]]:
    seeds = pooled if arm.has_generator else pooled.without_generator()
    return [(seeds, *cube.shape[-2:]) for cube in arm.seed_cubes()]


def _estimate(differences: Array, designs: Sequence[tuple[Seeds, int, int]], weight: float) -> Estimate:
    mean = np.asarray(differences.mean(axis=-1))
    weighted = tuple((seeds, g, s, weight) for seeds, g, s in designs)
    return Estimate(mean, differences.shape[-1], patient_variance(differences), weighted)


@dataclass(frozen=True)
class Bounds:
    """What one row must clear: `lower` at `lower_level` to pass, `upper` at `upper_level` to fail."""

    lower: float
    lower_level: float
    upper: float
    upper_level: float

    def judge(self, low: Array, high: Array) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """(passes, fails), each with the axes of the limits."""
        fails = np.asarray(high < self.upper)
        return np.asarray(low > self.lower) & ~fails, fails


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
