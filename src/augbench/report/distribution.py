"""Figure: Dice of every patient, per structure and arm."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from augbench.report.arms import STRUCTURES, VIEWS, colour, sort_arms, sort_by, view_name
from augbench.report.svg import page_columns

if TYPE_CHECKING:
    from altair.typing import ChartType

_WIDTHS = {2: 300, 3: 165}
_ROW = 15


def patient_means(per_subject: pd.DataFrame) -> pd.DataFrame:
    """Mean over seeds of each patient's Dice: rows view, structure, arm, subject_id, value."""
    dice = per_subject[per_subject["metric"] == "dice"].dropna(subset=["value"])
    keys = ["view", "structure", "arm", "subject_id"]
    return dice.groupby(keys, sort=True, observed=True)["value"].mean().reset_index()


def axis_floor(values: pd.Series) -> float:
    """Left end of the Dice axis: the 1st percentile, down to 0.05, so that a few failures do not flatten the rest."""
    return float(np.floor(min(float(values.quantile(0.01)), 0.9) * 20) / 20)


def n_below(per_subject: pd.DataFrame) -> int:
    """Patients whose score lies left of the axis and is drawn as a triangle at its end."""
    means = patient_means(per_subject)
    return sum(int((part["value"] < axis_floor(part["value"])).sum()) for _, part in means.groupby("view"))


def dice_distribution(per_subject: pd.DataFrame) -> ChartType:
    """Boxes (median, IQR) over every patient's mean Dice; one column per view, one band per structure.

    Args:
        per_subject: view, structure, metric, arm, subject_id, value (Dice in [0, 1]); seeds are averaged here.
    """
    import altair as alt

    means = patient_means(per_subject)
    views = sort_by(means["view"], VIEWS)
    width = _WIDTHS[page_columns(len(views))]
    return alt.hconcat(*(_panel(means[means["view"] == view], view, width) for view in views))


def _panel(means: pd.DataFrame, view: str, width: int) -> ChartType:
    import altair as alt

    floor = axis_floor(means["value"])
    arms = sort_arms(means["arm"])
    # Subject identifiers stay out of the drawing; the jitter follows from the row order alone.
    rows = means.drop(columns=["subject_id", "view"]).reset_index(drop=True)
    rows["below"] = rows["value"] < floor
    rows["shown"] = rows["value"].clip(lower=floor).round(4)
    rows["jitter"] = (rows.groupby(["structure", "arm"]).cumcount() * 0.618034 % 1 - 0.5).round(3)

    x = alt.X("shown:Q", title="Dice", scale=alt.Scale(domain=[floor, 1.0], nice=False), axis=alt.Axis(tickCount=4))
    y = alt.Y("arm:N", sort=arms, title=None, axis=alt.Axis(ticks=False, domain=False))
    colours = alt.Scale(domain=arms, range=[colour(arm) for arm in arms])
    shade = alt.Color("arm:N", scale=colours, legend=None)
    base = alt.Chart(rows).encode(y=y, color=shade)
    jitter = alt.YOffset("jitter:Q", scale=alt.Scale(domain=[-0.8, 0.8]))
    points = (
        base.transform_filter("!datum.below").mark_circle(size=6, opacity=0.35, clip=False).encode(x=x, yOffset=jitter)
    )
    failures = (
        base.transform_filter("datum.below")
        .mark_point(shape="triangle-left", size=14, filled=True, opacity=0.9)
        .encode(x=x, yOffset=jitter)
    )
    box = base.mark_bar(size=7, fillOpacity=0.15, strokeWidth=1).encode(
        x=alt.X("q1(shown):Q"), x2=alt.X2("q3(shown):Q"), stroke=alt.Stroke("arm:N", legend=None, scale=colours)
    )
    middle = base.mark_tick(thickness=2.5, size=9).encode(x=alt.X("median(shown):Q"))
    structures = sort_by(rows["structure"], STRUCTURES)
    return (
        alt.layer(points, failures, box, middle)
        .properties(width=width, height=_ROW * len(arms))
        .facet(
            row=alt.Row(
                "structure:N",
                sort=structures,
                title=None,
                header=alt.Header(labelAngle=0, labelAlign="left", title=None),
            ),
            spacing=7,
            title=view_name(view),
        )
    )
