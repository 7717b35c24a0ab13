"""From intervals and p-values to a word: the only place where a conclusion is drawn, and the owner of its words."""

from __future__ import annotations

EQUIVALENT = "equivalent"
NEGLIGIBLE = "significant but negligible"
BETTER = "better"
WORSE = "worse"
INCONCLUSIVE = "inconclusive"
VERDICTS = (EQUIVALENT, NEGLIGIBLE, BETTER, WORSE, INCONCLUSIVE)


def inside_margin(ci90_low: float, ci90_high: float, margin: float | None) -> bool:
    """Whether the 90% interval lies inside +-margin: TOST at 5%. Never without a margin, nor with an unknown limit."""
    return margin is not None and -margin < ci90_low and ci90_high < margin


def verdict(
    ci_low: float,
    ci_high: float,
    ci90_low: float,
    ci90_high: float,
    p_holm: float,
    *,
    margin: float | None,
    higher_is_better: bool,
    alpha: float = 0.05,
) -> str:
    """One of VERDICTS for a difference arm minus reference.

    | 90% interval inside +-margin | p_holm < alpha and 95% interval on one side of 0 | verdict |
    | --- | --- | --- |
    | yes | no | equivalent |
    | yes | yes | significant but negligible |
    | no | yes | better or worse, by the metric's direction |
    | no | no | inconclusive |

    Both significance criteria must hold, because the p-value knows no seeds and the interval no multiplicity. A p-value
    above alpha is never equivalence; without a margin nothing is. NaN limits or p-values make no criterion true.
    """
    above, below = ci_low > 0, ci_high < 0
    significant = p_holm < alpha and (above or below)
    if inside_margin(ci90_low, ci90_high, margin):
        return NEGLIGIBLE if significant else EQUIVALENT
    if not significant:
        return INCONCLUSIVE
    return BETTER if above == higher_is_better else WORSE
