"""A verdict on two sets of scores as one HTML page that opens offline and loads nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from augbench.core.tables import ALL_VIEWS, MEAN_STRUCTURE
from augbench.report import charts, words
from augbench.report.rows import records, verdict_word
from augbench.report.templates import environment
from augbench.report.verdicts import qualified


@dataclass(frozen=True)
class Sides:
    """What was compared: the files' names, the score's name, the margin and the direction."""

    a: str
    b: str
    score: str
    margin: float | None
    lower_is_better: bool


def page(table: pd.DataFrame, sentences: Sequence[str], sides: Sides) -> str:
    """The whole page. Same data, same text.

    Args:
        table: `comparison.table.COLUMNS`, the mean of all structures last.
        sentences: the verdict first.
    """
    from markupsafe import Markup

    rows = [{str(key): value for key, value in row.items()} for row in records(table)]
    return (
        environment()
        .get_template("verdict.html.j2")
        .render(
            sides=sides,
            labels="",
            direction="lower is better" if sides.lower_is_better else "higher is better",
            word=str(rows[-1]["verdict"]),
            sentences=list(sentences),
            rows=[_row(row, last=row is rows[-1] and len(rows) > 1) for row in rows],
            forest=[Markup(text) for text in _forest(table, sides)],
        )
    )


def _row(row: dict[str, Any], *, last: bool) -> dict[str, Any]:
    digits = {name: words.significant(row[name]) for name in ("mean_arm", "mean_reference")}
    limits = [
        f"{_signed(row[f'{name}_low'])} to {_signed(row[f'{name}_high'])}"
        if words.is_number(row[f"{name}_low"])
        else words.NOTHING
        for name in ("ci", "ci90")
    ]
    return digits | {
        "structure": row["structure"],
        "n": words.count(row["n_subjects"]),
        "undefined": words.count(row["n_undefined"]),
        "difference": _signed(row["mean_difference"]),
        "ci": limits[0],
        "ci90": limits[1],
        "p": words.p_value(row["p_adjusted"]),
        "verdict": qualified(row) if words.is_number(row["ci_low"]) else words.NOTHING,
        "css": verdict_word(row["verdict"]).split()[-1],
        "overall": last,
    }


def _signed(value: Any) -> str:
    text = words.significant(value)
    return f"+{text}" if words.is_number(value) and value > 0 else text


def _forest(table: pd.DataFrame, sides: Sides) -> list[str]:
    """One panel; the mean over structures is its diamond."""
    drawn = table[table["ci_low"].notna()]
    if drawn.empty:
        return []
    named = drawn.assign(arm=f"{sides.a} minus {sides.b}", view="")
    named.loc[drawn["overall"] & (len(table) > 1), ["view", "structure"]] = [ALL_VIEWS, MEAN_STRUCTURE]
    plot = charts.forest(named, sides.margin, title=f"difference in {sides.score}")
    return [charts.to_svg(panel, f"verdict-{index}") for index, panel in enumerate(charts.panels(plot))]
