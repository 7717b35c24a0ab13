"""Normalised surface Dice at a tolerance (Nikolov et al. 2018, arXiv 1809.04430; pixel counts as in Seidlitz 2022)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic import Field

from augbench.scores.base import MaskPair, Score, SegmentationMetric

# Distances are sqrt(k) * spacing: 3 pixels of 0.1 mm must count as within 0.3 mm whatever the rounding.
_ROUNDING = 1e-9


def nsd(pair: MaskPair, tolerance_mm: float) -> float:
    """Share of both borders in [0, 1] within the tolerance of the other one, higher is better.

    0 when exactly one mask is empty; undefined when both are. A tolerance below the pixel spacing counts only border
    pixels that coincide.
    """
    if pair.one_empty:
        return 0.0
    limit = tolerance_mm * (1 + _ROUNDING)
    within = sum(int(np.count_nonzero(distances <= limit)) for distances in pair.surface)
    return within / sum(len(distances) for distances in pair.surface)


class Nsd(SegmentationMetric):
    """Share of the outline that is right within a tolerance."""

    higher_is_better: ClassVar[bool] = True

    tolerance_mm: float = Field(default=2.0, ge=0, allow_inf_nan=False)

    def score_present(self, pair: MaskPair) -> Score:
        return Score(nsd(pair, self.tolerance_mm))


COMPONENT = Nsd
