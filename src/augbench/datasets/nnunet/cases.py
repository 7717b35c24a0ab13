"""Which cases a folder holds: image and mask of each, and its subject, view, phase and pathology."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from augbench.core.errors import UserError
from augbench.datasets.nnunet.description import FILE_ENDINGS, Description
from augbench.datasets.nnunet.root import why_absent
from augbench.datasets.nnunet.structures import canonical_view
from augbench.datasets.nnunet.table import Row, read_rows, rows_from_names


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
            remedy="add images, or correct `file_ending` in dataset.json or datasets.nnunet.channel",
            file=folder / "imagesTr",
        )
    _require_same_cases(images, masks, channel, description.file_ending)
    table = folder / "cases.csv"
    known = read_rows(table) if table.is_file() else rows_from_names(images, pattern, folder)
    if table.is_file():
        _require_complete(known, images, table, folder / "imagesTs")
    return [_case(known[case], images[case], masks[case], default_view) for case in sorted(images)]


def _files(folder: Path, description: Description, suffix: str) -> dict[str, Path]:
    """case id -> file. Hidden files and, among images, other channels are passed over; all else must fit."""
    if not folder.is_dir():
        raise UserError(
            f"folder {folder.name} is missing",
            got=why_absent(folder),
            expected="imagesTr and labelsTr beside dataset.json (nnU-Net raw layout)",
            remedy="restore the folder, or correct datasets.nnunet.root and the dataset's name",
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
    without_mask, without_image = sorted(set(images) - set(masks)), sorted(set(masks) - set(images))
    if without_mask:
        case = without_mask[0]
        raise UserError(
            "image without mask",
            got=f"{len(without_mask)} images without mask, the first is {images[case].name}",
            expected=f"labelsTr/{case}{ending}",
            remedy="add the mask or remove the image",
            file=images[case],
        )
    if without_image:
        case = without_image[0]
        raise UserError(
            "mask without image",
            got=f"{len(without_image)} masks without image, the first is {masks[case].name}",
            expected=f"imagesTr/{case}_{channel:04d}{ending}",
            remedy="add the image or remove the mask",
            file=masks[case],
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


def _case(row: Row, image: Path, mask: Path, default_view: str) -> Case:
    spacing = row.get("spacing_mm", "")
    return Case(
        case_id=row["case_id"],
        subject_id=row["subject_id"],
        view=canonical_view(row.get("view") or default_view),
        phase=row.get("phase", ""),
        pathology=row.get("pathology", ""),
        spacing_mm=float(spacing) if spacing else None,
        image=image,
        mask=mask,
    )
