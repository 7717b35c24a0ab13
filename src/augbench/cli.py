"""`augbench`: the pipeline's stages and the user's own commands.

Heavy libraries are imported by the stage that needs them: `--help` answers at once.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from augbench.core.errors import UserError
from augbench.runtime.system_errors import explained

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help=(
        "Can GAN-made images stand in for patients, or add to them, when a segmentation network is trained?\n\n"
        "The experiment is [bold]dvc.yaml[/bold], its numbers are [bold]params.yaml[/bold]. "
        "Run it with [bold]augbench repro[/bold] (or plain [bold]dvc repro[/bold]); read reports/report.html."
    ),
)
_STAGES = "Pipeline stages (dvc repro calls them)"
_USER = "Your commands"
_DIFF = (
    "Show what changed for every patient between two revisions, and whether it matters.\n\n"
    "Reads reports/ out of git: nothing is checked out and no data is needed. Every external patient is paired with "
    "himself, and every run with the run of the same seeds. The verdict is the report's: [bold]equivalent[/bold] "
    "(within the margin), [bold]better[/bold], [bold]worse[/bold], [bold]inconclusive[/bold] (it takes more seeds or "
    "patients), or significant but negligible. Shown is every metric that has a margin in params.yaml.\n\n"
    "What is not comparable is refused: other external patients or images, structures, views or metric definitions.\n\n"
    "[bold]augbench diff main[/bold]   this working tree against main\n\n"
    "[bold]augbench diff HEAD~1 HEAD --markdown[/bold]   the last commit, as a comment for its pull request\n\n"
    "[bold]augbench diff v1.0 main --html changes.html[/bold]   two releases, with figures"
)

Name = Annotated[str, typer.Argument(help="Component name: a key of `generators` in params.yaml.")]
Seed = Annotated[int, typer.Argument(help="Seed: an entry of the seed list in params.yaml.")]


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an input error.")] = False,
) -> None:
    """Options before the command."""


@app.command(rich_help_panel=_STAGES)
def prepare() -> None:
    """Draw or import the cohorts, split by patient."""
    from augbench.stages import prepare as stage

    _stage("prepare", stage.run)


@app.command(rich_help_panel=_STAGES)
def train_generator(name: Name, seed: Seed) -> None:
    """Fit a generator of image-mask pairs."""
    from augbench.stages import train_generator as stage

    _generator_stage("train_generator", stage.run, name, seed)


@app.command(rich_help_panel=_STAGES)
def sample(name: Name, seed: Seed) -> None:
    """Make synthetic pairs with a fitted generator."""
    from augbench.stages import sample as stage

    _generator_stage("sample", stage.run, name, seed)


@app.command(rich_help_panel=_STAGES)
def audit(name: Name, seed: Seed) -> None:
    """Measure fidelity and privacy of the synthetic frames."""
    from augbench.stages import audit as stage

    _generator_stage("audit", stage.run, name, seed)


@app.command(rich_help_panel=_STAGES)
def train_segmenter(
    regime: Annotated[str, typer.Argument(help="real, synthetic or mixed.")],
    seed: Seed,
    generator: Annotated[str | None, typer.Option(help="Generator of the synthetic frames.")] = None,
    generator_seed: Annotated[int | None, typer.Option(help="Its seed.")] = None,
    synthetic_per_real: Annotated[str | None, typer.Option(help="Dose of the mixed regime.")] = None,
) -> None:
    """Train one segmenter of one arm."""
    from augbench.core.params import Params
    from augbench.core.runs import Run, require_run
    from augbench.stages import train_segmenter as stage

    dose = None
    if synthetic_per_real is not None:
        # An integer stays one: the folder's name must be the one that dvc.yaml writes.
        dose = int(synthetic_per_real) if synthetic_per_real.isdecimal() else _number(synthetic_per_real)
    task = Run(regime, seed, generator, generator_seed, dose)

    def run(params: Params) -> None:
        require_run(params, task)
        stage.run(params, task)

    _stage(f"train_segmenter@{task.name}", run, threaded=True)


@app.command(rich_help_panel=_STAGES)
def develop() -> None:
    """Score every run on held-out main-site patients and on the development site."""
    from augbench.stages import develop as stage

    _stage("develop", stage.run, threaded=True)


@app.command(rich_help_panel=_STAGES)
def evaluate() -> None:
    """Score every run on the external test set."""
    from augbench.stages import evaluate as stage

    _stage("evaluate", stage.run, threaded=True)


@app.command(rich_help_panel=_STAGES)
def compare() -> None:
    """Paired differences, intervals, tests and verdicts."""
    from augbench.stages import compare as stage

    _stage("compare", stage.run)


@app.command(rich_help_panel=_STAGES)
def report(
    since: Annotated[
        str | None,
        typer.Option(metavar="BASE", help="Only rewrite the page, with a section on what changed since this revision."),
    ] = None,
) -> None:
    """Draw the figures and write reports/report.html.

    `augbench report --since main` after `augbench repro` adds the section "Since main"; no hashed file changes.
    """
    from augbench.stages import report as stage

    if since is None:
        _stage("report", stage.run)
        return
    from augbench.core.params import read_params
    from augbench.stages.diff import since as changed_since

    stage.write_page(read_params(), changed_since(since))


@app.command(rich_help_panel=_USER)
def repro(
    targets: Annotated[list[str] | None, typer.Argument(help="Stages to bring up to date; default all.")] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Stages to run at the same time.")] = 1,
) -> None:
    """Run what is out of date, several independent stages at a time.

    Plain `dvc repro` gives the same bytes, one stage at a time.
    """
    from augbench.stages.repro import run

    run(targets or [], jobs)


@app.command(rich_help_panel=_USER)
def preset(
    name: Annotated[str | None, typer.Argument(help="Preset to write; leave out to list them.")] = None,
    output: Annotated[Path, typer.Option(help="File to write.")] = Path("params.yaml"),
    raw_data: Annotated[Path | None, typer.Option(help="Folder that holds your nnU-Net raw datasets.")] = None,
) -> None:
    """Write a complete params.yaml from presets/, or list the presets."""
    from augbench.stages.preset import list_presets, write_preset

    if name is None:
        for title, summary in list_presets():
            typer.echo(f"{title:<14}{summary}")
        return
    write_preset(name, output, raw_data)
    typer.echo(f"wrote {output} from preset '{name}'; run it with: augbench repro")


@app.command(rich_help_panel=_USER)
def check() -> None:
    """Validate params.yaml and every component it names, and estimate what the run needs, without running anything."""
    from augbench.core.params import read_params
    from augbench.core.runs import all_runs
    from augbench.stages.check import check_components
    from augbench.stages.preflight import require_room

    params = read_params()
    check_components(params)
    need = require_room(params)
    typer.echo(f"params.yaml is valid: {len(all_runs(params))} segmenter runs; {need}")


@app.command(rich_help_panel=_USER)
def inspect() -> None:
    """Show what an imported dataset holds and how it would be split, without writing anything."""
    from augbench.stages.inspect import run

    run()


@app.command(rich_help_panel=_USER)
def export_frames(name: Name, seed: Seed) -> None:
    """Write a fitted generator's frames to a folder where people annotate them (labelling: manual)."""
    import torch

    from augbench.core.params import read_params
    from augbench.core.runs import require_listed
    from augbench.stages.export_frames import run

    params = read_params()
    require_listed(params, name, seed)
    torch.set_num_threads(params.compute.threads)
    typer.echo(f"wrote {run(params, name, seed)}; put the masks into its labelsTr and run: augbench repro")


