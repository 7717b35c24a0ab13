"""The user's commands about results: report, summary, diff, gate, verdict."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from augbench.cli.options import EveryNumber, Head, Markdown, Study, add

PANEL = "Results"


def add_results(app: typer.Typer) -> None:
    """Add a command each."""
    add(app, PANEL, report, summary, diff, gate, verdict)


def report(
    since: Annotated[
        str | None,
        typer.Option(metavar="BASE", help="Rewrite only the page, with a section on what changed since this revision."),
    ] = None,
    study: Study = None,
) -> None:
    """Draw the figures and write reports/report.html; also the last stage of the pipeline.

    `augbench report --since main` after `augbench repro` adds the section "Since main"; no tracked result changes.
    """
    from augbench.stages import report as stage

    if since is None:
        from augbench.cli.stages import run_stage

        run_stage("report", stage.run)
        return
    from augbench.core.params import read_params
    from augbench.stages.diff import since as changed_since

    stage.write_page(read_params(), changed_since(since))


def summary(
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    study: Study = None,
) -> None:
    """Show the finished results: arms, targets, and the verdict of every structure."""
    from augbench.stages import summary as stage

    if as_json:
        typer.echo(stage.summary_json(), nl=False)
    elif markdown:
        typer.echo(stage.summary_text())
    else:
        from rich.console import Console

        stage.print_summary(Console())


def diff(
    base: Annotated[str, typer.Argument(help="Revision to compare with: a branch, tag, commit or HEAD~1.")],
    head: Head = None,
    markdown: Markdown = False,
    as_json: EveryNumber = False,
    html: Annotated[Path | None, typer.Option(help="Also write a page with a forest plot to this file.")] = None,
    study: Study = None,
) -> None:
    """Show what changed for every patient between two revisions, and whether it matters.

    Reads reports/ out of git, so nothing is checked out and no data are needed. Each external patient is compared
    between the two revisions, and each run with the run of the same seeds. The verdict is the report's:
    [bold]equivalent[/bold] (within the margin), [bold]better[/bold], [bold]worse[/bold], [bold]inconclusive[/bold]
    (more seeds or patients are needed), or significant but negligible. Every metric with a margin in params.yaml is
    shown.

    Revisions that cannot be compared are refused: other external patients or images, structures, views or
    definitions of a metric.

    [bold]augbench diff main[/bold]   this working tree against main

    [bold]augbench diff HEAD~1 HEAD --markdown[/bold]   the last commit, as a comment for its pull request

    [bold]augbench diff v1.0 main --html changes.html[/bold]   two releases, with figures
    """
    from augbench.stages.diff import run

    run(base, head, markdown=markdown, as_json=as_json, html=html)


def gate(
    base: Annotated[str, typer.Argument(help="Revision to compare against: a branch, tag, commit or HEAD~1.")],
    head: Head = None,
    markdown: Markdown = False,
    as_json: EveryNumber = False,
    inconclusive: Annotated[
        str | None, typer.Option(help="Count an inconclusive outcome as [bold]pass[/bold] or [bold]fail[/bold].")
    ] = None,
    study: Study = None,
) -> None:
    """Let a revision pass only if the primary metric did not get worse; made for continuous integration.

    Exit code [bold]0[/bold], pass: the mean is not worse by the margin or more. A revision against itself passes.

    Exit code [bold]1[/bold], fail: it is worse by more than the margin, a floor is broken, or a structure, arm,
    patient or file that BASE has is missing.

    Exit code [bold]2[/bold], bad input: an unknown revision, no scores in BASE, revisions that cannot be compared.

    Exit code [bold]3[/bold], inconclusive: these patients and seeds do not suffice; the last line says how many would.
    --inconclusive pass turns it into 0, --inconclusive fail into 1.

    Margin and floors are in params.yaml, section gate. Every arm except the controls is gated. How often the gate is
    wrong: docs/gate.md.

    [bold]augbench gate main[/bold]: this working tree against main

    [bold]augbench gate main HEAD --markdown --inconclusive pass[/bold]: as a comment for a pull request
    """
    from augbench.stages.gate import run

    raise typer.Exit(run(base, head, markdown=markdown, as_json=as_json, inconclusive=inconclusive))


def verdict(
    a: Annotated[Path, typer.Argument(metavar="A", help="Scores of one method.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="Scores of the other, on the same cases.")],
    margin: Annotated[
        float | None, typer.Option(help="Largest difference of no importance; without it nothing is equivalent.")
    ] = None,
    lower_is_better: Annotated[bool, typer.Option("--lower-is-better", help="For distances and errors.")] = False,
    metric: Annotated[str, typer.Option(help="Which metric of nnU-Net's summary.json.")] = "Dice",
    as_json: EveryNumber = False,
    html: Annotated[Path | None, typer.Option(help="Also write a page with a forest plot to this file.")] = None,
) -> None:
    """Compare two methods by their scores of the same cases; needs no study.

    A and B are CSV files with columns case, score and, if any, structure, generator_seed and segmenter_seed; or
    nnU-Net's summary.json; or folders with such a file for each run. The statistics are those of a study's comparison:
    intervals know cases and seeds, and one seed is said to be one.

    [bold]augbench verdict ours.csv theirs.csv --margin 0.01[/bold]

    [bold]augbench verdict fold_A/summary.json fold_B/summary.json --html verdict.html[/bold]
    """
    from augbench.stages.verdict import run

    run(a, b, margin=margin, lower_is_better=lower_is_better, metric=metric, as_json=as_json, html=html)
