"""What fidelity is measured on.

Scores with different extractors are different metrics: the name goes with the number.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from augbench.core.component import Component
from augbench.core.types import Pairs

Encode = Callable[[Pairs], NDArray[np.float32]]


class Features(Component):
    """Its fields are its section `audit.features.<name>` of params.yaml."""

    @abstractmethod
    def extract(self, images: Pairs, encode: Encode) -> NDArray[np.float64]:
        """Features (n, d) of 8-bit images (n, H, W).

        Args:
            encode: the deepest features (n, d) of the first real-only segmenter.
        """
