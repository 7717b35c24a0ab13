"""Figure: what each arm loses on the way from its own site to the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from augbench.report.arms import SITES, colour, sort_arms, sort_by

if TYPE_CHECKING:
    from altair.typing import ChartType

_WIDTH, _HEIGHT = 290, 230


def site_drop(site_scores: pd.DataFrame) -> ChartType:
    """A line per arm over the sites, named at its right end.

    Args:
        site_scores: arm, site (internal, development, external), mean_dice.
    """
    import altair as alt

    rows = site_scores.dropna(subset=["mean_dice"])[["arm", "site", "mean_dice"]].reset_index(drop=True)
    sites, arms = sort_by(rows["site"], SITES), sort_arms(rows["arm"])
    low, high = float(rows["mean_dice"].min()), float(rows["mean_dice"].max())
    room = max(high - low, 0.01) * 0.08
    scale = alt.Scale(domain=[low - room, high + room], nice=False)
    x = alt.X(
        "site:N", sort=sites, title=None, scale=alt.Scale(type="point", padding=0.15), axis=alt.Axis(labelAngle=0)
    )
    y = alt.Y("mean_dice:Q", scale=scale, title="mean Dice", axis=alt.Axis(tickCount=6))
    shade = alt.Color("arm:N", legend=None, scale=alt.Scale(domain=arms, range=[colour(arm) for arm in arms]))
    base = alt.Chart(rows).encode(x=x, y=y, color=shade, detail="arm:N")
    ends = _spread(rows[rows["site"] == sites[-1]], (high - low + 2 * room) * 13 / _HEIGHT)
    names = (
        alt.Chart(ends)
        .mark_text(align="left", dx=9, fontSize=11)
        .encode(x=x, y=alt.Y("height:Q", scale=scale, title="mean Dice"), text="arm:N", color=shade)
    )
    lines = base.mark_line(strokeWidth=1.6)
    points = base.mark_point(filled=True, size=40, opacity=1)
    return alt.layer(lines, points, names).properties(width=_WIDTH, height=_HEIGHT)


def _spread(ends: pd.DataFrame, gap: float) -> pd.DataFrame:
    """Heights for the names at the line ends, at least `gap` apart, as near to their points as that allows."""
    placed = ends.sort_values("mean_dice", kind="stable").reset_index(drop=True)
    heights = placed["mean_dice"].to_list()
    for _ in range(100):
        for below in range(len(heights) - 1):
            lack = gap - (heights[below + 1] - heights[below])
            if lack > 1e-9:
                heights[below] -= lack / 2
                heights[below + 1] += lack / 2
    return placed.assign(height=heights)
