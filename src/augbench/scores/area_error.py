"""Relative error of a structure's area (of its volume, in three dimensions) in percent."""

from __future__ import annotations

from typing import Any, ClassVar

from numpy.typing import NDArray

from augbench.scores.base import REFERENCE_EMPTY, MaskPair, Score, SegmentationScore


def area_error_percent(reference: NDArray[Any], prediction: NDArray[Any]) -> Score:
    """100 |A_prediction - A_reference| / A_reference, from 0 without upper limit, lower is better.

    A counts elements: the area of (H, W) masks, the volume of (D, H, W) ones. Absolute, not signed: signed errors of
    two patients cancel in the mean, and then have no direction to be better in. 100 when the prediction is empty.
    Undefined when the reference is empty, since there is no percentage of nothing and a false positive already costs
    its full Dice (decision 0001). Masks are two bool arrays of one shape and any number of dimensions.

    >>> import numpy as np
    >>> reference = np.array([1, 1, 1, 1, 0], dtype=bool)
    >>> area_error_percent(reference, np.array([0, 0, 0, 1, 0], dtype=bool)).value
    75.0
    >>> area_error_percent(~reference & reference, reference)
    Score(value=None, reason='reference empty')
    """
    return AreaError().score(reference, prediction)


class AreaError(SegmentationScore):
    """Absolute area or volume error as a percentage of the reference's."""

    title: ClassVar[str] = "Area error"
    unit: ClassVar[str] = "%"
    higher_is_better: ClassVar[bool] = False
    decimals: ClassVar[int] = 1

    def score_present(self, pair: MaskPair) -> Score:
        if pair.reference_size == 0:
            return Score(None, REFERENCE_EMPTY)
        return Score(100 * abs(pair.prediction_size - pair.reference_size) / pair.reference_size)


COMPONENT = AreaError
