"""Figure: how the generators trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from augbench.report.colours import BLACK, line_colours
from augbench.report.svg import page_columns

if TYPE_CHECKING:
    import altair as alt
    from altair.typing import ChartType

_WIDTHS, _HEIGHT = {2: 365, 3: 245}, 140
_MOST_POINTS = 100


def training_curves(curve: pd.DataFrame) -> ChartType:
    """One panel per generator and recorded quantity, one line per generator seed.

    Args:
        curve: generator, seed, kimg (thousands of training images shown), name, value; optional `event`, words (or
            empty) that are written at a mark where they apply.
    """
    import altair as alt

    groups = list(curve.dropna(subset=["value", "kimg"]).groupby(["generator", "name"], sort=True))
    columns = page_columns(len(groups))
    seeds = sorted(set(curve["seed"]))
    panels = [_panel(rows, f"{generator}: {name}", seeds, _WIDTHS[columns]) for (generator, name), rows in groups]
    return alt.concat(*panels, columns=columns)


def _panel(rows: pd.DataFrame, title: str, seeds: list[int], width: int) -> ChartType:
    import altair as alt

    parts = [part.iloc[:: len(part) // _MOST_POINTS + 1] for _, part in rows.groupby("seed", sort=True)]
    logged = rows[rows["event"] != ""] if "event" in rows else rows.iloc[:0]
    marks = pd.DataFrame({"kimg": logged["kimg"], "words": _words(logged, several=len(seeds) > 1)})
    drawn = pd.concat(parts)[["seed", "kimg", "value"]].assign(seed=lambda table: table["seed"].astype(str))
    names = [str(seed) for seed in seeds]
    # Black is for what has no generator, here and in the figure of the seeds.
    colours = list(line_colours(["", *names]).values())[1:]
    shade = alt.Color(
        "seed:N",
        scale=alt.Scale(domain=names, range=colours),
        legend=alt.Legend(orient="bottom", title="generator seed", titleOrient="left", offset=4)
        if len(names) > 1
        else None,
    )
    line = (
        alt.Chart(drawn.reset_index(drop=True))
        .mark_line(strokeWidth=1.3)
        .encode(
            x=alt.X("kimg:Q", title="thousand images shown", scale=alt.Scale(nice=False), axis=alt.Axis(tickCount=5)),
            y=alt.Y("value:Q", title=None, scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=4)),
            color=shade,
        )
    )
    chart = line if marks.empty else alt.layer(line, *_marks(marks))
    return chart.properties(width=width, height=_HEIGHT, title=title.replace("_", " "))


def _words(logged: pd.DataFrame, *, several: bool) -> list[str]:
    return [f"{row.event} (seed {row.seed})" if several else str(row.event) for row in logged.itertuples()]


def _marks(marks: pd.DataFrame) -> list[alt.Chart]:
    """A dashed line where an event was logged, with its words at the top."""
    import altair as alt

    base = alt.Chart(marks.reset_index(drop=True)).encode(x=alt.X("kimg:Q"))
    words = base.mark_text(align="left", baseline="top", dx=3, fontSize=10, color=BLACK)
    return [
        base.mark_rule(strokeDash=[3, 2], color=BLACK),
        words.encode(y=alt.value(0), text="words:N"),
    ]
