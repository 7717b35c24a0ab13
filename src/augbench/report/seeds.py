"""Figure: every trained network as a point, to show what generator and segmenter seeds change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from augbench.report.arms import BLACK, REAL, SERIES, sort_arms

if TYPE_CHECKING:
    from altair.typing import ChartType

_WIDTH, _ROW = 320, 22
_NO_GENERATOR = "none (real)"


def run_means(per_subject: pd.DataFrame) -> pd.DataFrame:
    """Mean Dice of each trained network: over patients within a structure and view, then over those."""
    dice = per_subject[per_subject["metric"] == "dice"].dropna(subset=["value"]).copy()
    dice["generator_seed"] = [
        _NO_GENERATOR if arm == REAL or pd.isna(seed) or seed == "" else f"{float(seed):g}"
        for arm, seed in zip(dice["arm"], dice["generator_seed"], strict=True)
    ]
    run = ["arm", "generator_seed", "segmenter_seed"]
    parts = dice.groupby([*run, "view", "structure"], sort=True)["value"].mean()
    return parts.groupby(level=run, sort=True).mean().reset_index()


def several_runs(per_subject: pd.DataFrame) -> bool:
    """Whether any arm was trained more than once: otherwise there is no spread to draw."""
    runs = per_subject[["arm", "generator_seed", "segmenter_seed"]].drop_duplicates()
    return bool(runs["arm"].duplicated().any())


def seed_spread(per_subject: pd.DataFrame) -> ChartType:
    """Rows = arms, points = trained networks, colour = generator seed; shown as the distance from the arm's mean."""
    import altair as alt

    runs = run_means(per_subject)
    rows = runs.assign(deviation=runs["value"] - runs.groupby("arm")["value"].transform("mean"))
    rows = rows[["arm", "generator_seed", "deviation"]]
    reach = max(float(rows["deviation"].abs().max()) * 1.08, 1e-3)
    arms = sort_arms(rows["arm"])
    names = sorted(set(rows["generator_seed"]) - {_NO_GENERATOR}, key=lambda name: (len(name), name))
    has_real = _NO_GENERATOR in set(rows["generator_seed"])
    domain = ([_NO_GENERATOR] if has_real else []) + names
    colours = ([BLACK] if has_real else []) + [SERIES[index % 6] for index in range(len(names))]
    base = alt.Chart(rows).encode(y=alt.Y("arm:N", sort=arms, title=None, axis=alt.Axis(ticks=False, grid=True)))
    x = alt.X(
        "deviation:Q",
        title="mean Dice of one trained network, minus the mean of its arm",
        scale=alt.Scale(domain=[-reach, reach], nice=False),
        axis=alt.Axis(tickCount=5, labelExpr="datum.value == 0 ? '0' : format(datum.value, '+~f')"),
    )
    points = base.mark_point(filled=True, size=45, opacity=0.75).encode(
        x=x,
        color=alt.Color(
            "generator_seed:N",
            scale=alt.Scale(domain=domain, range=colours),
            legend=alt.Legend(orient="bottom", title="generator seed", titleOrient="left"),
        ),
    )
    zero = alt.Chart(pd.DataFrame({"zero": [0.0]})).mark_rule(color=BLACK).encode(x="zero:Q")
    return alt.layer(zero, points).properties(width=_WIDTH, height=_ROW * len(arms))
