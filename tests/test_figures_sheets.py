"""Contact sheets: sizes, exact colours, no invented labels, the same bytes for the same frames."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from figures_factory import DICE, STRUCTURES, STUDY, hearts
from PIL import Image, ImageColor

from augbench.report import sheets
from augbench.report.sheets import Example


def contact_sheet(images: np.ndarray, labels: np.ndarray, **options: Any) -> bytes:
    return sheets.contact_sheet(images, labels, structures=STRUCTURES, colours=STUDY.colours, **options)


def example_segmentations(rows: list[Example], **options: Any) -> bytes:
    return sheets.example_segmentations(rows, DICE, structures=STRUCTURES, colours=STUDY.colours, **options)


def _pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def test_a_sheet_has_an_image_and_an_overlay_for_every_frame() -> None:
    images, labels = hearts(5, size=16)
    pixels = _pixels(contact_sheet(images, labels, columns=3, scale=2))
    assert pixels.shape == (2 * 32 + 4, 3 * 64 + 2 * 4, 3)
    # The sixth place of the 2 x 3 grid is empty, hence white.
    assert (pixels[36:, 136:] == 255).all()


def test_frames_without_mask_are_grey_on_both_sides() -> None:
    images = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    pixels = _pixels(contact_sheet(images, np.zeros_like(images), columns=1, scale=1))
    np.testing.assert_array_equal(pixels[:, :16], pixels[:, 16:])
    np.testing.assert_array_equal(pixels[..., 0], pixels[..., 2])
    assert np.abs(pixels[:, :16, 0] - images[0]).max() <= 2


def test_outlines_have_the_structure_colour_exactly_and_lie_inside() -> None:
    image = np.full((1, 16, 16), 120, np.uint8)
    label = np.zeros((1, 16, 16), np.uint8)
    label[0, 4:12, 4:12] = 3
    overlay = _pixels(contact_sheet(image, label, columns=1, scale=1))[:, 16:]
    assert (overlay[4, 4:12] == ImageColor.getrgb(STUDY.colours["RV"])).all()
    tint = [round(0.58 * 120 + 0.42 * part) for part in ImageColor.getrgb(STUDY.colours["RV"])]
    assert np.abs(overlay[7, 7] - tint).max() <= 4
    assert (overlay[3, 4:12] == overlay[0, 0]).all()


def test_enlarging_invents_no_label_between_two_others() -> None:
    # Interpolating label values 1 and 3 would draw a rim of 2.
    label = np.ones((1, 16, 16), np.uint8)
    label[0, :, 8:] = 3
    sheet = _pixels(contact_sheet(np.full_like(label, 100), label, columns=1, scale=4))
    myocardium = ImageColor.getrgb(STUDY.colours["MYO"])
    assert not (sheet == myocardium).all(axis=2).any()


def test_the_same_frames_give_the_same_bytes() -> None:
    frames = hearts(3, size=16)
    assert contact_sheet(*frames) == contact_sheet(*frames)


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="must both be"):
        contact_sheet(np.zeros((2, 8, 8), np.uint8), np.zeros((3, 8, 8), np.uint8))


def test_examples_have_a_row_a_case_and_a_column_an_arm() -> None:
    images, labels = hearts(2, size=56)
    rows = [
        Example("best", "sax", "007", image, label, {"real": label, "PG-GAN alone": label}, {"real": 0.9})
        for image, label in zip(images, labels, strict=True)
    ]
    pixels = _pixels(example_segmentations(rows, scale=4))
    assert pixels.shape[1] == 4 * (224 + 4) - 4
    # Reference and predictions are the same mask, so the three overlays are the same picture.
    tiles = [pixels[20:240, column * 228 : column * 228 + 224] for column in (1, 2, 3)]
    np.testing.assert_array_equal(tiles[0], tiles[1])
    np.testing.assert_array_equal(tiles[0], tiles[2])


def test_a_long_name_does_not_run_into_the_next_tile() -> None:
    images, labels = hearts(1, size=56)
    gaps = []
    for name in ("a", "a" * 200):
        png = example_segmentations([Example("worst", "sax", name, images[0], labels[0], {}, {})])
        gaps.append(_pixels(png)[:, 224:228])
    np.testing.assert_array_equal(gaps[0], gaps[1])


def test_structures_without_a_colour_of_their_own_take_the_palettes() -> None:
    image = np.full((1, 16, 16), 120, np.uint8)
    label = np.full((1, 16, 16), 2, np.uint8)
    label[0, 4:12, 4:12] = 1
    chosen = {"bb": "#009E73"}
    sheet = _pixels(sheets.contact_sheet(image, label, columns=1, scale=1, structures=("aa", "bb"), colours=chosen))
    assert (sheet[4, 20] == ImageColor.getrgb("#E69F00")).all()
    assert (sheet[3, 20] == ImageColor.getrgb("#009E73")).all()
