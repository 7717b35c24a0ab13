"""A mean difference with its variance by source: what limits it, and what more patients or seeds would make of it.

A bootstrap cannot see how uncertain a variance from two or three seeds is (decision 0011). Here the variance of the
mean is put together from patients, generator seeds, segmenter seeds and single trainings, and Student's t gets
Satterthwaite's degrees of freedom. All functions take leading axes (see `components`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from augbench.comparison.components import NOTHING, Array, Component, Seeds, seed_variance

#: What may make a mean difference uncertain.
PATIENTS, GENERATOR_SEEDS, SEGMENTER_SEEDS = "patients", "generator seeds", "segmenter seeds"
TRAININGS, REFERENCE_SEEDS = "single trainings", "reference seeds"


@dataclass(frozen=True)
class Added:
    """More patients, and more seeds in each list that has more than one."""

    patients: int = 0
    generator_seeds: int = 0
    segmenter_seeds: int = 0
    reference_seeds: int = 0


_AS_IT_IS = Added()


@dataclass(frozen=True)
class Runs:
    """The crossed runs of one arm on one side of a difference.

    Attributes:
        seeds: how they vary.
        generator_seeds, segmenter_seeds: how many there are.
        weight: of their mean in the estimated mean.
        of_reference: whether they are the reference arm's, whose seeds are one source.
    """

    seeds: Seeds
    generator_seeds: int
    segmenter_seeds: int
    weight: float = 1.0
    of_reference: bool = False

    @classmethod
    def of(cls, cube: Array, *, of_reference: bool = False) -> Runs:
        """Runs whose seeds' variance is that of their own scores (..., n, G, S)."""
        return cls(seed_variance([cube]), cube.shape[-2], cube.shape[-1], of_reference=of_reference)

    def grown(self, added: Added) -> Runs:
        """With more seeds, whose variances are then known from more degrees of freedom."""
        more = (added.reference_seeds,) * 2 if self.of_reference else (added.generator_seeds, added.segmenter_seeds)
        g, s = self.generator_seeds, self.segmenter_seeds
        wider = (g + more[0] if g > 1 else g, s + more[1] if s > 1 else s)
        known = [(new - 1) / (old - 1) if old > 1 else 1.0 for new, old in zip(wider, (g, s), strict=True)]
        seeds = Seeds(
            self.seeds.generator.grown(known[0]),
            self.seeds.segmenter.grown(known[1]),
            self.seeds.run.grown(known[0] * known[1]),
        )
        return replace(self, seeds=seeds, generator_seeds=wider[0], segmenter_seeds=wider[1])

    def shares(self) -> dict[str, Component]:
        """Source -> what it adds to the variance of the estimated mean."""
        g, s = self.generator_seeds, self.segmenter_seeds
        names = (REFERENCE_SEEDS,) * 3 if self.of_reference else (GENERATOR_SEEDS, SEGMENTER_SEEDS, TRAININGS)
        parts = (self.seeds.generator, g), (self.seeds.segmenter, s), (self.seeds.run, g * s)
        found = dict.fromkeys(names, NOTHING)
        for name, (part, count) in zip(names, parts, strict=True):
            found[name] = found[name] + part.clipped().times(self.weight**2 / count)
        return found


