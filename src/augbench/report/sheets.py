"""Contact sheets of frames with their masks, and example segmentations, as PNG bytes."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw, ImageFont

from augbench.report.colours import tints
from augbench.report.metric import Metric

Bytes = NDArray[np.uint8]

# A picture is built as two planes (2, H, W) uint8: the grey level, and what lies over it: 0 nothing, k the tint of
# structure k, _OUTLINE + k its outline. A palette of 256 holds all of these exactly, at a third of the bytes of RGB.
_OUTLINE = 64
_GAP = 4
_WHITE, _INK = 255, 51
_TINT = 0.42
_GREYS = 64
_TILE = 192


@dataclass(frozen=True)
class Example:
    """One patient frame with its reference and what the arms predicted.

    Attributes:
        rank: `best`, `median` or `worst`.
        view, subject_id: where the frame comes from.
        image, reference: (H, W) uint8.
        predictions: name of an arm -> (H, W) uint8 label map.
        scores: name of an arm -> mean score of the frame.
    """

    rank: str
    view: str
    subject_id: str
    image: Bytes
    reference: Bytes
    predictions: Mapping[str, Bytes]
    scores: Mapping[str, float]


def contact_sheet(
    images: Bytes,
    labels: Bytes,
    columns: int = 4,
    scale: int = 2,
    *,
    structures: Sequence[str],
    colours: Mapping[str, str] | None = None,
) -> bytes:
    """Frames in a grid, each alone and, right of it, under its mask.

    Args:
        images: (n, H, W) uint8.
        labels: (n, H, W) uint8, value k + 1 = `structures[k]`.
        columns: frames per row (two tiles each).
        scale: enlargement, whole number.
        colours: structure -> colour; others take the palette's.

    Returns:
        PNG; the same arrays give the same bytes.
    """
    if images.shape != labels.shape or images.ndim != 3:
        raise ValueError(f"images and labels must both be (n, H, W), got {images.shape} and {labels.shape}")
    pairs = [
        np.concatenate([_plain(image, scale), _overlaid(image, label, scale, len(structures))], axis=2)
        for image, label in zip(images, labels, strict=True)
    ]
    if not pairs:
        raise ValueError("no frames to draw")
    columns = max(1, min(columns, len(pairs)))
    height, width = pairs[0].shape[1:]
    rows = -(-len(pairs) // columns)
    sheet = _blank(rows * (height + _GAP) - _GAP, columns * (width + _GAP) - _GAP)
    for index, pair in enumerate(pairs):
        _put(sheet, pair, index // columns * (height + _GAP), index % columns * (width + _GAP))
    return _png(sheet, tints(structures, colours))


def example_segmentations(
    rows: Sequence[Example],
    metric: Metric,
    scale: int = 3,
    *,
    structures: Sequence[str],
    colours: Mapping[str, str] | None = None,
) -> bytes:
    """One row per example: image, reference, then every arm's prediction, each named with its score."""
    if not rows:
        raise ValueError("no examples to draw")
    arms = list(dict.fromkeys(arm for row in rows for arm in row.predictions))
    # Tiles wide enough for their titles, whatever the size of the frames.
    scale = max(scale, -(-_TILE // rows[0].image.shape[1]))
    height, width = (max(row.image.shape[axis] for row in rows) * scale for axis in (0, 1))
    head = max(18, width // 11)
    step = height + head + 2 * _GAP
    sheet = _blank(len(rows) * step - 2 * _GAP, (2 + len(arms)) * (width + _GAP) - _GAP)
    for number, row in enumerate(rows):
        tiles = [(f"{row.rank}: {row.view}, {row.subject_id}", _plain(row.image, scale))]
        masks = [("reference", row.reference)]
        for arm in arms:
            if arm in row.predictions:
                masks.append(
                    (f"{arm}  {metric.full(row.scores[arm])}" if arm in row.scores else arm, row.predictions[arm])
                )
        tiles += [(title, _overlaid(row.image, mask, scale, len(structures))) for title, mask in masks]
        for column, (title, tile) in enumerate(tiles):
            left = column * (width + _GAP)
            _put(sheet, _text(title, head, width), number * step, left)
            _put(sheet, tile, number * step + head, left)
    return _png(sheet, tints(structures, colours))


def _blank(height: int, width: int) -> Bytes:
    sheet = np.zeros((2, height, width), np.uint8)
    sheet[0] = _WHITE
    return sheet


def _put(sheet: Bytes, tile: Bytes, top: int, left: int) -> None:
    sheet[:, top : top + tile.shape[1], left : left + tile.shape[2]] = tile


def _plain(image: Bytes, scale: int) -> Bytes:
    height, width = image.shape
    large = np.asarray(Image.fromarray(image).resize((width * scale, height * scale), Image.Resampling.BICUBIC))
    return np.stack([large, np.zeros_like(large)])


def _overlaid(image: Bytes, label: Bytes, scale: int, count: int) -> Bytes:
    """The frame with every structure tinted and outlined; the outline lies inside the structure."""
    tile = _plain(image, scale)
    fine = _enlarged_labels(label, scale, count)
    edge = np.zeros(fine.shape, bool)
    edge[1:] |= fine[1:] != fine[:-1]
    edge[:-1] |= fine[1:] != fine[:-1]
    edge[:, 1:] |= fine[:, 1:] != fine[:, :-1]
    edge[:, :-1] |= fine[:, 1:] != fine[:, :-1]
    for _ in range(scale // 2 - 1):
        wide = edge.copy()
        wide[1:] |= edge[:-1]
        wide[:-1] |= edge[1:]
        wide[:, 1:] |= edge[:, :-1]
        wide[:, :-1] |= edge[:, 1:]
        edge = wide
    tile[1] = np.where((fine > 0) & edge, fine + _OUTLINE, fine)
    return tile


def _enlarged_labels(label: Bytes, scale: int, count: int) -> Bytes:
    """Labels enlarged class by class, then the largest taken: smooth outlines, and no label is invented."""
    height, width = label.shape
    size = (width * scale, height * scale)
    planes = [
        np.asarray(Image.fromarray((label == value).astype(np.float32)).resize(size, Image.Resampling.BILINEAR))
        for value in range(count + 1)
    ]
    return np.argmax(np.stack(planes), axis=0).astype(np.uint8)


def _text(text: str, height: int, width: int) -> Bytes:
    """A line of text; cut with an ellipsis where it would run into the next tile."""
    font = ImageFont.load_default(size=round(height * 0.66))
    if font.getlength(text) > width - 2:
        while text and font.getlength(f"{text}...") > width - 2:
            text = text[:-1]
        text = f"{text}..."
    image = Image.new("L", (width, height), _WHITE)
    ImageDraw.Draw(image).text((1, height // 7), text, fill=_INK, font=font)
    return np.stack([np.asarray(image), np.zeros((height, width), np.uint8)])


def _png(planes: Bytes, colours: Mapping[str, str]) -> bytes:
    """Indexed PNG: the greys, then for each structure its outline and its tint over the greys in fewer steps."""
    count = len(colours)
    steps = (256 - _GREYS - count) // max(count, 1)
    palette = [(level, level, level) for level in _levels(_GREYS)]
    grey, over = planes[0].astype(np.int32), planes[1]
    index = np.round(grey * (_GREYS - 1) / 255).astype(np.uint8)
    for value, shade in enumerate(colours.values(), start=1):
        colour = ImageColor.getrgb(shade)[:3]
        index[over == _OUTLINE + value] = len(palette)
        palette.append((colour[0], colour[1], colour[2]))
        tinted = over == value
        index[tinted] = len(palette) + np.round(grey[tinted] * (steps - 1) / 255).astype(np.uint8)
        for level in _levels(steps):
            red, green, blue = (round((1 - _TINT) * level + _TINT * part) for part in colour)
            palette.append((red, green, blue))
    image = Image.fromarray(index, mode="P")
    image.putpalette([part for entry in palette for part in entry])
    stream = io.BytesIO()
    image.save(stream, "PNG", optimize=True)
    return stream.getvalue()


def _levels(count: int) -> list[int]:
    return [round(step * 255 / (count - 1)) for step in range(count)]
