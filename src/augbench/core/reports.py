"""The files of reports/: each states the schema it was written in, so that no reader takes old columns for new ones."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import Any

import pandas as pd

from augbench.core.artifacts import read_bytes, write_bytes, write_csv, write_json
from augbench.core.errors import UserError

#: By file name, raised by one when a column or key changes its name, unit or meaning; the others are at `_SCHEMA`.
_SCHEMAS: dict[str, int] = {"comparison.csv": 3, "diff.json": 3, "gate.json": 3}
_SCHEMA = 2
COLUMN = "schema"
_GZIP = ".gz"


def schema_of(file: str | Path) -> int:
    """The schema in which this version writes the report of that name."""
    return _SCHEMAS.get(Path(file).name, _SCHEMA)


def write_report_table(path: Path, table: pd.DataFrame) -> None:
    """A tidy CSV, compressed if the name ends in `.gz`; the schema comes first: `dvc plots` draws the last column.

    The same table gives the same bytes: the compressed file holds no time and no name.
    """
    numbered = table.copy()
    numbered.insert(0, COLUMN, schema_of(path))
    if path.suffix != _GZIP:
        write_csv(path, numbered)
        return
    text = numbered.to_csv(index=False, lineterminator="\n").encode()
    write_bytes(path, gzip.compress(text, compresslevel=9, mtime=0))


def write_report_json(path: Path, content: Mapping[str, Any]) -> None:
    """A JSON document that states its schema."""
    write_json(path, {**content, COLUMN: schema_of(path)})


def read_report_table(path: Path, columns: Sequence[str], text: Sequence[str] = ()) -> pd.DataFrame:
    """What `write_report_table` wrote, without the column `schema`; arguments and errors as in `parse_report_table`."""
    return parse_report_table(read_bytes(path), columns, text=text, file=path)


def read_report_json(path: Path) -> Any:
    """What `write_report_json` wrote, `schema` included.

    Raises:
        UserError: the file is missing, is not JSON or has another schema.
    """
    try:
        found = json.loads(read_bytes(path))
    except ValueError as error:
        raise UserError(
            "file is not valid JSON", got=str(error), expected="a JSON document", remedy="remake it", file=path
        ) from error
    _require_schema(found.get(COLUMN) if isinstance(found, dict) else None, str(path))
    return found


def parse_report_table(
    content: bytes, columns: Sequence[str], *, text: Sequence[str] = (), file: str | Path, where: str = ""
) -> pd.DataFrame:
    """A report of any origin, such as a git object, as a table without the column `schema`.

    Args:
        columns: what the table must have.
        text: columns read as strings (an id `007` stays whole), missing as ''.
        file: names the report in errors, and by its ending says whether it is compressed.
        where: says in the remedy where to make it again: ` at 'main'`.

    Raises:
        UserError: not a CSV, of another schema, or a column is missing.
    """
    try:
        plain = gzip.decompress(content) if str(file).endswith(_GZIP) else content
        table = pd.read_csv(io.BytesIO(plain), dtype=dict.fromkeys(text, str))
    except (ValueError, UnicodeDecodeError, OSError, EOFError) as error:  # pandas' parser errors are ValueErrors
        raise UserError(
            "file is not a table", got=str(error), expected="CSV", remedy=_remedy(where), file=file
        ) from error
    schemas = list(table.pop(COLUMN).unique()) if COLUMN in table.columns else [None]
    # A table without rows has nothing to misread.
    for schema in schemas:
        _require_schema(schema, str(file), where)
    absent = [column for column in columns if column not in table.columns]
    if absent:
        raise UserError(
            f"column {', '.join(absent)} is missing",
            got=", ".join(table.columns),
            expected=", ".join(columns),
            remedy=_remedy(where),
            file=file,
        )
    for column in text:
        table[column] = table[column].fillna("")
    return table


def _require_schema(found: Any, file: str, where: str = "") -> None:
    wanted = schema_of(file)
    if found == wanted:
        return
    newer = isinstance(found, Real) and float(found) > wanted
    raise UserError(
        f"the report{where} was written by {'a newer' if newer else 'an older'} augbench",
        got="no schema" if found is None else f"schema {found}",
        expected=f"schema {wanted}",
        remedy="install the augbench that wrote it" if newer else _remedy(where),
        file=file,
    )


def _remedy(where: str) -> str:
    return (
        f"run `augbench repro` again{where}, and commit reports/ and dvc.lock"
        if where
        else "run `augbench repro` again"
    )
