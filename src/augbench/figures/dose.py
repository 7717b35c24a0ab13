"""Figure: mean Dice against the number of synthetic frames per real frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from augbench.figures.arms import CONTROLS, REAL, SERIES, SITE_NAMES, SITES, ratio, sort_by

if TYPE_CHECKING:
    import altair as alt

_WIDTH, _HEIGHT = 245, 190
_REAL_ONLY, _SYNTHETIC_ONLY = "real only", "synthetic only"


def dose_label(arm: str) -> str:
    """Category on the axis: `real only`, `1`, `0.5`, `synthetic only`."""
    value = ratio(arm)
    return _REAL_ONLY if value == 0 else _SYNTHETIC_ONLY if value == float("inf") else f"{value:g}"


def dose_rows(dose: pd.DataFrame) -> pd.DataFrame:
    """Rows with their axis category; the real arm, which belongs to no generator, begins every generator's line."""
    rows = dose.dropna(subset=["mean_dice"]).assign(label=lambda table: table["arm"].map(dose_label))
    generators = sorted(set(rows.loc[rows["arm"] != REAL, "generator"]) - set(CONTROLS))
    real = rows[rows["arm"] == REAL]
    parts = [real.assign(generator=name) for name in generators] or [real.assign(generator=REAL)]
    parts.append(rows[rows["generator"].isin(generators) & (rows["arm"] != REAL)])
    together = pd.concat(parts, ignore_index=True)
    together["ratio"] = together["arm"].map(ratio)
    return together.sort_values(["site", "generator", "ratio"], kind="stable").reset_index(drop=True)


def dose_response(dose: pd.DataFrame) -> alt.Chart:
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
    return alt.hconcat(
        *(_panel(rows[rows["site"] == site], site, sorted(set(rows["generator"])), scale) for site in sort_by(rows["site"], SITES))
    )


def _panel(rows: pd.DataFrame, site: str, generators: list[str], scale: alt.Scale) -> alt.Chart:
    import altair as alt

    columns = ["label", "generator", "mean_dice", "ci_low", "ci_high", "ratio"]
    drawn = rows[columns].replace({"ratio": {float("inf"): -1.0}}).reset_index(drop=True)
    labels = list(dict.fromkeys(rows.sort_values("ratio", kind="stable")["label"]))
    x = alt.X("label:N", sort=labels, title="synthetic frames per real frame", axis=alt.Axis(labelAngle=0, labelLimit=60, labelExpr="split(datum.label, ' ')"))
    shade = alt.Color(
        "generator:N",
        scale=alt.Scale(domain=generators, range=list(SERIES)),
        legend=alt.Legend(orient="bottom", title=None) if len(generators) > 1 else None,
    )
    offset = alt.XOffset("generator:N", sort=generators, scale=alt.Scale(domain=generators, paddingInner=0.6))
    base = alt.Chart(drawn).encode(x=x, color=shade)
    if len(generators) > 1:
        base = base.encode(xOffset=offset)
    y = alt.Y("mean_dice:Q", scale=scale, title="mean Dice", axis=alt.Axis(tickCount=5))
    line = base.transform_filter("datum.ratio >= 0").mark_line(strokeWidth=1.5).encode(y=y)
    interval = base.mark_rule(strokeWidth=1.5).encode(y=alt.Y("ci_low:Q", scale=scale), y2="ci_high:Q")
    points = base.mark_point(filled=True, size=45, opacity=1).encode(y=y)
    return alt.layer(line, interval, points).properties(
        width=_WIDTH, height=_HEIGHT, title=SITE_NAMES.get(site, site)
    )
