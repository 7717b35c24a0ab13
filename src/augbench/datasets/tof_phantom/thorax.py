"""What surrounds the heart: chest wall, lungs, diaphragm, liver, stomach, spine, great vessels."""

from __future__ import annotations

import numpy as np

from augbench.datasets.tof_phantom.canvas import Canvas
from augbench.datasets.tof_phantom.plane import Field
from augbench.datasets.tof_phantom.subject import Subject
from augbench.datasets.tof_phantom.tissue import Tissue

_ALL = (slice(None), slice(None))
_UP = np.array([0.0, 0.0, 1.0])
#: Longer than any field of view: vessels and spine run through the image.
_FAR_MM = 250.0


def paint_thorax(canvas: Canvas, subject: Subject) -> None:
    """Everything behind the heart, from the skin inwards."""
    _chest(canvas, subject)
    _abdomen(canvas, subject)
    _mediastinum(canvas, subject)
    _spine(canvas, subject)
    _great_vessels(canvas, subject)


def _chest(canvas: Canvas, subject: Subject) -> None:
    grid = canvas.grid
    wide = np.square(grid.x * np.float32(1 / subject.half_width))
    deep = np.square(grid.y * np.float32(1 / subject.half_depth))
    # A squircle (Fernandez-Guasti 1992): flatter front, back and sides than an ellipse.
    level = wide + deep - np.float32(subject.squareness) * wide * deep
    scale = subject.half_depth

    def depth(millimetres: float) -> float:
        return (1 - millimetres / scale) ** 2

    # The coarse noise field makes the layers' borders uneven by a few mm.
    inner = level + canvas.coarse * np.float32(3.0 / scale)
    fat, wall = depth(subject.fat), depth(subject.fat + subject.chest_wall)
    canvas.paint(_ALL, level < 1.0, Tissue.MUSCLE)
    canvas.paint(_ALL, level < depth(1.8), Tissue.FAT)
    canvas.paint(_ALL, inner < fat, Tissue.MUSCLE)
    _ribs(canvas, subject, inner, fat, wall)
    canvas.paint(_ALL, (inner < wall) & (canvas.coarse > 0.2), Tissue.FAT)
    cavity = inner < depth(subject.fat + subject.chest_wall + 2.0)
    canvas.paint(_ALL, cavity, Tissue.LUNG)
    canvas.paint(_ALL, cavity & (canvas.fine > 2.0), Tissue.VESSEL)


def _ribs(canvas: Canvas, subject: Subject, level: Field, fat: float, wall: float) -> None:
    """Ribs fall towards the front; between them lie muscle and thin sheets of fat."""
    grid, size = canvas.grid, subject.size
    inside = np.flatnonzero(((level < fat) & (level > wall)).ravel())
    depth = (level.ravel()[inside] - wall) / (fat - wall)
    x, y, z = grid.x.ravel()[inside], grid.y.ravel()[inside], grid.z.ravel()[inside]
    course = np.cos((z - 0.45 * y + 0.15 * np.abs(x)) * np.float32(2 * np.pi / (27.0 * size)))
    tissue = canvas.tissue.reshape(-1)
    sheet = (depth > 0.62) & (depth < 0.76) & (canvas.coarse.ravel()[inside] > 0.0)
    tissue[inside[sheet]] = Tissue.FAT
    tissue[inside[(course > 0.35) & (depth < 0.6)]] = Tissue.BONE
    tissue[inside[(course > 0.6) & (depth > 0.12) & (depth < 0.48)]] = Tissue.MARROW
    sternum = (np.abs(x) < 17 * size) & (y < 0) & (depth < 0.7)
    tissue[inside[sternum]] = Tissue.BONE
    tissue[inside[sternum & (np.abs(x) < 14 * size) & (depth > 0.12) & (depth < 0.58)]] = Tissue.MARROW


def _abdomen(canvas: Canvas, subject: Subject) -> None:
    """The two domes of the diaphragm with liver on the right and stomach and spleen on the left."""
    grid, size, top = canvas.grid, subject.size, subject.liver_top
    right = np.square(grid.x + 70 * size) + np.square(grid.y - 5)
    left = np.square(grid.x - 75 * size) + np.square(grid.y - 15)
    dome = np.maximum(
        top + 14 * size - right * np.float32(1 / (190 * size)), top - 10 * size - left * np.float32(1 / (150 * size))
    )
    depth = dome - grid.z
    below = ((canvas.tissue == Tissue.LUNG) | (canvas.tissue == Tissue.VESSEL)) & (depth > 0)
    if not below.any():
        return
    canvas.paint(_ALL, below, Tissue.MUSCLE)
    below &= depth > 3.0
    canvas.paint(_ALL, below, Tissue.LIVER)
    canvas.paint(_ALL, below & (np.abs(canvas.coarse) < 0.10) & (canvas.fine > 0.2), Tissue.VESSEL)
    side = below & (grid.x > 30 * size + 6 * canvas.coarse)
    canvas.paint(_ALL, side, Tissue.FAT)
    stomach = np.array([58.0, -8.0, 0.0]) * size + _UP * (top - 58 * size)
    spleen = np.array([98.0, 42.0, 0.0]) * size + _UP * (top - 62 * size)
    for centre, radius, tissue in ((stomach, 40 * size, Tissue.MUSCLE), (spleen, 42 * size, Tissue.SPLEEN)):
        window = grid.window(centre, radius)
        if window is None:
            continue
        squared = np.square(grid.x[window] - np.float32(centre[0])) + np.square(grid.y[window] - np.float32(centre[1]))
        squared += np.square(grid.z[window] - np.float32(centre[2]))
        inside = side[window] & (squared + 160 * size * canvas.coarse[window] < radius**2)
        canvas.paint(window, inside, tissue)
        if tissue == Tissue.MUSCLE:
            # In a supine patient gas rises to the front of the stomach.
            filled = inside & (squared < (0.85 * radius) ** 2)
            canvas.paint(window, filled, Tissue.SPLEEN)
            canvas.paint(window, filled & (grid.y[window] < np.float32(centre[1] - 8 * size)), Tissue.AIR)


