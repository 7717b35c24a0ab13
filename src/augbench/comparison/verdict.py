"""From intervals and p-values to a word: the only place where a conclusion is drawn."""

from __future__ import annotations

from augbench.core.verdicts import BETTER, EQUIVALENT, INCONCLUSIVE, NEGLIGIBLE, WORSE


def inside_margin(ci90_low: float, ci90_high: float, margin: float | None) -> bool:
    """Whether the 90% interval lies inside +-margin: TOST at 5%. Never without a margin, nor with an unknown limit."""
    return margin is not None and -margin < ci90_low and ci90_high < margin


def verdict(
    difference: float,
    ci90_low: float,
    ci90_high: float,
    p: float,
    *,
    margin: float | None,
    higher_is_better: bool,
    alpha: float = 0.05,
) -> str:
    """One of `core.verdicts.VERDICTS` for a mean difference arm minus reference.

    Args:
        p: of the difference from 0, corrected for the family it is tested in; its intervals know the same seeds.

    | 90% interval inside +-margin | p < alpha | verdict |
    | --- | --- | --- |
    | yes | no | equivalent |
    | yes | yes | significant but negligible |
    | no | yes | better or worse, by the metric's direction |
    | no | no | inconclusive |

    A p-value above alpha is never equivalence; without a margin nothing is. NaN makes no criterion true.
    """
    significant = p < alpha
    if inside_margin(ci90_low, ci90_high, margin):
        return NEGLIGIBLE if significant else EQUIVALENT
    if not significant:
        return INCONCLUSIVE
    return BETTER if (difference > 0) == higher_is_better else WORSE
