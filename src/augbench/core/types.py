"""What flows between stages: frames with their reference masks, their table, and who is in which cohort."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from augbench.core.errors import UserError

#: Columns of a cohort's `frames.csv`; `split` is `train` or `validation`.
FRAME_COLUMNS = ("frame_id", "subject_id", "site", "view", "phase", "pathology", "spacing_mm", "split")

#: Columns of a synthetic set's `frames.csv`; `frame_seed` alone (with the fitted generator) makes the frame.
SYNTHETIC_COLUMNS = ("frame_id", "view", "spacing_mm", "frame_seed")

Pairs = NDArray[np.uint8]


@dataclass(frozen=True)
class LabelScheme:
    """Which structures the label map holds and in which views each was annotated.

    Attributes:
        structures: label value `k + 1` is `structures[k]`; 0 is background.
        annotated: view -> the structures that have a reference in that view.
    """

    structures: tuple[str, ...]
    annotated: Mapping[str, tuple[str, ...]]

    def __post_init__(self) -> None:
        for view, names in self.annotated.items():
            unknown = sorted(set(names) - set(self.structures))
            if unknown:
                raise UserError(
                    f"view '{view}' annotates unknown structures",
                    got=", ".join(unknown),
                    expected=", ".join(self.structures),
                    remedy="correct the name where the dataset states what each view shows, or add the structure",
                    file="params.yaml",
                )

    @property
    def classes(self) -> int:
        """Number of classes with background."""
        return len(self.structures) + 1

    def value(self, structure: str) -> int:
        """Label value of a structure."""
        return self.structures.index(structure) + 1

    @property
    def views(self) -> tuple[str, ...]:
        """Views in the order of the study."""
        return tuple(self.annotated)


@dataclass(frozen=True)
class Frames:
    """Frames with masks, as stored: 8-bit images and label maps, one table row each.

    Attributes:
        pairs: (n, 2, H, W) uint8, channel 0 the image in [0, 255], channel 1 the label map; may be a memory map.
        table: n rows; FRAME_COLUMNS for real frames, SYNTHETIC_COLUMNS for generated ones.
        scheme: what the label values mean.
    """

    pairs: Pairs
    table: pd.DataFrame
    scheme: LabelScheme

    def __post_init__(self) -> None:
        if self.pairs.ndim != 4 or self.pairs.shape[1] != 2 or self.pairs.dtype != np.uint8:
            raise ValueError(f"pairs must be (n, 2, H, W) uint8, got {self.pairs.shape} {self.pairs.dtype}")
        if len(self.table) != len(self.pairs):
            raise ValueError(f"{len(self.pairs)} frames but {len(self.table)} table rows")

    def __len__(self) -> int:
        return len(self.pairs)

    @property
    def images(self) -> Pairs:
        """(n, H, W) uint8."""
        return self.pairs[:, 0]

    @property
    def labels(self) -> Pairs:
        """(n, H, W) uint8."""
        return self.pairs[:, 1]

    @property
    def image_size(self) -> int:
        """Height and width in pixels."""
        return int(self.pairs.shape[-1])

    @property
    def views(self) -> list[str]:
        """View of every frame, (n,)."""
        return list(self.table["view"])

    def take(self, rows: Iterable[int] | NDArray[np.intp]) -> Frames:
        """The given rows, copied into memory."""
        index = np.asarray(list(rows), dtype=np.intp)
        return Frames(np.asarray(self.pairs[index]), self.table.iloc[index].reset_index(drop=True), self.scheme)

    def where(self, **equals: object) -> Frames:
        """Rows whose table columns equal the given values: `frames.where(view="sax", split="train")`."""
        keep = np.ones(len(self), dtype=bool)
        for column, wanted in equals.items():
            keep &= (self.table[column] == wanted).to_numpy()
        return self.take(np.flatnonzero(keep))


def require_disjoint_subjects(cohorts: Mapping[str, pd.DataFrame]) -> None:
    """No patient may be in two cohorts, nor in two splits of one: that would be a leak.

    Raises:
        UserError: names the patient and both places.
    """
    seen: dict[str, str] = {}
    for cohort, table in cohorts.items():
        for subject, split in table[["subject_id", "split"]].drop_duplicates().itertuples(index=False):
            place = f"{cohort}/{split}"
            if subject in seen and seen[subject] != place:
                raise UserError(
                    f"subject '{subject}' is in two splits",
                    got=f"{seen[subject]} and {place}",
                    expected="every subject in exactly one cohort and split",
                    remedy="remove the subject from one of them; a patient in two splits makes every score a leak",
                    file=f"frames.csv of cohort '{cohort}'",
                )
            seen[subject] = place
