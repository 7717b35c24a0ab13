"""Dice, HD95, NSD and area error: hand-drawn masks, MONAI, laws, and the mistakes one could make."""

from __future__ import annotations

import doctest
import importlib

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from augbench.core.component import available, create
from augbench.scores.area_error import AreaError, area_error_percent
from augbench.scores.base import Score, SegmentationScore, score_frame
from augbench.scores.dice import Dice, dice
from augbench.scores.hd95 import Hd95, hd95_mm
from augbench.scores.nsd import Nsd, nsd

Mask = NDArray[np.uint8]
ALL: list[SegmentationScore] = [Dice(), Hd95(), Nsd(), AreaError()]


def draw(*rows: str) -> Mask:
    """A mask from lines of `.` and `#`."""
    return np.array([[character == "#" for character in row] for row in rows], dtype=np.uint8)


EMPTY = draw("......", "......", "......", "......", "......", "......")
SQUARE = draw("......", ".###..", ".###..", ".###..", "......", "......")
SHIFTED = draw("......", "..###.", "..###.", "..###.", "......", "......")
LINE = draw("######", "......", "......", "......", "......", "......")
DOT = draw("#.....", "......", "......", "......", "......", "......")
RING = draw("......", ".###..", ".#.#..", ".###..", "......", "......")


def value(metric: SegmentationScore, reference: Mask, prediction: Mask, spacing_mm: float = 1.0) -> float:
    score = metric.score(reference, prediction, spacing_mm)
    assert score.value is not None
    assert score.reason == ""
    return score.value


# By hand. SQUARE and SHIFTED share 6 of 9 pixels; each border has 8 pixels, 4 of them on the other border and 4 one
# pixel away (the centre of SQUARE is not border). From LINE's six pixels to DOT: 0, 1, 2, 3, 4, 5; from DOT to LINE: 0.
@pytest.mark.parametrize(
    ("metric", "reference", "prediction", "spacing_mm", "expected"),
    [
        (Dice(), SQUARE, SHIFTED, 2.0, 2 / 3),
        (Dice(), LINE, DOT, 1.0, 2 / 7),
        (Dice(), SQUARE, RING, 1.0, 16 / 17),
        (Hd95(), SQUARE, SHIFTED, 2.0, 2.0),
        (Hd95(), LINE, DOT, 1.0, 4.75),
        (Hd95(), LINE, DOT, 3.0, 14.25),
        (Nsd(tolerance_mm=0), SQUARE, SHIFTED, 2.0, 0.5),
        (Nsd(tolerance_mm=1.9), SQUARE, SHIFTED, 2.0, 0.5),
        (Nsd(tolerance_mm=2.0), SQUARE, SHIFTED, 2.0, 1.0),
        (Nsd(tolerance_mm=1.0), LINE, DOT, 1.0, 3 / 7),
        (AreaError(), SQUARE, SHIFTED, 2.0, 0.0),
        (AreaError(), LINE, DOT, 1.0, 500 / 6),
        (AreaError(), DOT, LINE, 1.0, 500.0),
    ],
)
def test_hand_drawn(
    metric: SegmentationScore, reference: Mask, prediction: Mask, spacing_mm: float, expected: float
) -> None:
    assert value(metric, reference, prediction, spacing_mm) == pytest.approx(expected, abs=1e-12)


# Decision 0001, every cell of its table.
@pytest.mark.parametrize("metric", ALL)
def test_both_empty_is_undefined(metric: SegmentationScore) -> None:
    assert metric.score(EMPTY, EMPTY, 1.0) == Score(None, "both empty")


@pytest.mark.parametrize(
    ("metric", "missed", "invented"),
    [
        (Dice(), Score(0.0), Score(0.0)),
        (Hd95(), Score(1.5 * np.hypot(6, 6)), Score(1.5 * np.hypot(6, 6))),
        (Nsd(tolerance_mm=100), Score(0.0), Score(0.0)),
        (AreaError(), Score(100.0), Score(None, "reference empty")),
    ],
)
def test_one_empty(metric: SegmentationScore, missed: Score, invented: Score) -> None:
    assert metric.score(SQUARE, EMPTY, 1.5) == missed
    assert metric.score(EMPTY, SQUARE, 1.5) == invented


