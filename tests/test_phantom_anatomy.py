"""Reference masks: closed, connected, the same heart in every view, sizes of Tetralogy of Fallot."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from augbench.datasets.tof_phantom.chambers import moment, volumes_ml
from augbench.datasets.tof_phantom.render import ANNOTATED, STRUCTURES, majority_label, render, subject_of
from augbench.datasets.tof_phantom.sites import MAIN, SITES

LV, MYO, RV, RA, LA = 1, 2, 3, 4, 5
SUBJECTS = 12


def labels(view: str, image_size: int = 64) -> Iterator[NDArray[np.uint8]]:
    for site in SITES.values():
        for number in range(SUBJECTS):
            for phase in (0.0, 1.0):
                yield render(0, site, f"anatomy-{number}", view, phase, image_size)[1]


@pytest.mark.parametrize("view", list(ANNOTATED))
def test_each_structure_is_there_and_mostly_in_one_piece(view: str) -> None:
    pieces = [
        ndimage.label(label == STRUCTURES.index(name) + 1, np.ones((3, 3)))[1]
        for label in labels(view)
        for name in ANNOTATED[view]
    ]
    assert min(pieces) >= 1
    assert np.mean(np.array(pieces) == 1) > 0.98


@pytest.mark.parametrize("view", list(ANNOTATED))
def test_the_ventricles_lie_inside_the_image(view: str) -> None:
    for label in labels(view):
        border = np.concatenate([label[0], label[-1], label[:, 0], label[:, -1]])
        assert not np.isin(border, (LV, MYO)).any()


def test_myocardium_is_a_closed_ring_in_short_axis() -> None:
    for label in labels("sax"):
        hole = ndimage.binary_fill_holes(label == MYO) & (label != MYO)
        assert hole[label == LV].all()


@pytest.mark.parametrize("view", ["4ch", "2ch"])
def test_myocardium_is_a_horseshoe_open_to_the_atrium_in_long_axis(view: str) -> None:
    for label in labels(view):
        filled = ndimage.binary_fill_holes(label == MYO)
        assert not filled[label == LV].any()
        # The mitral valve is closed: LV and LA touch, and no blood pool lies between them.
        assert (ndimage.binary_dilation(label == LV) & (label == LA)).sum() >= 2
        # Elsewhere only muscle and valve bound the cavity; the ends of the wall leave a pixel here and there.
        rim = ndimage.binary_dilation(label == LV) & (label != LV)
        assert np.mean(np.isin(label[rim], (MYO, LA))) > 0.85


def test_the_heart_contracts_and_the_atria_fill() -> None:
    for number in range(SUBJECTS):
        first, last = (render(0, MAIN, f"anatomy-{number}", "4ch", phase, 128)[1] for phase in (0.0, 1.0))
        for value, shrinks in ((LV, True), (RV, True), (LA, False), (RA, False)):
            assert (np.sum(last == value) < np.sum(first == value)) == shrinks


def test_views_show_the_same_heart() -> None:
    """The LV's size, measured in each view, follows the patient's."""
    widths = np.array(
        [
            [_lv_minor_mm(render(0, MAIN, f"anatomy-{i}", view, 0.0, 128)[1]) for view in ("4ch", "2ch")]
            for i in range(40)
        ]
    )
    true = np.array([subject_of(0, MAIN, f"anatomy-{i}").lv_radius for i in range(40)])
    assert np.corrcoef(widths.T)[0, 1] > 0.7
    assert np.corrcoef(widths[:, 1], true)[0, 1] > 0.8
    areas = [np.sum(render(0, MAIN, f"anatomy-{i}", "sax", 0.0, 128)[1] == LV) for i in range(40)]
    assert np.corrcoef(np.sqrt(areas), true)[0, 1] > 0.7


def _lv_minor_mm(label: NDArray[np.uint8]) -> float:
    """Twice the sd of the LV's area along its shorter axis."""
    points = np.argwhere(label == LV) * MAIN.fov_mm / 128
    return float(2 * np.sqrt(np.linalg.eigvalsh(np.cov(points.T))[0]))


def test_volumes_are_those_of_repaired_tetralogy() -> None:
    """JMRI 2007;26:934: RV 154 +- 53 (patch) and 133 +- 51 (conduit) ml/m2, ejection fraction 50 +- 9 %."""
    patients = [subject_of(0, MAIN, f"volume-{i}") for i in range(40)]
    first, last = [volumes_ml(p, 0.0) for p in patients], [volumes_ml(p, 1.0) for p in patients]
    surface = np.array([1.75 * p.size**2 for p in patients])
    rv = np.array([v["RV"] for v in first])
    lv = np.array([v["LV"] for v in first])
    assert 125 < np.mean(rv / surface) < 165
    assert 30 < np.std(rv / surface) < 60
    assert 65 < np.mean(lv / surface) < 95
    assert 1.5 < np.mean(rv / lv) < 2.4  # about 1.1 in health
    assert 0.40 < np.mean(1 - np.array([v["RV"] for v in last]) / rv) < 0.55
    assert 0.45 < np.mean(1 - np.array([v["LV"] for v in last]) / lv) < 0.65


def test_lv_wall_keeps_its_volume_while_it_thickens() -> None:
    for number in range(10):
        subject = subject_of(0, MAIN, f"volume-{number}")
        assert moment(subject, 1.0).wall > 1.2 * moment(subject, 0.0).wall
        ratio = volumes_ml(subject, 1.0)["MYO"] / volumes_ml(subject, 0.0)["MYO"]
        assert ratio == pytest.approx(1.0, abs=0.12)


def test_volume_of_the_lv_against_direct_integration() -> None:
    subject = subject_of(0, MAIN, "round")
    length, radius, flat = subject.lv_length, subject.lv_radius, subject.septal_flattening
    tau = np.linspace(0, 1, 4001) - 0.30
    profile = 1 - np.where(tau > 0, (tau / 0.7) ** 2, 0.22 * (tau / 0.3) ** 2)
    # Half a disc and half an ellipse flattened by the septum.
    section = np.pi * radius**2 * 0.5 * (1 + 1 / np.sqrt(1 + flat))
    expected = np.mean(profile) * section * length / 1000
    assert volumes_ml(subject, 0.0, step_mm=1.5)["LV"] == pytest.approx(expected, rel=0.02)


def test_majority_label_by_hand_and_against_counting() -> None:
    samples = np.array([[1, 1, 0, 0], [1, 2, 0, 0], [3, 4, 2, 2], [4, 4, 2, 5]], np.uint8)
    np.testing.assert_array_equal(majority_label(samples, 2), [[1, 0], [4, 2]])
    rng = np.random.default_rng(0)
    samples = rng.integers(0, 6, (30, 30)).astype(np.uint8)
    blocks = samples.reshape(10, 3, 10, 3).swapaxes(1, 2).reshape(10, 10, 9)
    counts = (blocks[..., None] == np.arange(6)).sum(2)
    chosen = np.take_along_axis(counts, majority_label(samples, 3)[..., None].astype(int), axis=2)[..., 0]
    np.testing.assert_array_equal(chosen, counts.max(2))
    # Rounding the mean label, the plausible mistake, would invent a structure between two others.
    between = np.array([[1, 1], [5, 5]], np.uint8)
    assert majority_label(between, 2)[0, 0] in (1, 5)
