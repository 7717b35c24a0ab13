"""A verdict on two sets of scores in plain sentences, and as a table on a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from augbench.core.verdicts import BETTER, EQUIVALENT, INCONCLUSIVE, NEGLIGIBLE, WORSE
from augbench.report import words
from augbench.report.verdicts import lacking, needed, qualified

if TYPE_CHECKING:
    from rich.console import Console

_MEANING = {
    EQUIVALENT: "A and B differ by less than {margin}: the 90% CI lies within it.",
    NEGLIGIBLE: "A and B differ, but by less than {margin}.",
    BETTER: "A is better than B.",
    WORSE: "A is worse than B.",
    INCONCLUSIVE: "These cases and runs cannot tell A from B, nor show that they are alike.",
}


def lines(
    row: Mapping[str, Any], *, detectable: float, margin: float | None, lower_is_better: bool, runs: Mapping[str, int]
) -> list[str]:
    """What the overall row says: the verdict, what could have been seen, what limits it.

    Args:
        row: cells of `core.tables.COMPARISON_COLUMNS`.
        detectable: true difference that is found in four studies of five.
        runs: trainings on each side.
    """
    cells = dict(row)
    cases = int(cells["n_subjects"])
    if not words.is_number(cells.get("ci_low")):
        return [f"No verdict: {cases} cases have a score on both sides; six are the least for an interval."]
    direction = "lower is better" if lower_is_better else "higher is better"
    said = [
        f"{words.capitalise(qualified(cells))}: over {cases} cases A has {words.significant(cells['mean_arm'])} and B "
        f"{words.significant(cells['mean_reference'])} ({direction}), a difference of "
        f"{_signed(cells['mean_difference'])} (95% CI {_signed(cells['ci_low'])} to {_signed(cells['ci_high'])}).",
        _MEANING[str(cells["verdict"])].format(margin=f"{margin:g}" if margin is not None else ""),
        f"{cases} cases and {_runs(runs)} would find a true difference of {words.significant(detectable)} in four "
        "studies of five; a smaller one they would often miss.",
    ]
    if margin is None:
        said.append("No margin was given, so nothing can be called equivalent: not significant is not the same.")
    elif cells["verdict"] == INCONCLUSIVE:
        reach = (cells["ci90_high"] - cells["ci90_low"]) / 2
        could = "could" if reach < margin else "could not"
        said.append(f"They {could} show a difference below {margin:g}: the 90% CI reaches {words.significant(reach)} "
                    "to either side.")  # fmt: skip
    if isinstance(cells.get("limited_by"), str) and cells["limited_by"]:
        enough = needed(cells) or "no sensible number of cases or seeds alone"
        share = f"{cells['limited_share']:.0%}"
        said.append(_of_two_sides(f"{share} of the variance is from {cells['limited_by']}; {enough} would decide."))
    if lacking(cells):
        said.append(f"One seed of the {lacking(cells)} was run: other trainings of the same method may differ.")
    return said


def _of_two_sides(text: str) -> str:
    return text.replace("patients", "cases").replace("reference seeds", "seeds of B")


def _runs(runs: Mapping[str, int]) -> str:
    return words.listed([f"{count} run{'s' if count > 1 else ''} of {side}" for side, count in runs.items()])


def _signed(value: float) -> str:
    text = words.significant(value)
    return f"+{text}" if value > 0 else text


def print_verdict(table: pd.DataFrame, sentences: Sequence[str], console: Console) -> None:
    """A line a structure, then the sentences; the first of them is the verdict."""
    from rich.table import Table

    shown = Table(box=None, padding=(0, 1, 0, 0), header_style="bold", pad_edge=False)
    shown.add_column("structure", no_wrap=True)
    for name in ("cases", "A", "B", "A - B", "95% CI", "p"):
        shown.add_column(name, justify="right", no_wrap=True)
    shown.add_column("verdict")
    for row in table.to_dict("records"):
        limits = [_signed(row[name]) for name in ("ci_low", "ci_high") if words.is_number(row[name])]
        numbers = [words.significant(row[name]) for name in ("mean_arm", "mean_reference")]
        shown.add_row(
            str(row["structure"]), words.count(row["n_subjects"]), *numbers,
            _signed(row["mean_difference"]) if words.is_number(row["mean_difference"]) else words.NOTHING,
            " to ".join(limits) or words.NOTHING, words.p_value(row["p_adjusted"]),
            qualified({str(key): value for key, value in row.items()}),
        )  # fmt: skip
    console.print(shown, highlight=False)
    console.print()
    for sentence in sentences:
        console.print(sentence, highlight=False, markup=False)
