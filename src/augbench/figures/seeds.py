"""Figure: every trained network as a point, to show what generator and segmenter seeds change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from augbench.figures.arms import BLACK, REAL, SERIES, sort_arms

if TYPE_CHECKING:
    import altair as alt

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


def seed_spread(per_subject: pd.DataFrame) -> alt.Chart:
    """Rows = arms, points = trained networks, colour = generator seed; the tick is the arm's mean."""
    import altair as alt

    rows = run_means(per_subject)[["arm", "generator_seed", "value"]]
    arms = sort_arms(rows["arm"])
    names = sorted(set(rows["generator_seed"]) - {_NO_GENERATOR}, key=lambda name: (len(name), name))
    has_real = _NO_GENERATOR in set(rows["generator_seed"])
    domain = ([_NO_GENERATOR] if has_real else []) + names
    colours = ([BLACK] if has_real else []) + [SERIES[index % 6] for index in range(len(names))]
    base = alt.Chart(rows).encode(y=alt.Y("arm:N", sort=arms, title=None, axis=alt.Axis(ticks=False, grid=True)))
    x = alt.X("value:Q", title="mean Dice of one trained network", scale=alt.Scale(zero=False))
    points = base.mark_point(filled=True, size=45, opacity=0.75).encode(
        x=x,
        color=alt.Color(
            "generator_seed:N",
            scale=alt.Scale(domain=domain, range=colours),
            legend=alt.Legend(orient="bottom", title="generator seed", titleOrient="left"),
        ),
    )
    middle = base.mark_tick(color=BLACK, thickness=1.5, size=15).encode(x=alt.X("mean(value):Q"))
    return alt.layer(points, middle).properties(width=_WIDTH, height=_ROW * len(arms))
