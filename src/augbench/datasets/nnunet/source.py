"""One dataset folder -> its frames in its own label values, with all that is needed to check and describe it."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
from pydantic import Field, field_validator

from augbench.core.bars import Bars
from augbench.core.component import Section
from augbench.core.errors import UserError
from augbench.core.types import FRAME_COLUMNS, Frames, LabelScheme, Pairs
from augbench.datasets.nnunet.cases import Case, find_cases
from augbench.datasets.nnunet.description import Description, read_description, why_absent
from augbench.datasets.nnunet.preprocess import central_square, require_large_enough, share_outside, to_frame
from augbench.datasets.nnunet.reader import StoredFrame, read_mask, read_planes

_COLUMNS = [*FRAME_COLUMNS, "digest", "file", "size", "source_mm", "outside"]
_VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::-(?P<default>[^}]*))?\}")


class Reading(Section):
    """How a folder is read: the settings of the component, any of which `overrides` may change for one folder."""

    default_view: str = Field("sax", min_length=1, description="view of cases for which none is stated")
    subject_pattern: str = Field(
        r"(?P<subject>.+?)_.*", description="matches a whole case name; used where there is no cases.csv"
    )
    structure_names: dict[str, str] = Field({}, description="label name in dataset.json -> structure, if unusual")
    channel: int = Field(0, ge=0, le=9999, description="_0000, _0001, ... of imagesTr")
    crop_fraction: float = Field(1.0, gt=0, le=1, description="side of the central square / shorter side of the image")
    intensity_percentiles: tuple[Annotated[float, Field(ge=0, lt=100)], Annotated[float, Field(gt=0, le=100)]] = Field(
        (0.5, 99.5), description="grey values that become 0 and 255, per frame"
    )
    nominal_field_of_view_mm: float = Field(
        320.0, gt=0, description="shorter side of an image whose spacing nothing states"
    )
    max_enlargement: float = Field(1.0, ge=1, description="how far a cropped image may be blown up to image_size")

    @field_validator("subject_pattern")
    @classmethod
    def _names_subject(cls, pattern: str) -> str:
        try:
            groups = re.compile(pattern).groupindex
        except re.error as error:
            raise ValueError(f"a regular expression ({error})") from error
        if "subject" not in groups:
            raise ValueError("a regular expression with a group (?P<subject>...)")
        return pattern

    @field_validator("intensity_percentiles")
    @classmethod
    def _rising(cls, percentiles: tuple[float, float]) -> tuple[float, float]:
        if percentiles[0] >= percentiles[1]:
            raise ValueError("intensity_percentiles must rise")
        return percentiles


@dataclass(frozen=True)
class Folder:
    """A dataset folder and how to read it."""

    path: Path
    reading: Reading

    def description(self) -> Description:
        """Its dataset.json.

        Raises:
            UserError: there is no such folder, or as `read_description`.
        """
        if not self.path.is_dir():
            raise UserError(
                f"dataset folder {self.path.name} is missing",
                got=_neighbours(self.path),
                expected=f"a folder {self.path.name} in nnU-Net raw layout",
                remedy="correct dataset.root or the folder's name in dataset.cohorts",
                file=self.path,
            )
        return read_description(self.path, self.reading.structure_names)

    def cases(self, description: Description, views: tuple[str, ...]) -> list[Case]:
        """Cases of the given views.

        Raises:
            UserError: as `find_cases`, or a view has no case.
        """
        how = self.reading
        cases = find_cases(self.path, description, how.channel, how.subject_pattern, how.default_view)
        if description.announced not in (None, len(cases)):
            said = f"dataset.json announces {description.announced} cases, {len(cases)} are there"
            print(f"{self.path.name}: {said}; is the copy complete?", file=sys.stderr)
        found = sorted({case.view for case in cases})
        missing = [view for view in views if view not in found]
        if missing:
            raise UserError(
                f"view {', '.join(missing)} has no frames",
                got=f"views {', '.join(found)} in {self.path.name}",
                expected=f"frames of every view in params.yaml: {', '.join(views)}",
                remedy="remove the view from `views`, correct `view` in cases.csv, or set default_view",
                file=self.path,
            )
        return [case for case in cases if case.view in views]

    def annotated(self, views: tuple[str, ...]) -> dict[str, set[str]]:
        """View -> structures that at least one mask of the view holds; reads the masks alone."""
        description = self.description()
        found: dict[str, set[str]] = {view: set() for view in views}
        for case in self.cases(description, views):
            values = np.unique(read_mask(case.mask, description.structures).values)
            found[case.view] |= {description.structures[int(value)] for value in values if value}
        return found

    def read(self, image_size: int, views: tuple[str, ...], bars: Bars) -> Imported:
        """Read, check, crop, scale and quantise every frame of the given views.

        Raises:
            UserError: the first file that cannot be used.
        """
        description = self.description()
        cases = self.cases(description, views)
        rows: list[tuple[object, ...]] = []
        frames: list[Pairs] = []
        annotated: dict[str, set[str]] = {view: set() for view in views}
        nominal_mm = self.reading.crop_fraction * self.reading.nominal_field_of_view_mm
        with bars(f"import {self.path.name}", len(cases), "cases") as bar:
            for case in cases:
                who = (case.subject_id, self.path.name, case.view, case.phase, case.pathology)
                for plane in read_planes(case, description.structures):
                    box, side_mm = central_square(plane, self.reading.crop_fraction)
                    require_large_enough(plane, box, image_size, self.reading.max_enlargement, case.image)
                    frames.append(to_frame(plane, box, image_size, self.reading.intensity_percentiles))
                    origin = (
                        _digest(plane),
                        case.image,
                        plane.image.shape,
                        plane.spacing_mm,
                        share_outside(plane, box),
                    )
                    rows.append((plane.frame_id, *who, (side_mm or nominal_mm) / image_size, "", *origin))
                    annotated[case.view] |= {description.structures[int(k)] for k in np.unique(plane.mask) if k}
                bar.advance()
        return Imported(self, description, np.stack(frames), pd.DataFrame(rows, columns=_COLUMNS), annotated)


@dataclass
class Imported:
    """Frames of one folder as imported.

    Attributes:
        pairs: (n, 2, H, W) uint8, masks in the folder's own values.
        table: FRAME_COLUMNS with an empty `split`, and where each frame is from: `digest` of its pixels as stored,
            image `file`, stored `size` (rows, columns), `source_mm` (row, column; None where nothing states it) and
            `outside`, the share of its labelled pixels that the crop cuts off (NaN without any).
        annotated: view -> structures that at least one mask of the view holds.
    """

    folder: Folder
    description: Description
    pairs: Pairs
    table: pd.DataFrame
    annotated: dict[str, set[str]]

    @property
    def pathology(self) -> dict[str, str]:
        """Patient -> pathology."""
        return dict(zip(self.table["subject_id"], self.table["pathology"], strict=True))

    def frames(self, splits: Mapping[str, str], scheme: LabelScheme) -> Frames:
        """The frames of some patients in the values of `scheme`; what it does not annotate becomes background.

        Args:
            splits: patient -> its split.
        """
        rows = np.flatnonzero(self.table["subject_id"].isin(list(splits)).to_numpy())
        table = self.table[list(FRAME_COLUMNS)].iloc[rows].reset_index(drop=True)
        table["split"] = table["subject_id"].map(dict(splits))
        pairs = self.pairs[rows]
        for view, names in scheme.annotated.items():
            values = np.zeros(256, np.uint8)
            for value, name in self.description.structures.items():
                values[value] = scheme.value(name) if name in names else 0
            of_view = np.flatnonzero((table["view"] == view).to_numpy())
            pairs[of_view, 1] = values[pairs[of_view, 1]]
        return Frames(pairs, table, scheme)


def _digest(plane: StoredFrame) -> str:
    """sha256 of the pixels as stored; the shape belongs to it: the same bytes in other rows are another picture."""
    return hashlib.sha256(repr(plane.image.shape).encode() + plane.image.tobytes()).hexdigest()


def resolve_root(text: str) -> Path:
    """Expand `${NAME}`, `${NAME:-default}` (as a shell does) and `~`; a relative path starts at the working folder.

    Raises:
        UserError: a variable is not set and has no default, or the text cannot name a folder.
    """

    def value(match: re.Match[str]) -> str:
        found = os.environ.get(match["name"]) or match["default"]
        if found is None:
            raise UserError(
                f"environment variable {match['name']} is not set",
                got=text,
                expected="the folder that holds the datasets",
                remedy=f"export {match['name']}=FOLDER, or write ${{{match['name']}:-FOLDER}}",
                file="params.yaml",
            )
        return found

    try:
        folder = Path(_VARIABLE.sub(value, text)).expanduser()
        folder.is_dir()  # a name that the system cannot even look up
    except (RuntimeError, ValueError, OSError) as error:
        raise UserError(
            "dataset.root cannot be a folder",
            got=f"{text} ({error})",
            expected="the folder that holds the datasets",
            remedy="correct dataset.root",
            file="params.yaml",
        ) from error
    return folder


def _neighbours(folder: Path) -> str:
    root = folder.parent
    if folder.is_symlink() or folder.exists():
        return why_absent(folder)
    if not root.is_dir():
        return f"no folder {root}" if not root.is_symlink() else f"{root}, {why_absent(root)}"
    if (root / "dataset.json").is_file():
        return f"{root} is itself a dataset: name the folder that holds it as root"
    found = sorted(path.name for path in root.iterdir() if (path / "dataset.json").is_file())
    return f"{root} holds {', '.join(found[:8]) or 'no nnU-Net dataset'}"
