"""How well a study would decide with other numbers of patients and seeds, from the variances of one that is finished.

With G generator seeds, S segmenter seeds with each, S0 seeds of the reference arm and n patients, the variance of the
mean difference is (pa, pg, e, e0: responses of patients; g, s, r, r0: effects of a generator seed, a segmenter seed, a
single training, a training of the reference)

    pa^2/n + pg^2/(nG) + e^2/(nGS) + e0^2/(nS0) + g^2/G + s^2/S + r^2/(GS) + r0^2/S0 - 2 c k/(S S0),

with c the covariance of the k = min(S, S0) segmenter seeds that both arms have. A study does not know these values: it
estimates them from as few seeds as it has. So its mean squares are drawn, and `Estimate` makes intervals of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from augbench.comparison.blocks import (
    GENERATOR_SEEDS,
    PATIENTS,
    REFERENCE_SEEDS,
    SEGMENTER_SEEDS,
    TRAININGS,
    Array,
    Share,
)
from augbench.comparison.estimate import Estimate

#: Studies that are drawn; of a Sobol sequence, so that the same numbers give the same answer.
_DRAWS_LOG2 = 8
#: Places in a draw: mean squares of the planned study, then those of the pilot.
_PATIENTS, _GENERATORS, _COMMON, _REST, _RUNS, PILOT = range(6)
_PLACES = PILOT + 5  # `pilot` takes five
#: In how many studies of a hundred what is "decidable" is decided.
POWER = 0.8


@dataclass(frozen=True)
class Design:
    """Numbers of generator seeds, of segmenter seeds with each, of seeds of the reference arm, and of patients.

    `generators` is 1 where the arm has no generator. Segmenter seeds bear the same names in both arms.
    """

    generators: int
    segmenters: int
    reference: int
    patients: int

    @property
    def shared(self) -> int:
        """Segmenter seeds that both arms have."""
        return min(self.segmenters, self.reference)

    @property
    def runs(self) -> int:
        """Trainings of the arm."""
        return self.generators * self.segmenters


@dataclass(frozen=True)
class Variances:
    """Components of variance, each (...) in squared units of the metric; names as in the module's formula.

    Attributes:
        correlation: of a segmenter seed's effects in both arms.
        has_generator: False: the arm has no generator, and `generator`, `training`, `generator_response` are 0.
    """

    response: Array
    generator_response: Array
    residual: Array
    reference_residual: Array
    generator: Array
    segmenter: Array
    training: Array
    reference: Array
    correlation: float = 0.0
    has_generator: bool = True

    def shares(self, design: Design) -> dict[str, Array]:
        """Source -> its part (...) of the variance of the mean difference."""
        seeds = self.segmenter / design.segmenters + self.reference / design.reference
        together = 2 * self._covariance * design.shared / (design.segmenters * design.reference)
        kept = 1 - together / np.maximum(seeds, _TINY)
        return {
            PATIENTS: self.per_patient(design) / design.patients,
            GENERATOR_SEEDS: self.generator / design.generators,
            SEGMENTER_SEEDS: kept * self.segmenter / design.segmenters,
            TRAININGS: self.training / design.runs,
            REFERENCE_SEEDS: kept * self.reference / design.reference,
        }

    def error(self, design: Design) -> Array:
        """True standard error (...) of the mean difference."""
        return np.sqrt(sum(self.shares(design).values(), np.zeros(())))

    def per_patient(self, design: Design) -> Array:
        """Variance (...) of the patients' differences."""
        of_runs = self.generator_response / design.generators + self.residual / design.runs
        return self.response + of_runs + self.reference_residual / design.reference

    @property
    def _covariance(self) -> Array:
        return self.correlation * np.sqrt(self.segmenter * self.reference)

    def seen(self, design: Design, draws: StudyDraws) -> Estimate:
        """What studies of this design would find, one a draw; at least 2 seeds of each kind.

        Segmenter seeds make a block of those that both arms have and one of those of the longer list (`blocks`).
        """
        n, g, s, s0, k = design.patients, design.generators, design.segmenters, design.reference, design.shared
        # Per level, in the difference: what a segmenter seed does, and what the responses of patients to it add.
        arm, noise = (self.segmenter + self.training / g) / s**2, self.residual / (g * s**2 * n)
        other, noise0 = self.reference / s0**2, self.reference_residual / (s0**2 * n)
        both = arm + other - 2 * self._covariance / (s * s0)
        part = arm / np.maximum(arm + other, _TINY)
        sources = {SEGMENTER_SEEDS: (part, s), REFERENCE_SEEDS: (1 - part, s0)}
        seeds = [_share(draws, _COMMON, k - 1, k * both, k * (noise + noise0), sources)]
        if s != s0:
            source, effect, floor = (SEGMENTER_SEEDS, arm, noise) if s > s0 else (REFERENCE_SEEDS, other, noise0)
            longer, rest = max(s, s0), abs(s - s0)
            seeds += [_share(draws, _REST, longer - 1, rest * effect, rest * floor, {source: (np.ones(()), longer)})]
        return Estimate.expected(
            n,
            Share(self.per_patient(design) / n * draws.ratio(_PATIENTS, n - 1), n - 1, {PATIENTS: (np.ones(()), n)}),
            [self._generators(design, draws)] if self.has_generator else [],
            seeds,
            self._runs(design, draws) if self.has_generator else None,
        )

    def _generators(self, design: Design, draws: StudyDraws) -> Share:
        g = design.generators
        effect = self.generator / g + self.training / design.runs
        floor = (self.generator_response / g + self.residual / design.runs) / design.patients
        return _share(draws, _GENERATORS, g - 1, effect, floor, {GENERATOR_SEEDS: (np.ones(()), g)})

    def _runs(self, design: Design, draws: StudyDraws) -> Share:
        degrees = (design.generators - 1) * (design.segmenters - 1)
        floor = self.residual / (design.runs * design.patients)
        sources = {TRAININGS: (np.ones(()), design.segmenters)}
        return _share(draws, _RUNS, degrees, self.training / design.runs, floor, sources)


