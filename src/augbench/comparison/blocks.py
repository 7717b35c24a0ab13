"""What each source of variation adds to the variance of a mean difference, read off the runs that were really made.

A difference is a weighted sum of arms. Runs with the same segmenter seed began alike and saw their frames in the same
order, in every arm and with every generator; runs with the same generator seed learnt from the same frames. So a seed
is a level of a factor that is crossed with patients, and what the level contributes to the difference is added up over
all arms that have it: a correlation between arms is measured as it is, of either sign, and never assumed. Levels that
arms do not share are blocks of their own. All functions take leading axes.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Labels = tuple[Hashable, ...]

#: What may make a mean difference uncertain.
PATIENTS, GENERATOR_SEEDS, SEGMENTER_SEEDS = "patients", "generator seeds", "segmenter seeds"
TRAININGS, REFERENCE_SEEDS = "single trainings", "reference seeds"


@dataclass(frozen=True)
class Part:
    """The crossed runs of one arm, as a term of a difference.

    Attributes:
        scores: (..., n, G, S) without NaN, patients in one order in all parts.
        weight: of their mean in the difference.
        generators: names of axis G: the same name in two parts is the same generator and seed; () without a generator.
        segmenters: names of axis S, likewise.
        of_reference: whether its seeds are called the reference's.
    """

    scores: Array
    weight: float
    generators: Labels
    segmenters: Labels
    of_reference: bool = False

    def per_patient(self) -> Array:
        """(..., n): what the part contributes to each patient's difference."""
        return np.asarray(self.weight * self.scores.mean(axis=(-2, -1)))

    def by_segmenter(self) -> Array:
        """(..., n, S) contributions of each segmenter seed to a patient's difference."""
        return np.asarray(self.weight / len(self.segmenters) * self.scores.mean(axis=-2))

    def by_generator(self) -> Array:
        """(..., n, G), likewise."""
        return np.asarray(self.weight / len(self.generators) * self.scores.mean(axis=-1))


@dataclass(frozen=True)
class Share:
    """A share of the variance of a mean.

    Attributes:
        value: (...) the estimate, at least 0: a mean square less what belongs to other sources.
        degrees: of freedom of that mean square.
        sources: source -> which part of the share is its (...), and how many levels it has.
    """

    value: Array
    degrees: float
    sources: dict[str, tuple[Array, int]]


def patients(differences: Array) -> Share:
    """Of differences (..., n): all that is drawn anew with a patient, the response to each single run included."""
    n = differences.shape[-1]
    share = np.asarray(differences.var(axis=-1, ddof=1) / n)
    return Share(share, n - 1, {PATIENTS: (np.ones_like(share), n)})


def generators(parts: Sequence[Part]) -> tuple[list[Share], bool]:
    """Shares of generator seeds (with their part of the single trainings), and whether all could be estimated."""
    own = [part for part in parts if part.generators]
    shares, lost = [], False
    for group, levels, count in _blocks([part.generators for part in own]):
        chosen = [own[index] for index in group]
        if len(levels) < 2:
            lost = True
            continue
        contributions = [_pick(part.by_generator(), part.generators, levels) for part in chosen]
        sizes = [len(part.generators) for part in chosen]
        shares.append(_share(contributions, [GENERATOR_SEEDS] * len(chosen), sizes, count))
    return shares, not lost


def segmenters(parts: Sequence[Part]) -> tuple[list[Share], bool]:
    """Shares of segmenter seeds, and whether all could be estimated.

    An arm with a single seed shows no variance; it is given that of the others, as trained in the same way. Several
    such arms on one side of a difference may share what their seed did, which nobody can see.
    """
    shares: list[Share] = []
    single: list[tuple[Part, int]] = []
    for group, levels, count in _blocks([part.segmenters for part in parts]):
        chosen = [parts[index] for index in group]
        if len(levels) > 1:
            contributions = [_pick(part.by_segmenter(), part.segmenters, levels) for part in chosen]
            sources = [REFERENCE_SEEDS if part.of_reference else SEGMENTER_SEEDS for part in chosen]
            shares.append(_share(contributions, sources, [len(part.segmenters) for part in chosen], count))
        else:
            single += [(part, count) for part in chosen]
    known = [part for part in parts if len(part.segmenters) > 1]
    if single and not known:
        return shares, False
    shares += [_borrowed(part, known, count) for part, count in single]
    sides = [part.weight > 0 for part, _ in single]
    return shares, len(sides) == len(set(sides))


def trainings(parts: Sequence[Part]) -> Share | None:
    """Share of single trainings beyond both seeds' own effects; None where no arm has several seeds of both."""
    groups: dict[tuple[Labels, Labels], list[Part]] = {}
    for part in parts:
        if len(part.generators) > 1 and len(part.segmenters) > 1:
            groups.setdefault((part.generators, part.segmenters), []).append(part)
    found = None
    for (of_generator, of_segmenter), own in groups.items():
        g, s = len(of_generator), len(of_segmenter)
        cube = sum(part.weight / (g * s) * part.scores for part in own)
        share = _runs_share(np.asarray(cube), g, s)
        found = share if found is None else _joined(found, share)
    return found


