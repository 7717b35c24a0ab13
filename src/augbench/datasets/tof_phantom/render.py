"""One frame: from (seed, site, subject, view, phase) to image and reference mask."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from augbench.core.seeding import child_rng
from augbench.core.types import Pairs
from augbench.datasets.tof_phantom.acquisition import acquire, sensitivity
from augbench.datasets.tof_phantom.canvas import Canvas
from augbench.datasets.tof_phantom.heart import paint_heart
from augbench.datasets.tof_phantom.plane import FACTOR, Field, Grid, view_plane
from augbench.datasets.tof_phantom.sites import Site
from augbench.datasets.tof_phantom.subject import Subject, draw_subject
from augbench.datasets.tof_phantom.thorax import paint_thorax

STRUCTURES = ("LV", "MYO", "RV", "RA", "LA")
ANNOTATED = {"4ch": STRUCTURES, "2ch": ("LV", "MYO", "LA"), "sax": ("LV", "MYO", "RV")}

_KEEP = {
    view: np.array([0, *(k + 1 if name in names else 0 for k, name in enumerate(STRUCTURES))], np.uint8)
    for view, names in ANNOTATED.items()
}
_CLASSES = len(STRUCTURES) + 1


@dataclass(frozen=True)
class _Scene:
    """What all phases of a view share; a cache of it changes the time a frame takes, not the frame."""

    subject: Subject
    grid: Grid
    canvas: Canvas
    sensitivity: Field


@lru_cache(maxsize=8)
def subject_of(seed: int, site: Site, subject_id: str) -> Subject:
    """The patient `subject_id` of a site."""
    return draw_subject(child_rng(seed, "phantom", subject_id, "subject"), site)


@lru_cache(maxsize=1)
def _scene(seed: int, site: Site, subject_id: str, view: str, image_size: int) -> _Scene:
    subject = subject_of(seed, site, subject_id)
    rng = child_rng(seed, "phantom", subject_id, view)
    grid = Grid(view_plane(subject, view, rng, site.plane_error_deg), subject, image_size, site.fov_mm, site.slice_mm)
    canvas = Canvas(grid, rng)
    paint_thorax(canvas, subject)
    return _Scene(subject, grid, canvas, sensitivity(grid, subject, site, rng))


def render(seed: int, site: Site, subject_id: str, view: str, phase: float, image_size: int) -> Pairs:
    """The frame, (2, H, W) uint8: image and label map.

    Args:
        seed: root seed; with `subject_id`, `view` and `phase` it fixes every random number of the frame.
        phase: 0 = ED to 1 = ES.
    """
    scene = _scene(seed, site, subject_id, view, image_size)
    canvas = scene.canvas.copy()
    paint_heart(canvas, scene.subject, phase)
    rng = child_rng(seed, "phantom", subject_id, view, f"{phase:.4f}")
    image = acquire(canvas, scene.sensitivity, scene.subject, site, rng)
    return np.stack([image, majority_label(_KEEP[view][canvas.label], FACTOR)])


def majority_label(label: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    """The most frequent label among each pixel's `factor` x `factor` samples; the middle one decides a tie.

    Args:
        label: (n * factor, m * factor) values below 6.

    Returns:
        (n, m) uint8.
    """
    # One 5-bit counter a class in a single integer: a few additions count all classes at once.
    ones = np.left_shift(np.int32(1), 5 * np.arange(_CLASSES, dtype=np.int32))[label]
    counts = np.zeros((label.shape[0] // factor, label.shape[1] // factor), np.int32)
    for row in range(factor):
        for column in range(factor):
            counts += ones[row::factor, column::factor]
    middle = label[factor // 2 :: factor, factor // 2 :: factor]
    best = middle.copy()
    most = (counts >> (5 * middle.astype(np.int32))) & 31
    for value in range(_CLASSES):
        count = (counts >> (5 * value)) & 31
        better = count > most
        best[better] = value
        most[better] = count[better]
    return best
