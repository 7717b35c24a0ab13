"""`augbench`: the pipeline's stages and the user's own commands.

Heavy libraries are imported by the command that needs them: `--help` answers at once.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from augbench.cli.options import Study, choose_kernels
from augbench.cli.results import add_results
from augbench.cli.stages import add_stages
from augbench.cli.studies import add_studies
from augbench.core.errors import UserError
from augbench.runtime.system_errors import explained

app = typer.Typer(
    name="augbench",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help=(
        "Can images made by a generative model stand in for patients, or add to them, when a segmentation network is "
        "trained?\n\n"
        "A study is a folder: its numbers are in [bold]params.yaml[/bold], its words in [bold]study.yaml[/bold], its "
        "stages in [bold]dvc.yaml[/bold]. [bold]augbench studies[/bold] lists them, [bold]augbench repro[/bold] (or "
        "plain [bold]dvc repro[/bold]) runs one, and the results are in its reports/report.html."
    ),
)
add_studies(app)
add_results(app)
add_stages(app)


def _print_version(asked: bool) -> None:
    if asked:
        from augbench.stages.installed import augbench_version

        typer.echo(f"augbench {augbench_version()}")
        raise typer.Exit


@app.callback()
def _options(
    study: Study = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an input error.")] = False,
) -> None:
    """Options before the command."""
    choose_kernels()


def main() -> None:
    """Entry point: an input error, or one of the file system, is one message and exit code 2."""
    start = Path.cwd()
    try:
        app()
    except (UserError, OSError) as error:
        message = explained(error) if isinstance(error, OSError) else error
        if message is None or "--debug" in sys.argv:
            raise
        print(f"augbench: {message.seen_from(start)}", file=sys.stderr)
        sys.exit(2)
