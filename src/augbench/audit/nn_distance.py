"""Does a generator return its training frames? Nearest-neighbour distances against those of patients it never saw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from augbench.audit._subjects import subject_codes, too_few_subjects
from augbench.audit.base import Features, Finding, PrivacyTest, Sets

_CHUNK = 1024
_ZERO = 1e-12
_EVIDENCE = ("ratio_of_medians", "fraction_suspicious", "chance", "p_memorised", "memorised", "p_closer")


@dataclass(frozen=True)
class NearestNeighbours:
    """What the audit shows. Distances are Euclidean, in units of the features.

    Attributes:
        synthetic: (n,) distance of each synthetic frame to its nearest training frame.
        nearest_training: (n,) row of that training frame.
        held_out: (m,) distance of each held-out real frame to its nearest training frame.
        ratio_of_medians: median of `synthetic` / median of `held_out`; about 1 for fresh frames.
        fraction_below_p1, fraction_below_p5: share of synthetic frames nearer to training than the 1st / 5th percentile
            of held-out frames; about 0.01 and 0.05 for fresh frames, more also for merely typical or smooth ones.
        p_closer: one-sided Mann-Whitney p-value that synthetic frames are nearer to training than held-out frames are.
        suspicious: (n,) bool, frames nearer to training, relative to held-out patients, than almost any real one.
        fraction_suspicious: their share, about `chance` for fresh frames.
        chance: expected share of suspicious frames without memorisation.
        p_memorised: p-value of that share.
        memorised: the flag; see `NnDistance`.
    """

    synthetic: NDArray[np.float64]
    nearest_training: NDArray[np.intp]
    held_out: NDArray[np.float64]
    ratio_of_medians: float
    fraction_below_p1: float
    fraction_below_p5: float
    p_closer: float
    suspicious: NDArray[np.bool_]
    fraction_suspicious: float
    chance: float
    p_memorised: float
    memorised: bool


def nearest(
    queries: Features,
    points: Features,
    query_codes: NDArray[np.intp] | None = None,
    point_codes: NDArray[np.intp] | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Distance (n,) of each query (n, d) to its nearest point (m, d), and that point's row (n,).

    With codes given, points with the query's own code are skipped: a frame is no neighbour of its own patient.
    """
    points64 = points.astype(np.float64)
    squares = (points64**2).sum(axis=1)
    rows = np.empty(len(queries), dtype=np.intp)
    for start in range(0, len(queries), _CHUNK):
        part = slice(start, start + _CHUNK)
        # |q|^2 is the same for all points of a query, so it does not change which is nearest.
        gaps = squares - 2 * queries[part].astype(np.float64) @ points64.T
        if query_codes is not None and point_codes is not None:
            gaps[query_codes[part, None] == point_codes[None, :]] = np.inf
        rows[part] = gaps.argmin(axis=1)
    # Again from the difference: the expansion above loses the digits that tell a copy from a near copy.
    return np.linalg.norm(queries.astype(np.float64) - points64[rows], axis=1), rows


class NnDistance(PrivacyTest):
    """The memorisation test.

    A frame's nearness is its distance to the nearest training frame divided by its distance to the nearest held-out
    frame (of another patient). Smooth or average-looking frames are near to everything, so plain distance would accuse
    them; a copy is near to its original alone. Nearness of held-out frames shows what chance gives: a synthetic frame
    is suspicious when it is below their `quantile`. The number of suspicious frames among n, the limit itself being
    estimated from m held-out frames, is beta-binomial when nothing is memorised, which holds for unequal n and m.

    The generator is flagged as memorising when p < `alpha` **and** the suspicious share is at least `min_fraction`.
    Held-out patients must come from the training site, or the distance of sites passes for memorisation.
    """

    title: ClassVar[str] = "Nearest-neighbour ratio"
    higher_is_better: ClassVar[bool] = True

    quantile: float = Field(default=0.01, gt=0, lt=0.5)
    min_fraction: float = Field(default=0.05, gt=0, le=1)
    alpha: float = Field(default=0.01, gt=0, lt=1)

    def test(self, sets: Sets, rng: np.random.Generator) -> Finding:
        """Value is the ratio of medians: about 1 for fresh frames, 0 for copies."""
        found = self.neighbours(sets)
        return Finding(found.ratio_of_medians, found.memorised, {name: getattr(found, name) for name in _EVIDENCE})

    def neighbours(self, sets: Sets) -> NearestNeighbours:
        """Every frame's neighbour and what follows from the distances.

        Raises:
            UserError: held-out frames of fewer than two patients.
        """
        from scipy.stats import mannwhitneyu

        synthetic, training, held_out = sets.synthetic, sets.training, sets.held_out
        codes = subject_codes(sets.held_out_subjects, len(held_out))
        if codes.max() < 1:
            raise too_few_subjects("the memorisation test", 2)
        synthetic_gap, rows = nearest(synthetic, training)
        held_out_gap, _ = nearest(held_out, training)
        synthetic_nearness = _ratio(synthetic_gap, nearest(synthetic, held_out)[0])
        held_out_nearness = _ratio(held_out_gap, nearest(held_out, held_out, codes, codes)[0])
        rank = max(1, int(self.quantile * len(held_out)))
        suspicious = synthetic_nearness < np.sort(held_out_nearness)[rank - 1]
        p_memorised = _p_count(int(suspicious.sum()), len(synthetic), rank, len(held_out), int(codes.max()) + 1)
        low, high = np.quantile(held_out_gap, [0.01, 0.05])
        return NearestNeighbours(
            synthetic=synthetic_gap,
            nearest_training=rows,
            held_out=held_out_gap,
            ratio_of_medians=float(np.median(synthetic_gap) / max(float(np.median(held_out_gap)), _ZERO)),
            fraction_below_p1=float((synthetic_gap < low).mean()),
            fraction_below_p5=float((synthetic_gap < high).mean()),
            p_closer=float(mannwhitneyu(synthetic_gap, held_out_gap, alternative="less").pvalue),
            suspicious=suspicious,
            fraction_suspicious=float(suspicious.mean()),
            chance=rank / (len(held_out) + 1),
            p_memorised=p_memorised,
            memorised=bool(p_memorised < self.alpha and suspicious.mean() >= self.min_fraction),
        )


def _ratio(numerator: NDArray[np.float64], denominator: NDArray[np.float64]) -> NDArray[np.float64]:
    """Quotient; 1 where both are 0 (two equal frames tell nothing)."""
    return (numerator + _ZERO) / (denominator + _ZERO)


def _p_count(count: int, n_synthetic: int, rank: int, n_held_out: int, n_subjects: int) -> float:
    """P(at least `count` of `n_synthetic` fall below the `rank`-th of `n_held_out` values) when all are exchangeable.

    The share below the limit is Beta(rank, n_held_out - rank + 1). Frames of a patient are not independent, so both
    parameters shrink to the number of patients: at worst the frames of a patient are one.
    """
    from scipy.stats import betabinom

    effective = n_subjects / n_held_out
    return float(betabinom.sf(count - 1, n_synthetic, rank * effective, (n_held_out - rank + 1) * effective))


COMPONENT = NnDistance
