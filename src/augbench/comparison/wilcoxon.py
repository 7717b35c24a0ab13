"""Wilcoxon's signed-rank test of paired differences."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Averages of equal scores may differ in the last bits; such a difference is a zero, not the smallest rank.
_DECIMALS = 12
# 2^13 sign patterns: scipy goes through them one by one from Python, which takes seconds a test.
_ENUMERATED = 13


def signed_rank_p(differences: NDArray[np.float64]) -> float:
    """Two-sided p-value that differences (n,) are symmetric about 0; 1 when all are 0.

    Zeros keep their place in the ranking and then leave it (Pratt 1959): a patient in whom both arms do equally well
    is evidence for no difference, and dropping him before ranking (Wilcoxon's own way) would hide that. The null
    distribution is exact up to 13 pairs, and up to 50 without ties or zeros; else normal.
    """
    from scipy.stats import rankdata, wilcoxon

    rounded = np.round(differences, _DECIMALS)
    if not rounded.any():
        return 1.0
    if len(rounded) <= _ENUMERATED:
        return _enumerated_p((np.sign(rounded) * rankdata(np.abs(rounded)))[rounded != 0])
    return float(wilcoxon(rounded, zero_method="pratt", alternative="two-sided", method="auto").pvalue)


def _enumerated_p(signed_ranks: NDArray[np.float64]) -> float:
    """Share of all sign patterns of the (n,) ranks whose sum is at least as far from 0 as the observed one."""
    n = len(signed_ranks)
    signs = 1 - 2 * (np.arange(2**n)[:, None] >> np.arange(n) & 1)
    # Ranks are multiples of 1/2, so sums are exact and equal ones compare as equal.
    return float((np.abs(signs @ np.abs(signed_ranks)) >= abs(signed_ranks.sum())).mean())