def blobs(rng: np.random.Generator, shape: tuple[int, ...] = (40, 40)) -> Mask:
    """A label map of three discs or balls, some of them cut by the image's edge or by each other."""
    labels = np.zeros(shape, dtype=np.uint8)
    for label in (1, 2, 3):
        centre, radius = rng.uniform(0, shape), rng.uniform(2, max(shape) / 3)
        gaps = np.indices(shape) - centre.reshape(-1, *[1] * len(shape))
        labels[(gaps**2).sum(axis=0) < radius**2] = label
    return labels


@pytest.mark.parametrize(
    ("shape", "spacings", "repeats"),
    [((40, 40), (0.7, 1.0, 1.8), 60), ((9, 16, 14), ((8.0, 1.5, 1.5), (1.0, 0.7, 2.0)), 20)],
)
def test_against_monai(shape: tuple[int, ...], spacings: tuple[float | tuple[float, ...], ...], repeats: int) -> None:
    torch = pytest.importorskip("torch")
    from monai.metrics import compute_dice, compute_hausdorff_distance, compute_surface_dice

    rng = np.random.default_rng(0)
    compared = 0
    for repeat in range(repeats):
        pair = [blobs(rng, shape) == label for label in (rng.integers(1, 4), rng.integers(1, 4))]
        if not (pair[0].any() and pair[1].any()):
            continue
        compared += 1
        y, y_pred = (torch.from_numpy(mask)[None, None].float() for mask in pair)
        spacing = spacings[repeat % len(spacings)]
        assert dice(*pair).value == pytest.approx(compute_dice(y_pred, y).item(), abs=1e-6)
        theirs = compute_hausdorff_distance(y_pred, y, include_background=True, percentile=95, spacing=spacing)
        assert hd95_mm(*pair, spacing).value == pytest.approx(theirs.item(), rel=1e-5)
        # A tolerance between two possible distances, so that rounding to float32 cannot decide.
        tolerance = 2.1001 * float(np.min(spacing))
        theirs = compute_surface_dice(y_pred, y, [tolerance], include_background=True, spacing=spacing)
        assert nsd(*pair, spacing, tolerance).value == pytest.approx(theirs.item(), abs=1e-6)
    assert compared > repeats / 2


def test_area_error_against_scipy() -> None:
    from scipy import ndimage

    rng = np.random.default_rng(1)
    for _ in range(20):
        reference, prediction = blobs(rng), blobs(rng)
        areas = [ndimage.sum_labels(labels > 0, labels, index=1) for labels in (reference, prediction)]
        if areas[0]:
            expected = abs(areas[1] / areas[0] - 1) * 100
            assert value(AreaError(), reference == 1, prediction == 1) == pytest.approx(expected)


class TestPlausibleMistakes:
    def test_dice_is_not_the_jaccard_index(self) -> None:
        assert value(Dice(), SQUARE, SHIFTED) != pytest.approx(6 / 12)

    def test_dice_of_8_bit_masks_does_not_overflow(self) -> None:
        full = np.ones((32, 32), dtype=np.uint8)
        assert value(Dice(), full, 255 * full) == 1.0

    def test_hd95_is_neither_the_maximum_nor_pooled_nor_one_sided(self) -> None:
        pooled = np.percentile([0, 0, 1, 2, 3, 4, 5], 95)
        assert value(Hd95(), LINE, DOT) not in (5.0, pooled, 0.0)
        assert value(Hd95(), DOT, LINE) == value(Hd95(), LINE, DOT)

    def test_hd95_sees_a_hole_that_filled_masks_hide(self) -> None:
        # Distances from the filled mask (rather than its border) are 0 for a prediction inside the reference.
        inner = draw("......", "......", "..#...", "......", "......", "......")
        assert value(Hd95(), SQUARE, inner) > 0

    def test_hd95_of_a_missed_structure_uses_the_image_and_not_the_crop(self) -> None:
        assert value(Hd95(), DOT, EMPTY) == pytest.approx(np.hypot(6, 6))

    def test_nsd_counts_both_borders(self) -> None:
        # From the prediction's side alone everything is right.
        assert value(Nsd(tolerance_mm=0), LINE, DOT) == pytest.approx(2 / 7)

    def test_nsd_tolerance_is_in_mm_and_inclusive(self) -> None:
        three_away = draw("...#..", "......", "......", "......", "......", "......")
        # 3 * 0.1 is greater than 0.3 in binary.
        assert value(Nsd(tolerance_mm=0.3), DOT, three_away, 0.1) == 1.0
        assert value(Nsd(tolerance_mm=0.3), DOT, three_away, 0.101) == 0.0

    def test_area_errors_do_not_cancel(self) -> None:
        errors = [value(AreaError(), SQUARE, LINE), value(AreaError(), LINE, SQUARE)]
        assert min(errors) > 0

    def test_area_error_is_relative_to_the_reference(self) -> None:
        assert value(AreaError(), LINE, DOT) != value(AreaError(), DOT, LINE)


