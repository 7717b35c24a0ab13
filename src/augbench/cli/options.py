"""Options that several commands share."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer


def add(app: typer.Typer, panel: str, *commands: Callable[..., None]) -> None:
    """Add commands with their docstrings as help; lines of a paragraph flow together."""
    for command in commands:
        text = re.sub(r"(?<!\n)\n(?!\n)", " ", inspect.getdoc(command) or "")
        app.command(rich_help_panel=panel, help=text)(command)


def _enter(study: Path | None) -> Path | None:
    if study is not None:
        from augbench.stages.places import enter

        enter(study)
        choose_kernels()
    return study


def choose_kernels() -> None:
    """As the present folder's params.yaml says; before any command imports a numerical library."""
    from augbench.core.kernels import choose, kernels_of

    choose(kernels_of(Path("params.yaml")))


#: A command with this option works in the named folder; its body need not know.
Study = Annotated[
    Path | None,
    typer.Option(
        "--study", metavar="FOLDER", callback=_enter, is_eager=True, help="Folder of the study; default: this one."
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Give a key of params.yaml another value, in YAML: seed=7, sampling='{frames: 50}'. May be repeated.",
    ),
]
Markdown = Annotated[bool, typer.Option("--markdown", help="Print Markdown for a pull request.")]
EVERY_NUMBER = "Print JSON, with every number of every row."
EveryNumber = Annotated[bool, typer.Option("--json", help=EVERY_NUMBER)]
Head = Annotated[str | None, typer.Argument(help="Revision to judge; default: the working tree.")]
