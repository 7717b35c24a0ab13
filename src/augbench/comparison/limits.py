"""Limits of a mean change between two revisions, from its variance components, for few seeds.

A bootstrap cannot see how uncertain a variance from two or three seeds is (see decision 0011). Here the variance of
the mean is put together from patients, generator seeds, segmenter seeds and single trainings, the seeds' shares are
pooled over arms, and Student's t gets Satterthwaite's degrees of freedom.
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

    def __add__(self, other: Component) -> Component:
        return Component(self.value + other.value, self.variance + other.variance)

    def times(self, factor: float) -> Component:
        return Component(self.value * factor, self.variance * factor**2)

    def grown(self, degrees: float) -> Component:
        """The same estimate from `degrees` times as many degrees of freedom."""
        return Component(self.value, self.variance / degrees)


@dataclass(frozen=True)
class Seeds:
    """Variances between generator seeds, segmenter seeds and single trainings beyond both; 0 where not seen."""

    generator: Component
    segmenter: Component
    run: Component

    def of_mean(self, generator_seeds: int, segmenter_seeds: int) -> Component:
        """What seeds add to the variance of one arm's mean over all crossed runs; an estimate below 0 counts as 0."""
        shares = (
            (self.generator, generator_seeds),
            (self.segmenter, segmenter_seeds),
            (self.run, generator_seeds * segmenter_seeds),
        )
        total = _NOTHING
        for part, count in shares:
            total = total + Component(np.maximum(part.value, 0), part.variance).times(1 / count)
        return total

    def without_generator(self) -> Seeds:
        return Seeds(_NOTHING, self.segmenter, self.run)

    def of_more(self, generator: float, segmenter: float) -> Seeds:
        """As known after `generator` and `segmenter` times as many degrees of freedom."""
        return Seeds(
            self.generator.grown(generator), self.segmenter.grown(segmenter), self.run.grown(generator * segmenter)
        )


_NOTHING = Component(np.zeros(()), np.zeros(()))


def seed_variance(cubes: Sequence[Array]) -> Seeds:
    """Pooled over arms by the method of moments; arms have their own runs, so each adds degrees of freedom.

    Args:
        cubes: scores or differences (..., n, G, S) of every arm that was trained in the same way, without NaN.
    """
    parts = [_moments(cube) for cube in cubes]
    return Seeds(*(_pool([part[index] for part in parts]) for index in range(3)))


def patient_variance(differences: Array) -> Component:
    """What patients (and their different response to single runs) add to the variance of the mean of (..., n)."""
    n = differences.shape[-1]
    share = np.asarray(differences.var(axis=-1, ddof=1) / n)
    return Component(share, 2 * share**2 / (n - 1))


def standard_error(total: Component) -> tuple[Array, Array]:
    """Standard error (...) of a mean, and Satterthwaite's degrees of freedom (...), at least 1."""
    with np.errstate(invalid="ignore", divide="ignore"):
        degrees = np.where(total.variance > 0, 2 * total.value**2 / total.variance, np.inf)
    return np.sqrt(total.value), np.maximum(degrees, 1.0)


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


def _pool(parts: Sequence[Component | None]) -> Component:
    """The mean over arms that show the component."""
    seen = [part for part in parts if part is not None]
    total = _NOTHING
    for part in seen:
        total = total + part
    return total.times(1 / len(seen)) if seen else _NOTHING
