"""Figure: the mean score against the dose, the number of synthetic frames per real frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from augbench.core.arms import Arm
from augbench.report.colours import GREY
from augbench.report.display import Display
from augbench.report.metric import Metric
from augbench.report.rows import sort_by
from augbench.report.svg import page_columns

if TYPE_CHECKING:
    import altair as alt
    from altair.typing import ChartType

_WIDTHS, _HEIGHT = {2: 365, 3: 235}, 200
# Half of the room in pixels that the lines share within a category.
_SLOTS = 12


def dosed_arms(display: Display) -> list[Arm]:
    """Arms with synthetic frames that are no controls and are compared with the reference arm."""
    return [arm for arm in display.studied if arm.synthetic and arm.against == display.reference]


def dose_rows(dose: pd.DataFrame, display: Display) -> pd.DataFrame:
    """Rows of the reference and the dosed arms, with their category on the axis, their place and their line.

    The category is the arm's name for the reference, the dose where the regime states one, else the regime. A line is a
    set of synthetic frames that is drawn in one way: `held` says that the share of real frames in a batch is fixed.
    """
    arms = {arm.name: arm for arm in dosed_arms(display)}
    rows = dose[dose["mean"].notna() & dose["arm"].isin([display.reference, *arms])].copy()
    rows["dose"] = pd.to_numeric(rows["dose"]).where(rows["arm"] != display.reference, 0.0)
    rows["label"] = [
        display.arm(arm) if arm == display.reference else f"{dose:g}" if pd.notna(dose) else arms[arm].regime
        for arm, dose in zip(rows["arm"], rows["dose"], strict=True)
    ]
    rows["held"] = [arm in arms and arms[arm].real_share is not None for arm in rows["arm"]]
    rows["source"] = [_line(arms[arm]) if arm in arms else "" for arm in rows["arm"]]
    rows["place"] = rows["dose"].fillna(float("inf"))
    return rows.sort_values(["site", "source", "place"], kind="stable").reset_index(drop=True)


def _line(arm: Arm) -> str:
    share = "" if arm.real_share is None else f" {arm.real_share:g}"
    return f"{arm.synthetic}{share}"


def line_rows(rows: pd.DataFrame, reference: str) -> pd.DataFrame:
    """Doses of each line; before them the reference arm, which has none, where more frames mean fewer real ones."""
    dosed = rows[(rows["arm"] != reference) & rows["dose"].notna()]
    joined = sorted(set(dosed.loc[~dosed["held"].astype(bool), "source"]))
    starts = [rows[rows["arm"] == reference].assign(line=name) for name in joined]
    return pd.concat([*starts, dosed.assign(line=dosed["source"])], ignore_index=True)


def dose_response(dose: pd.DataFrame, metric: Metric, display: Display) -> ChartType:
    """One panel per site; points with 95% CI, joined per set of synthetic frames, dashed where the real share is held.

    Args:
        dose: rows of one metric: arm, generator, dose, site, mean, ci_low, ci_high. An arm without a dose is a category
            of its own and is not joined to the others.
    """
    import altair as alt

    rows = dose_rows(dose, display)
    low = float(rows[["ci_low", "mean"]].min().min())
    high = float(rows[["ci_high", "mean"]].max().max())
    room = max(high - low, 1e-6) * 0.08
    scale = alt.Scale(domain=[low - room, high + room], nice=False)
    sites = sort_by(dose["site"])
    width = _WIDTHS[page_columns(len(sites))]
    return alt.hconcat(*(_panel(rows[rows["site"] == site], site, scale, width, metric, display) for site in sites))


def _panel(rows: pd.DataFrame, site: str, scale: alt.Scale, width: int, metric: Metric, display: Display) -> ChartType:
    import altair as alt

    labels = list(dict.fromkeys(rows.sort_values("place", kind="stable")["label"]))
    x = alt.X(
        "label:N",
        sort=labels,
        scale=alt.Scale(type="point", domain=labels, padding=0.5),
        title=("different " if rows["held"].any() else "") + "synthetic frames per real frame",
        axis=alt.Axis(labelAngle=0, labelLimit=60, labelExpr="split(datum.label, ' ')"),
    )
    # The reference stands in the middle of its category, the sets beside each other in theirs.
    sources = list(dict.fromkeys(_line(arm) for arm in dosed_arms(display) if _line(arm) in set(rows["source"])))
    slots = [*sources[: len(sources) // 2], "", *sources[len(sources) // 2 :]]
    offset = alt.XOffset("source:N", sort=slots, scale=alt.Scale(type="point", domain=slots, range=[-_SLOTS, _SLOTS]))
    colours = display.arm_colours(rows["arm"])
    shade = alt.Color("arm:N", legend=None, scale=alt.Scale(domain=list(colours), range=list(colours.values())))
    y = alt.Y("mean:Q", scale=scale, title=f"mean {metric.name}", axis=alt.Axis(tickCount=5))

    def base(table: pd.DataFrame, *columns: str) -> alt.Chart:
        chart = alt.Chart(table[["label", "source", *columns]].reset_index(drop=True)).encode(x=x)
        return chart.encode(xOffset=offset) if len(sources) > 1 else chart

    lines = line_rows(rows, display.reference)
    dash = alt.StrokeDash("held:N", legend=None, scale=alt.Scale(domain=[False, True], range=[[1, 0], [5, 3]]))
    line = base(lines, "mean", "line", "held").mark_line(strokeWidth=1.2, color=GREY)
    line = line.encode(y=y, detail="line:N", strokeDash=dash)
    bounded = base(rows.dropna(subset=["ci_low", "ci_high"]), "arm", "ci_low", "ci_high")
    interval = bounded.mark_rule(strokeWidth=1.5).encode(y=alt.Y("ci_low:Q", scale=scale), y2="ci_high:Q", color=shade)
    points = base(rows, "arm", "mean").mark_point(filled=True, size=45, opacity=1).encode(y=y, color=shade)
    layers = alt.layer(line, interval, points)
    return layers.properties(width=width, height=_HEIGHT, title=display.cohort(site))
