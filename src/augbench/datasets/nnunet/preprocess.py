"""Stored plane -> frame: central square, resampling, 8 bits. The mask follows the image and decides nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from augbench.core.errors import UserError
from augbench.core.types import Pairs
from augbench.datasets.nnunet.reader import StoredFrame

Box = tuple[float, float, float, float]


def central_square(plane: StoredFrame, crop_fraction: float) -> tuple[Box, float | None]:
    """The square about the middle of the image whose side is a fraction of the shorter side.

    The square is one in millimetres: with oblong pixels it has unequal numbers of rows and columns.

    Returns:
        left, upper, right, lower edge in pixels (fractions allowed), and the side in mm if the spacing is known.
    """
    rows, columns = plane.image.shape
    row_mm, column_mm = plane.spacing_mm or (1.0, 1.0)
    side = crop_fraction * min(rows * row_mm, columns * column_mm)
    height, width = side / row_mm, side / column_mm
    box = ((columns - width) / 2, (rows - height) / 2, (columns + width) / 2, (rows + height) / 2)
    return box, side if plane.spacing_mm else None


def require_large_enough(plane: StoredFrame, box: Box, image_size: int, max_enlargement: float, file: Path) -> None:
    """Refuse a picture that would have to be blown up: the network would learn the interpolation.

    Raises:
        UserError: the square has too few pixels for `image_size`.
    """
    pixels = min(box[2] - box[0], box[3] - box[1])
    if pixels * max_enlargement < image_size - 1e-6:
        raise UserError(
            "image is smaller than the network needs",
            got=f"{' x '.join(str(side) for side in plane.image.shape)} pixels, {pixels:.0f} a side after cropping",
            expected=f"at least {image_size / max_enlargement:.0f} a side after cropping",
            remedy=f"lower image_size ({image_size}), or raise crop_fraction or max_enlargement of dataset",
            file=file,
        )


def to_frame(plane: StoredFrame, box: Box, image_size: int, percentiles: tuple[float, float]) -> Pairs:
    """Image and mask of one frame, (2, image_size, image_size) uint8; the mask keeps the dataset's own values.

    Args:
        percentiles: of the resampled square's grey values, those that become 0 and 255; what lies outside is clipped.
    """
    image = _resample(plane.image, box, image_size)
    return np.stack([_to_bytes(image, percentiles), resample_labels(plane.mask, box, image_size)])


def share_outside(plane: StoredFrame, box: Box) -> float:
    """Part of the labelled pixels that lies outside the square, in [0, 1], NaN without any; for the record only."""
    rows, columns = np.nonzero(plane.mask)
    if len(rows) == 0:
        return float("nan")
    left, upper, right, lower = box
    inside = (columns + 0.5 > left) & (columns + 0.5 < right) & (rows + 0.5 > upper) & (rows + 0.5 < lower)
    return 1.0 - float(inside.mean())


def _to_bytes(image: NDArray[np.float32], percentiles: tuple[float, float]) -> NDArray[np.uint8]:
    low, high = np.percentile(image, percentiles)
    if high <= low:  # a few bright pixels on an even ground
        low, high = image.min(), image.max()
    if high <= low:
        return np.zeros(image.shape, np.uint8)
    return np.rint(np.clip((image - low) / (high - low), 0, 1) * 255).astype(np.uint8)


def _resample(values: NDArray[np.float32], box: Box, size: int) -> NDArray[np.float32]:
    """Linear; Pillow widens its filter when it shrinks a picture, so fine texture does not alias."""
    return np.asarray(Image.fromarray(values).resize((size, size), Image.Resampling.BILINEAR, box=box))


def resample_labels(labels: NDArray[np.uint8], box: Box, size: int) -> NDArray[np.uint8]:
    """The label that covers most of each cell; nearest neighbour would drop thin walls and shift borders."""
    left, upper, right, lower = box
    present = np.unique(labels)
    areas = [
        _cell_sums(_cell_sums((labels == value).astype(np.float64), upper, lower, size).T, left, right, size).T
        for value in present
    ]
    return present[np.argmax(areas, axis=0)]


def _cell_sums(values: NDArray[np.float64], start: float, stop: float, size: int) -> NDArray[np.float64]:
    """Sums over `size` equal cells of the first axis, from `start` to `stop`; a pixel cut in two counts in part.

    Args:
        values: (pixels, any); returns (size, any).
    """
    # Half-covered cells are common where sizes divide evenly. The shift makes them fall to the upper left; a fixed
    # label would win them all, and the background took 6% of a ring's area.
    edges = np.clip(np.linspace(start, stop, size + 1) - 1e-3, 0, len(values))
    total = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
    whole = np.minimum(edges.astype(int), len(values) - 1)
    part = (edges - whole)[:, None]
    return np.diff(total[whole] * (1 - part) + total[whole + 1] * part, axis=0)
