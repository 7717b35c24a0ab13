"""The gate's document on a terminal and as Markdown for a pull request; both end in the outcome as one sentence.

The document is what `augbench gate --json` prints (`stages.gate.document`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from augbench.report import words
from augbench.report.markdown import markdown_table

if TYPE_CHECKING:
    from rich.console import Console

_STYLES = {"pass": "green", "fail": "bold red", "inconclusive": "yellow"}
_HEAD = ("row", "base", "head", "change", "lower", "bound", "upper", "outcome")
_SHOWN = 8


def print_gate(document: Mapping[str, Any], console: Console) -> None:
    """Every gated row with its limits; the last line is the outcome."""
    from rich.markup import escape
    from rich.table import Table
    from rich.text import Text

    console.print(f"[bold]{escape(_title(document))}[/bold]", soft_wrap=True, highlight=False)
    for note in document["notes"]:
        console.print(f"[yellow]note:[/yellow] {escape(note)}", soft_wrap=True, highlight=False)
    if document["rows"]:
        table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold", pad_edge=False)
        table.add_column(_HEAD[0], no_wrap=True)
        for name in _HEAD[1:-1]:
            table.add_column(name, justify="right")
        table.add_column(_HEAD[-1], no_wrap=True)
        for row in document["rows"]:
            *cells, outcome = _cells(row)
            table.add_row(*(Text(cell) for cell in cells), Text(outcome, style=_STYLES[outcome]))
        console.print(table, highlight=False)
        console.print(_rule(document), highlight=False)
    for line in [*_missing(document), *_floors(document)]:
        console.print(escape(line), soft_wrap=True, highlight=False)
    console.print(sentence(document), style=_STYLES[document["outcome"]], soft_wrap=True, highlight=False, markup=False)


def markdown(document: Mapping[str, Any]) -> str:
    """The outcome as heading and last line, rows as a table."""
    parts = [f"### {_plain(_title(document))}"]
    if document["rows"]:
        parts += [markdown_table(list(_HEAD), [_cells(row) for row in document["rows"]]), _rule(document)]
    bullets = [f"- {_plain(line)}" for line in [*_missing(document), *_floors(document), *document["notes"]]]
    if bullets:
        parts.append("\n".join(bullets))
    parts.append(f"**{_plain(sentence(document))}**")
    return "\n\n".join(parts) + "\n"


def sentence(document: Mapping[str, Any]) -> str:
    """The outcome, why, and what would help."""
    outcome, margin = document["outcome"], document["margin"]
    if outcome == "pass":
        return f"pass: mean Dice is not lower than in {document['base']['name']} by {margin:g} or more"
    if outcome == "fail":
        return f"fail: {'; '.join(_reasons(document))}"
    named = ", ".join(row["name"] for row in document["rows"] if row["outcome"] == "inconclusive")
    told = f"inconclusive: the limits of {named} reach beyond what may pass and do not show a loss; {_advice(document)}"
    taken = document["inconclusive"]
    return told if taken is None else f"{told} (counted as {taken} by --inconclusive)"


def _advice(document: Mapping[str, Any]) -> str:
    advice = document["needed"]
    generator_seeds, segmenter_seeds = document["seeds"]
    said = []
    if advice is None:
        return "too few patients for limits: 6 are the least"
    if advice["seeds"] is not None:
        g, s = advice["seeds"]
        text = f"{s} segmenter seeds" if g == generator_seeds else f"{g} generator and {s} segmenter seeds"
        said.append(f"about {text} (now {generator_seeds} and {segmenter_seeds})")
    if advice["patients"] is not None:
        said.append(f"about {advice['patients']:,} patients (now {document['patients']})")
    if not said:
        return "the change is too near the bound for any sensible number of seeds or patients to decide"
    helps = "seeds" if advice["seed_share"] > 0.5 else "patients"
    share = advice["seed_share"] if helps == "seeds" else 1 - advice["seed_share"]
    return f"{' or '.join(said)} would decide if the change stays as it is; {helps} make {share:.0%} of the variance"


def _reasons(document: Mapping[str, Any]) -> list[str]:
    said = []
    if document["missing"]:
        said.append(f"missing in {document['head']['name']}: {_listed(document['missing'])}")
    lost = [row["name"] for row in document["rows"] if row["outcome"] == "fail"]
    if lost:
        said.append(f"Dice of {_listed(lost)} is lower than before by more than {document['margin']:g}")
    broken = [f"{one['structure']} in {one['arm']}" for one in document["floors"] if one["broken"]]
    if broken:
        said.append(f"below the floor: {_listed(broken)}")
    return said


def _title(document: Mapping[str, Any]) -> str:
    return f"gate: {document['outcome']}, {document['head']['name']} against {document['base']['name']}"


def _rule(document: Mapping[str, Any]) -> str:
    alpha = document["alpha"]
    return (
        f"Mean Dice of {document['patients']} patients, head minus base. One-sided limits: lower {1 - alpha:.0%} "
        f"(overall) or {1 - 2 * alpha:.0%}; upper so that all rows together fail by chance in {alpha:.0%} at most. "
        f"Lower above the bound passes, upper below {words.number(-document['margin'], 4)} fails."
    )


def _cells(row: Mapping[str, Any]) -> list[str]:
    return [
        row["name"],
        words.number(row["base"], 4),
        words.number(row["head"], 4),
        words.difference(row["change"]),
        words.difference(row["lower_limit"]),
        words.difference(row["lower_bound"]),
        words.difference(row["upper_limit"]),
        row["outcome"],
    ]


def _missing(document: Mapping[str, Any]) -> list[str]:
    return [f"missing: {_listed(document['missing'])}"] if document["missing"] else []


def _floors(document: Mapping[str, Any]) -> list[str]:
    return [
        f"floor of {one['structure']} in {one['arm']}: {words.number(one['head'], 4)} "
        f"{'is below' if one['broken'] else 'holds'} {one['floor']:g}"
        for one in document["floors"]
    ]


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _plain(text: str) -> str:
    """Names come from branches and files; Markdown would read these signs in them as its own."""
    for sign in "\\`*_<|":
        text = text.replace(sign, f"\\{sign}")
    return text
