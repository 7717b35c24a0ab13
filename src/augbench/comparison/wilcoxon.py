"""Wilcoxon's signed-rank test of paired differences."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Averages of equal scores may differ in the last bits; such a difference is a zero, not the smallest rank.
_DECIMALS = 12


def signed_rank_p(differences: NDArray[np.float64]) -> float:
    """Two-sided p-value that differences (n,) are symmetric about 0; 1 when all are 0.

    Zeros keep their place in the ranking and then leave it (Pratt 1959): a patient in whom both arms do equally well
    is evidence for no difference, and dropping him before ranking (Wilcoxon's own way) would hide that. The null
    distribution is exact up to 50 pairs without ties or zeros, permuted up to 13 pairs with them, else normal.
    """
    from scipy.stats import wilcoxon

    rounded = np.round(differences, _DECIMALS)
    if not rounded.any():
        return 1.0
    return float(wilcoxon(rounded, zero_method="pratt", alternative="two-sided", method="auto").pvalue)
