"""Stored plane -> frame: central square, resampling, 8 bits. The mask follows the image and decides nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from augbench.core.errors import UserError
from augbench.core.types import Pairs
from augbench.datasets.nnunet.reader import Plane

Box = tuple[float, float, float, float]


def central_square(plane: Plane, crop_fraction: float) -> tuple[Box, float | None]:
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


def require_large_enough(plane: Plane, box: Box, image_size: int, max_enlargement: float, file: Path) -> None:
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
            remedy=f"lower image_size ({image_size}), or raise crop_fraction or max_enlargement of datasets.nnunet",
            file=file,
        )


def to_frame(plane: Plane, box: Box, image_size: int, percentiles: tuple[float, float]) -> Pairs:
    """Image and mask of one frame, (2, image_size, image_size) uint8; the mask keeps the dataset's own values.

    Args:
        percentiles: of the resampled square's grey values, those that become 0 and 255; what lies outside is clipped.
    """
    image = _resample(plane.image, box, image_size, Image.Resampling.BILINEAR)
    return np.stack([_to_bytes(image, percentiles), _resample_labels(plane.mask, box, image_size)])


def share_outside(mask: NDArray[np.uint8], box: Box) -> float:
    """Part of the labelled pixels that lies outside the square, in [0, 1]; for the record only."""
    rows, columns = np.nonzero(mask)
    if len(rows) == 0:
        return 0.0
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


def _resample(values: NDArray[np.float32], box: Box, size: int, filter_: Image.Resampling) -> NDArray[np.float32]:
    """Pillow widens its filter when it shrinks a picture, so BILINEAR is anti-aliased and BOX is the area's mean."""
    return np.asarray(Image.fromarray(values).resize((size, size), filter_, box=box))


def _resample_labels(labels: NDArray[np.uint8], box: Box, size: int) -> NDArray[np.uint8]:
    """The label that covers most of each pixel; nearest neighbour would drop thin walls and shift borders."""
    present = np.unique(labels)
    shares = [_resample((labels == value).astype(np.float32), box, size, Image.Resampling.BOX) for value in present]
    return present[np.argmax(shares, axis=0)]
