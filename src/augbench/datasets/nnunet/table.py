"""Who each case is: read from cases.csv, or from the case's name by a pattern."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from augbench.core.errors import UserError

Row = dict[str, str]

_REQUIRED = ("case_id", "subject_id")
_OPTIONAL = ("view", "phase", "pathology", "spacing_mm")
#: Ids stand in tables and in names of exported files, so nothing in them may point elsewhere.
_UNSAFE = re.compile(r"[/\\\x00-\x1f\x7f]|^\.{1,2}$")


def rows_from_names(case_ids: Iterable[str], pattern: str, folder: Path) -> dict[str, Row]:
    """case id -> what the named groups of `pattern` say: `subject`, and if present `view`, `phase`, `pathology`.

    Raises:
        UserError: a name does not match.
    """
    compiled = re.compile(pattern)
    rows = {}
    for case in case_ids:
        match = compiled.fullmatch(case)
        if match is None or not match["subject"]:
            raise UserError(
                "case name does not match the subject pattern",
                got=case,
                expected=pattern,
                remedy="correct datasets.nnunet.subject_pattern, or add a cases.csv with case_id and subject_id",
                file=folder / "imagesTr",
            )
        groups = {name: value or "" for name, value in match.groupdict().items()}
        rows[case] = {"case_id": case, "subject_id": groups["subject"], **groups}
    return rows


def read_rows(file: Path) -> dict[str, Row]:
    """case id -> row of cases.csv, all as text so that `007` stays whole.

    Raises:
        UserError: not a CSV, a column is missing, a case stands there twice, an id or spacing cannot be used.
    """
    try:
        with warnings.catch_warnings():
            # A line with more cells than the header only earns a warning, and the last cells are lost.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table = pd.read_csv(file, dtype=str, keep_default_na=False, encoding="utf-8-sig", index_col=False)
    except (ValueError, OSError, pd.errors.ParserWarning) as error:  # a wrong encoding is a ValueError
        raise UserError(
            "cases.csv cannot be read",
            got=str(error).splitlines()[0],
            expected="comma-separated text in UTF-8, no line longer than the header",
            remedy="save it again as CSV",
            file=file,
        ) from error
    table.columns = [str(column).strip().casefold() for column in table.columns]
    absent = [column for column in _REQUIRED if column not in table.columns]
    if absent:
        raise UserError(
            f"cases.csv lacks the column {', '.join(absent)}",
            got=", ".join(table.columns),
            expected=f"{', '.join(_REQUIRED)}; if known {', '.join(_OPTIONAL)}",
            remedy="add the column (comma-separated), or remove the file to take subjects from the case names",
            file=file,
        )
    rows: dict[str, Row] = {}
    for line, values in enumerate(table.to_dict("records"), start=2):
        row = {str(key): str(value).strip() for key, value in values.items()}
        for column in _REQUIRED:
            if not row[column] or _UNSAFE.search(row[column]):
                raise UserError(
                    f"cases.csv has an unusable {column}",
                    got=f"{row[column]!r} in line {line}",
                    expected="a name without /, \\ or control characters",
                    remedy="correct the line",
                    file=file,
                )
        if row["case_id"] in rows:
            raise UserError(
                "cases.csv names a case twice",
                got=f"{row['case_id']} again in line {line}",
                expected="one line a case",
                remedy="remove one of the lines",
                file=file,
            )
        rows[row["case_id"]] = {**row, "spacing_mm": _spacing_text(row.get("spacing_mm", ""), line, file)}
    _require_one_pathology(rows, file)
    return rows


def _spacing_text(text: str, line: int, file: Path) -> str:
    try:
        usable = not text or (math.isfinite(float(text)) and float(text) > 0)
    except ValueError:
        usable = False
    if not usable:
        raise UserError(
            "cases.csv has an unusable spacing_mm",
            got=f"{text!r} in line {line}",
            expected="a positive number of millimetres, or nothing",
            remedy="correct the line",
            file=file,
        )
    return text


def _require_one_pathology(rows: dict[str, Row], file: Path) -> None:
    first: dict[str, str] = {}
    for row in rows.values():
        said = first.setdefault(row["subject_id"], row.get("pathology", ""))
        if said != row.get("pathology", ""):
            raise UserError(
                f"subject '{row['subject_id']}' has two pathologies",
                got=f"{said!r} and {row.get('pathology', '')!r}",
                expected="one pathology a subject: cohorts are stratified by it",
                remedy="correct cases.csv",
                file=file,
            )
