"""Dice coefficient (Dice 1945; Sorensen 1948)."""

from __future__ import annotations

from typing import ClassVar

from augbench.scores.base import MaskPair, Score, SegmentationMetric


def dice(pair: MaskPair) -> float:
    """2 |A and B| / (|A| + |B|) in [0, 1], higher is better; 0 when exactly one mask is empty.

    Undefined when both masks are empty (decision 0001): the caller sorts that out.
    """
    overlap = int((pair.reference & pair.prediction).sum())
    return 2 * overlap / (pair.reference_pixels + pair.prediction_pixels)


class Dice(SegmentationMetric):
    """Overlap in [0, 1]."""

    higher_is_better: ClassVar[bool] = True

    def score_present(self, pair: MaskPair) -> Score:
        return Score(dice(pair))


COMPONENT = Dice
