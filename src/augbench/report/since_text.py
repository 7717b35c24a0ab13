"""Two revisions side by side, on a terminal and as Markdown for a pull request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from augbench.report.markdown import markdown_table
from augbench.report.since import Since, how, overall_rows, patients, structure_rows, title
from augbench.report.words import capitalise

if TYPE_CHECKING:
    from rich.console import Console

_STYLES = {"equivalent": "green", "negligible": "yellow", "better": "blue", "worse": "bold red", "inconclusive": "dim"}
_MOVED = "Verdicts against the reference arm that changed"
_HEAD = ("base", "head", "diff", "95% CI", "p", "verdict")


def print_since(since: Since, console: Console) -> None:
    """Overall rows first, then each changed arm's structures."""
    from rich.markup import escape

    console.print(f"[bold]{escape(capitalise(title(since)))}[/bold], {patients(since)}", soft_wrap=True)
    for note in since.notes:
        console.print(f"[yellow]note:[/yellow] {escape(note)}", soft_wrap=True, highlight=False)
    for metric in since.metrics:
        console.print(f"\n{how(since, metric)}\n", highlight=False)
        _print_rows(console, "all structures", overall_rows(since, metric))
        for arm in since.changed:
            if rows := structure_rows(since, metric, arm):
                console.print()
                _print_rows(console, since.display.arm(arm), rows)
    if since.unchanged:
        console.print(f"\n{_unchanged(since)}", highlight=False)
    if since.verdicts:
        console.print(f"\n[bold]{_MOVED}[/bold]")
        for arm, place, old, new in since.moved:
            console.print(f"  {escape(arm)}, {escape(place)}: {old} -> {new}", highlight=False)


def _print_rows(console: Console, first: str, rows: list[dict[str, Any]]) -> None:
    from rich.markup import escape
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold", pad_edge=False)
    table.add_column(escape(first))
    for name in _HEAD[:-1]:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column(_HEAD[-1])
    for row in rows:
        cells = (row[key] for key in ("name", "base", "head", "difference", "ci", "p"))
        table.add_row(*(Text(cell) for cell in cells), Text(row["verdict"], style=_STYLES.get(row["css"], "")))
    console.print(table, highlight=False)


def markdown(since: Since) -> str:
    """Overall rows and changed verdicts in sight, structures and notes folded: short enough for a comment."""
    parts = [f"### {_plain(capitalise(title(since)))}"]
    for metric in since.metrics:
        parts.append(_table("arm", overall_rows(since, metric)))
        parts.append(f"{patients(since)}. {how(since, metric)}")
    if since.verdicts:
        parts.append(f"**{_MOVED}**")
        parts.append(markdown_table(["arm", "structure", "base", "head"], list(map(list, since.moved))))
    if since.notes:
        parts.append("\n".join(f"- {_plain(note)}" for note in since.notes))
    blocks = [
        f"**{_plain(since.display.arm(arm))}**\n\n{_table('structure', rows)}"
        for metric in since.metrics
        for arm in since.changed
        if (rows := structure_rows(since, metric, arm))
    ]
    if blocks:
        summary = f"Every view and structure ({len(since.changed)} arm{'s' if len(since.changed) > 1 else ''})"
        parts.append("\n\n".join([f"<details><summary>{summary}</summary>", *blocks, "</details>"]))
    if since.unchanged:
        parts.append(_unchanged(since))
    return "\n\n".join(parts) + "\n"


def _table(first: str, rows: list[dict[str, Any]]) -> str:
    keys = ("name", "base", "head", "difference", "ci", "p", "verdict")
    return markdown_table([first, *_HEAD], [[row[key] for key in keys] for row in rows])


def _unchanged(since: Since) -> str:
    return f"No patient's score changed in: {', '.join(since.unchanged_names)}."


def _plain(text: str) -> str:
    """Names come from branches and files; Markdown would read `<`, `*` and `_` in them as its own."""
    for sign in "\\`*_<|":
        text = text.replace(sign, f"\\{sign}")
    return text
