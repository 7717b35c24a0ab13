"""Figure: mean paired Dice differences with their confidence intervals and the equivalence band."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from augbench.report.arms import STRUCTURES, VERDICT_COLOURS, VIEWS, sort_arms, sort_by, verdict_word, view_name
from augbench.report.svg import page_columns

if TYPE_CHECKING:
    import altair as alt
    from altair.typing import ChartType

_WIDTHS = {2: 330, 3: 195}
_ROW = 19


def forest_rows(comparison: pd.DataFrame) -> pd.DataFrame:
    """The Dice rows that are drawn, in drawing order, with their label; the overall mean comes last."""
    rows = comparison[(comparison["metric"] == "dice") & comparison["mean_difference"].notna()].copy()
    views, structures = sort_by(rows["view"], VIEWS), sort_by(rows["structure"], STRUCTURES)
    overall = rows["view"] == "all"
    rows["label"] = [
        "mean of all" if view == "all" else f"{view_name(view)} {structure}"
        for view, structure in zip(rows["view"], rows["structure"], strict=True)
    ]
    rows["word"] = [verdict_word(verdict) for verdict in rows["verdict"]]
    place = [
        (flag, views.index(view), structures.index(structure))
        for flag, view, structure in zip(overall, rows["view"], rows["structure"], strict=True)
    ]
    rows["place"] = pd.Series(place, index=rows.index, dtype=object)
    return rows.sort_values(["arm", "place"], kind="stable").reset_index(drop=True)


def forest(comparison: pd.DataFrame, margin: float = 0.01) -> ChartType:
    """One panel per arm: point = mean difference arm - reference, thick line = 90% CI, thin line = 95% CI.

    Args:
        comparison: the columns of comparison.csv; rows of other metrics than `dice` are left out.
        margin: half-width of the grey equivalence band (Dice).
    """
    import altair as alt

    rows = forest_rows(comparison)
    reach = float(rows[["ci_low", "ci_high", "ci90_low", "ci90_high", "mean_difference"]].abs().max().max())
    limit = max(reach, 2 * margin) * 1.08
    arms = sort_arms(rows["arm"])
    width = _WIDTHS[page_columns(len(arms))]
    return alt.hconcat(*(_panel(rows[rows["arm"] == arm], arm, margin, limit, width) for arm in arms))


def _axis(limit: float) -> alt.Axis:
    """At most five ticks, at a round step on both sides of 0, so that their labels never touch."""
    import altair as alt

    step = next((step for step in (0.01, 0.02, 0.03, 0.05, 0.1, 0.2) if limit / step < 3), 0.4)
    ticks = [round(place * step, 2) for place in range(-2, 3) if abs(place) * step < limit]
    return alt.Axis(values=ticks, labelExpr="datum.value == 0 ? '0' : format(datum.value, '+.2f')")


def _panel(rows: pd.DataFrame, arm: str, margin: float, limit: float, width: int) -> ChartType:
    import altair as alt

    labels = list(rows["label"])
    drawn = rows[["label", "mean_difference", "ci_low", "ci_high", "ci90_low", "ci90_high", "word", "view"]].copy()
    drawn = drawn.assign(overall=drawn.pop("view") == "all").reset_index(drop=True)
    scale = alt.Scale(domain=[-limit, limit], nice=False)
    x = alt.X("mean_difference:Q", scale=scale, title="difference in Dice", axis=_axis(limit))
    y = alt.Y("label:N", sort=labels, title=None, axis=alt.Axis(ticks=False, domain=False))
    words = [*VERDICT_COLOURS, ""]
    shade = alt.Color(
        "word:N",
        legend=None,
        scale=alt.Scale(domain=words, range=[*VERDICT_COLOURS.values(), VERDICT_COLOURS["inconclusive"]]),
    )
    band = (
        alt.Chart(pd.DataFrame({"low": [-margin], "high": [margin]}))
        .mark_rect(color="#dfe7e3")
        .encode(x=alt.X("low:Q", scale=scale), x2="high:Q")
    )
    zero = alt.Chart(pd.DataFrame({"zero": [0.0]})).mark_rule(color="#777777").encode(x=alt.X("zero:Q", scale=scale))
    base = alt.Chart(drawn).encode(y=y, color=shade)
    thin = base.mark_rule(strokeWidth=1.2).encode(x=alt.X("ci_low:Q", scale=scale), x2="ci_high:Q")
    thick = base.mark_rule(strokeWidth=3.4).encode(x=alt.X("ci90_low:Q", scale=scale), x2="ci90_high:Q")
    shape = alt.Shape("overall:N", legend=None, scale=alt.Scale(domain=[False, True], range=["circle", "diamond"]))
    size = alt.Size("overall:N", legend=None, scale=alt.Scale(domain=[False, True], range=[42, 80]))
    points = base.mark_point(filled=True, opacity=1, stroke="white", strokeWidth=0.7).encode(
        x=x, shape=shape, size=size
    )
    return alt.layer(band, zero, thin, thick, points).properties(width=width, height=_ROW * len(labels), title=arm)
