"""Image planes: where each voxel's samples lie in the body and in the heart, and smooth random fields on them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from augbench.core.seeding import Rng
from augbench.datasets.tof_phantom.subject import Subject

Field = NDArray[np.float32]

#: Windows are this much larger than the structure: the warp and the slice's thickness may move it.
MARGIN_MM = 8.0
#: Samples per pixel side.
FACTOR = 2
#: A pixel's samples lie at different depths through the slice, so that in-plane and through-plane partial volume come
#: for the price of one.
_DEPTH_PATTERN = np.array([[3, -1], [-3, 1]]) / 8.0
#: Coordinates with the patient's smooth warp are computed on this many knots a side and interpolated.
_WARP_KNOTS = 16


@dataclass(frozen=True)
class Plane:
    """Orientation of a slice.

    Attributes:
        centre: (3,) image centre in body coordinates, mm.
        right, down, normal: (3,) unit vectors in body coordinates along columns, rows and through plane.
    """

    centre: NDArray[np.float64]
    right: NDArray[np.float64]
    down: NDArray[np.float64]
    normal: NDArray[np.float64]


def view_plane(subject: Subject, view: str, rng: Rng, error_deg: float) -> Plane:
    """The slice an operator would set for a view, with his error in both angles and in position.

    In all views the image is turned as radiologists hang it: in `4ch` the patient's left is to the right, in `2ch` the
    back is to the right, in `sax` the RV is to the left.
    """
    u, v, w = subject.axes
    errors = np.deg2rad(error_deg) * rng.standard_normal(2).clip(-2, 2)
    offset = 2.0 * float(rng.standard_normal())
    if view == "4ch":
        normal, about, hang = v, (u, w), np.array([1.0, 0.0, 0.0])
        anchor = 0.75 * subject.lv_radius * u + 0.22 * subject.lv_length * w
    elif view == "2ch":
        turn = np.deg2rad(subject.two_chamber_deg)
        wall = np.cos(turn) * v + np.sin(turn) * u
        normal, about, hang = np.cross(wall, w), (wall, w), np.array([0.0, 1.0, 0.0])
        anchor = 0.25 * subject.lv_length * w
    else:
        normal, about, hang = w, (u, v), -u
        # The slice stays where it was planned at ED; the base moves through it.
        anchor = 0.6 * subject.lv_radius * u + subject.sax_level * subject.lv_length * w
    normal = normal + errors[0] * about[0] + (errors[1] if view == "sax" else 0.35 * errors[1]) * about[1]
    normal = normal / np.linalg.norm(normal)
    right = hang - (hang @ normal) * normal
    right /= np.linalg.norm(right)
    down = np.cross(normal, right)
    body_down = np.array([0.0, 1.0, 0.0]) if view == "4ch" else np.array([0.0, 0.0, -1.0])
    if down @ body_down < 0:
        down = -down
    angle = np.deg2rad(subject.rotation_deg + 4.0 * float(rng.standard_normal()))
    right, down = np.cos(angle) * right + np.sin(angle) * down, np.cos(angle) * down - np.sin(angle) * right
    centre = subject.base + anchor + (0.0 if view == "sax" else offset) * normal
    return Plane(centre - subject.shift[0] * right - subject.shift[1] * down, right, down, normal)


@lru_cache(maxsize=64)
def spline_matrix(samples: int, knots: int) -> Field:
    """(samples, knots) cubic B-spline weights over a unit interval, sampled at pixel centres."""
    at = (np.arange(samples) + 0.5) / samples * (knots - 3) + 1.0
    distance = np.abs(at[:, None] - np.arange(knots)[None])
    near = 2 / 3 - distance**2 + distance**3 / 2
    far = np.clip(2 - distance, 0, None) ** 3 / 6
    return np.where(distance < 1, near, far).astype(np.float32)


def smooth_field(rng: Rng, samples: int, extent_mm: float, pitch_mm: float) -> Field:
    """(samples, samples) smooth noise of about unit variance with grain `pitch_mm`; the same field at any `samples`."""
    knots = int(np.ceil(extent_mm / pitch_mm)) + 3
    matrix = spline_matrix(samples, knots)
    values = rng.standard_normal((knots, knots), dtype=np.float32)
    # A cubic B-spline keeps 0.479 of white noise's variance along each axis.
    return np.asarray(matrix @ values @ matrix.T, np.float32) * np.float32(1 / 0.479)


def plane_points(plane: Plane, fov_mm: float, knots: int) -> NDArray[np.float64]:
    """(3, knots, knots) body coordinates of the spline knots over an image."""
    along = ((np.arange(knots) - 1.0) / (knots - 3) - 0.5) * fov_mm
    return (
        plane.centre[:, None, None]
        + plane.down[:, None, None] * along[None, :, None]
        + plane.right[:, None, None] * along[None, None, :]
    )


class Grid:
    """Sample points of a slice: `FACTOR` x `FACTOR` per pixel, in body and heart coordinates.

    Attributes:
        body, heart: (3, n, n) float32, the coordinates below stacked.
        x, y, z: (n, n) float32, body coordinates in mm after the patient's warp.
        u, v, w: (n, n) float32, heart coordinates in mm.
        pixel_mm: side of an output pixel.
    """

    def __init__(self, plane: Plane, subject: Subject, image_size: int, fov_mm: float, slice_mm: float) -> None:
        self.pixel_mm = fov_mm / image_size
        self.plane, self.fov_mm = plane, fov_mm
        self.size = image_size * FACTOR
        self.base, self.axes = subject.base, subject.axes
        self._frame = tuple(
            (*axis.tolist(), -float(axis @ plane.centre)) for axis in (plane.normal, plane.down, plane.right)
        )
        points = plane_points(plane, fov_mm, _WARP_KNOTS)
        waves = np.tensordot(subject.warp_waves, points, axes=1) + subject.warp_phases[..., None, None]
        # A function of the body point, so that the heart is the same in all views.
        body = points + np.einsum("ij,ijkl->ikl", subject.warp_amplitudes, np.sin(waves))
        heart = np.tensordot(subject.axes, body - subject.base[:, None, None], axes=1)
        matrix = spline_matrix(self.size, _WARP_KNOTS)
        coordinates = matrix @ np.concatenate([body, heart]).astype(np.float32) @ matrix.T
        through = np.concatenate([plane.normal, subject.axes @ plane.normal]) * slice_mm
        for row, column in np.ndindex(FACTOR, FACTOR):
            depth = (through * _DEPTH_PATTERN[row, column]).astype(np.float32)
            coordinates[:, row::FACTOR, column::FACTOR] += depth[:, None, None]
        self.body, self.heart = coordinates[:3], coordinates[3:]
        self.x, self.y, self.z, self.u, self.v, self.w = coordinates

    def project(self, point: NDArray[np.float64]) -> tuple[float, float, float]:
        """Height over the slice, and position down and right of the image centre, mm, of a body point."""
        # Plain floats: for three numbers numpy's calls cost more than the arithmetic.
        x, y, z = point.tolist()
        normal, down, right = self._frame
        return (
            normal[0] * x + normal[1] * y + normal[2] * z + normal[3],
            down[0] * x + down[1] * y + down[2] * z + down[3],
            right[0] * x + right[1] * y + right[2] * z + right[3],
        )

    def box(self, top_mm: float, bottom_mm: float, left_mm: float, right_mm: float) -> tuple[slice, slice] | None:
        """Rows and columns of a rectangle given in mm from the image centre, or None outside the image."""
        scale, half = self.size / self.fov_mm, self.size / 2
        top, bottom = max(int(top_mm * scale + half), 0), min(int(bottom_mm * scale + half) + 2, self.size)
        left, right = max(int(left_mm * scale + half), 0), min(int(right_mm * scale + half) + 2, self.size)
        return (slice(top, bottom), slice(left, right)) if top < bottom and left < right else None

    def window(self, centre: NDArray[np.float64], radius: float) -> tuple[slice, slice] | None:
        """Rows and columns of a ball given in body coordinates, or None where the slice misses it."""
        height, row, column = self.project(centre)
        radius = radius + MARGIN_MM
        return None if abs(height) > radius else self.box(row - radius, row + radius, column - radius, column + radius)

    def heart_window(self, centre: tuple[float, float, float], radius: float) -> tuple[slice, slice] | None:
        """`window` for a ball given in heart coordinates."""
        return self.window(self.base + np.asarray(centre) @ self.axes, radius)
