"""Figure: what each arm loses on the way from its own site to the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from augbench.report.colours import CHART_INK
from augbench.report.display import Display
from augbench.report.metric import Metric
from augbench.report.rows import sort_by

if TYPE_CHECKING:
    from altair.typing import ChartType

_WIDTH, _HEIGHT = 290, 230


def site_drop(sites: pd.DataFrame, metric: Metric, display: Display) -> ChartType:
    """A line per arm over the cohorts, named at its right end.

    Args:
        sites: rows of one metric: arm, site (a cohort), mean; cohorts in the order of the study.
    """
    import altair as alt

    rows = sites.dropna(subset=["mean"])[["arm", "site", "mean"]].reset_index(drop=True)
    colours = {display.arm(key): colour for key, colour in display.arm_colours(rows["arm"]).items()}
    rows = rows.assign(arm=rows["arm"].map(display.arm), site=rows["site"].map(display.cohort))
    order = sort_by(rows["site"])
    low, high = float(rows["mean"].min()), float(rows["mean"].max())
    room = max(high - low, 1e-6) * 0.08
    scale = alt.Scale(domain=[low - room, high + room], nice=False)
    axis = alt.Axis(labelAngle=0, labelExpr="split(datum.label, ' ')")
    x = alt.X("site:N", sort=order, title=None, scale=alt.Scale(type="point", padding=0.15), axis=axis)
    y = alt.Y("mean:Q", scale=scale, title=f"mean {metric.name}", axis=alt.Axis(tickCount=6))
    shade = alt.Color("arm:N", legend=None, scale=alt.Scale(domain=list(colours), range=list(colours.values())))
    base = alt.Chart(rows).encode(x=x, y=y, color=shade, detail="arm:N")
    ends = _spread(rows[rows["site"] == order[-1]], (high - low + 2 * room) * 13 / _HEIGHT)
    names = (
        alt.Chart(ends)
        .mark_text(align="left", dx=9, fontSize=11, color=CHART_INK)
        .encode(x=x, y=alt.Y("height:Q", scale=scale, title=f"mean {metric.name}"), text="arm:N")
    )
    lines = base.mark_line(strokeWidth=1.6)
    points = base.mark_point(filled=True, size=40, opacity=1)
    return alt.layer(lines, points, names).properties(width=_WIDTH, height=_HEIGHT)


def _spread(ends: pd.DataFrame, gap: float) -> pd.DataFrame:
    """Heights for the names at the line ends, at least `gap` apart, as near to their points as that allows."""
    placed = ends.sort_values("mean", kind="stable").reset_index(drop=True)
    heights = placed["mean"].to_list()
    for _ in range(100):
        for below in range(len(heights) - 1):
            lack = gap - (heights[below + 1] - heights[below])
            if lack > 1e-9:
                heights[below] -= lack / 2
                heights[below + 1] += lack / 2
    return placed.assign(height=heights)
