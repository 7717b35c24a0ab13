"""Are the first patients of a ranking training patients more often than chance allows? Exact, at every length at once.

Patients are ranked by some evidence that does not know whose they are. If the sets are exchangeable, all orders are
equally likely, and the number of training patients among the first j walks on a lattice. The walk is tested at every j
up to half of the patients by its hypergeometric tail (Berk and Jones 1979 is the continuous form); how often the
smallest of these tails is as small as seen is counted exactly, path by path, so no correction and no draw is needed.
"""

from __future__ import annotations

from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray


class RankPath:
    """The test for `members` training and `others` held-out patients, both >= 1."""

    def __init__(self, members: int, others: int) -> None:
        self.members, self.others = members, others
        self.length = max(1, (members + others) // 2)

    def p_value(self, is_member: NDArray[np.bool_]) -> float:
        """Of a ranking, the most suspicious patient first; only patients with any evidence need be in it."""
        seen = np.cumsum(is_member[: self.length])
        if not len(seen):
            return 1.0
        smallest = min(float(tail[count]) for tail, count in zip(self._tails, seen, strict=False))
        return min(1.0, self._crossing(self._bounds(smallest * (1 + 1e-9))))

    def critical(self, alpha: float) -> NDArray[np.intp]:
        """(length,) numbers of training patients among the first j from which on p <= `alpha`; members + 1: never."""
        low, high = alpha * 1e-4, alpha
        for _ in range(30):
            middle = float(np.sqrt(low * high))
            if self._crossing(self._bounds(middle)) <= alpha:
                low = middle
            else:
                high = middle
        return self._bounds(low)

    @cached_property
    def _tails(self) -> list[NDArray[np.float64]]:
        """For each j: P(at least 0, 1, ... j of the first j are training patients)."""
        from scipy.stats import hypergeom

        total = self.members + self.others
        return [hypergeom.sf(np.arange(j + 1) - 1, total, self.members, j) for j in range(1, self.length + 1)]

    def _bounds(self, p: float) -> NDArray[np.intp]:
        """Smallest count whose tail is <= p, at each j."""
        never = self.members + 1
        return np.array([int((tail > p).sum()) if tail[-1] <= p else never for tail in self._tails], dtype=np.intp)

    def _crossing(self, bounds: NDArray[np.intp]) -> float:
        """P(a walk reaches its bound at some j)."""
        at = np.zeros(self.members + 1)
        at[0] = 1.0
        counts = np.arange(self.members + 1)
        crossed = 0.0
        for step, bound in enumerate(bounds):
            left = self.members + self.others - step
            up = at * (self.members - counts) / left
            at = at * np.maximum(self.others - (step - counts), 0) / left
            at[1:] += up[:-1]
            crossed += float(at[bound:].sum())
            at[bound:] = 0.0
        return crossed


@lru_cache(maxsize=32)
def rank_path(members: int, others: int) -> RankPath:
    """One table of tails for all audits of one size."""
    return RankPath(members, others)


@lru_cache(maxsize=32)
def critical_counts(members: int, others: int, alpha: float) -> NDArray[np.intp]:
    """`RankPath.critical`, kept."""
    return rank_path(members, others).critical(alpha)
