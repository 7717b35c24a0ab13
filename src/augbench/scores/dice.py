"""Dice coefficient (Dice 1945; Sorensen 1948)."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from augbench.scores.base import MaskPair, Score, SegmentationScore


def dice(reference: NDArray[Any], prediction: NDArray[Any]) -> Score:
    """2 |A and B| / (|A| + |B|) in [0, 1], higher is better; 0 when exactly one mask is empty.

    Undefined when both are (decision 0001). Masks are two bool arrays of one shape and any number of dimensions.

    >>> import numpy as np
    >>> reference = np.array([[1, 1, 0], [1, 1, 0]], dtype=bool)
    >>> dice(reference, np.roll(reference, 1, axis=1)).value
    0.5
    >>> dice(~reference & reference, ~reference & reference)
    Score(value=None, reason='both empty')
    """
    return Dice().score(reference, prediction)


class Dice(SegmentationScore):
    """Overlap in [0, 1]."""

    title: ClassVar[str] = "Dice"
    unit: ClassVar[str] = ""
    higher_is_better: ClassVar[bool] = True
    decimals: ClassVar[int] = 3
    # At 0.5 the masks share a third of their union: more of them is wrong than right.
    learnt: ClassVar[float | None] = 0.5

    def score_present(self, pair: MaskPair) -> Score:
        overlap = int(np.count_nonzero(pair.reference & pair.prediction))
        return Score(2 * overlap / (pair.reference_size + pair.prediction_size))


COMPONENT = Dice
