"""Figure: the score of every patient, per structure and arm."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from augbench.report.display import Display
from augbench.report.metric import Metric
from augbench.report.rows import sort_by
from augbench.report.svg import page_columns

if TYPE_CHECKING:
    from altair.typing import ChartType

_WIDTHS = {2: 300, 3: 165}
_ROW = 15
#: Share of the patients at the bad end who may lie outside the axis, so that a few failures do not flatten the rest.
_CUT = 0.01


def patient_means(per_patient: pd.DataFrame) -> pd.DataFrame:
    """Mean over seeds of each patient's score: rows view, structure, arm, subject_id, value."""
    keys = ["view", "structure", "arm", "subject_id"]
    rows = per_patient.dropna(subset=["value"])
    return rows.groupby(keys, sort=False, observed=True)["value"].mean().reset_index()


def axis_limits(values: pd.Series, metric: Metric) -> tuple[float, float]:
    """Ends of the axis, at round numbers; the worst hundredth of the patients may lie outside."""
    low, high = float(values.min()), float(values.max())
    cut = float(values.quantile(_CUT if metric.higher_is_better else 1 - _CUT))
    low, high = (cut, high) if metric.higher_is_better else (low, cut)
    step = 10.0 ** np.floor(np.log10(max(high - low, 1e-6))) / 2
    return float(np.floor(low / step) * step), float(np.ceil(high / step) * step)


def n_outside(per_patient: pd.DataFrame, metric: Metric) -> int:
    """Patients whose score lies outside the axis and is drawn as a triangle at its end."""
    outside = 0
    for _, part in patient_means(per_patient).groupby("view"):
        low, high = axis_limits(part["value"], metric)
        outside += int(((part["value"] < low) | (part["value"] > high)).sum())
    return outside


def score_distribution(per_patient: pd.DataFrame, metric: Metric, display: Display) -> ChartType:
    """Boxes (median, IQR) over every patient's mean score; one column per view, one band per structure.

    Args:
        per_patient: rows of one metric: view, structure, arm, subject_id, value; seeds are averaged here.
    """
    import altair as alt

    means = patient_means(per_patient)
    views = sort_by(means["view"], display.views)
    width = _WIDTHS[page_columns(len(views))]
    return alt.hconcat(*(_panel(means[means["view"] == view], view, width, metric, display) for view in views))


def _panel(means: pd.DataFrame, view: str, width: int, metric: Metric, display: Display) -> ChartType:
    import altair as alt

    low, high = axis_limits(means["value"], metric)
    colours = {display.arm(key): colour for key, colour in display.arm_colours(means["arm"]).items()}
    # Subject identifiers stay out of the drawing; the jitter follows from the row order alone.
    rows = means.drop(columns=["subject_id", "view"]).reset_index(drop=True)
    rows["arm"] = rows["arm"].map(display.arm)
    rows["outside"] = (rows["value"] < low) | (rows["value"] > high)
    rows["shown"] = rows["value"].clip(low, high).round(metric.decimals + 1)
    rows["jitter"] = (rows.groupby(["structure", "arm"]).cumcount() * 0.618034 % 1 - 0.5).round(3)

    x = alt.X("shown:Q", title=metric.name, scale=alt.Scale(domain=[low, high], nice=False), axis=alt.Axis(tickCount=4))
    y = alt.Y("arm:N", sort=list(colours), title=None, axis=alt.Axis(ticks=False, domain=False, labelLimit=110))
    scale = alt.Scale(domain=list(colours), range=list(colours.values()))
    base = alt.Chart(rows).encode(y=y, color=alt.Color("arm:N", scale=scale, legend=None))
    jitter = alt.YOffset("jitter:Q", scale=alt.Scale(domain=[-0.8, 0.8]))
    points = (
        base.transform_filter("!datum.outside")
        .mark_circle(size=6, opacity=0.35, clip=False)
        .encode(x=x, yOffset=jitter)
    )
    failures = (
        base.transform_filter("datum.outside")
        .mark_point(shape="triangle-left" if metric.higher_is_better else "triangle-right", size=14, filled=True)
        .encode(x=x, yOffset=jitter)
    )
    box = base.mark_bar(size=7, fillOpacity=0.15, strokeWidth=1).encode(
        x=alt.X("q1(shown):Q"), x2=alt.X2("q3(shown):Q"), stroke=alt.Stroke("arm:N", legend=None, scale=scale)
    )
    middle = base.mark_tick(thickness=2.5, size=9).encode(x=alt.X("median(shown):Q"))
    header = alt.Header(labelAngle=0, labelAlign="left", title=None)
    structures = sort_by(rows["structure"], display.structures)
    return (
        alt.layer(points, failures, box, middle)
        .properties(width=width, height=_ROW * len(colours))
        .facet(
            row=alt.Row("structure:N", sort=structures, title=None, header=header), spacing=7, title=display.view(view)
        )
    )
