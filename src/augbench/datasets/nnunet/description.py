"""What a number in a mask means: dataset.json, names, and one scheme for all folders.

Labels are read by name, never by number: ACDC counts RV, MYO, LV and M&Ms counts LV, MYO, RV.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augbench.core.errors import UserError
from augbench.core.types import LabelScheme

#: What the reader opens. nnU-Net's first version had no `file_ending`: it was always .nii.gz.
FILE_ENDINGS = (".nii.gz", ".nii", ".png")
#: Names stand in tables, in charts and in the report.
_LONGEST_NAME = 80

#: Spellings met in public sets, letters and digits alone; any other name stands for itself.
_STRUCTURES = {
    "LV": "lv lvc lvbp lvcavity lvbloodpool lvendo leftventricle leftventricularcavity leftventriclecavity "
    "leftventricularbloodpool leftventriclebloodpool",
    "MYO": "myo lvm lvmyo myocardium lvmyocardium leftventricularmyocardium leftventriclemyocardium lvwall",
    "RV": "rv rvc rvbp rvcavity rvbloodpool rvendo rightventricle rightventricularcavity rightventriclecavity "
    "rightventricularbloodpool rightventriclebloodpool",
    "RA": "ra rightatrium rightatrialcavity",
    "LA": "la leftatrium leftatrialcavity",
}
_VIEWS = {
    "sax": "sax sa shortaxis",
    "4ch": "4ch 4c a4c lax4c lax4ch la4ch la4c fourchamber 4chamber",
    "2ch": "2ch 2c a2c lax2c lax2ch la2ch la2c twochamber 2chamber",
}
_STRUCTURE_OF = {spelling: name for name, spellings in _STRUCTURES.items() for spelling in spellings.split()}
_VIEW_OF = {spelling: name for name, spellings in _VIEWS.items() for spelling in spellings.split()}
_EXAMPLE = '{"channel_names": {"0": "cineMRI"}, "labels": {"background": 0, "LV": 1}, "file_ending": ".png"}'


@dataclass(frozen=True)
class Description:
    """What dataset.json says.

    Attributes:
        file: the dataset.json, for messages.
        structures: value in this folder's masks -> structure, in rising order; background (0) is not listed.
        file_ending: with its dot, one of FILE_ENDINGS.
        announced: `numTraining`, or None where it is not stated.
    """

    file: Path
    structures: Mapping[int, str]
    file_ending: str
    announced: int | None


def read_description(folder: Path, rename: Mapping[str, str]) -> Description:
    """Read `folder/dataset.json`.

    Args:
        rename: label name in dataset.json -> structure, for names that are no known synonym.

    Raises:
        UserError: the file is missing, is not JSON or not an nnU-Net description, or its labels are ambiguous.
    """
    file = folder / "dataset.json"
    content = _read_object(file)
    ending = content.get("file_ending", ".nii.gz")
    if ending not in FILE_ENDINGS:
        raise UserError(
            "file ending is not supported",
            got=repr(ending),
            expected=", ".join(FILE_ENDINGS),
            remedy="convert the images and masks to PNG or NIfTI and state it as `file_ending`",
            file=file,
        )
    announced = content.get("numTraining")
    return Description(
        file=file,
        structures=_structures(_values_of_names(content, file), rename, file),
        file_ending=ending,
        announced=announced if isinstance(announced, int) else None,
    )


def _read_object(file: Path) -> dict[str, Any]:
    remedy = f"write one as nnU-Net asks, for example {_EXAMPLE}"
    if not file.is_file():
        raise UserError(
            "dataset.json is missing",
            got=why_absent(file),
            expected="an nnU-Net description",
            remedy=remedy,
            file=file,
        )
    try:
        content = json.loads(file.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError, OSError) as error:  # a number of 5000 digits is a plain ValueError
        raise UserError(
            "dataset.json cannot be read", got=str(error), expected="a JSON object", remedy=remedy, file=file
        ) from error
    if not isinstance(content, dict) or not isinstance(content.get("labels"), dict) or not content["labels"]:
        raise UserError(
            "dataset.json has no labels",
            got=f"keys {', '.join(content)}" if isinstance(content, dict) else type(content).__name__,
            expected='an object with "labels": {"background": 0, name: number, ...}',
            remedy=remedy,
            file=file,
        )
    return content


def _values_of_names(content: dict[str, Any], file: Path) -> dict[str, int]:
    """name -> value. Version 1 of the format wrote {"1": "LV"}, version 2 {"LV": 1}."""
    labels = content["labels"]
    if all(key.isdecimal() and isinstance(name, str) for key, name in labels.items()):
        # Python refuses to convert very long numbers; such a one is out of range with fewer digits too.
        pairs = [(name, int(key[:4000])) for key, name in labels.items()]
    else:
        pairs = list(labels.items())
    for name, value in pairs:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 255:
            raise UserError(
                f"label '{name}' has no usable value",
                got=repr(value),
                expected="one whole number in 0..255 for each label",
                remedy="write region-based labels (lists) as one number a structure",
                file=file,
            )
        if not name.strip() or not name.isprintable() or len(name) > _LONGEST_NAME:
            raise UserError(
                "a label has no usable name",
                got=repr(name),
                expected=f"1 to {_LONGEST_NAME} printable characters",
                remedy="correct `labels`",
                file=file,
            )
    values = [value for _, value in pairs]
    if len(set(values)) != len(values) or len({name for name, _ in pairs}) != len(pairs):
        raise UserError(
            "a label value or name is used twice",
            got=", ".join(f"{name}={value}" for name, value in pairs),
            expected="one name for each value",
            remedy="correct `labels`",
            file=file,
        )
    return dict(pairs)


def _structures(values: dict[str, int], rename: Mapping[str, str], file: Path) -> dict[int, str]:
    """value -> structure without background."""
    background = [name for name in values if name.strip().casefold() == "background"]
    zero = [name for name, value in values.items() if value == 0]
    if (background and values[background[0]] != 0) or (zero and zero != background[:1]):
        raise UserError(
            "background is not label 0",
            got=", ".join(f"{name}={value}" for name, value in values.items()),
            expected='"background": 0, and no other label with value 0',
            remedy="renumber the labels and masks",
            file=file,
        )
    if any(name.strip().casefold() == "ignore" for name in values):
        raise UserError(
            "dataset has an `ignore` label",
            got="ignore",
            expected="fully annotated masks",
            remedy="leave out the partly annotated cases and remove the label",
            file=file,
        )
    found: dict[int, str] = {}
    for name, value in sorted(values.items(), key=lambda item: item[1]):
        if value == 0:
            continue
        structure = rename.get(name) or canonical_structure(name)
        if structure in found.values():
            raise UserError(
                f"two labels mean '{structure}'",
                got=", ".join(f"{label}={number}" for label, number in values.items()),
                expected="one label a structure",
                remedy="rename one in dataset.json or through dataset.structure_names",
                file=file,
            )
        found[value] = structure
    if not found:
        raise UserError(
            "dataset.json names no structure",
            got="background alone",
            expected="at least one labelled structure",
            remedy="add the structures to `labels`",
            file=file,
        )
    return found


def canonical_structure(name: str) -> str:
    """`left ventricle`, `lvc` and `LV` are `LV`; a name that is not known stays as it is, without outer blanks."""
    return _STRUCTURE_OF.get(_letters(name), name.strip())


def canonical_view(name: str) -> str:
    """`SAX`, `sa` and `short axis` are `sax`; a view that is not known is lower-cased."""
    return _VIEW_OF.get(_letters(name), name.strip().casefold())


def _letters(name: str) -> str:
    """Letters and digits alone, so that `Left_Ventricle` and `left ventricle` compare equal."""
    return re.sub(r"[\W_]+", "", name.casefold())


def scheme_of(
    description: Description,
    annotated: Mapping[str, set[str]],
    views: tuple[str, ...],
    common: LabelScheme | None = None,
) -> LabelScheme:
    """Label values and what a folder annotates in each view.

    Args:
        annotated: view -> structures that at least one mask of the folder holds there.
        common: the values that all cohorts share; None makes them from this folder, in the order of its own values.

    Raises:
        UserError: a view without any structure of the study.
    """
    named = common.structures if common else tuple(description.structures.values())
    wanted = common.annotated if common else dict.fromkeys(views, named)
    own = {view: tuple(name for name in wanted[view] if name in annotated[view]) for view in views}
    for view, names in own.items():
        if not names:
            raise UserError(
                f"no structure of view '{view}' is labelled in {description.file.parent.name}",
                got=", ".join(sorted(annotated[view])) or "empty masks alone",
                expected=f"one of {', '.join(wanted[view])}, as in the folder of the first cohort",
                remedy="check the masks, map their label names through dataset.structure_names, or leave out the view",
                file=description.file,
            )
    present = set().union(*own.values())
    return LabelScheme(common.structures if common else tuple(name for name in named if name in present), own)


def why_absent(path: Path) -> str:
    """`no such file or folder`, or what hides it: a link that leads nowhere or round in a circle, no permission."""
    try:
        path.stat()
    except OSError as error:
        said = error.strerror or str(error)
        return f"a symbolic link ({said})" if path.is_symlink() else said
    return "something else than expected: neither a plain file nor a folder"
