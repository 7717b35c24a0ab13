"""Which cases a folder holds: image and mask of each, and its subject, view, phase and pathology.

Who a case is stands in cases.csv or, without it, in the case's name.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from augbench.core.errors import UserError
from augbench.datasets.nnunet.description import FILE_ENDINGS, Description, canonical_view, why_absent

Row = dict[str, str]

_REQUIRED = ("case_id", "subject_id")
_OPTIONAL = ("view", "phase", "pathology", "spacing_mm")
#: Ids stand in tables and in names of exported files, so nothing in them may point elsewhere.
_UNSAFE = re.compile(r"[/\\\x00-\x1f\x7f]|^\.{1,2}$")


@dataclass(frozen=True)
class Case:
    """One image (a frame, or a volume of frames) with its mask.

    Attributes:
        spacing_mm: side of a source pixel from cases.csv, or None where it is not stated there.
    """

    case_id: str
    subject_id: str
    view: str
    phase: str
    pathology: str
    spacing_mm: float | None
    image: Path
    mask: Path


def find_cases(folder: Path, description: Description, channel: int, pattern: str, default_view: str) -> list[Case]:
    """All cases of `folder` by name, with what `cases.csv` (or, without it, `pattern`) says about each.

    Raises:
        UserError: an image without mask or the reverse, no image at all, or a case whose subject is unknown.
    """
    images = _files(folder / "imagesTr", description, suffix=f"_{channel:04d}")
    masks = _files(folder / "labelsTr", description, suffix="")
    if not images:
        found = sorted(path.name for path in (folder / "imagesTr").iterdir())[:3]
        raise UserError(
            "dataset is empty",
            got=f"files {', '.join(found)}" if found else "no file",
            expected=f"images named <case>_{channel:04d}{description.file_ending}",
            remedy="add images, or correct `file_ending` in dataset.json or dataset.channel",
            file=folder / "imagesTr",
        )
    _require_same_cases(images, masks, channel, description.file_ending)
    table = folder / "cases.csv"
    known = read_rows(table) if table.is_file() else rows_from_names(images, pattern, folder)
    if table.is_file():
        _require_complete(known, images, table, folder / "imagesTs")
    return [_case(case, known[case], images[case], masks[case], default_view) for case in sorted(images)]


def _files(folder: Path, description: Description, suffix: str) -> dict[str, Path]:
    """case id -> file. Hidden files and, among images, other channels are passed over; all else must fit."""
    if not folder.is_dir():
        raise UserError(
            f"folder {folder.name} is missing",
            got=why_absent(folder),
            expected="imagesTr and labelsTr beside dataset.json (nnU-Net raw layout)",
            remedy="restore the folder, or correct dataset.root and the folder's name",
            file=folder,
        )
    found: dict[str, Path] = {}
    for path in _listing(folder):
        if path.name.startswith(".") or not path.name.casefold().endswith(FILE_ENDINGS):
            continue
        stem = path.name.removesuffix(description.file_ending)
        fits = stem != path.name and (not suffix or re.search(r"_\d{4}$", stem))
        if not fits:
            ending = f"_0000{description.file_ending}" if suffix else description.file_ending
            raise UserError(
                "file name does not follow the nnU-Net layout",
                got=path.name,
                expected=f"<case>{ending}",
                remedy="rename or remove the file, or correct `file_ending` in dataset.json",
                file=path,
            )
        if not path.is_file():
            # Links to files elsewhere are welcome (large data sets are often linked), pipes and devices are not.
            raise UserError(
                "image or mask is no file",
                got=why_absent(path),
                expected="a plain file, or a link to one",
                remedy="restore the file, or remove the entry",
                file=path,
            )
        if stem.endswith(suffix):
            found[stem.removesuffix(suffix)] = path
    return found


def _listing(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise UserError(
            f"folder {folder.name} cannot be read",
            got=error.strerror,
            expected="a folder that you may list",
            remedy="give yourself permission to read it (chmod u+rx)",
            file=folder,
        ) from error


def _require_same_cases(images: dict[str, Path], masks: dict[str, Path], channel: int, ending: str) -> None:
    for kind, files, other, partners, partner in (
        ("image", images, "mask", masks, f"labelsTr/{{}}{ending}"),
        ("mask", masks, "image", images, f"imagesTr/{{}}_{channel:04d}{ending}"),
    ):
        alone = sorted(set(files) - set(partners))
        if alone:
            raise UserError(
                f"{kind} without {other}",
                got=f"{len(alone)} {kind}s without {other}, the first is {files[alone[0]].name}",
                expected=partner.format(alone[0]),
                remedy=f"add the {other} or remove the {kind}",
                file=files[alone[0]],
            )


def _require_complete(rows: dict[str, Row], images: dict[str, Path], file: Path, test_images: Path) -> None:
    unknown = sorted(set(images) - set(rows))
    if unknown:
        raise UserError(
            "cases.csv lacks a case",
            got=f"{len(unknown)} images without a line, the first is {unknown[0]}",
            expected="one line for every image",
            remedy="add the lines: without its subject, a case cannot be put on one side of a split",
            file=file,
        )
    testing = {path.name.rsplit("_", 1)[0] for path in test_images.iterdir()} if test_images.is_dir() else set()
    absent = sorted(set(rows) - set(images) - testing)
    if absent:
        raise UserError(
            "cases.csv names a case that has no image",
            got=f"{len(absent)} such lines, the first is {absent[0]}",
            expected="an image in imagesTr for every line",
            remedy="restore the image or remove the line",
            file=file,
        )


def _case(name: str, row: Row, image: Path, mask: Path, default_view: str) -> Case:
    view = canonical_view(row.get("view") or default_view)
    spacing = float(row["spacing_mm"]) if row.get("spacing_mm") else None
    return Case(name, row["subject_id"], view, row.get("phase", ""), row.get("pathology", ""), spacing, image, mask)


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
                remedy="correct dataset.subject_pattern, or add a cases.csv with case_id and subject_id",
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