@app.command(rich_help_panel=_USER, help=_DIFF)
def diff(
    base: Annotated[str, typer.Argument(help="Revision to compare with: a branch, tag, commit or HEAD~1.")],
    head: Annotated[str | None, typer.Argument(help="Revision to judge; left out: the working tree.")] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown for a pull request.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, every number of every row.")] = False,
    html: Annotated[Path | None, typer.Option(help="Also write a page with a forest plot to this file.")] = None,
) -> None:
    """Show what changed for every patient between two revisions, and whether it matters."""
    from augbench.stages.diff import run

    run(base, head, markdown=markdown, as_json=as_json, html=html)


@app.command(rich_help_panel=_USER)
def gate(
    base: Annotated[str, typer.Argument(help="Revision to hold against: a branch, tag, commit or HEAD~1.")],
    head: Annotated[str | None, typer.Argument(help="Revision to judge; left out: the working tree.")] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown for a pull request.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, every number of every row.")] = False,
    inconclusive: Annotated[
        str | None, typer.Option(help="Count an inconclusive outcome as [bold]pass[/bold] or [bold]fail[/bold].")
    ] = None,
) -> None:
    """Let a revision pass only if Dice did not fall; made for CI.

    Exit code [bold]0[/bold], pass: mean Dice is not lower by the margin or more. A revision against itself passes.

    Exit code [bold]1[/bold], fail: Dice is lower by more than the margin, a floor is broken, or a structure, arm,
    patient or file that BASE has is missing.

    Exit code [bold]2[/bold], bad input: an unknown revision, no scores in BASE, revisions that cannot be compared.

    Exit code [bold]3[/bold], inconclusive: these patients and seeds cannot tell; the last line says how many could.
    --inconclusive pass turns it into 0, --inconclusive fail into 1.

    Margin and floors are in params.yaml, section gate. The real arm and every compared generator's arms are gated,
    controls are not. How often it is wrong: docs/gate.md.

    [bold]augbench gate main[/bold]: this working tree against main

    [bold]augbench gate main HEAD --markdown --inconclusive pass[/bold]: as a comment for a pull request
    """
    from augbench.stages.gate import run

    raise typer.Exit(run(base, head, markdown=markdown, as_json=as_json, inconclusive=inconclusive))


