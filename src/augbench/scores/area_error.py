"""Relative area error in percent."""

from __future__ import annotations

from typing import ClassVar

from augbench.scores.base import REFERENCE_EMPTY, MaskPair, Score, SegmentationMetric


def area_error_percent(pair: MaskPair) -> float:
    """100 |A_prediction - A_reference| / A_reference, from 0 without upper limit, lower is better.

    Absolute, not signed: signed errors of two patients cancel in the mean, and then have no direction to be better in.
    100 when the prediction is empty. The reference must not be empty.
    """
    return 100 * abs(pair.prediction_pixels - pair.reference_pixels) / pair.reference_pixels


class AreaError(SegmentationMetric):
    """Absolute area error as a percentage of the reference's area."""

    higher_is_better: ClassVar[bool] = False

    def score_present(self, pair: MaskPair) -> Score:
        # No percentage of nothing: a false positive already costs its full Dice.
        if pair.reference_pixels == 0:
            return Score(None, REFERENCE_EMPTY)
        return Score(area_error_percent(pair))


COMPONENT = AreaError
