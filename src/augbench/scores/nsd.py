"""Normalised surface Dice at a tolerance (Nikolov et al. 2018, arXiv 1809.04430; pixel counts as in Seidlitz 2022)."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from augbench.scores.base import MaskPair, Score, SegmentationScore, Spacing

# Distances are sqrt(k) * spacing: 3 pixels of 0.1 mm must count as within 0.3 mm whatever the rounding.
_ROUNDING = 1e-9


def nsd(reference: NDArray[Any], prediction: NDArray[Any], spacing_mm: Spacing, tolerance_mm: float) -> Score:
    """Share of both borders in [0, 1] within the tolerance of the other one, higher is better.

    0 when exactly one mask is empty; undefined when both are (decision 0001). A tolerance below the spacing counts only
    border elements (pixels or voxels, see `hd95_mm`) that coincide.

    Args:
        reference, prediction: two bool arrays of one shape and any number of dimensions.
        spacing_mm: distance of neighbouring elements in mm: one number, or one an axis.
        tolerance_mm: at least 0, inclusive.

    >>> import numpy as np
    >>> reference = np.zeros((6, 6), dtype=bool)
    >>> reference[1:4, 1:4] = True
    >>> shifted = np.roll(reference, 1, axis=1)
    >>> nsd(reference, shifted, spacing_mm=2.0, tolerance_mm=1.0).value
    0.5
    >>> nsd(reference, shifted, spacing_mm=2.0, tolerance_mm=2.0).value
    1.0
    """
    return Nsd(tolerance_mm=tolerance_mm).score(reference, prediction, spacing_mm)


class Nsd(SegmentationScore):
    """Share of the outline that is right within a tolerance."""

    title: ClassVar[str] = "Normalised surface Dice"
    unit: ClassVar[str] = ""
    higher_is_better: ClassVar[bool] = True
    decimals: ClassVar[int] = 3

    tolerance_mm: float = Field(default=2.0, ge=0, allow_inf_nan=False)

    def score_present(self, pair: MaskPair) -> Score:
        if pair.one_empty:
            return Score(0.0)
        limit = self.tolerance_mm * (1 + _ROUNDING)
        within = sum(int(np.count_nonzero(distances <= limit)) for distances in pair.surface)
        return Score(within / sum(len(distances) for distances in pair.surface))


COMPONENT = Nsd
