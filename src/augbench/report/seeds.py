"""Figure: every trained network as a point, to show what generator and segmenter seeds change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from augbench.report.colours import BLACK, line_colours
from augbench.report.display import Display
from augbench.report.metric import Metric

if TYPE_CHECKING:
    from altair.typing import ChartType

_WIDTH, _ROW = 320, 22
_NO_GENERATOR = "no generator"
_RUN = ["arm", "generator_seed", "segmenter_seed"]


def run_means(per_patient: pd.DataFrame) -> pd.DataFrame:
    """Mean score of each trained network: over patients within a structure and view, then over those.

    Args:
        per_patient: rows of one metric; the generator's seed as text, empty without a generator.
    """
    rows = per_patient.dropna(subset=["value"])
    rows = rows.assign(generator_seed=rows["generator_seed"].replace("", _NO_GENERATOR))
    parts = rows.groupby([*_RUN, "view", "structure"], sort=True)["value"].mean()
    return parts.groupby(level=_RUN, sort=True).mean().reset_index()


def several_runs(per_patient: pd.DataFrame) -> bool:
    """Whether any arm was trained more than once: otherwise there is no spread to draw."""
    runs = per_patient[_RUN].drop_duplicates()
    return bool(runs["arm"].duplicated().any())


def seed_spread(per_patient: pd.DataFrame, metric: Metric, display: Display) -> ChartType:
    """Rows = arms, points = trained networks, colour = generator seed; shown as the distance from the arm's mean."""
    import altair as alt

    runs = run_means(per_patient)
    rows = runs.assign(deviation=runs["value"] - runs.groupby("arm")["value"].transform("mean"))
    arms = [display.arm(key) for key in display.sort_arms(rows["arm"])]
    rows = rows.assign(arm=rows["arm"].map(display.arm))[["arm", "generator_seed", "deviation"]]
    reach = max(float(rows["deviation"].abs().max()) * 1.08, 1e-6)
    names = sorted(set(rows["generator_seed"]) - {_NO_GENERATOR}, key=lambda name: (len(name), name))
    colours = line_colours([_NO_GENERATOR, *names])
    base = alt.Chart(rows).encode(y=alt.Y("arm:N", sort=arms, title=None, axis=alt.Axis(ticks=False, grid=True)))
    x = alt.X(
        "deviation:Q",
        title=f"mean {metric.name} of one network, minus the mean of its arm",
        scale=alt.Scale(domain=[-reach, reach], nice=False),
        axis=alt.Axis(tickCount=5, labelExpr="datum.value == 0 ? '0' : format(datum.value, '+~f')"),
    )
    points = base.mark_point(filled=True, size=45, opacity=0.75).encode(
        x=x,
        color=alt.Color(
            "generator_seed:N",
            scale=alt.Scale(domain=list(colours), range=list(colours.values())),
            legend=alt.Legend(orient="bottom", title="generator seed", titleOrient="left"),
        ),
    )
    zero = alt.Chart(pd.DataFrame({"zero": [0.0]})).mark_rule(color=BLACK).encode(x="zero:Q")
    return alt.layer(zero, points).properties(width=_WIDTH, height=_ROW * len(arms))
