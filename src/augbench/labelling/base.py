"""Where the mask of a synthetic frame comes from."""

from __future__ import annotations

from abc import abstractmethod

from augbench.core.component import Component
from augbench.core.types import Pairs


class Labelling(Component):
    """Which source was used stands in every table."""

    @abstractmethod
    def label(self, pairs: Pairs) -> Pairs:
        """Pairs (n, 2, H, W) uint8 as generated -> the same images with their final masks."""
