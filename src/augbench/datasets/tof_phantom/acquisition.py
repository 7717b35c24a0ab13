"""From tissue to image: signal, coil, off-resonance, point spread, k-space truncation, Rician noise, 8 bits."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from augbench.core.seeding import Rng
from augbench.datasets.tof_phantom.canvas import Canvas
from augbench.datasets.tof_phantom.plane import FACTOR, Field, Grid, plane_points, smooth_field, spline_matrix
from augbench.datasets.tof_phantom.sites import Site
from augbench.datasets.tof_phantom.subject import Subject
from augbench.datasets.tof_phantom.tissue import TEXTURE_TABLE, Tissue, off_resonance_profile, signal_table

#: Percentiles of a frame that become 0 and 255, the same at all sites and for generated frames.
WINDOW_PERCENTILES = (0.5, 99.5)

#: Slowly varying fields are computed on this many knots a side and interpolated.
_KNOTS = 32
_BLOODS = (Tissue.ARTERIAL_BLOOD, Tissue.VENOUS_BLOOD, Tissue.VESSEL)


def acquire(canvas: Canvas, field: Field, subject: Subject, site: Site, rng: Rng) -> NDArray[np.uint8]:
    """The magnitude image of a painted slice, (H, W) uint8, with coil `field` and noise from `rng`."""
    return quantise(scan(_signal(canvas, subject, site) * field, canvas.grid, subject, site, rng))


def quantise(image: NDArray[np.floating]) -> NDArray[np.uint8]:
    """8 bits by the frame's own percentiles `WINDOW_PERCENTILES`."""
    ranks = [round(share / 100 * (image.size - 1)) for share in WINDOW_PERCENTILES]
    low, high = np.partition(image, ranks, axis=None)[ranks].tolist()
    scaled = (image - low) * (255.0 / max(high - low, 1e-9)) + 0.5
    return np.minimum(np.maximum(scaled, 0), 255).astype(np.uint8)


def _signal(canvas: Canvas, subject: Subject, site: Site) -> Field:
    """bSSFP signal with texture at every sample; blood of an average patient is 1."""
    table = signal_table(site.field_t, site.tr_ms, site.te_ms, subject.flip_deg)
    for tissue in _BLOODS:
        table[tissue] *= subject.blood_factor
    table[Tissue.FAT] *= subject.fat_factor
    table[Tissue.LIVER] *= subject.liver_factor
    signal = table[canvas.tissue]
    for amplitude, noise in zip(TEXTURE_TABLE * table, (canvas.fine, canvas.coarse), strict=True):
        signal += amplitude[canvas.tissue] * noise
    return np.maximum(signal, 0, out=signal)


def sensitivity(grid: Grid, subject: Subject, site: Site, rng: Rng) -> Field:
    """Smooth factor on the signal: surface coils, dielectric effect, random shading and off-resonance bands."""
    x, y, _ = plane_points(grid.plane, grid.fov_mm, _KNOTS)
    front = np.exp(-np.clip(y + subject.half_depth, 0, None) / subject.coil_depth)
    back = np.exp(-np.clip(subject.half_depth - y, 0, None) / subject.coil_depth)
    coil = subject.coil_floor + (1 - subject.coil_floor) * (front + site.coil_posterior * back)
    # In units of the sensitivity at the heart, so that `noise` is relative to the blood there.
    coil /= coil[_KNOTS // 2, _KNOTS // 2]
    dip = 1 - subject.b1_dip * np.exp(-(x**2 + y**2) / (2 * 65.0**2))
    shading = np.exp(site.shading * smooth_field(rng, _KNOTS, grid.fov_mm, 110.0))
    # Off-resonance is worst next to the lung and under the diaphragm: away from the shimmed heart.
    radius = np.hypot(x - subject.base[0], y) / 100.0
    cycles = subject.off_resonance + site.banding[1] * smooth_field(rng, _KNOTS, grid.fov_mm, 80.0) * (0.5 + radius)
    profile = off_resonance_profile(site.tr_ms, subject.flip_deg)
    bands = np.interp(cycles, np.linspace(-1, 1, len(profile)), profile)
    matrix = spline_matrix(grid.size, _KNOTS)
    return matrix @ (coil * dip * shading * bands).astype(np.float32) @ matrix.T


def scan(signal: Field, grid: Grid, subject: Subject, site: Site, rng: Rng) -> Field:
    """Sampled in k-space up to the pixel's or the protocol's resolution, with noise in both channels, as magnitude."""
    n = grid.size
    size = n // FACTOR
    spectrum = scipy.fft.rfft2(signal)
    rows = np.concatenate([spectrum[: (size + 1) // 2], spectrum[n - size // 2 :]])
    kept = rows[:, : size // 2 + 1] * np.float32(1 / FACTOR**2)
    window_y, window_x, shift_y, shift_x = k_space(size, grid.pixel_mm, site.resolution_mm, site.apodisation)
    spread = np.float32(subject.blur / grid.pixel_mm)
    kept = kept * (shift_y * window_y * _blur(size, spread))[:, None]
    kept = kept * (shift_x * window_x * _blur(size, spread)[: size // 2 + 1])
    # Weaker than physics (1 / side): protocols trade part of what larger voxels gain for speed.
    sigma = np.float32(subject.noise * np.sqrt(2.0 / grid.pixel_mm))
    channels = rng.standard_normal((2, size, size), dtype=np.float32) * sigma
    noise = scipy.fft.rfft2(channels) * (window_y[:, None] * window_x)
    noise[0] += kept
    real, imaginary = scipy.fft.irfft2(noise, s=(size, size))
    if site.ghosting > 0:
        # Breathing repeats the bright chest wall along phase encoding, here the columns.
        strength = site.ghosting * float(rng.standard_normal())
        real = real + strength * np.roll(real, int(rng.integers(size // 5, size // 2)), axis=0)
    return np.hypot(real, imaginary)


@lru_cache(maxsize=16)
def k_space(
    size: int, pixel_mm: float, resolution_mm: tuple[float, float], apodisation: float
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.complex64], NDArray[np.complex64]]:
    """Tukey windows over the acquired part of k-space along rows and columns, and the phases that centre the pixels."""
    ky, kx = scipy.fft.fftfreq(size), scipy.fft.rfftfreq(size)
    windows = []
    for k, acquired in ((ky, resolution_mm[1]), (kx, resolution_mm[0])):
        relative = np.abs(k) * 2 * max(acquired / pixel_mm, 1.0)
        roll = np.clip((relative - (1 - apodisation)) / max(apodisation, 1e-6), 0, 1)
        windows.append(np.where(relative <= 1 + 1e-9, 0.5 + 0.5 * np.cos(np.pi * roll), 0).astype(np.float32))
    # Pixel i is centred on the middle of its samples, the transform on the first one.
    middle = (FACTOR - 1) / (2 * FACTOR)
    phases = [np.exp(2j * np.pi * middle * k).astype(np.complex64) for k in (ky, kx)]
    return windows[0], windows[1], phases[0], phases[1]


def _blur(size: int, sd_pixels: np.float32) -> NDArray[np.float32]:
    """Transfer function of a Gaussian point spread."""
    k = scipy.fft.fftfreq(size).astype(np.float32)
    return np.exp(np.square(k * sd_pixels) * np.float32(-2 * np.pi**2))
