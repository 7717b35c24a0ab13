"""Where the mask of a synthetic frame comes from."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from augbench.core.component import Component
from augbench.core.types import LabelScheme, Pairs

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class LabelContext:
    """What a labelling may use besides the generated pairs.

    Attributes:
        scheme: what the label values mean, and which structures each view shows.
        folder: annotations of this generator and seed, as `augbench export-frames` lays them out.
        logits: 8-bit images (n, H, W) -> (n, classes, H, W), by the network that `label_source` names.
    """

    scheme: LabelScheme
    folder: Path
    logits: Callable[[Pairs], Tensor]


class Labelling(Component):
    """Which source was used stands in every table."""

    family = "labelling"

    def require(self, frames: pd.DataFrame, context: LabelContext) -> None:
        """End with a message, before any frame is made, if these frames cannot be labelled."""

    @abstractmethod
    def label(self, pairs: Pairs, frames: pd.DataFrame, context: LabelContext) -> Pairs:
        """The same images with their final masks.

        Args:
            pairs: (n, 2, H, W) uint8 as generated.
            frames: n rows with `frame_id` and `view`.
        """
