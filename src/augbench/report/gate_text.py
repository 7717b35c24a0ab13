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
_HEAD = ("row", "base", "head", "change", "at worst", "allowed", "at best", "outcome")
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
            *cells, outcome = _cells(row, document["metric"])
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
        parts += [
            markdown_table(list(_HEAD), [_cells(row, document["metric"]) for row in document["rows"]]),
            _rule(document),
        ]
    bullets = [f"- {_plain(line)}" for line in [*_missing(document), *_floors(document), *document["notes"]]]
    if bullets:
        parts.append("\n".join(bullets))
    parts.append(f"**{_plain(sentence(document))}**")
    return "\n\n".join(parts) + "\n"


def sentence(document: Mapping[str, Any]) -> str:
    """The outcome, why, and what would help; and whether it is blind to a kind of seeds."""
    unknown = dict.fromkeys(name for row in document["rows"] for name in row["seeds_unknown"])
    blind = f"; seed variance unknown ({words.listed(list(unknown))}): other trainings may differ" if unknown else ""
    return f"{_outcome(document)}{blind}"


def _outcome(document: Mapping[str, Any]) -> str:
    outcome = document["outcome"]
    if outcome == "pass":
        title, margin = document["metric"]["title"], _margin(document)
        return f"pass: mean {title} is not worse than in {document['base']['name']} by {margin} or more"
    if outcome == "fail":
        return f"fail: {'; '.join(_reasons(document))}"
    named = ", ".join(row["name"] for row in document["rows"] if row["outcome"] == "inconclusive")
    told = f"inconclusive: the limits of {named} reach beyond what may pass and do not show a loss; {_advice(document)}"
    taken = document["inconclusive"]
    return told if taken is None else f"{told} (counted as {taken} by --inconclusive)"


def _advice(document: Mapping[str, Any]) -> str:
    """What would decide every inconclusive row."""
    rows = [row for row in document["rows"] if row["outcome"] == "inconclusive"]
    if any(row["limited_share"] is None for row in rows):
        return "too few patients for limits: 6 are the least"
    first = rows[0]
    share = f"{first['limited_by']} make {first['limited_share']:.0%} of the variance of {first['name']}"
    said = [*_seeds_needed(rows, document["seeds"]), *_patients_needed(rows, document["patients"])]
    if not said:
        return f"no sensible number of patients or seeds alone would decide; {share}"
    return f"{' or '.join(said)} would decide if the change stays as it is; {share}"


def _seeds_needed(rows: Sequence[Mapping[str, Any]], present: Sequence[int]) -> list[str]:
    """The most that any row needs of the seeds that limit it."""
    if any(row["seeds_needed"] is None for row in rows):
        return []
    wanted: dict[str, int] = {}
    for row in rows:
        name = "generator seeds" if row["limited_by"].startswith("generator") else "segmenter seeds"
        wanted[name] = max(wanted.get(name, 0), row["seeds_needed"])
    now = dict(zip(("generator seeds", "segmenter seeds"), present, strict=True))
    return ["about " + " and ".join(f"{count} {name} (now {now[name]})" for name, count in wanted.items())]


def _patients_needed(rows: Sequence[Mapping[str, Any]], present: int) -> list[str]:
    needed = [row["patients_needed"] for row in rows]
    return [] if None in needed else [f"about {max(needed):,} patients (now {present})"]


def _reasons(document: Mapping[str, Any]) -> list[str]:
    said = []
    if document["missing"]:
        said.append(f"missing in {document['head']['name']}: {_listed(document['missing'])}")
    lost = [row["name"] for row in document["rows"] if row["outcome"] == "fail"]
    if lost:
        said.append(
            f"{document['metric']['title']} of {_listed(lost)} is worse than before by more than {_margin(document)}"
        )
    broken = [f"{one['structure']} in {one['arm']}" for one in document["floors"] if one["broken"]]
    if broken:
        said.append(f"worse than the floor: {_listed(broken)}")
    return said


def _title(document: Mapping[str, Any]) -> str:
    return f"gate: {document['outcome']}, {document['head']['name']} against {document['base']['name']}"


def _rule(document: Mapping[str, Any]) -> str:
    alpha = document["alpha"]
    return (
        f"Mean {document['metric']['title']} of {document['patients']} patients, head minus base. At worst and at best "
        f"are one-sided limits: worst {1 - alpha:.0%} (overall) or {1 - 2 * alpha:.0%}, best so that all rows together "
        f"fail by chance in {alpha:.0%} at most. At worst within what is allowed passes; at best a loss beyond "
        f"{_margin(document)} fails."
    )


def _margin(document: Mapping[str, Any]) -> str:
    """`0.01`, `2 mm`."""
    return f"{document['margin']:g} {document['metric']['unit']}".strip()


def _cells(row: Mapping[str, Any], metric: Mapping[str, Any]) -> list[str]:
    digits = metric["decimals"] + 1
    means = [words.number(row[name], digits) for name in ("base", "head")]
    moved = [_signed(row[name], digits) for name in ("change", "at_worst", "allowed", "at_best")]
    return [row["name"], *means, *moved, row["outcome"]]


def _signed(value: float | None, digits: int) -> str:
    text = words.number(value, digits)
    return f"+{text}" if value is not None and round(value, digits) > 0 else text


def _missing(document: Mapping[str, Any]) -> list[str]:
    return [f"missing: {_listed(document['missing'])}"] if document["missing"] else []


def _floors(document: Mapping[str, Any]) -> list[str]:
    return [
        f"floor of {one['structure']} in {one['arm']}: {words.number(one['head'], 4)} "
        f"{'is worse than' if one['broken'] else 'holds'} {one['floor']:g}"
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