_TINY = np.finfo(float).tiny


class StudyDraws:
    """Mean squares over their expectations, in many studies: the same ones for every design."""

    def __init__(self) -> None:
        self._ratios: dict[tuple[int, float], Array] = {}

    @cached_property
    def _levels(self) -> Array:
        from scipy.stats import qmc

        drawn = qmc.Sobol(_PLACES, seed=0).random_base2(_DRAWS_LOG2)
        return np.asarray(np.clip(drawn, 1e-6, 1 - 1e-6))

    def ratio(self, place: int, degrees: float) -> Array:
        """(K,) mean squares of so many degrees of freedom over their expectation."""
        from scipy.special import chdtri

        if (place, degrees) not in self._ratios:
            self._ratios[place, degrees] = np.asarray(chdtri(degrees, self._levels[:, place]) / degrees)
        return self._ratios[place, degrees]


def _share(
    draws: StudyDraws, place: int, degrees: int, effect: Array, floor: Array, sources: dict[str, tuple[Array, int]]
) -> Share:
    """A share as it is found: a mean square less what the responses of patients make of it, at least 0."""
    found = (effect + floor) * draws.ratio(place, degrees) - floor
    return Share(np.maximum(found, 0), degrees, sources)


@dataclass(frozen=True)
class Prospect:
    """What a design can decide.

    Attributes:
        width: (K,) of the interval, in each drawn study.
        shares: source -> its share of the variance of the mean difference, on average over the draws.
        degrees: median degrees of freedom of the interval.
        margin: smallest that equal arms are shown to keep, in `POWER` of the studies.
        difference: smallest that is told from 0, likewise.
    """

    width: Array
    shares: dict[str, float]
    degrees: float
    margin: float
    difference: float

    @property
    def median(self) -> float:
        """Half of the studies have a narrower interval."""
        return float(np.median(self.width))

    @property
    def range(self) -> tuple[float, float]:
        """Four studies of five have an interval within these widths."""
        low, high = np.quantile(self.width, [0.1, 0.9])
        return float(low), float(high)

    @property
    def limiting(self) -> str:
        """The source with the largest share."""
        return max(self.shares, key=lambda source: self.shares[source])


def width(variances: Variances, design: Design, alpha: float, draws: StudyDraws) -> Array:
    """(K,) width of the 1 - alpha interval in each drawn study of this design."""
    return 2 * variances.seen(design, draws).precision().reach(alpha / 2)


class Widths:
    """Median width of the interval by design, each worked out once."""

    def __init__(self, variances: Variances, alpha: float, draws: StudyDraws) -> None:
        self.variances, self.alpha, self.draws = variances, alpha, draws
        self._found: dict[Design, float] = {}

    def median(self, design: Design) -> float:
        """Half of the studies of this design have a narrower interval."""
        if design not in self._found:
            self._found[design] = float(np.median(width(self.variances, design, self.alpha, self.draws)))
        return self._found[design]

    def prospect(self, design: Design) -> Prospect:
        """All that such a study could decide."""
        return prospect(self.variances, design, self.alpha, self.draws)


def prospect(variances: Variances, design: Design, alpha: float, draws: StudyDraws) -> Prospect:
    """What such a study could decide, at least 2 seeds of each kind and 2 patients."""
    from scipy.special import ndtr

    precision = variances.seen(design, draws).precision()
    reach, reach90 = precision.reach(alpha / 2), precision.reach(alpha)
    error = variances.error(design)
    shares = variances.shares(design)
    total = sum(shares.values(), np.zeros(()))

    def equivalent(margin: float) -> Array:
        return np.maximum(2 * ndtr((margin - reach90) / error) - 1, 0)

    def told(difference: float) -> Array:
        return np.asarray(ndtr((difference - reach) / error) + ndtr((-difference - reach) / error))

    return Prospect(
        width=2 * reach,
        shares={source: float(np.mean(share / total)) for source, share in shares.items()},
        degrees=float(np.median(precision.degrees(alpha / 2))),
        margin=_least(equivalent, float(error.max())),
        difference=_least(told, float(error.max())),
    )


def _least(chance: Callable[[float], Array], scale: float) -> float:
    """Smallest value whose chance, on average over the draws, is `POWER`."""
    from scipy.optimize import brentq

    high = scale
    while chance(high).mean() < POWER:
        high *= 2
    return float(brentq(lambda value: chance(value).mean() - POWER, 0.0, high, xtol=1e-7))
