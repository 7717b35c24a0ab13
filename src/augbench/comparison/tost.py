"""Two one-sided tests of equivalence (Schuirmann 1987)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def inside_margin(ci90_low: float, ci90_high: float, margin: float | None) -> bool:
    """Whether the 90% interval lies inside +-margin: TOST at 5%. Never without a margin, nor with an unknown limit."""
    return margin is not None and -margin < ci90_low and ci90_high < margin


def tost_p(differences: NDArray[np.float64], margin: float) -> float:
    """Paired-t TOST p-value of differences (n,), a check on the bootstrap that knows patients but no seeds.

    The greater of the p-values against `mean <= -margin` and `mean >= margin`; below 0.05 the t-based 90% interval
    lies inside the margin.
    """
    from scipy.stats import t

    n = len(differences)
    mean, error = float(differences.mean()), float(differences.std(ddof=1) / np.sqrt(n))
    if error == 0:
        return 0.0 if abs(mean) < margin else 1.0
    return float(max(t.sf((mean + margin) / error, n - 1), t.cdf((mean - margin) / error, n - 1)))
