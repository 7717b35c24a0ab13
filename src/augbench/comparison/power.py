"""How many patients a margin needs."""

from __future__ import annotations

import math


def decidable_sd(n: int, margin: float) -> float:
    """The paired SD below which n patients can decide a margin: that of a t-based 90% interval of half-width `margin`.

    Above it even two arms of equal mean could not be called equivalent. From t(0.95, n - 1) sd / sqrt(n) < margin;
    0.0422 for a margin of 0.01 at n = 50.
    """
    from scipy.stats import t

    return margin * math.sqrt(n) / float(t.ppf(0.95, n - 1))


def n_needed(sd: float, margin: float) -> int:
    """Fewest patients (>= 2) that can decide `margin` at a paired SD `sd`, when the true difference is 0.

    A necessary number, from the interval's width alone; for 80% power to conclude equivalence plan on three times
    as many.
    """
    # The normal quantile is below every t quantile, so the search starts at or below the answer, and is short.
    n = max(2, math.floor((1.6448 * sd / margin) ** 2))
    while sd >= decidable_sd(n, margin):
        n += 1
    return n
