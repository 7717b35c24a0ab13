"""Where the mask of an image comes from, if not from whoever made the image."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import pandas as pd

from augbench.core.component import Component
from augbench.core.types import LabelScheme, Pairs

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class LabelContext:
    """What a labelling may use besides the pairs.

    Attributes:
        scheme: what the label values mean, and which structures each view shows.
        folder: annotations of this part of the set, as `augbench export-frames` lays them out.
        logits: 8-bit images (n, H, W) -> (n, classes, H, W), by the network that the entry's `source` names.
    """

    scheme: LabelScheme
    folder: Path
    logits: Callable[[Pairs], Tensor]


class Labelling(Component):
    """Which source was used stands in every table."""

    family = "labelling"

    #: Calls `LabelContext.logits`: the entry's `source` is then data/models/<arm>.
    needs_network: ClassVar[bool] = False

    def require(self, frames: pd.DataFrame, context: LabelContext) -> None:
        """End with a message, before any frame is labelled, if one of them cannot be."""

    @abstractmethod
    def label(self, pairs: Pairs, frames: pd.DataFrame, context: LabelContext) -> Pairs:
        """The same images with their final masks.

        Args:
            pairs: (n, 2, H, W) uint8; the masks are the generator's own, or empty where the images are patients'.
            frames: n rows with `frame_id` and `view`.
        """
