"""A mean difference with its variance by source: limits, p-values, and what more patients or seeds would make of it.

The variance is put together from patients, generator seeds, segmenter seeds and single trainings (`blocks`). Two or
three seeds hardly tell how much seeds vary, so limits are Student's t with Satterthwaite's degrees of freedom, in
which shares that rest on few levels count for more than they were found to be (`_caution`). All functions take
leading axes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from augbench.comparison.blocks import (
    GENERATOR_SEEDS,
    SEGMENTER_SEEDS,
    TRAININGS,
    Array,
    Part,
    Share,
    generators,
    patients,
    segmenters,
    trainings,
)

#: With fewer pairs no interval and no p-value is given: Student's t leans on normal means, the signed-rank test cannot
#: reach 0.05 below 6 pairs. No interval is better than a false one.
MIN_SUBJECTS = 6


@dataclass(frozen=True)
class Precision:
    """How precisely a mean is known: shares of its variance (...), each with its degrees of freedom."""

    shares: tuple[tuple[Array, float], ...]

    @property
    def error(self) -> Array:
        """Standard error (...)."""
        return np.sqrt(sum((value for value, _ in self.shares), np.zeros(())))

    def degrees(self, level: float | Array = 0.025) -> Array:
        """Degrees of freedom (...) of Student's t at a one-sided level; at least 1."""
        from scipy.special import ndtri

        depth = np.maximum(-ndtri(level) / _USUAL, 1.0) ** 6
        cautious = uncertain = np.zeros(())
        for value, degrees in self.shares:
            weighed = (1 + _caution(degrees) * depth) * value
            cautious, uncertain = cautious + weighed, uncertain + weighed**2 / degrees
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.maximum(np.where(uncertain > 0, cautious**2 / uncertain, np.inf), 1.0)

    def reach(self, level: float | Array) -> Array:
        """Distance from the mean of its one-sided limit at this level, below 0.5."""
        from scipy.special import stdtrit

        return np.asarray(-stdtrit(self.degrees(level), level) * self.error)

    def below(self, value: Array) -> Array:
        """Probability (...) of an estimate at most `value` from a true mean of 0: the level whose reach it is."""
        distance = np.abs(value)
        low, high = np.full(np.shape(distance), np.log(_LEAST)), np.full(np.shape(distance), np.log(0.5))
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            beyond = self.reach(np.exp(middle)) < distance
            low, high = np.where(beyond, low, middle), np.where(beyond, middle, high)
        tail = np.where(distance > 0, np.where(self.error > 0, np.exp(high), 0.0), 0.5)
        return np.asarray(np.where(value > 0, 1 - tail, tail))


#: Quantile of the usual one-sided level, least p-value that is told apart, and steps of the search for one.
_USUAL, _LEAST, _HALVINGS = 1.959964, 1e-9, 40


def _caution(degrees: float) -> float:
    """By how much more than it was found to be a share counts in the degrees of freedom, in a 95% interval.

    Satterthwaite's own weights (0 here) trust few levels that happen to lie close together: where 2 seeds dominate,
    coverage sinks to 86%, and from 3 to 91%. The far tails, in which corrected tests and the gate's limits lie, are
    worse, so that caution grows with the sixth power of the normal quantile. Both were chosen by simulation
    (docs/statistics.md, appendix).
    """
    return 8 / degrees + 16 / degrees**2


@dataclass(frozen=True)
class Estimate:
    """A mean difference (...) over n patients, its variance's shares, and which seeds' variance nobody could see."""

    mean: Array
    n: int
    parts: tuple[Share, ...]
    unknown: tuple[str, ...] = ()

    @classmethod
    def of(cls, parts: Sequence[Part]) -> Estimate:
        """The weighted sum of the parts' means."""
        differences = np.asarray(sum(part.per_patient() for part in parts))
        of_generators, generators_known = generators(parts)
        of_segmenters, segmenters_known = segmenters(parts)
        shares = [patients(differences), *_seeds(of_generators, of_segmenters, trainings(parts))]
        unknown = (GENERATOR_SEEDS, generators_known), (SEGMENTER_SEEDS, segmenters_known)
        return cls(
            np.asarray(differences.mean(axis=-1)),
            differences.shape[-1],
            tuple(shares),
            tuple(name for name, known in unknown if not known),
        )

    @classmethod
    def expected(
        cls, n: int, patients: Share, generators: Sequence[Share], segmenters: Sequence[Share], runs: Share | None
    ) -> Estimate:
        """Of a study that is yet to be made, with mean 0: shares as `of` would find them (`plan`)."""
        return cls(np.zeros_like(patients.value), n, (patients, *_seeds(generators, segmenters, runs)))

    def shares(self, added: Mapping[str, int] | None = None) -> dict[str, Array]:
        """Source -> its part of the mean's variance (...); with more levels of a source, as far as these tell."""
        found: dict[str, Array] = {}
        for share in self.parts:
            for source, (fraction, levels) in share.sources.items():
                grown = levels / (levels + (added or {}).get(source, 0))
                found[source] = found.get(source, np.zeros(())) + share.value * fraction * grown
        return found

    def precision(self, added: Mapping[str, int] | None = None) -> Precision:
        """As it is, or with more levels of a source, whose variance is then known from as many more."""
        found = []
        for share in self.parts:
            shrink, degrees = np.zeros(()), share.degrees
            for source, (fraction, levels) in share.sources.items():
                more = (added or {}).get(source, 0)
                shrink = shrink + fraction * levels / (levels + more)
                if levels > 1:
                    degrees = max(degrees, share.degrees * (levels + more - 1) / (levels - 1))
            found.append((np.asarray(share.value * shrink), degrees))
        return Precision(tuple(found))

    def limits(self, lower_level: float, upper_level: float) -> tuple[Array, Array]:
        """Lower and upper one-sided limits, each at its own level."""
        precision = self.precision()
        return self.mean - precision.reach(lower_level), self.mean + precision.reach(upper_level)

    def levels(self, source: str) -> int:
        """The longest list of a source; single trainings come with segmenter seeds."""
        wanted = SEGMENTER_SEEDS if source == TRAININGS else source
        return max((share.sources[wanted][1] for share in self.parts if wanted in share.sources), default=0)


def _seeds(of_generators: Sequence[Share], of_segmenters: Sequence[Share], runs: Share | None) -> list[Share]:
    """Both kinds of seeds hold the single trainings' own share; it is counted once."""
    if runs is None:
        return [*of_generators, *of_segmenters]
    return [*_without(of_generators, runs.value), *_without(of_segmenters, runs.value), runs]


def _without(shares: Sequence[Share], runs: Array) -> list[Share]:
    """Shares of one kind of seeds with the runs' part taken off, from each in proportion."""
    total = np.asarray(sum((share.value for share in shares), np.zeros(())))
    with np.errstate(invalid="ignore", divide="ignore"):
        kept = np.where(total > 0, np.maximum(total - runs, 0) / total, 0.0)
    return [replace(share, value=share.value * kept) for share in shares]
