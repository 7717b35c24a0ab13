"""inspect: what the study's dataset holds and how its patients are divided, printed; nothing is written."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from augbench.core.component import create
from augbench.core.params import read_params
from augbench.datasets.base import Dataset
from augbench.runtime.progress import progress


def run() -> None:
    """Read and check every image of the study in the working folder as `prepare` would, and print tables of it.

    Raises:
        UserError: params.yaml or a file of the dataset cannot be used, or there is nothing to describe.
    """
    params = read_params()
    dataset = create(Dataset, params.dataset.kind, params.dataset.options, entry="dataset")
    console = Console()
    for title, rows in dataset.describe(params.image_size, tuple(params.views), progress).items():
        console.print(_table(title, rows))


def _table(title: str, rows: dict[str, dict[str, object]]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("", overflow="fold")
    columns = list(dict.fromkeys(column for cells in rows.values() for column in cells))
    numbers = {column for column in columns if all(_is_number(cells.get(column)) for cells in rows.values())}
    for column in columns:
        table.add_column(_text(column), justify="right" if column in numbers else "left", overflow="fold")
    for name, cells in rows.items():
        table.add_row(_text(name), *(_text(cells.get(column)) for column in columns))
    return table


def _is_number(cell: object) -> bool:
    return cell is None or isinstance(cell, int | float)


def _text(cell: object) -> Text:
    """A cell as it may go to a terminal: names in a user's files could hold escape sequences or rich's markup."""
    text = "" if cell is None else str(cell)
    return Text("".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text))
