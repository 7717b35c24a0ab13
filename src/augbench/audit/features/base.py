"""What synthetic frames are audited on.

Numbers from different extractors are different numbers: the extractor's name goes with each.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from augbench.core.component import Component
from augbench.core.types import Pairs

#: The deepest features (n, d) that a trained network has of 8-bit images (n, H, W).
Encode = Callable[[Pairs], NDArray[np.float32]]


class FeatureExtractor(Component):
    """A feature space. Its fields are its section `audit.features.<name>` of params.yaml.

    Attributes:
        needs_network: whether `extract` asks the study's network, so that `audit.network` must name one.
    """

    family: ClassVar[str] = "audit.features"
    needs_network: ClassVar[bool]

    @abstractmethod
    def extract(self, images: Pairs, encode: Encode | None) -> NDArray[np.float64]:
        """Features (n, d) of 8-bit images (n, H, W).

        Args:
            encode: features of the study's network; None only where `needs_network` is False.
        """