masks = hnp.arrays(np.uint8, (8, 8), elements=st.integers(0, 1))
spacings = st.floats(0.2, 5)


class TestLaws:
    @given(masks, masks, spacings)
    def test_bounds(self, reference: Mask, prediction: Mask, spacing_mm: float) -> None:
        assume(reference.any() or prediction.any())
        assert 0 <= value(Dice(), reference, prediction, spacing_mm) <= 1
        assert 0 <= value(Nsd(), reference, prediction, spacing_mm) <= 1
        assert 0 <= value(Hd95(), reference, prediction, spacing_mm) <= np.hypot(8, 8) * spacing_mm

    @given(masks, masks)
    def test_symmetry(self, reference: Mask, prediction: Mask) -> None:
        for metric in (Dice(), Hd95(), Nsd(tolerance_mm=1)):
            assert metric.score(reference, prediction, 1.0) == metric.score(prediction, reference, 1.0)

    @given(masks, spacings)
    def test_identity(self, mask: Mask, spacing_mm: float) -> None:
        assume(mask.any())
        for metric, perfect in zip(ALL, (1, 0, 1, 0), strict=True):
            assert value(metric, mask, mask, spacing_mm) == perfect

    @given(masks, masks, st.integers(0, 4), st.integers(0, 4))
    def test_translation(self, reference: Mask, prediction: Mask, down: int, right: int) -> None:
        assume(reference.any() and prediction.any())
        window = (slice(down, down + 8), slice(right, right + 8))
        moved = np.zeros((2, 12, 12), dtype=np.uint8)
        moved[0][window], moved[1][window] = reference, prediction
        for metric in ALL:
            assert metric.score(moved[0], moved[1], 1.3) == metric.score(reference, prediction, 1.3)

    @given(masks, masks)
    def test_distance_scales_with_spacing(self, reference: Mask, prediction: Mask) -> None:
        assume(reference.any() and prediction.any())
        one, three = (value(Hd95(), reference, prediction, spacing_mm) for spacing_mm in (1.0, 3.0))
        assert three == pytest.approx(3 * one)

    @given(masks, masks)
    def test_nsd_grows_with_its_tolerance(self, reference: Mask, prediction: Mask) -> None:
        assume(reference.any() or prediction.any())
        scores = [value(Nsd(tolerance_mm=mm), reference, prediction) for mm in (0, 1, 2, 4, 12)]
        assert scores == sorted(scores)
        if reference.any() and prediction.any():
            assert scores[-1] == 1


@settings(max_examples=30)
@given(hnp.arrays(np.uint8, (12, 12), elements=st.integers(0, 3)))
def test_score_frame_equals_one_by_one(labels: Mask) -> None:
    prediction = np.roll(labels, 1, axis=0)
    metrics = {"dice": Dice(), "hd95": Hd95(), "nsd": Nsd(tolerance_mm=1.5), "area_error": AreaError()}
    rows = score_frame(labels, prediction, {"LV": 1, "RV": 3}, 1.5, metrics)
    assert [row[:2] for row in rows] == [(structure, name) for structure in ("LV", "RV") for name in metrics]
    for structure, name, number, reason in rows:
        label = {"LV": 1, "RV": 3}[structure]
        assert metrics[name].score(labels == label, prediction == label, 1.5) == Score(number, reason)


Volume = NDArray[np.bool_]


def brute_border(mask: Volume) -> NDArray[np.float64]:
    """Indices (n, d) of mask elements that have a face neighbour outside the mask or the image, one by one."""
    inside = {tuple(index) for index in np.argwhere(mask).tolist()}
    steps = [tuple(step) for step in np.concatenate([np.eye(mask.ndim, dtype=int), -np.eye(mask.ndim, dtype=int)])]
    found = [
        index for index in sorted(inside) if any(tuple(np.add(index, step).tolist()) not in inside for step in steps)
    ]
    return np.array(found, dtype=float)


@st.composite
def two_masks_and_spacing(draw_one: st.DrawFn) -> tuple[Volume, Volume, list[float]]:
    """Two non-empty masks of one to three dimensions, and a spacing of its own for each axis."""
    shape = draw_one(hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=5))
    pair = draw_one(hnp.arrays(np.bool_, (2, *shape)))
    assume(pair[0].any() and pair[1].any())
    return pair[0], pair[1], [draw_one(st.sampled_from([0.5, 1.0, 1.7, 8.0])) for _ in shape]


