"""Features of a segmenter that was trained on real patients alone."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from augbench.audit.features.base import Encode, FeatureExtractor
from augbench.core.types import Pairs


class SegmenterFeatures(FeatureExtractor):
    """Deepest feature maps of the network `audit.network`, averaged over space: what the downstream task looks at."""

    needs_network: ClassVar[bool] = True

    def extract(self, images: Pairs, encode: Encode | None) -> NDArray[np.float64]:
        """Features (n, d) of 8-bit images (n, H, W), as `encode` gives them.

        Raises:
            ValueError: no `encode`.
        """
        if encode is None:
            raise ValueError("segmenter features need a network")
        return np.asarray(encode(images), dtype=np.float64)


COMPONENT = SegmenterFeatures
