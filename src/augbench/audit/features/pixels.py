"""Grey values of a thumbnail: a feature space that no training has shaped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from augbench.audit._copies import max_shift
from augbench.audit.features.base import Encode, FeatureExtractor, flips
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

    def targets(self, images: Pairs, encode: Encode | None) -> NDArray[np.float32]:
        """Thumbnails (n, e) of the middle of images (n, H, H), of mean 0 and length 1.

        Brightness and contrast are gone. A margin is left out: the same part of a moved copy lies within the frame.
        """
        cell, margin, width = self._middle(images.shape[-1])
        return _standardised(_cells(images[:, margin : margin + width, margin : margin + width], cell))

    def queries(self, images: Pairs, encode: Encode | None) -> Iterator[NDArray[np.float32]]:
        """`targets` of images under every flip and every shift up to the margin, in steps of half a cell."""
        cell, margin, width = self._middle(images.shape[-1])
        step = max(1, cell // 2)
        offsets = range(margin % step, 2 * margin + 1, step)
        for flipped in flips(images):
            for top in offsets:
                for left in offsets:
                    yield _standardised(_cells(flipped[:, top : top + width, left : left + width], cell))

    def _middle(self, side: int) -> tuple[int, int, int]:
        """Pixels of a thumbnail's cell, of the margin, and of the part between the margins, a whole number of cells."""
        margin = max_shift(side)
        cell = max(1, side // self.size)
        return cell, margin, (side - 2 * margin) // cell * cell


def _cells(images: Pairs, cell: int) -> NDArray[np.float32]:
    """Means (n, e) over squares of `cell` pixels of images (n, H, H)."""
    count, side, _ = images.shape
    # Columns first: sums of whole rows are what arrays do fast.
    rows = images.reshape(count, side // cell, cell, side).sum(axis=2, dtype=np.float32)
    return rows.reshape(count, -1, cell).mean(axis=2)


def _standardised(features: NDArray[np.float32]) -> NDArray[np.float32]:
    centred = features - features.mean(axis=1, keepdims=True)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    # A frame of one grey level has no length.
    return np.asarray(centred / np.maximum(length, 1e-6), dtype=np.float32)


COMPONENT = Pixels
