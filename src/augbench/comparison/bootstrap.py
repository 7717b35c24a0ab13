"""The interval of a mean paired difference: a nested bootstrap over patients and seeds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]

#: With fewer pairs no interval and no p-value is given: the signed-rank test cannot reach 0.05 below 6 pairs, and
#: a percentile interval of so few is far too narrow. No interval is better than a false one.
MIN_SUBJECTS = 6


@dataclass(frozen=True)
class Interval:
    """Intervals of the mean difference, arm minus reference, that the verdict rests on.

    Attributes:
        ci_low, ci_high: 1 - alpha (95%) interval.
        ci90_low, ci90_high: 1 - 2 alpha (90%) interval: inside the margin it is TOST at alpha.
    """

    ci_low: float
    ci_high: float
    ci90_low: float
    ci90_high: float


def paired_differences(arm: Scores, reference: Scores) -> Scores:
    """(n,) arm minus reference per patient, each averaged over its runs: seeds are not independent patients.

    Args:
        arm, reference: (n, G, S) and (n, G', S') scores: patients, generator seeds, segmenter seeds.
    """
    return arm.mean(axis=(1, 2)) - reference.mean(axis=(1, 2))


@dataclass(frozen=True)
class SharedSeeds:
    """Which seeds of the two sides are drawn together in the bootstrap: the same labels, in the same order."""

    generator: bool = False
    segmenter: bool = False

    @property
    def all(self) -> bool:
        """Whether runs of the two sides can be compared one by one."""
        return self.generator and self.segmenter


APART = SharedSeeds()


def nested_bootstrap(
    arm: Scores,
    reference: Scores,
    *,
    n_boot: int,
    rng: np.random.Generator,
    alpha: float = 0.05,
    shared: SharedSeeds = APART,
) -> Interval:
    """Percentile intervals of the mean paired difference; patients and seeds are both drawn with replacement.

    A replicate draws patients (the same for both sides: the design is paired), generator seeds and segmenter seeds.
    Seed 0 of two arms is two networks trained on different data, so by default each side draws seeds by itself; for one
    arm in two revisions see `revision`. A factor with one level is not drawn, and the interval does not speak for
    others.

    Args:
        arm, reference: (n, G, S) and (n, G', S') without NaN.
        alpha: the intervals cover 1 - alpha and 1 - 2 alpha.
        shared: a shared factor needs as many levels on both sides.
    """
    patients = _weights(rng, n_boot, len(arm))
    _, n_generators, n_segmenters = arm.shape
    generators, segmenters = _weights(rng, n_boot, n_generators), _weights(rng, n_boot, n_segmenters)
    if shared.all:
        # One cube of differences: a side against itself is 0 to the last bit.
        means = _replicates(arm - reference, patients, generators, segmenters)
    else:
        means = _replicates(arm, patients, generators, segmenters)
        if not shared.generator:
            generators = _weights(rng, n_boot, reference.shape[1])
        if not shared.segmenter:
            segmenters = _weights(rng, n_boot, reference.shape[2])
        means = means - _replicates(reference, patients, generators, segmenters)
    low, high, low90, high90 = np.quantile(means, [alpha / 2, 1 - alpha / 2, alpha, 1 - alpha])
    return Interval(float(low), float(high), float(low90), float(high90))


def _replicates(scores: Scores, patients: Scores, generators: Scores, segmenters: Scores) -> Scores:
    """(n_boot,) mean score under drawn patients (n_boot, n) and seeds (n_boot, G), (n_boot, S)."""
    n, n_generators, n_segmenters = scores.shape
    runs = (patients @ scores.reshape(n, -1)).reshape(len(patients), n_generators, n_segmenters)
    return np.asarray(np.einsum("bgs,bg,bs->b", runs, generators, segmenters))


def _weights(rng: np.random.Generator, n_boot: int, k: int) -> NDArray[np.float64]:
    """(n_boot, k) weights that sum to 1: counts of k draws with replacement, spread to the unbiased variance.

    Drawing k of k gives a mean's variance times (k - 1) / k: 2 seeds would show half of what they vary. Stretching the
    weights about 1 / k by sqrt(k / (k - 1)) repairs that exactly, whatever the scores (Hesterberg 2015, section 3).
    """
    if k == 1:
        return np.ones((n_boot, 1))
    counts = rng.multinomial(k, np.full(k, 1 / k), size=n_boot)
    return 1 / k + (counts / k - 1 / k) * np.sqrt(k / (k - 1))
