"""Limits of a mean change between two revisions, from its variance components, for few seeds.

A bootstrap cannot see how uncertain a variance from two or three seeds is, and its interval is too narrow (measured in
decision 0011). Here the variance of the mean is put together from patients, generator seeds, segmenter seeds and
single trainings, the seeds' shares are pooled over arms, and Student's t gets Satterthwaite's degrees of freedom.
All functions take leading axes, so that the calibration runs the code that the gate runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Component:
    """A variance estimate (...) and the sampling variance of that estimate (...)."""

    value: Array
    variance: Array

    def share(self, count: int) -> Component:
        """Its part in the variance of a mean over `count` levels; an estimate below 0 counts as 0."""
        return Component(np.maximum(self.value, 0) / count, self.variance / count**2)


@dataclass(frozen=True)
class SeedVariance:
    """Variances between generator seeds, segmenter seeds, and single trainings beyond both; None where not seen."""

    generator: Component | None
    segmenter: Component | None
    run: Component | None

    def of_mean(self, generator_seeds: int, segmenter_seeds: int) -> list[Component]:
        """What seeds add to the variance of a mean over all crossed runs."""
        shares = [
            self.generator and self.generator.share(generator_seeds),
            self.segmenter and self.segmenter.share(segmenter_seeds),
            self.run and self.run.share(generator_seeds * segmenter_seeds),
        ]
        return [share for share in shares if share is not None]


def seed_variance(cubes: Sequence[Array]) -> SeedVariance:
    """Pooled over arms by the method of moments; arms have their own seeds, so each adds degrees of freedom.

    Args:
        cubes: scores or differences (..., n, G, S) of every arm that was trained in the same way, without NaN.
    """
    parts = [_moments(cube) for cube in cubes]
    return SeedVariance(*(_pool([part[index] for part in parts]) for index in range(3)))


def patient_variance(differences: Array) -> Component:
    """What patients (and their different response to single runs) add to the variance of the mean of (..., n)."""
    n = differences.shape[-1]
    share = differences.var(axis=-1, ddof=1) / n
    return Component(share, 2 * share**2 / (n - 1))


def standard_error(components: Sequence[Component]) -> tuple[Array, Array]:
    """Standard error (...) of a mean, and Satterthwaite's degrees of freedom (...), at least 1."""
    total = np.sum([component.value for component in components], axis=0)
    spread = np.sum([component.variance for component in components], axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        degrees = np.where(spread > 0, 2 * total**2 / spread, np.inf)
    return np.sqrt(total), np.maximum(degrees, 1.0)


def _moments(cube: Array) -> tuple[Component | None, Component | None, Component | None]:
    """Generator seed, segmenter seed and run of one arm; estimates may be negative until they are pooled."""
    n, g, s = cube.shape[-3:]
    runs = cube.mean(axis=-3)
    total = runs.mean(axis=(-2, -1), keepdims=True)
    by_generator, by_segmenter = runs.mean(axis=-1), runs.mean(axis=-2)
    residual = cube - cube.mean(axis=(-2, -1), keepdims=True) - (runs - total)[..., None, :, :]
    degrees = (n - 1) * (g * s - 1)
    if degrees == 0:
        return None, None, None
    noise_value = (residual**2).sum(axis=(-3, -2, -1)) / degrees / n
    noise = Component(noise_value, 2 * noise_value**2 / degrees)
    if g == 1:
        return None, _less(_spread(by_segmenter), noise, 1), None
    if s == 1:
        return _less(_spread(by_generator), noise, 1), None, None
    interaction = runs - by_generator[..., :, None] - by_segmenter[..., None, :] + total
    crossed_degrees = (g - 1) * (s - 1)
    crossed_value = (interaction**2).sum(axis=(-2, -1)) / crossed_degrees
    crossed = Component(crossed_value, 2 * crossed_value**2 / crossed_degrees)
    return (
        _less(_spread(by_generator), crossed, s),
        _less(_spread(by_segmenter), crossed, g),
        _less(crossed, noise, 1),
    )


def _spread(means: Array) -> Component:
    value = means.var(axis=-1, ddof=1)
    return Component(value, 2 * value**2 / (means.shape[-1] - 1))


def _less(of: Component, floor: Component, repeats: int) -> Component:
    return Component(of.value - floor.value / repeats, of.variance + floor.variance / repeats**2)


def _pool(parts: Sequence[Component | None]) -> Component | None:
    """The mean over arms that show the component."""
    seen = [part for part in parts if part is not None]
    if not seen:
        return None
    value = np.mean([part.value for part in seen], axis=0)
    variance = np.sum([part.variance for part in seen], axis=0) / len(seen) ** 2
    return Component(value, variance)
