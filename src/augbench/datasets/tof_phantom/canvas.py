"""A slice being painted: tissue and label maps, later structures over earlier ones."""

from __future__ import annotations

from copy import copy

import numpy as np
from numpy.typing import NDArray

from augbench.core.seeding import Rng
from augbench.datasets.tof_phantom.plane import MARGIN_MM, Field, Grid, smooth_field
from augbench.datasets.tof_phantom.tissue import Tissue

Window = tuple[slice, slice]
Mask = NDArray[np.bool_]


class Canvas:
    """Maps on the sample grid.

    Attributes:
        grid: where the samples lie.
        tissue: (n, n) uint8, values of `Tissue`.
        label: (n, n) uint8, 0 background, 1..5 as LV, MYO, RV, RA, LA.
        coarse, fine: (n, n) smooth noise of unit variance, grains of about 16 and 5 mm.
    """

    def __init__(self, grid: Grid, rng: Rng) -> None:
        self.grid = grid
        self.tissue = np.zeros((grid.size, grid.size), np.uint8)
        self.label = np.zeros((grid.size, grid.size), np.uint8)
        self.coarse: Field = smooth_field(rng, grid.size, grid.fov_mm, 16.0)
        self.fine: Field = smooth_field(rng, grid.size, grid.fov_mm, 4.5)

    def copy(self) -> Canvas:
        """Maps of its own, over the same grid and noise."""
        twin = copy(self)
        twin.tissue, twin.label = self.tissue.copy(), self.label.copy()
        return twin

    def paint(self, window: Window, mask: Mask, tissue: Tissue, label: int | None = None) -> None:
        """Set the tissue (and the label) where `mask`, which covers `window` only."""
        np.copyto(self.tissue[window], np.uint8(tissue), where=mask)
        if label is not None:
            np.copyto(self.label[window], np.uint8(label), where=mask)

    def body_tube(
        self,
        start: NDArray[np.float64],
        end: NDArray[np.float64],
        radius: float,
        layers: tuple[tuple[float, Tissue], ...],
    ) -> None:
        """A rounded tube in body coordinates, `layers` being (extra radius in mm, tissue) from the outside in."""
        window = self.tube_window(start, end, radius)
        if window is None:
            return
        squared = _squared_distance(self.grid.body[:, *window], start, end)
        for extra, tissue in layers:
            self.paint(window, squared < (radius + extra) ** 2, tissue)

    def heart_tube(
        self, start: NDArray[np.float64], end: NDArray[np.float64], radius: float
    ) -> tuple[Window, Mask] | None:
        """Window and mask of a tube in heart coordinates, or None where the slice misses it."""
        grid = self.grid
        window = self.tube_window(grid.base + start @ grid.axes, grid.base + end @ grid.axes, radius)
        if window is None:
            return None
        return window, _squared_distance(grid.heart[:, *window], start, end) < radius**2

    def tube_window(self, start: NDArray[np.float64], end: NDArray[np.float64], radius: float) -> Window | None:
        """Rows and columns of the part of a tube near the slice, or None where it misses it."""
        low, row_low, column_low = self.grid.project(start)
        high, row_high, column_high = self.grid.project(end)
        reach = radius + MARGIN_MM
        if min(low, high) > reach or max(low, high) < -reach:
            return None
        near, far = 0.0, 1.0
        if abs(high - low) > 1e-6:
            cuts = (-reach - low) / (high - low), (reach - low) / (high - low)
            near, far = max(min(cuts), 0.0), min(max(cuts), 1.0)
        rows = row_low + near * (row_high - row_low), row_low + far * (row_high - row_low)
        columns = column_low + near * (column_high - column_low), column_low + far * (column_high - column_low)
        return self.grid.box(min(rows) - reach, max(rows) + reach, min(columns) - reach, max(columns) + reach)


def _squared_distance(points: Field, start: NDArray[np.float64], end: NDArray[np.float64]) -> Field:
    """Squared distance in mm2 of points (3, rows, columns) to a segment, (rows, columns)."""
    shifted = (points - start.astype(np.float32)[:, None, None]).reshape(3, -1)
    axis = (end - start).astype(np.float32)
    along = (axis / max(float(axis @ axis), 1e-6)) @ shifted
    np.maximum(along, 0, out=along)
    np.minimum(along, 1, out=along)
    shifted -= axis[:, None] * along
    return np.einsum("ij,ij->j", shifted, shifted).reshape(points.shape[1:])