@app.command(rich_help_panel=_USER)
def summary() -> None:
    """Print the finished results as Markdown: arms, targets, verdict per structure."""
    from augbench.stages.summary import run

    typer.echo(run())


@app.command(rich_help_panel=_USER)
def clean(
    checkpoints: Annotated[bool, typer.Option("--checkpoints", help="Checkpoints that no stage needs any more.")],
    yes: Annotated[bool, typer.Option("--yes", help="Remove without asking.")] = False,
) -> None:
    """Show what long tasks saved, with sizes, and remove what is no longer needed."""
    from augbench.core.params import read_params
    from augbench.stages.clean import remove, survey, table

    found = survey(read_params())
    typer.echo(table(found))
    unneeded = [entry for entry in found if entry.reason]
    if unneeded and (yes or typer.confirm(f"Remove the {len(unneeded)} that are not needed?")):
        remove(unneeded)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise UserError(
            "--synthetic-per-real is no number",
            got=text,
            expected="a dose of regimes.mixed.synthetic_per_real",
            remedy="correct the command",
            file="params.yaml",
        ) from error


def _generator_stage(kind: str, run: Callable[..., None], name: str, seed: int) -> None:
    from augbench.core.params import Params
    from augbench.core.runs import require_listed

    def listed(params: Params) -> None:
        require_listed(params, name, seed)
        run(params, name, seed)

    _stage(f"{kind}@{name}-{seed}", listed, threaded=True)


def _stage(name: str, run: Callable[..., None], *, threaded: bool = False) -> None:
    """Read params.yaml, run one stage, note what it cost."""
    from augbench.core.params import read_params
    from augbench.runtime import interrupt
    from augbench.runtime.leftovers import remove_temporaries
    from augbench.runtime.provenance import recorded
    from augbench.runtime.running import registered

    interrupt.install()
    params = read_params()
    remove_temporaries()
    if threaded:
        from augbench.core.compute import configure

        configure(params.compute)
    with registered(name), recorded(name):
        run(params)


def main() -> None:
    """Entry point: an input error, or one of the file system, is one message and exit code 2."""
    try:
        app()
    except (UserError, OSError) as error:
        message = explained(error) if isinstance(error, OSError) else error
        if message is None or "--debug" in sys.argv:
            raise
        print(f"augbench: {message}", file=sys.stderr)
        sys.exit(2)
