"""Grey values of a thumbnail: a feature space that no training has shaped."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from augbench.audit.features.base import Encode, Features
from augbench.core.types import Pairs


class Pixels(Features):
    """Area-averaged thumbnails, flattened, in [0, 1].

    Attributes:
        size: height and width of the thumbnail in pixels; must divide the image size.
    """

    size: int = Field(default=16, ge=4, le=256)

    def extract(self, images: Pairs, encode: Encode) -> NDArray[np.float64]:
        count, height, width = images.shape
        size = min(self.size, height)
        blocks = images.reshape(count, size, height // size, size, width // size)
        return (blocks.mean(axis=(2, 4)) / 255).reshape(count, -1)


COMPONENT = Pixels
