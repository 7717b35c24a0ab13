"""Figure: mean Dice against the number of synthetic frames per real frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from augbench.report.arms import BLACK, CONTROLS, REAL, REGIME_COLOURS, SERIES, SITE_NAMES, SITES, kind, ratio, sort_by
from augbench.report.svg import page_columns

if TYPE_CHECKING:
    import altair as alt
    from altair.typing import ChartType

_WIDTHS, _HEIGHT = {2: 365, 3: 235}, 200
# Half of the room in pixels that the generators share within a category.
_SLOTS = 12
_REAL_ONLY, _SYNTHETIC_ONLY = "real only", "synthetic only"


def dose_label(arm: str) -> str:
    """Category on the axis: `real only`, `1`, `0.5`, `synthetic only`."""
    value = ratio(arm)
    return _REAL_ONLY if value == 0 else _SYNTHETIC_ONLY if value == float("inf") else f"{value:g}"


def dose_rows(dose: pd.DataFrame) -> pd.DataFrame:
    """Rows with their axis category and ratio; the controls are left out."""
    rows = dose[dose["mean_dice"].notna() & ~dose["generator"].isin(CONTROLS)].copy()
    rows["label"] = rows["arm"].map(dose_label)
    rows["ratio"] = rows["arm"].map(ratio)
    rows["generator"] = rows["generator"].where(rows["arm"] != REAL, REAL)
    return rows.sort_values(["site", "generator", "ratio"], kind="stable").reset_index(drop=True)


def line_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """Mixed arms of each generator with the real arm, which belongs to none, before them: the lines that are drawn."""
    mixed = rows[(rows["arm"] != REAL) & (rows["ratio"] < float("inf"))]
    starts = [rows[rows["arm"] == REAL].assign(line=name) for name in sorted(set(mixed["generator"]))]
    return pd.concat([*starts, mixed.assign(line=mixed["generator"])], ignore_index=True)


def dose_response(dose: pd.DataFrame) -> ChartType:
    """One panel per site; points with 95% CI, joined per generator from real-only over the mixed arms.

    Args:
        dose: arm, generator, synthetic_per_real, site, mean_dice, ci_low, ci_high. Synthetic-only has no real frame, so
            it is a category of its own and is not joined to the mixed arms.
    """
    import altair as alt

    rows = dose_rows(dose)
    low = float(rows[["ci_low", "mean_dice"]].min().min())
    high = float(rows[["ci_high", "mean_dice"]].max().max())
    room = max(high - low, 0.01) * 0.08
    scale = alt.Scale(domain=[max(low - room, 0.0), min(high + room, 1.0)], nice=False)
    sites = sort_by(rows["site"], SITES)
    generators = sorted(set(rows["generator"]) - {REAL})
    width = _WIDTHS[page_columns(len(sites))]
    return alt.hconcat(*(_panel(rows[rows["site"] == site], site, generators, scale, width) for site in sites))


def _panel(rows: pd.DataFrame, site: str, generators: list[str], scale: alt.Scale, width: int) -> ChartType:
    import altair as alt

    labels = list(dict.fromkeys(rows.sort_values("ratio", kind="stable")["label"]))
    x = alt.X(
        "label:N",
        sort=labels,
        scale=alt.Scale(type="point", domain=labels, padding=0.5),
        title="synthetic frames per real frame",
        axis=alt.Axis(labelAngle=0, labelLimit=60, labelExpr="split(datum.label, ' ')"),
    )
    # Real-only stands in the middle of its category, the generators beside each other in theirs.
    slots = [*generators[: len(generators) // 2], REAL, *generators[len(generators) // 2 :]]
    offset = alt.XOffset(
        "generator:N", sort=slots, scale=alt.Scale(type="point", domain=slots, range=[-_SLOTS, _SLOTS])
    )
    # One generator: the colour of its regime, as in all figures. Several: a colour each.
    several = len(generators) > 1
    colours = dict(zip([REAL, *generators], [BLACK, *SERIES], strict=False)) if several else REGIME_COLOURS
    shades = alt.Scale(domain=list(colours), range=list(colours.values()))
    legend = alt.Legend(orient="bottom", title=None, values=generators) if several else None
    rows = rows.assign(series=rows["generator"] if several else rows["arm"].map(kind))
    shade = alt.Color("series:N", scale=shades, legend=legend)
    y = alt.Y("mean_dice:Q", scale=scale, title="mean Dice", axis=alt.Axis(tickCount=5))

    def base(table: pd.DataFrame) -> alt.Chart:
        chart = alt.Chart(table.reset_index(drop=True)).encode(x=x)
        return chart.encode(xOffset=offset) if several else chart

    lines = line_rows(rows).assign(series=lambda table: table["line"] if several else "mixed")
    line = (
        base(lines[["label", "generator", "mean_dice", "series"]]).mark_line(strokeWidth=1.5).encode(y=y, color=shade)
    )
    drawn = base(rows[["label", "generator", "mean_dice", "series"]])
    bounded = base(rows.dropna(subset=["ci_low", "ci_high"])[["label", "generator", "ci_low", "ci_high", "series"]])
    interval = bounded.mark_rule(strokeWidth=1.5).encode(y=alt.Y("ci_low:Q", scale=scale), y2="ci_high:Q", color=shade)
    points = drawn.mark_point(filled=True, size=45, opacity=1).encode(y=y, color=shade)
    return alt.layer(line, interval, points).properties(width=width, height=_HEIGHT, title=SITE_NAMES.get(site, site))