@settings(max_examples=60, deadline=None)
@given(two_masks_and_spacing())
def test_any_number_of_dimensions_against_brute_force(case: tuple[Volume, Volume, list[float]]) -> None:
    reference, prediction, spacing_mm = case
    borders = [brute_border(mask) * spacing_mm for mask in (reference, prediction)]
    table = np.linalg.norm(borders[0][:, None] - borders[1][None], axis=2)
    directed = [table.min(axis=1), table.min(axis=0)]
    expected = max(np.percentile(distances, 95) for distances in directed)
    assert hd95_mm(reference, prediction, spacing_mm).value == pytest.approx(expected)
    # Between two possible distances, so that rounding cannot decide.
    share = np.mean(np.concatenate(directed) <= 1.6001)
    assert nsd(reference, prediction, spacing_mm, tolerance_mm=1.6001).value == pytest.approx(share)
    both, sizes = np.sum(reference & prediction), (np.sum(reference), np.sum(prediction))
    assert dice(reference, prediction).value == pytest.approx(2 * both / sum(sizes))
    assert area_error_percent(reference, prediction).value == pytest.approx(100 * abs(sizes[1] / sizes[0] - 1))


@given(masks, masks, spacings)
def test_functions_equal_components_and_one_side_stands_for_both_axes(
    reference: Mask, prediction: Mask, side_mm: float
) -> None:
    first, second = reference != 0, prediction != 0
    assert dice(first, second) == Dice().score(reference, prediction)
    assert area_error_percent(first, second) == AreaError().score(reference, prediction)
    for spacing_mm in (side_mm, (side_mm, side_mm)):
        assert hd95_mm(first, second, spacing_mm) == Hd95().score(reference, prediction, side_mm)
        assert nsd(first, second, spacing_mm, 1.5) == Nsd(tolerance_mm=1.5).score(reference, prediction, side_mm)


def test_anisotropic_spacing_belongs_to_its_axis() -> None:
    volume = np.zeros((4, 5, 6), dtype=bool)
    volume[1, 1:3, 1:3] = True
    for axis, side_mm in enumerate((8.0, 1.5, 0.5)):
        moved = np.roll(volume, 1, axis=axis)
        # A slab one element thick is all border: the whole of it lies one side away along its thin axis.
        expected = side_mm if axis == 0 else pytest.approx(side_mm)
        assert hd95_mm(volume, moved, (8.0, 1.5, 0.5)).value == expected
    missed = hd95_mm(volume, volume & ~volume, (8.0, 1.5, 0.5)).value
    assert missed == pytest.approx(np.sqrt((4 * 8.0) ** 2 + (5 * 1.5) ** 2 + (6 * 0.5) ** 2))


@pytest.mark.parametrize("name", available(SegmentationScore))
class TestEveryScore:
    def test_shows_itself(self, name: str) -> None:
        component = create(SegmentationScore, name)
        assert isinstance(component, SegmentationScore)
        assert component.title.strip()
        assert component.unit in ("", "mm", "%", "ml")
        assert isinstance(component.higher_is_better, bool)
        assert 0 <= component.decimals <= 6

    def test_is_best_for_a_perfect_prediction(self, name: str) -> None:
        component = create(SegmentationScore, name)
        perfect, worse = value(component, SQUARE, SQUARE), value(component, SQUARE, LINE)
        assert perfect > worse if component.higher_is_better else perfect < worse

    def test_examples_of_its_docstring(self, name: str) -> None:
        results = doctest.testmod(importlib.import_module(f"augbench.scores.{name}"))
        assert results.attempted > 0
        assert results.failed == 0


@pytest.mark.parametrize("prediction", [np.zeros((6, 5)), np.zeros((1, 6, 6))])
def test_masks_of_another_shape_are_refused(prediction: Mask) -> None:
    with pytest.raises(ValueError, match="one shape"):
        dice(SQUARE, prediction)


@pytest.mark.parametrize("spacing_mm", [0.0, -1.0, float("nan"), float("inf"), (1.0,), (1.0, 1.0, 1.0), (1.0, 0.0)])
def test_a_spacing_that_is_none_is_refused(spacing_mm: float | tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="spacing_mm"):
        hd95_mm(SQUARE, SQUARE, spacing_mm)
