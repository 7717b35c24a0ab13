"""What every score of a segmentation is: options as fields, two masks in, one number out.

Undefined scores follow docs/decisions/0001-undefined-scores.md: a value of None with a reason, never a made-up number.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from augbench.core.component import Component
from augbench.scores._surface import SurfaceDistances, surface_distances

Mask = NDArray[np.bool_]

BOTH_EMPTY = "both empty"
REFERENCE_EMPTY = "reference empty"


@dataclass(frozen=True)
class Score:
    """One number for one structure in one frame.

    Attributes:
        value: None when undefined.
        reason: why it is undefined; '' when it is defined.
    """

    value: float | None
    reason: str = ""


@dataclass(frozen=True)
class MaskPair:
    """Reference and prediction of one structure, cropped to where either is; distances are computed once, when asked.

    Attributes:
        reference, prediction: (h, w) bool, the smallest box that holds both masks.
        spacing_mm: side of a square pixel.
        diagonal_mm: diagonal of the whole, uncropped image: no two pixels are further apart.
    """

    reference: Mask
    prediction: Mask
    spacing_mm: float
    diagonal_mm: float

    @classmethod
    def of(cls, reference: NDArray[np.generic], prediction: NDArray[np.generic], spacing_mm: float) -> MaskPair:
        """From two (H, W) masks; anything but 0 is inside.

        Raises:
            ValueError: shapes differ or are not 2-D, or the spacing is not a positive number.
        """
        _require_comparable(reference, prediction, spacing_mm)
        inside_reference, inside_prediction = reference != 0, prediction != 0
        either = inside_reference | inside_prediction
        box = (_extent(either.any(axis=1)), _extent(either.any(axis=0)))
        diagonal_mm = math.hypot(*reference.shape) * spacing_mm
        return cls(inside_reference[box], inside_prediction[box], spacing_mm, diagonal_mm)

    @cached_property
    def reference_pixels(self) -> int:
        return int(np.count_nonzero(self.reference))

    @cached_property
    def prediction_pixels(self) -> int:
        return int(np.count_nonzero(self.prediction))

    @property
    def one_empty(self) -> bool:
        return (self.reference_pixels == 0) != (self.prediction_pixels == 0)

    @cached_property
    def surface(self) -> SurfaceDistances:
        """Distances between the two borders; neither mask may be empty."""
        return surface_distances(self.reference, self.prediction, self.spacing_mm)


class SegmentationMetric(Component):
    """Agreement of a predicted mask with a reference. Its fields are its section `metrics.<name>` of params.yaml."""

    higher_is_better: ClassVar[bool]

    def score(self, reference: NDArray[np.generic], prediction: NDArray[np.generic], spacing_mm: float) -> Score:
        """Score of one structure in one frame from two (H, W) masks."""
        return self.score_pair(MaskPair.of(reference, prediction, spacing_mm))

    def score_pair(self, pair: MaskPair) -> Score:
        """The same on a pair whose distances other metrics may share."""
        if pair.reference_pixels == 0 and pair.prediction_pixels == 0:
            return Score(None, BOTH_EMPTY)
        return self.score_present(pair)

    @abstractmethod
    def score_present(self, pair: MaskPair) -> Score:
        """Score of a pair in which at least one mask is not empty."""


def score_frame(
    reference: NDArray[np.uint8],
    prediction: NDArray[np.uint8],
    structures: Mapping[str, int],
    spacing_mm: float,
    metrics: Mapping[str, SegmentationMetric],
) -> list[tuple[str, str, float | None, str]]:
    """All metrics of all structures of one frame as rows (structure, metric, value, reason).

    Args:
        reference, prediction: (H, W) uint8 label maps.
        structures: name -> label value, only those annotated in the frame's view; other labels are not scored.
        spacing_mm: side of a square pixel.
        metrics: name -> component.
    """
    rows = []
    for structure, label in structures.items():
        pair = MaskPair.of(reference == label, prediction == label, spacing_mm)
        for name, metric in metrics.items():
            score = metric.score_pair(pair)
            rows.append((structure, name, score.value, score.reason))
    return rows


def _extent(occupied: NDArray[np.bool_]) -> slice:
    """The slice from the first to the last True; an empty one when there is none."""
    index = np.flatnonzero(occupied)
    return slice(int(index[0]), int(index[-1]) + 1) if len(index) else slice(0, 0)


def _require_comparable(reference: NDArray[np.generic], prediction: NDArray[np.generic], spacing_mm: float) -> None:
    if reference.ndim != 2 or reference.shape != prediction.shape:
        raise ValueError(f"masks must be two (H, W) arrays of one shape, got {reference.shape} and {prediction.shape}")
    if not (math.isfinite(spacing_mm) and spacing_mm > 0):
        raise ValueError(f"spacing_mm must be a positive number, got {spacing_mm}")
