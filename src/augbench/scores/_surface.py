"""Border-to-border distances, computed once per pair of masks and shared by HD95 and NSD.

A border pixel is a mask pixel with at least one of its 4 neighbours outside the mask; beyond the image is outside.
Distances run between pixel centres. This is MONAI's definition without sub-voxel correction.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class SurfaceDistances(NamedTuple):
    """Nearest distances in mm, one a border pixel.

    Attributes:
        from_prediction: (n,) from each border pixel of the prediction to the reference's border.
        from_reference: (m,) from each border pixel of the reference to the prediction's border.
    """

    from_prediction: NDArray[np.float64]
    from_reference: NDArray[np.float64]


def surface_distances(
    reference: NDArray[np.bool_], prediction: NDArray[np.bool_], spacing_mm: float
) -> SurfaceDistances:
    """Distances between the borders of two non-empty (H, W) masks."""
    # Late: scipy.ndimage is not needed to list metrics or to print a help text.
    from scipy.ndimage import distance_transform_edt

    reference_border, prediction_border = border(reference), border(prediction)
    # The transform in pixels and one multiplication keep sqrt(k) exact, as `sampling=` would not.
    to_reference = distance_transform_edt(~reference_border)
    to_prediction = distance_transform_edt(~prediction_border)
    return SurfaceDistances(to_reference[prediction_border] * spacing_mm, to_prediction[reference_border] * spacing_mm)


def border(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Border pixels of an (H, W) mask."""
    padded = np.pad(mask, 1)
    interior = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return mask & ~interior