@dataclass(frozen=True)
class Estimate:
    """A mean difference (...) over n patients.

    Attributes:
        patients: what patients (and their different response to single runs) add to the mean's variance.
        runs: what was averaged.
    """

    mean: Array
    n: int
    patients: Component
    runs: tuple[Runs, ...]

    @classmethod
    def of(cls, differences: Array, runs: tuple[Runs, ...]) -> Estimate:
        """From differences (..., n) of patients."""
        n = differences.shape[-1]
        share = np.asarray(differences.var(axis=-1, ddof=1) / n)
        return cls(np.asarray(differences.mean(axis=-1)), n, Component(share, 2 * share**2 / (n - 1)), runs)

    @classmethod
    def between_arms(cls, arm: Array, reference: Array) -> Estimate:
        """Of the same patients in two arms, (n, G, S) and (n, G', S'); the reference's seeds are their own source."""
        own = Runs.of(arm), Runs.of(reference, of_reference=True)
        return cls.of(arm.mean(axis=(-2, -1)) - reference.mean(axis=(-2, -1)), own)

    def shares(self, added: Added = _AS_IT_IS) -> dict[str, Component]:
        """Source -> its part of the mean's variance; with more patients or seeds, as far as these variances tell."""
        n = self.n + added.patients
        found = {PATIENTS: self.patients.times(self.n / n).grown((n - 1) / (self.n - 1))}
        for runs in self.runs:
            for source, part in runs.grown(added).shares().items():
                found[source] = found.get(source, NOTHING) + part
        return found

    def variance(self, added: Added = _AS_IT_IS) -> Component:
        """Of the mean: the sum of its shares."""
        return sum(self.shares(added).values(), NOTHING)

    def seeds(self, source: str) -> int:
        """The longest list of the seeds that are this source; single trainings come with segmenter seeds."""
        lists = [
            runs.generator_seeds if source == GENERATOR_SEEDS else runs.segmenter_seeds
            for runs in self.runs
            if runs.of_reference == (source == REFERENCE_SEEDS)
        ]
        return max(lists, default=0)

    def limits(self, lower_level: float, upper_level: float) -> tuple[Array, Array]:
        """Lower and upper one-sided limits, each at its own level."""
        from scipy.stats import t

        error, degrees = standard_error(self.variance())
        with np.errstate(invalid="ignore"):
            low, high = t.ppf(1 - lower_level, degrees) * error, t.ppf(1 - upper_level, degrees) * error
        return self.mean - low, self.mean + high


def standard_error(total: Component) -> tuple[Array, Array]:
    """Standard error (...) of a mean, and Satterthwaite's degrees of freedom (...), at least 1."""
    with np.errstate(invalid="ignore", divide="ignore"):
        degrees = np.where(total.variance > 0, 2 * total.value**2 / total.variance, np.inf)
    return np.sqrt(total.value), np.maximum(degrees, 1.0)


@dataclass(frozen=True)
class Sides:
    """One arm in one place, in two revisions.

    Attributes:
        head, base: (..., n, G, S) and (..., n, G', S') without NaN, patients in one order.
        paired: whether both seed axes have the same labels on both sides: runs are then compared one by one.
        has_generator: False in an arm without one, whose one generator seed is none.
    """

    head: Array
    base: Array
    paired: bool
    has_generator: bool = True

    def seed_cubes(self) -> list[Array]:
        """What the seeds' variance is measured on; nothing where every run is what it was."""
        if not self.paired:
            return [self.head, self.base]
        change = self.head - self.base
        return [change] if change.any() else []

    def differences(self) -> Array:
        """(..., n) head minus base, runs averaged first: seeds are not patients."""
        return np.asarray(self.head.mean(axis=(-2, -1)) - self.base.mean(axis=(-2, -1)))


def between_revisions(arms: Sequence[Sides]) -> tuple[list[Estimate], Estimate]:
    """Each arm's change, and that of the mean over arms; the seeds' variance is pooled over arms."""
    pooled = {
        paired: seed_variance([cube for arm in arms if arm.paired == paired for cube in arm.seed_cubes()])
        for paired in (True, False)
    }
    own = [_runs(arm, pooled[arm.paired]) for arm in arms]
    differences = [arm.differences() for arm in arms]
    parts = [Estimate.of(change, runs) for change, runs in zip(differences, own, strict=True)]
    every = tuple(replace(runs, weight=1 / len(arms)) for part in own for runs in part)
    return parts, Estimate.of(np.mean(differences, axis=0), every)


def _runs(arm: Sides, pooled: Seeds) -> tuple[Runs, ...]:
    seeds = pooled if arm.has_generator else pooled.without_generator()
    return tuple(Runs(seeds, *cube.shape[-2:]) for cube in arm.seed_cubes())
