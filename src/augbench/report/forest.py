"""Figure: mean paired differences with their confidence intervals and the equivalence band."""

from __future__ import annotations

from math import floor, log10
from typing import TYPE_CHECKING

import pandas as pd

from augbench.core.tables import ALL_VIEWS
from augbench.core.verdicts import INCONCLUSIVE
from augbench.report.colours import VERDICT_COLOURS
from augbench.report.display import Display
from augbench.report.rows import ordered, verdict_word
from augbench.report.svg import page_columns

if TYPE_CHECKING:
    import altair as alt
    from altair.typing import ChartType

_WIDTHS = {2: 330, 3: 195}
_ROW = 19
_PLAIN = Display()


def forest_rows(comparison: pd.DataFrame, display: Display = _PLAIN) -> pd.DataFrame:
    """The rows that are drawn, in drawing order, with their label; the overall mean comes last."""
    rows = comparison[comparison["mean_difference"].notna()]
    rows = ordered(rows, display.sort_arms(rows["arm"]), display.views, display.structures)
    labels = [display.place(view, structure) for view, structure in zip(rows["view"], rows["structure"], strict=True)]
    return rows.assign(label=labels, word=[verdict_word(verdict) for verdict in rows["verdict"]])


def forest(
    comparison: pd.DataFrame, margin: float | None, *, title: str = "difference", display: Display = _PLAIN
) -> ChartType:
    """One panel per arm: point = mean difference arm - reference, thick line = 90% CI, thin line = 95% CI.

    Args:
        comparison: rows of one metric, with the columns of comparison.csv.
        margin: half-width of the grey equivalence band in the metric's unit; None: no band.
        title: of the axis.
    """
    import altair as alt

    rows = forest_rows(comparison, display)
    reach = float(rows[["ci_low", "ci_high", "ci90_low", "ci90_high", "mean_difference"]].abs().max().max())
    limit = max(reach, 2 * (margin or 0), 1e-6) * 1.08
    arms = list(dict.fromkeys(rows["arm"]))
    width = _WIDTHS[page_columns(len(arms))]
    scale = alt.Scale(domain=[-limit, limit], nice=False)
    x = alt.X("mean_difference:Q", scale=scale, title=title, axis=_axis(limit))
    parts = ((arm, _panel(rows[rows["arm"] == arm], margin, x, scale)) for arm in arms)
    return alt.hconcat(*(part.properties(width=width, title=display.arm(arm)) for arm, part in parts))


def _axis(limit: float) -> alt.Axis:
    """At most five ticks, at a round step on both sides of 0, so that their labels never touch."""
    import altair as alt

    decade = 10.0 ** floor(log10(limit / 3))
    step = next(step for step in (decade * digit for digit in (1, 2, 3, 5, 10)) if limit / step < 3)
    decimals = max(0, -floor(log10(step) + 1e-9))
    ticks = [round(place * step, decimals) for place in range(-2, 3) if abs(place) * step < limit]
    return alt.Axis(values=ticks, labelExpr=f"datum.value == 0 ? '0' : format(datum.value, '+.{decimals}f')")


def _panel(rows: pd.DataFrame, margin: float | None, x: alt.X, scale: alt.Scale) -> ChartType:
    import altair as alt

    labels = list(rows["label"])
    drawn = rows[["label", "mean_difference", "ci_low", "ci_high", "ci90_low", "ci90_high", "word", "view"]].copy()
    drawn = drawn.assign(overall=drawn.pop("view") == ALL_VIEWS).reset_index(drop=True)
    y = alt.Y("label:N", sort=labels, title=None, axis=alt.Axis(ticks=False, domain=False))
    shades = alt.Scale(domain=[*VERDICT_COLOURS, ""], range=[*VERDICT_COLOURS.values(), VERDICT_COLOURS[INCONCLUSIVE]])
    band = pd.DataFrame({"low": [-margin], "high": [margin]} if margin else {"low": [], "high": []})
    zero = alt.Chart(pd.DataFrame({"zero": [0.0]})).mark_rule(color="#777777").encode(x=alt.X("zero:Q", scale=scale))
    base = alt.Chart(drawn).encode(y=y, color=alt.Color("word:N", legend=None, scale=shades))
    thin = base.mark_rule(strokeWidth=1.2).encode(x=alt.X("ci_low:Q", scale=scale), x2="ci_high:Q")
    thick = base.mark_rule(strokeWidth=3.4).encode(x=alt.X("ci90_low:Q", scale=scale), x2="ci90_high:Q")
    shape = alt.Shape("overall:N", legend=None, scale=alt.Scale(domain=[False, True], range=["circle", "diamond"]))
    size = alt.Size("overall:N", legend=None, scale=alt.Scale(domain=[False, True], range=[42, 80]))
    points = base.mark_point(filled=True, opacity=1, stroke="white", strokeWidth=0.7).encode(
        x=x, shape=shape, size=size
    )
    shaded = alt.Chart(band).mark_rect(color="#dfe7e3").encode(x=alt.X("low:Q", scale=scale), x2="high:Q")
    layers = [*([shaded] if margin else []), zero, thin, thick, points]
    return alt.layer(*layers).properties(height=_ROW * len(labels))
