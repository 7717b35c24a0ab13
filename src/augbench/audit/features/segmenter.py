"""Features of the segmenter that was trained on real patients alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from augbench.audit.features.base import Encode, Features
from augbench.core.types import Pairs


class SegmenterFeatures(Features):
    """Deepest feature maps of the first real-only U-Net, averaged over space: what the downstream task looks at."""

    def extract(self, images: Pairs, encode: Encode) -> NDArray[np.float64]:
        return np.asarray(encode(images), dtype=np.float64)


COMPONENT = SegmenterFeatures
