"""Wilcoxon's signed ranks, as publications print them, and Holm's correction of any p-values."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Averages of equal scores may differ in the last bits; such a difference is a zero, not the smallest rank.
_DECIMALS = 12
# 2^13 sign patterns: scipy goes through them one by one from Python, which takes seconds a test.
_ENUMERATED = 13


def signed_rank_p(differences: Array) -> float:
    """Two-sided p-value that differences (n,) are symmetric about 0; 1 when all are 0.

    Zeros keep their place in the ranking and then leave it (Pratt 1959): a patient in whom both arms do equally well
    is evidence for no difference, and dropping the patient before ranking (Wilcoxon's own way) would hide that. The
    null distribution is exact up to 13 pairs, and up to 50 without ties or zeros; else normal.
    """
    from scipy.stats import rankdata, wilcoxon

    rounded = np.round(differences, _DECIMALS)
    if not rounded.any():
        return 1.0
    if len(rounded) <= _ENUMERATED:
        return _enumerated_p((np.sign(rounded) * rankdata(np.abs(rounded)))[rounded != 0])
    return float(wilcoxon(rounded, zero_method="pratt", alternative="two-sided", method="auto").pvalue)


def _enumerated_p(signed_ranks: Array) -> float:
    """Share of all sign patterns of the (n,) ranks whose sum is at least as far from 0 as the observed one."""
    n = len(signed_ranks)
    signs = 1 - 2 * (np.arange(2**n)[:, None] >> np.arange(n) & 1)
    # Ranks are multiples of 1/2, so sums are exact and equal ones compare as equal.
    return float((np.abs(signs @ np.abs(signed_ranks)) >= abs(signed_ranks.sum())).mean())


def holm(p_values: Array) -> Array:
    """Adjusted p-values (n,) in the given order (Holm 1979); NaN (no test was possible) stays NaN and costs nothing."""
    adjusted = np.full(len(p_values), np.nan)
    tested = np.flatnonzero(~np.isnan(p_values))
    ascending = tested[np.argsort(p_values[tested], kind="stable")]
    steps = p_values[ascending] * np.arange(len(ascending), 0, -1)
    # A larger p-value may not become significant after a smaller one was not.
    adjusted[ascending] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted
