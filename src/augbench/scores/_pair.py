"""Two masks of one structure and the distances between their borders, which all scores of the pair share.

A border element (pixel or voxel) is a mask element with at least one face neighbour outside the mask; beyond the image
is outside. Distances run between the centres of elements. This is MONAI's definition without sub-voxel correction.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
#: Distance of neighbouring elements in mm: one number for all axes, or one an axis.
Spacing = float | Sequence[float]


class SurfaceDistances(NamedTuple):
    """Nearest distances in mm, one a border element.

    Attributes:
        from_prediction: (n,) from each border element of the prediction to the reference's border.
        from_reference: (m,) from each border element of the reference to the prediction's border.
    """

    from_prediction: NDArray[np.float64]
    from_reference: NDArray[np.float64]


@dataclass(frozen=True)
class MaskPair:
    """Reference and prediction of one structure, cropped to where either is; distances are computed once, when asked.

    Attributes:
        reference, prediction: bool of any number of dimensions, the smallest box that holds both masks.
        spacing_mm: an element's side along each axis.
        diagonal_mm: diagonal of the whole, uncropped image: no two elements are further apart.
    """

    reference: Mask
    prediction: Mask
    spacing_mm: tuple[float, ...]
    diagonal_mm: float

    @classmethod
    def of(cls, reference: NDArray[Any], prediction: NDArray[Any], spacing_mm: Spacing = 1.0) -> MaskPair:
        """From two masks of one shape; anything but 0 is inside.

        Raises:
            ValueError: shapes differ or have no axis, or the spacing is not one positive number, or one an axis.
        """
        if reference.ndim == 0 or reference.shape != prediction.shape:
            raise ValueError(f"masks must be two arrays of one shape, got {reference.shape} and {prediction.shape}")
        spacing = _per_axis(spacing_mm, reference.ndim)
        inside_reference, inside_prediction = reference != 0, prediction != 0
        box = _box(inside_reference | inside_prediction)
        finest = min(spacing)
        diagonal = math.hypot(*(count * (side / finest) for count, side in zip(reference.shape, spacing, strict=True)))
        return cls(inside_reference[box], inside_prediction[box], spacing, diagonal * finest)

    @cached_property
    def reference_size(self) -> int:
        """Number of elements of the reference: its area in pixels, its volume in voxels."""
        return int(np.count_nonzero(self.reference))

    @cached_property
    def prediction_size(self) -> int:
        """Number of elements of the prediction."""
        return int(np.count_nonzero(self.prediction))

    @property
    def one_empty(self) -> bool:
        """Whether exactly one of the masks is empty."""
        return (self.reference_size == 0) != (self.prediction_size == 0)

    @cached_property
    def surface(self) -> SurfaceDistances:
        """Distances between the two borders; neither mask may be empty."""
        # Late: scipy.ndimage is not needed to list scores or to print a help text.
        from scipy.ndimage import distance_transform_edt

        finest = min(self.spacing_mm)
        # In units of the finest spacing, and one multiplication: equal sides then give sqrt(k) * side exactly.
        ratios = [side / finest for side in self.spacing_mm]
        reference_border, prediction_border = border(self.reference), border(self.prediction)
        to_reference = distance_transform_edt(~reference_border, sampling=ratios)
        to_prediction = distance_transform_edt(~prediction_border, sampling=ratios)
        return SurfaceDistances(to_reference[prediction_border] * finest, to_prediction[reference_border] * finest)


def border(mask: Mask) -> Mask:
    """Border elements of a mask, as a mask of the same shape."""
    inner = (slice(1, -1),) * mask.ndim
    padded = np.zeros([side + 2 for side in mask.shape], dtype=bool)
    padded[inner] = mask
    interior = mask.copy()
    for axis in range(mask.ndim):
        for neighbour in (slice(None, -2), slice(2, None)):
            interior &= padded[(*inner[:axis], neighbour, *inner[axis + 1 :])]
    return mask & ~interior


def _per_axis(spacing_mm: Spacing, ndim: int) -> tuple[float, ...]:
    sides = np.asarray(spacing_mm, dtype=np.float64)
    if sides.ndim == 0:
        sides = np.full(ndim, sides)
    if sides.shape != (ndim,) or not (np.isfinite(sides) & (sides > 0)).all():
        raise ValueError(f"spacing_mm must be a positive number, or one for each of {ndim} axes, got {spacing_mm}")
    return tuple(sides.tolist())


def _box(inside: Mask) -> tuple[slice, ...]:
    """The smallest box that holds every True; an empty one when there is none."""
    axes = range(inside.ndim)
    return tuple(_extent(inside, tuple(other for other in axes if other != axis)) for axis in axes)


def _extent(inside: Mask, others: tuple[int, ...]) -> slice:
    index = np.flatnonzero(inside.any(axis=others))
    return slice(int(index[0]), int(index[-1]) + 1) if len(index) else slice(0, 0)
