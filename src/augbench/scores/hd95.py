"""95th-percentile Hausdorff distance (Huttenlocher 1993; the percentile as in Taha and Hanbury 2015)."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from augbench.scores.base import MaskPair, Score, SegmentationScore, Spacing


def hd95_mm(reference: NDArray[Any], prediction: NDArray[Any], spacing_mm: Spacing) -> Score:
    """Distance in mm between the outlines, lower is better: the greater of the two directed 95th percentiles.

    Percentiles are taken per direction, with linear interpolation, over border elements (a mask's pixels or voxels with
    a face neighbour outside it); pooling both directions first (medpy) would let a long border outvote a short one.
    When exactly one mask is empty no distance exists and the image's diagonal, more than any distance within it,
    stands in. Undefined when both are empty (decision 0001).

    Args:
        reference, prediction: two bool arrays of one shape and any number of dimensions.
        spacing_mm: distance of neighbouring elements in mm: one number, or one an axis.

    >>> import numpy as np
    >>> reference = np.zeros((6, 6), dtype=bool)
    >>> reference[1:4, 1:4] = True
    >>> hd95_mm(reference, np.roll(reference, 1, axis=1), spacing_mm=[1.0, 2.5]).value
    2.5
    >>> hd95_mm(reference, ~reference & reference, spacing_mm=2.0).value  # missed: the diagonal of 12 mm by 12 mm
    16.97056274847714
    """
    return Hd95().score(reference, prediction, spacing_mm)


class Hd95(SegmentationScore):
    """Distance between the outlines in mm."""

    title: ClassVar[str] = "HD95"
    unit: ClassVar[str] = "mm"
    higher_is_better: ClassVar[bool] = False
    decimals: ClassVar[int] = 2

    def score_present(self, pair: MaskPair) -> Score:
        if pair.one_empty:
            return Score(pair.diagonal_mm)
        return Score(float(max(np.percentile(distances, 95) for distances in pair.surface)))


COMPONENT = Hd95