def _mediastinum(canvas: Canvas, subject: Subject) -> None:
    """Connective tissue between heart and spine with the oesophagus."""
    grid, size, spine = canvas.grid, subject.size, subject.spine_depth
    middle = np.array([4.0 * size, spine / 2 + 6 * size, 0.0])
    long = 0.62 * spine + 6
    window = canvas.tube_window(middle - _FAR_MM * _UP, middle + _FAR_MM * _UP, max(long, 30 * size))
    if window is not None:
        level = np.square((grid.x[window] - np.float32(middle[0])) * np.float32(1 / (30 * size)))
        level += np.square((grid.y[window] - np.float32(middle[1])) * np.float32(1 / long))
        level += 0.12 * canvas.coarse[window]
        behind = canvas.tissue[window]
        inside = (level < 1.0) & ((behind == Tissue.LUNG) | (behind == Tissue.VESSEL))
        canvas.paint(window, inside, Tissue.MUSCLE)
        canvas.paint(window, inside & (canvas.coarse[window] > 0.1), Tissue.FAT)
    gullet = np.array([6.0 * size, spine - 24.0, 0.0])
    canvas.body_tube(
        gullet - _FAR_MM * _UP, gullet + _FAR_MM * _UP, 6.5 * size, ((0.0, Tissue.MUSCLE), (-4.5, Tissue.AIR))
    )


def _spine(canvas: Canvas, subject: Subject) -> None:
    """Vertebral bodies and discs, the canal with cord and fluid, the long muscles of the back."""
    grid, size, depth = canvas.grid, subject.size, subject.spine_depth
    middle = np.array([0.0, depth + 16 * size, 0.0])
    window = canvas.tube_window(middle - _FAR_MM * _UP, middle + _FAR_MM * _UP, 58 * size)
    if window is None:
        return
    x, y, z = np.abs(grid.x[window]), grid.y[window] - np.float32(depth), grid.z[window]
    muscle = np.square((x - 27 * size) * np.float32(1 / (24 * size))) + np.square(
        (y - 30 * size) * np.float32(1 / (17 * size))
    )
    behind = canvas.tissue[window]
    inside = (behind != Tissue.AIR) & (muscle < 1.25)
    canvas.paint(window, inside, Tissue.FAT)
    canvas.paint(window, inside & (muscle < 1.0) & (canvas.coarse[window] < 1.2), Tissue.MUSCLE)
    body = np.square(x * np.float32(1 / (19 * size))) + np.square(y * np.float32(1 / (15.5 * size)))
    canvas.paint(window, body < 1.18, Tissue.BONE)
    canvas.paint(window, body < 0.88, Tissue.MARROW)
    disc = np.mod(z, np.float32(31 * size)) < 6 * size
    canvas.paint(window, (body < 0.88) & disc, Tissue.FIBROUS)
    canal = np.array([0.0, depth + 25 * size, 0.0])
    layers = ((3.5, Tissue.BONE), (0.0, Tissue.FLUID), (-3.8, Tissue.SPLEEN))
    canvas.body_tube(canal - _FAR_MM * _UP, canal + _FAR_MM * _UP, 8.5 * size, layers)
    spinous = canal + np.array([0.0, 12 * size, 0.0])
    canvas.body_tube(spinous, spinous + np.array([0.0, 16 * size, -12.0]), 4 * size, ((0.0, Tissue.BONE),))


def _great_vessels(canvas: Canvas, subject: Subject) -> None:
    """Aorta, pulmonary arteries, caval veins and azygos."""
    size, radius, base = subject.size, subject.aorta_radius, subject.base
    arterial = ((1.6, Tissue.MUSCLE), (0.0, Tissue.ARTERIAL_BLOOD))
    venous = ((1.2, Tissue.MUSCLE), (0.0, Tissue.VENOUS_BLOOD))
    descending = np.array([22.0 * size, subject.spine_depth - 20.0 * size, 0.0])
    arch = descending + 85 * size * _UP
    root = base + size * np.array([-16.0, -22.0, 12.0])
    ascending = root + size * np.array([-6.0, -4.0, 62.0])
    canvas.body_tube(descending - _FAR_MM * _UP, arch, radius, arterial)
    canvas.body_tube(ascending, arch, radius * 1.1, arterial)
    canvas.body_tube(root, ascending, radius * 1.35, arterial)
    # The pulmonary arteries run over the roof of the left atrium.
    trunk = base + size * np.array([4.0, -24.0, 48.0])
    canvas.body_tube(trunk, base + size * np.array([48.0, 32.0, 44.0]), 11.0 * size, venous)
    canvas.body_tube(trunk, base + size * np.array([-62.0, 18.0, 38.0]), 10.0 * size, venous)
    azygos = np.array([-8.0 * size, subject.spine_depth - 19.0 * size, 0.0])
    canvas.body_tube(azygos - _FAR_MM * _UP, azygos + 60 * _UP, 3.5 * size, ((0.0, Tissue.VENOUS_BLOOD),))
    cava = base + size * np.array([-48.0, 8.0, 0.0])
    canvas.body_tube(cava - _FAR_MM * _UP, cava - 30 * size * _UP, 11.0 * size, venous)
    upper = cava + np.array([0.0, -8.0, 25 * size])
    canvas.body_tube(upper, upper + _FAR_MM * _UP, 8.5 * size, venous)
