"""Holm's step-down correction for several tests (Holm 1979)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def holm(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Adjusted p-values (n,) in the given order; a NaN (no test was possible) stays NaN and counts as no test."""
    adjusted = np.full(len(p_values), np.nan)
    tested = np.flatnonzero(~np.isnan(p_values))
    ascending = tested[np.argsort(p_values[tested], kind="stable")]
    steps = p_values[ascending] * np.arange(len(ascending), 0, -1)
    # A larger p-value may not become significant after a smaller one was not.
    adjusted[ascending] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted
