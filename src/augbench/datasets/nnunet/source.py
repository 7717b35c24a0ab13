"""One dataset folder -> its frames in its own label values, with all that is needed to check and describe it."""

from __future__ import annotations

import hashlib
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from augbench.core.errors import UserError
from augbench.core.types import FRAME_COLUMNS, Pairs
from augbench.datasets.nnunet.cases import Case, find_cases
from augbench.datasets.nnunet.description import Description, read_description
from augbench.datasets.nnunet.preprocess import central_square, require_large_enough, share_outside, to_frame
from augbench.datasets.nnunet.reader import Plane, read_mask, read_planes
from augbench.datasets.nnunet.root import why_absent
from augbench.runtime.progress import progress


@dataclass(frozen=True)
class Source:
    """A dataset folder and how to read it; the fields are those of the component, resolved for this folder."""

    folder: Path
    channel: int
    subject_pattern: str
    default_view: str
    crop_fraction: float
    structure_names: Mapping[str, str]
    intensity_percentiles: tuple[float, float]
    nominal_field_of_view_mm: float
    max_enlargement: float

    def description(self) -> Description:
        if not self.folder.is_dir():
            raise UserError(
                f"dataset folder {self.folder.name} is missing",
                got=_neighbours(self.folder),
                expected=f"a folder {self.folder.name} in nnU-Net raw layout",
                remedy="correct datasets.nnunet.root or the dataset's name in params.yaml",
                file=self.folder,
            )
        return read_description(self.folder, self.structure_names)

    def cases(self, description: Description, views: tuple[str, ...] | None) -> list[Case]:
        """Cases of the given views (None = all).

        Raises:
            UserError: as `find_cases`, or a view has no case.
        """
        cases = find_cases(self.folder, description, self.channel, self.subject_pattern, self.default_view)
        if description.announced not in (None, len(cases)):
            said = f"dataset.json announces {description.announced} cases, {len(cases)} are there"
            print(f"{self.folder.name}: {said}; is the copy complete?", file=sys.stderr)
        if views is None:
            return cases
        found = sorted({case.view for case in cases})
        missing = [view for view in views if view not in found]
        if missing:
            raise UserError(
                f"view {', '.join(missing)} has no frames",
                got=f"views {', '.join(found)} in {self.folder.name}",
                expected=f"frames of every view in params.yaml: {', '.join(views)}",
                remedy="remove the view from `views`, correct `view` in cases.csv, or set default_view",
                file=self.folder,
            )
        return [case for case in cases if case.view in views]


@dataclass
class Imported:
    """Frames of one dataset as imported.

    Attributes:
        pairs: (n, 2, H, W) uint8, masks in the dataset's own values.
        table: FRAME_COLUMNS, with an empty `split`.
        digests: sha256 of each frame's pixels as stored, before anything was done to them.
        files: the image file of each frame.
        annotated: view -> structures that at least one mask of the view holds.
        sizes, spacings, outside_crop: (rows, columns), mm or None, and share of labelled pixels lost, per frame.
    """

    source: Source
    description: Description
    pairs: Pairs
    table: pd.DataFrame
    digests: list[str]
    annotated: dict[str, set[str]]
    files: list[Path] = field(default_factory=list)
    sizes: Counter[tuple[int, ...]] = field(default_factory=Counter)
    spacings: list[float | None] = field(default_factory=list)
    outside_crop: list[float] = field(default_factory=list)


def import_source(source: Source, image_size: int, views: tuple[str, ...] | None) -> Imported:
    """Read, check, crop, scale and quantise every frame of the dataset.

    Raises:
        UserError: the first file that cannot be used.
    """
    description = source.description()
    cases = source.cases(description, views)
    rows: list[dict[str, Any]] = []
    frames: list[Pairs] = []
    result = Imported(source, description, np.empty(0, np.uint8), pd.DataFrame(), [], {})
    with progress(f"import {source.folder.name}", len(cases), "cases") as bar:
        for case in cases:
            for plane in read_planes(case, description.structures):
                box, side_mm = central_square(plane, source.crop_fraction)
                require_large_enough(plane, box, image_size, source.max_enlargement, case.image)
                frames.append(to_frame(plane, box, image_size, source.intensity_percentiles))
                nominal_mm = source.crop_fraction * source.nominal_field_of_view_mm
                rows.append(_row(case, plane, source.folder.name, (side_mm or nominal_mm) / image_size))
                _note(result, case, plane, share_outside(plane.mask, box))
            bar.advance()
    result.pairs = np.stack(frames)
    result.table = pd.DataFrame(rows, columns=list(FRAME_COLUMNS))
    return result


def annotated_structures(source: Source, views: tuple[str, ...]) -> dict[str, set[str]]:
    """View -> structures that at least one mask of the view holds; reads the masks alone."""
    description = source.description()
    found: dict[str, set[str]] = {view: set() for view in views}
    for case in source.cases(description, views):
        values = np.unique(read_mask(case.mask, description.structures).values)
        found[case.view] |= {description.structures[int(value)] for value in values if value}
    return found


def _row(case: Case, plane: Plane, site: str, spacing_mm: float) -> dict[str, Any]:
    return {
        "frame_id": plane.frame_id,
        "subject_id": case.subject_id,
        "site": site,
        "view": case.view,
        "phase": case.phase,
        "pathology": case.pathology,
        "spacing_mm": spacing_mm,
        "split": "",
    }


def _note(result: Imported, case: Case, plane: Plane, outside: float) -> None:
    structures = result.description.structures
    present = {structures[int(value)] for value in np.unique(plane.mask) if value}
    result.annotated.setdefault(case.view, set()).update(present)
    # The shape belongs to the digest: the same bytes in other rows are another picture.
    content = repr(plane.image.shape).encode() + plane.image.tobytes()
    result.digests.append(hashlib.sha256(content).hexdigest())
    result.files.append(case.image)
    result.sizes[plane.image.shape] += 1
    result.spacings.append(plane.spacing_mm[0] if plane.spacing_mm else None)
    if plane.mask.any():
        result.outside_crop.append(outside)


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
