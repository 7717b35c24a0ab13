"""Grey values of a thumbnail: a feature space that no training has shaped."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from augbench.audit.features.base import Encode, FeatureExtractor
from augbench.core.errors import UserError
from augbench.core.types import Pairs


class Pixels(FeatureExtractor):
    """Area-averaged thumbnails, flattened, in [0, 1].

    Attributes:
        size: height and width of the thumbnail in pixels; must divide the image size, or be larger: then nothing is
            averaged.
    """

    needs_network: ClassVar[bool] = False

    size: int = Field(default=16, ge=4, le=256)

    def extract(self, images: Pairs, encode: Encode | None) -> NDArray[np.float64]:
        """Grey values (n, size * size) of 8-bit square images (n, H, H).

        Raises:
            UserError: `size` does not divide the image size.
        """
        count, side, _ = images.shape
        size = min(self.size, side)
        if side % size:
            raise UserError(
                f"a thumbnail of {self.size} pixels does not divide the image",
                got=self.size,
                expected=f"a divisor of the image size, {side}",
                remedy="correct audit.features.pixels.size",
                file="params.yaml",
            )
        blocks = images.reshape(count, size, side // size, size, side // size)
        return (blocks.mean(axis=(2, 4)) / 255).reshape(count, -1)


COMPONENT = Pixels