def _joined(one: Share, other: Share) -> Share:
    """The sum of two shares of the same source, with no more degrees of freedom than the lesser."""
    return Share(one.value + other.value, min(one.degrees, other.degrees), one.sources)


def _runs_share(cube: Array, g: int, s: int) -> Share:
    means = cube.mean(axis=-3, keepdims=True)
    crossed = _interaction(means)
    # What is left of a patient's own interaction of both seeds.
    left = _interaction(cube) - crossed
    n = cube.shape[-3]
    degrees = (g - 1) * (s - 1)
    gross = g * s * np.sum(crossed**2, axis=(-3, -2, -1)) / degrees
    residual = g * s * np.sum(left**2, axis=(-3, -2, -1)) / (degrees * (n - 1) * n)
    value = np.maximum(gross - residual, 0)
    return Share(value, degrees, {TRAININGS: (np.ones_like(value), s)})


def _interaction(cube: Array) -> Array:
    """What is left of (..., G, S) after row and column means."""
    return np.asarray(
        cube
        - cube.mean(axis=-1, keepdims=True)
        - cube.mean(axis=-2, keepdims=True)
        + cube.mean(axis=(-2, -1), keepdims=True)
    )


def _share(contributions: Sequence[Array], sources: Sequence[str], counts: Sequence[int], levels: int) -> Share:
    """Share of `levels` levels from contributions (..., n, L) of L of them, which different sources may make."""
    total = np.asarray(sum(contributions))
    gross, residual = _spread(total)
    weights: dict[str, Array] = {}
    sizes: dict[str, int] = {}
    for own, source, count in zip(contributions, sources, counts, strict=True):
        weights[source] = weights.get(source, np.zeros(gross.shape)) + _spread(own)[0]
        sizes[source] = max(sizes.get(source, 0), count)
    whole = np.asarray(sum(weights.values()))
    fractions = {
        source: (np.divide(weight, whole, out=np.full(whole.shape, 1 / len(weights)), where=whole > 0), sizes[source])
        for source, weight in weights.items()
    }
    value = np.maximum(levels * (gross - residual), 0)
    return Share(value, total.shape[-1] - 1, fractions)


def _spread(contributions: Array) -> tuple[Array, Array]:
    """Variance (...) between the levels of contributions (..., n, L), and how much of it patients' responses make."""
    n = contributions.shape[-2]
    means = contributions.mean(axis=-2, keepdims=True)
    left = _interaction(contributions)
    residual = np.sum(left**2, axis=(-2, -1)) / ((contributions.shape[-1] - 1) * (n - 1) * n)
    return np.asarray(means.var(axis=-1, ddof=1)[..., 0]), np.asarray(residual)


def _borrowed(part: Part, donors: Sequence[Part], count: int) -> Share:
    """Of `count` seeds of a part, from the mean variance of one seed in the donors."""
    spreads = [_spread(donor.scores.mean(axis=-2)) for donor in donors]
    scale = count * (part.weight / len(part.segmenters)) ** 2 / len(donors)
    gross = scale * np.sum([one[0] for one in spreads], axis=0)
    value = np.maximum(gross - scale * np.sum([one[1] for one in spreads], axis=0), 0)
    source = REFERENCE_SEEDS if part.of_reference else SEGMENTER_SEEDS
    degrees = min(len(donor.segmenters) - 1 for donor in donors)
    return Share(value, degrees, {source: (np.ones_like(value), len(part.segmenters))})


def _blocks(labels: Sequence[Labels]) -> list[tuple[tuple[int, ...], list[Hashable], int]]:
    """Parts that share levels: (their indices, all levels that they have in common, how many of them only they have).

    A block's variance is estimated from all levels that its parts have in common. A single common level cannot show
    how parts go together; they are then taken apart.
    """
    owners: dict[Hashable, tuple[int, ...]] = {}
    for index, names in enumerate(labels):
        for name in names:
            owners[name] = (*owners.get(name, ()), index)
    counts: dict[tuple[int, ...], int] = {}
    for group in owners.values():
        counts[group] = counts.get(group, 0) + 1
    for group in [group for group in counts if len(group) > 1]:
        if len(_common(labels, group)) == 1:
            count = counts.pop(group)
            for index in group:
                counts[(index,)] = counts.get((index,), 0) + count
    return [(group, _common(labels, group), count) for group, count in counts.items()]


def _common(labels: Sequence[Labels], group: Sequence[int]) -> list[Hashable]:
    return [name for name in labels[group[0]] if all(name in labels[index] for index in group)]


def _pick(contributions: Array, names: Labels, levels: Sequence[Hashable]) -> Array:
    return contributions[..., [names.index(level) for level in levels]]
