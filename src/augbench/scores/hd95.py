"""95th-percentile Hausdorff distance (Huttenlocher 1993; the percentile as in Taha and Hanbury 2015)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from augbench.scores.base import MaskPair, Score, SegmentationMetric


def hd95_mm(pair: MaskPair) -> float:
    """Distance in mm, lower is better: the greater of the two directed 95th percentiles.

    Percentiles are taken per direction, with linear interpolation, over the border pixels of `_surface`; pooling both
    directions first (medpy) would let a long border outvote a short one. When exactly one mask is empty no distance
    exists and the image's diagonal, more than any distance within it, stands in. Undefined when both are empty.
    """
    if pair.one_empty:
        return pair.diagonal_mm
    return float(max(np.percentile(distances, 95) for distances in pair.surface))


class Hd95(SegmentationMetric):
    """Distance between the outlines in mm."""

    higher_is_better: ClassVar[bool] = False

    def score_present(self, pair: MaskPair) -> Score:
        return Score(hd95_mm(pair))


COMPONENT = Hd95
