"""summary: the finished reports as Markdown, as numbers for machines, or drawn on a terminal."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from augbench.core.params import read_params
from augbench.report import markdown
from augbench.stages.report import results

if TYPE_CHECKING:
    from rich.console import Console


def run(as_json: bool = False) -> str:
    """What `augbench summary` prints into a pipe.

    Raises:
        UserError: a report is missing.
    """
    return summary_json() if as_json else summary_text()


def summary_text() -> str:
    """Tables of arms, targets and verdicts as Markdown, from reports/."""
    return markdown.summary(results(read_params()))


def summary_json() -> str:
    """The same numbers as JSON; undefined is null."""
    return json.dumps(markdown.document(results(read_params())), indent=2, allow_nan=False) + "\n"


def print_summary(console: Console) -> None:
    """The Markdown drawn on a terminal."""
    from rich.markdown import Markdown

    console.print(Markdown(summary_text()))
