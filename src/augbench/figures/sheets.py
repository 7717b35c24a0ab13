"""Contact sheets of frames with their masks, and example segmentations, as PNG bytes."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw, ImageFont

from augbench.figures.arms import STRUCTURE_COLOURS, STRUCTURES

Bytes = NDArray[np.uint8]

_GAP = 4
_FILL = 0.28
_PAPER = 255
_INK = (51, 51, 51)


@dataclass(frozen=True)
class Example:
    """One patient frame with its reference and what the arms predicted.

    Attributes:
        rank: `best`, `median` or `worst`.
        view, subject_id: where the frame comes from.
        image, reference: (H, W) uint8.
        predictions: arm -> (H, W) uint8 label map.
        dice: arm -> mean Dice of the frame.
    """

    rank: str
    view: str
    subject_id: str
    image: Bytes
    reference: Bytes
    predictions: Mapping[str, Bytes]
    dice: Mapping[str, float]


def contact_sheet(
    images: Bytes, labels: Bytes, columns: int = 4, scale: int = 2, structures: Sequence[str] = STRUCTURES
) -> bytes:
    """Frames in a grid, each alone and, right of it, under its mask.

    Args:
        images: (n, H, W) uint8.
        labels: (n, H, W) uint8, value k + 1 = `structures[k]`.
        columns: frames per row (two tiles each).
        scale: enlargement, whole number.

    Returns:
        PNG; the same arrays give the same bytes.
    """
    if images.shape != labels.shape or images.ndim != 3:
        raise ValueError(f"images and labels must both be (n, H, W), got {images.shape} and {labels.shape}")
    pairs = [
        np.hstack([_grey(image, scale), overlay(image, label, scale, structures)])
        for image, label in zip(images, labels, strict=True)
    ]
    columns = max(1, min(columns, len(pairs)))
    height, width = pairs[0].shape[:2] if pairs else (1, 1)
    rows = -(-len(pairs) // columns)
    sheet = np.full((rows * (height + _GAP) - _GAP or 1, columns * (width + _GAP) - _GAP, 3), _PAPER, np.uint8)
    for index, pair in enumerate(pairs):
        top, left = index // columns * (height + _GAP), index % columns * (width + _GAP)
        sheet[top : top + height, left : left + width] = pair
    return _png(Image.fromarray(sheet))


def example_segmentations(rows: Sequence[Example], scale: int = 4, structures: Sequence[str] = STRUCTURES) -> bytes:
    """One row per example: image, reference, then every arm's prediction, each named with its Dice."""
    if not rows:
        raise ValueError("no examples to draw")
    arms = list(dict.fromkeys(arm for row in rows for arm in row.predictions))
    size = max(row.image.shape[0] for row in rows) * scale, max(row.image.shape[1] for row in rows) * scale
    header = max(18, size[0] // 12)
    font = ImageFont.load_default(size=header * 0.62)
    canvas = Image.new(
        "RGB",
        ((2 + len(arms)) * (size[1] + _GAP) - _GAP, len(rows) * (size[0] + header + 2 * _GAP)),
        (_PAPER,) * 3,
    )
    draw = ImageDraw.Draw(canvas)
    for number, row in enumerate(rows):
        top = number * (size[0] + header + 2 * _GAP)
        tiles = [(f"{row.rank}: {row.view}, {row.subject_id}", _grey(row.image, scale))]
        tiles.append(("reference", overlay(row.image, row.reference, scale, structures)))
        for arm in arms:
            if arm in row.predictions:
                score = f"  {row.dice[arm]:.3f}" if arm in row.dice else ""
                tiles.append((f"{arm}{score}", overlay(row.image, row.predictions[arm], scale, structures)))
        for column, (title, tile) in enumerate(tiles):
            left = column * (size[1] + _GAP)
            draw.text((left + 1, top + header // 6), _fitted(title, font, size[1]), fill=_INK, font=font)
            canvas.paste(Image.fromarray(tile), (left, top + header))
    return _png(canvas)


def overlay(image: Bytes, label: Bytes, scale: int, structures: Sequence[str] = STRUCTURES) -> Bytes:
    """(H*scale, W*scale, 3) uint8: the frame with every structure tinted and outlined in its colour."""
    picture = _grey(image, scale).astype(np.float32)
    fine = _enlarged_labels(label, scale, len(structures))
    edge = np.zeros(fine.shape, bool)
    edge[1:] |= fine[1:] != fine[:-1]
    edge[:-1] |= fine[1:] != fine[:-1]
    edge[:, 1:] |= fine[:, 1:] != fine[:, :-1]
    edge[:, :-1] |= fine[:, 1:] != fine[:, :-1]
    for value, structure in enumerate(structures, start=1):
        tint = np.array(ImageColor.getrgb(STRUCTURE_COLOURS.get(structure, "#CC79A7")), np.float32)
        inside = fine == value
        picture[inside] = (1 - _FILL) * picture[inside] + _FILL * tint
        picture[inside & edge] = tint
    return picture.round().astype(np.uint8)


def _grey(image: Bytes, scale: int) -> Bytes:
    height, width = image.shape
    large = Image.fromarray(image).resize((width * scale, height * scale), Image.Resampling.BICUBIC)
    return np.repeat(np.asarray(large)[..., None], 3, axis=2)


def _enlarged_labels(label: Bytes, scale: int, count: int) -> Bytes:
    """Labels enlarged class by class and decided by the largest, so that outlines are smooth and no label is invented."""
    height, width = label.shape
    size = (width * scale, height * scale)
    planes = [
        np.asarray(Image.fromarray((label == value).astype(np.float32)).resize(size, Image.Resampling.BILINEAR))
        for value in range(count + 1)
    ]
    return np.argmax(np.stack(planes), axis=0).astype(np.uint8)


def _fitted(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    """The text, cut with an ellipsis where it would run into the next tile."""
    if font.getlength(text) <= width - 2:
        return text
    while text and font.getlength(f"{text}...") > width - 2:
        text = text[:-1]
    return f"{text}..."


def _png(image: Image.Image) -> bytes:
    # 256 colours: a third of the bytes, and no difference that can be seen on 8-bit grey frames with five tints.
    stream = io.BytesIO()
    image.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(stream, "PNG", optimize=True)
    return stream.getvalue()
