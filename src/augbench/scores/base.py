"""What every score of a segmentation is: options as fields, two masks in, one number out.

Undefined scores follow docs/decisions/0001-undefined-scores.md: a value of None with a reason, never a made-up number.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from augbench.core.component import Component
from augbench.scores._pair import MaskPair as MaskPair
from augbench.scores._pair import Spacing as Spacing

BOTH_EMPTY = "both empty"
REFERENCE_EMPTY = "reference empty"


class Score(NamedTuple):
    """One number for one structure in one image.

    Attributes:
        value: None when undefined.
        reason: why it is undefined; '' when it is defined.
    """

    value: float | None
    reason: str = ""


class SegmentationScore(Component):
    """Agreement of a predicted mask with a reference. Its fields are its section `evaluation.metrics.<name>`.

    Attributes:
        title: name for readers, without the unit.
        unit: `mm`, `%`, or '' for a plain number.
        higher_is_better: direction.
        decimals: digits behind the point that a reader is shown.
        learnt: mean below which (above, where lower is better) the task has not been learnt, so that a comparison with
            such an arm says nothing; None: no mean says so.
    """

    family: ClassVar[str] = "scores"
    title: ClassVar[str]
    unit: ClassVar[str]
    higher_is_better: ClassVar[bool]
    decimals: ClassVar[int]
    learnt: ClassVar[float | None] = None

    def score(self, reference: NDArray[Any], prediction: NDArray[Any], spacing_mm: Spacing = 1.0) -> Score:
        """Score of one structure from two masks of one shape, of any number of dimensions.

        Args:
            spacing_mm: distance of neighbouring elements in mm: one number, or one an axis.

        Raises:
            ValueError: shapes differ, or the spacing is none.
        """
        return self.score_pair(MaskPair.of(reference, prediction, spacing_mm))

    def score_pair(self, pair: MaskPair) -> Score:
        """The same on a pair whose distances other scores share; undefined when both masks are empty."""
        if pair.reference_size == 0 and pair.prediction_size == 0:
            return Score(None, BOTH_EMPTY)
        return self.score_present(pair)

    @abstractmethod
    def score_present(self, pair: MaskPair) -> Score:
        """Score of a pair in which at least one mask is not empty."""


def score_frame(
    reference: NDArray[np.uint8],
    prediction: NDArray[np.uint8],
    structures: Mapping[str, int],
    spacing_mm: Spacing,
    scores: Mapping[str, SegmentationScore],
) -> list[tuple[str, str, float | None, str]]:
    """All scores of all structures of one image as rows (structure, score, value, reason).

    Args:
        reference, prediction: label maps of one shape, (H, W) or of any number of dimensions.
        structures: name -> label value, only those annotated in the image's view; other labels are not scored.
        spacing_mm: distance of neighbouring pixels in mm: one number, or one an axis.
        scores: name -> component.

    Raises:
        ValueError: shapes differ, or the spacing is none.
    """
    rows = []
    for structure, label in structures.items():
        pair = MaskPair.of(reference == label, prediction == label, spacing_mm)
        rows += [(structure, name, *score.score_pair(pair)) for name, score in scores.items()]
    return rows
