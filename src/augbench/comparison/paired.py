"""Paired differences between two arms and a nested bootstrap over patients and seeds."""

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


def nested_bootstrap(
    arm: Scores, reference: Scores, *, n_boot: int, rng: np.random.Generator, alpha: float = 0.05
) -> Interval:
    """Percentile intervals of the mean paired difference; patients and seeds are both drawn with replacement.

    A replicate draws patients (the same for both arms: the design is paired) and, for each arm by itself, generator
    seeds and segmenter seeds. Seed 0 of two arms is two networks trained on different data, so seeds are not paired.
    A factor with one level (the real arm has no generator) is not drawn, and the interval does not speak for others.

    Args:
        arm, reference: (n, G, S) and (n, G', S') without NaN.
        alpha: the intervals cover 1 - alpha and 1 - 2 alpha.
    """
    patients = _weights(rng, n_boot, len(arm))
    means = _replicates(arm, patients, rng) - _replicates(reference, patients, rng)
    low, high, low90, high90 = np.quantile(means, [alpha / 2, 1 - alpha / 2, alpha, 1 - alpha])
    return Interval(float(low), float(high), float(low90), float(high90))


def _replicates(scores: Scores, patients: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """(n_boot,) mean score under drawn patients and seeds."""
    n_boot = len(patients)
    n, n_generators, n_segmenters = scores.shape
    runs = (patients @ scores.reshape(n, -1)).reshape(n_boot, n_generators, n_segmenters)
    generators = _weights(rng, n_boot, n_generators)
    segmenters = _weights(rng, n_boot, n_segmenters)
    return np.einsum("bgs,bg,bs->b", runs, generators, segmenters)


def _weights(rng: np.random.Generator, n_boot: int, k: int) -> NDArray[np.float64]:
    """(n_boot, k) weights that sum to 1: counts of k draws with replacement, spread to the unbiased variance.

    Drawing k of k gives a mean's variance times (k - 1) / k: 2 seeds would show half of what they vary. Stretching the
    weights about 1 / k by sqrt(k / (k - 1)) repairs that exactly, whatever the scores (Hesterberg 2015, section 3).
    """
    if k == 1:
        return np.ones((n_boot, 1))
    counts = rng.multinomial(k, np.full(k, 1 / k), size=n_boot)
    return 1 / k + (counts / k - 1 / k) * np.sqrt(k / (k - 1))
