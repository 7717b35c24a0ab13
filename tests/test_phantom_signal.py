"""Physics of the phantom: bSSFP signal, off-resonance, Rician noise, k-space, and how the sites differ."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from augbench.core.seeding import child_rng
from augbench.datasets.tof_phantom import acquisition
from augbench.datasets.tof_phantom.plane import FACTOR, Grid, Plane, smooth_field, view_plane
from augbench.datasets.tof_phantom.render import render, subject_of
from augbench.datasets.tof_phantom.sites import DEVELOPMENT, EXTERNAL, MAIN, SITES, Site
from augbench.datasets.tof_phantom.tissue import Tissue, bssfp_signal, off_resonance_profile, signal_table


def test_bssfp_against_a_hand_value() -> None:
    # T1 = T2 and 90 degrees: E1 = E2 = E, M = (1 - E) / (1 - E^2) exp(-TE/T2) = exp(-TE/T2) / (1 + E).
    value = bssfp_signal(100.0, 100.0, 1.0, tr_ms=10.0, te_ms=5.0, flip_deg=90.0)
    assert value == pytest.approx(0.951229 / 1.904837, rel=1e-5)


def test_bssfp_against_iterated_bloch_equations() -> None:
    t1, t2, tr, flip = 1030.0, 40.0, 3.0, np.deg2rad(60.0)
    magnetisation = np.array([0.0, 1.0])  # transverse, longitudinal; the alternating phase is in the sign of the flip
    e1, e2 = np.exp(-tr / t1), np.exp(-tr / t2)
    for _ in range(6000):
        x, z = -magnetisation[0], magnetisation[1]
        x, z = x * np.cos(flip) + z * np.sin(flip), z * np.cos(flip) - x * np.sin(flip)
        magnetisation = np.array([x * e2, 1 + (z - 1) * e1])
    after_pulse = magnetisation[0] / e2
    expected = after_pulse * np.exp(-1.5 / t2)
    assert bssfp_signal(t1, t2, 1.0, tr_ms=tr, te_ms=1.5, flip_deg=60.0) == pytest.approx(abs(expected), rel=1e-4)


def test_contrast_of_tissues_is_that_of_cine_mr() -> None:
    for site in SITES.values():
        table = signal_table(site.field_t, site.tr_ms, site.te_ms, site.flip_deg[0])
        assert table[Tissue.ARTERIAL_BLOOD] == pytest.approx(1.0)
        assert table[Tissue.FAT] > 0.7
        assert table[Tissue.LUNG] < 0.1
        assert 0.2 < table[Tissue.MYOCARDIUM] < 0.6
        assert table[Tissue.AIR] == 0.0


def test_off_resonance_profile_has_bands_at_half_a_cycle() -> None:
    profile = off_resonance_profile(3.0, 60.0, samples=201)
    assert profile[100] == pytest.approx(1.0)
    assert profile[50] < 0.2
    assert profile[150] < 0.2
    np.testing.assert_allclose(profile, profile[::-1], rtol=1e-4)
    assert np.all(profile[80:121] > 0.85)


def _flat_scan(site: Site, signal: float, noise: float, image_size: int = 96) -> NDArray[np.float32]:
    subject = subject_of(0, site, "flat")
    plane = Plane(np.zeros(3), np.eye(3)[0], np.eye(3)[1], np.eye(3)[2])
    grid = Grid(plane, subject, image_size, 2.0 * image_size, 6.0)
    field = np.full((FACTOR * image_size, FACTOR * image_size), signal, np.float32)
    quiet = {"noise": noise, "blur": 0.5}
    changed = type(subject)(**{**vars(subject), **quiet})
    site = type(site)(**{**vars(site), "ghosting": 0.0, "apodisation": 0.0, "resolution_mm": (1.0, 1.0)})
    return acquisition.scan(field, grid, changed, site, np.random.default_rng(0))


def test_noise_is_rician() -> None:
    """Rayleigh where there is no signal (mean 1.2533 sigma, sd 0.6551 sigma), nearly Gaussian where there is much."""
    sigma = 0.05  # at 2 mm pixels, as `Site.noise` is defined
    air = _flat_scan(MAIN, 0.0, sigma)
    assert air.mean() == pytest.approx(1.2533 * sigma, rel=0.02)
    assert air.std() == pytest.approx(0.6551 * sigma, rel=0.03)
    blood = _flat_scan(MAIN, 1.0, sigma)
    assert blood.mean() == pytest.approx(np.sqrt(1 + sigma**2), rel=0.003)
    assert blood.std() == pytest.approx(sigma, rel=0.03)
    # Gaussian noise on the magnitude, the plausible mistake, would leave air at a mean of 0.
    assert air.min() >= 0


def test_scan_keeps_a_point_where_it_was() -> None:
    """Supersampling must not shift the image against its mask, not even by half a pixel."""
    subject = subject_of(0, MAIN, "point")
    plane = Plane(np.zeros(3), np.eye(3)[0], np.eye(3)[1], np.eye(3)[2])
    grid = Grid(plane, subject, 64, 128.0, 6.0)
    signal = np.zeros((128, 128), np.float32)
    signal[2 * 20 : 2 * 21, 2 * 41 : 2 * 42] = 1.0  # exactly pixel (20, 41)
    quiet = type(subject)(**{**vars(subject), "noise": 0.0, "blur": 2.5})
    site = type(MAIN)(**{**vars(MAIN), "ghosting": 0.0})
    image = acquisition.scan(signal, grid, quiet, site, np.random.default_rng(0)).astype(np.float64)
    image = np.where(image > 0.02 * image.max(), image, 0)
    rows, columns = np.indices(image.shape)
    assert np.sum(rows * image) / image.sum() == pytest.approx(20, abs=0.05)
    assert np.sum(columns * image) / image.sum() == pytest.approx(41, abs=0.05)


def test_truncation_ends_k_space_at_the_protocols_resolution() -> None:
    rows, columns, *_ = acquisition.k_space(256, 1.0, (2.0, 4.0), 0.0)
    assert np.count_nonzero(columns) == 65  # readout: half of k-space, positive frequencies
    assert np.count_nonzero(rows) == 65  # phase encoding: a quarter, both signs
    rows, columns, *_ = acquisition.k_space(64, 4.0, (2.0, 4.0), 0.0)
    assert rows.all()
    assert columns.all()


def test_smooth_fields_are_the_same_at_every_sampling_and_of_unit_variance() -> None:
    coarse = smooth_field(child_rng(0, "a"), 64, 230.0, 16.0)
    fine = smooth_field(child_rng(0, "a"), 192, 230.0, 16.0)
    np.testing.assert_allclose(fine[1::3, 1::3], coarse, atol=1e-4)
    spread = [smooth_field(child_rng(i, "b"), 64, 230.0, 16.0).std() for i in range(20)]
    assert np.mean(spread) == pytest.approx(1.0, abs=0.12)


def test_quantisation_uses_the_same_percentiles_for_all() -> None:
    image = np.random.default_rng(0).gamma(2.0, size=(100, 100))
    image[0, 0] = 1e6
    stored = acquisition.quantise(image)
    assert stored.dtype == np.uint8
    assert 40 <= np.sum(stored == 255) <= 90
    np.testing.assert_array_equal(stored, acquisition.quantise(37.0 * image + 5.0))


def test_planes_are_orthonormal_and_pass_through_the_heart() -> None:
    for number in range(10):
        subject = subject_of(0, EXTERNAL, f"plane-{number}")
        for view in ("4ch", "2ch", "sax"):
            plane = view_plane(subject, view, child_rng(0, "plane", number), 5.0)
            axes = np.stack([plane.right, plane.down, plane.normal])
            np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-9)
            assert abs((subject.base + 30 * subject.axes[2] - plane.centre) @ plane.normal) < 40


def _site_statistics(site: Site) -> dict[str, float]:
    contrast, spread, grain, bright = [], [], [], []
    for number in range(12):
        image, label = render(5, site, f"site-{number}", "4ch", 0.0, 128).astype(np.float64)
        blood, muscle = image[label == 1], image[label == 2]
        contrast.append(blood.mean() / muscle.mean())
        spread.append(blood.std() / blood.mean())
        bright.append(blood.mean())
        checker = image[1:, 1:] - image[1:, :-1] - image[:-1, 1:] + image[:-1, :-1]
        inside = ndimage.binary_erosion(label == 1, iterations=2)[1:, 1:]
        grain.append(np.median(np.abs(checker[inside])) / blood.mean())
    return {
        "contrast": float(np.mean(contrast)),
        "spread": float(np.mean(spread)),
        "grain": float(np.mean(grain)),
        "bright": float(np.mean(bright)),
    }


def test_sites_differ_and_in_different_ways() -> None:
    main, development, external = (_site_statistics(site) for site in (MAIN, DEVELOPMENT, EXTERNAL))
    assert development["contrast"] < 0.9 * main["contrast"]
    assert external["contrast"] < 0.95 * main["contrast"]
    assert external["grain"] > 2 * main["grain"]
    assert development["grain"] < main["grain"]
    assert MAIN.field_t != EXTERNAL.field_t
    assert np.sign(DEVELOPMENT.rotation_deg[0]) != np.sign(EXTERNAL.rotation_deg[0])


def test_contrast_and_ratios_lie_in_the_range_of_real_images(real_data: Path) -> None:
    real = json.loads((real_data / "real_statistics.json").read_text(encoding="utf-8"))
    ratios = [case["blood_to_myo_ratio"] for case in real["mnms_physical"]]
    spreads = [case["LV"]["sd"] / case["LV"]["mean"] for case in real["mnms_physical"]]
    contrast, spread, walls, right = [], [], [], []
    for number in range(25):
        image, label = render(6, MAIN, f"real-{number}", "sax", number % 2, 96).astype(np.float64)
        pixels = {value: image[label == value] for value in (1, 2, 3)}
        contrast.append(pixels[1].mean() / pixels[2].mean())
        spread.append(pixels[1].std() / pixels[1].mean())
        walls.append(len(pixels[2]) / len(pixels[1]))
        right.append(len(pixels[3]) / len(pixels[1]))
    assert min(ratios) < np.mean(contrast) < max(ratios)
    assert min(spreads) < np.mean(spread) < max(spreads)
    low, _, high = real["acdc_area_ratio_myo_over_LV"]["p5_50_95"]
    assert low < np.median(walls) < high
    # Shifted up for Tetralogy of Fallot, but no further than real extremes.
    assert real["acdc_area_ratio_RV_over_LV"]["p5_50_95"][1] < np.median(right)
    assert np.median(right) < real["acdc_area_ratio_RV_over_LV"]["p5_50_95"][2]
