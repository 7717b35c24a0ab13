"""The heart at one moment of the cycle, painted from the fat around it inwards; reference labels come from here.

Every chamber is one implicit function, so a wall or a fat layer is the same function at another level. Valve planes
close the chambers. Papillary muscles, trabeculae and moderator band are dark in the image and blood pool in the mask,
the convention of the Society for Cardiovascular Magnetic Resonance for volumes (Schulz-Menger et al., JCMR 2020;22:19).
"""

from __future__ import annotations

import numpy as np

from augbench.datasets.tof_phantom.canvas import Canvas
from augbench.datasets.tof_phantom.chambers import Moment, atria, left_ventricle, moment, right_ventricle
from augbench.datasets.tof_phantom.subject import Subject
from augbench.datasets.tof_phantom.tissue import Tissue

LV, MYO, RV, RA, LA = 1, 2, 3, 4, 5

_RV_WALL_MM = 3.0
_ATRIAL_WALL_MM = 1.8


def paint_heart(canvas: Canvas, subject: Subject, phase: float) -> None:
    """Heart, pericardial fat and coronary grooves over the thorax, with labels."""
    now = moment(subject, phase)
    grid = canvas.grid
    window = grid.heart_window(*_ball(subject))
    if window is None:
        return
    u, v, w = grid.u[window], grid.v[window], grid.w[window]
    epi, endo = left_ventricle(subject, now, u, v, w)
    rv = right_ventricle(subject, now, u, v, w)
    la, ra = atria(subject, now, u, v, w)
    coarse, fine = canvas.coarse[window], canvas.fine[window]
    above_tricuspid, above_mitral = w < now.tricuspid, w < now.mitral

    # Fat is patchy: thick over the right heart, next to none over the lateral wall.
    outside = np.minimum(np.minimum(epi, rv), np.minimum(la, ra) + 1.0)
    fat = np.maximum(subject.epicardial_fat * (0.55 + 0.012 * u + 0.75 * coarse), 0.0)
    canvas.paint(window, outside < fat + 1.5, Tissue.FIBROUS)
    canvas.paint(window, outside < fat, Tissue.FAT)
    _grooves(canvas, subject, now)
    _veins(canvas, subject, now)
    canvas.paint(window, np.minimum(la, ra) < _ATRIAL_WALL_MM, Tissue.MUSCLE)
    right_atrium = (ra < 0) & above_tricuspid & (la > _ATRIAL_WALL_MM)
    canvas.paint(window, right_atrium, Tissue.VENOUS_BLOOD, RA)
    left_atrium = (la < 0) & above_mitral
    canvas.paint(window, left_atrium, Tissue.ARTERIAL_BLOOD, LA)
    right = (rv < 0) & ~above_tricuspid
    rv_wall = (rv < _RV_WALL_MM + 1.5 * now.contraction) & (w > now.tricuspid - 2.0) & ~(left_atrium | right_atrium)
    canvas.paint(window, rv_wall, Tissue.MYOCARDIUM)
    canvas.paint(window, right, Tissue.VENOUS_BLOOD, RV)
    canvas.paint(window, (epi < 0) & ~above_mitral, Tissue.MYOCARDIUM, MYO)
    left = (endo < 0) & ~above_mitral
    canvas.paint(window, left, Tissue.ARTERIAL_BLOOD, LV)

    # Trabeculae cling to the RV free wall and apex, and to the LV towards the apex.
    apical = w * np.float32(subject.trabeculation / subject.lv_length)
    strands = fine + 0.4 * coarse
    rough = right & (strands > 1.9 - 1.1 * apical - 0.05 * np.maximum(rv + 14, 0))
    canvas.paint(window, rough, Tissue.TRABECULAE)
    rough = left & (strands > 2.0 - 1.3 * apical - 0.12 * np.maximum(endo, -12))
    canvas.paint(window, rough, Tissue.TRABECULAE)
    # Closed leaflets bow towards the atria, most in the middle.
    bow = 1.5 - np.square(coarse)
    leaflets = (np.abs(w - now.mitral + bow) < 0.6) & (left | left_atrium) & (fine > -0.4)
    leaflets |= (np.abs(w - now.tricuspid + bow) < 0.6) & (right | right_atrium) & (fine > -0.4)
    canvas.paint(window, leaflets, Tissue.TRABECULAE)
    _muscles(canvas, subject, now)


def _ball(subject: Subject) -> tuple[tuple[float, float, float], float]:
    """Centre in heart coordinates and radius in mm of a ball that holds the whole heart with its fat."""
    apex = subject.lv_length + subject.wall
    roof = -2.0 * float(max(subject.la[2], subject.ra[2]))
    epicardium = subject.lv_radius + subject.wall
    across = (0.5 * subject.rv_depth, 0.5 * subject.rv_depth + epicardium)
    radius = max(0.5 * (apex - roof), across[1]) + 1.5 * subject.epicardial_fat
    return (across[0], 0.0, 0.5 * (apex + roof)), radius


def _grooves(canvas: Canvas, subject: Subject, now: Moment) -> None:
    """Fat in the atrioventricular grooves with the right coronary artery and the coronary sinus in it."""
    size = subject.size
    width = 1.3 * subject.epicardial_fat + 2.5 * size
    septum = now.lv_radius + now.wall
    lateral = 0.86 * (subject.lv_radius + subject.wall + now.rv_depth)
    left, right = now.mitral - 3.0, now.tricuspid - 3.0
    # (start, end, radius, tissue): rings are short tubes, as a slice meets them across.
    tubes: list[tuple[tuple[float, float, float], tuple[float, float, float], float, Tissue]] = [
        ((lateral, -22, right), (lateral, 22, right), width + 2.5 * size, Tissue.FAT),
        ((-septum, -15, left), (-septum, 15, left), width, Tissue.FAT),
        ((-15, septum, left), (15, septum, left), width, Tissue.FAT),
        ((-15, -septum, left), (15, -septum, left), width, Tissue.FAT),
        ((lateral, -22, right), (lateral, 22, right), 2.1 * size, Tissue.VENOUS_BLOOD),
        # The bright dot under the left atrium in a two-chamber view.
        ((-15, septum, left - 1), (15, septum, left - 1), 3.4 * size, Tissue.VENOUS_BLOOD),
    ]
    for start, end, radius, tissue in tubes:
        tube = canvas.heart_tube(np.array(start), np.array(end), radius)
        if tube is not None:
            canvas.paint(*tube, tissue)


def _veins(canvas: Canvas, subject: Subject, now: Moment) -> None:
    """Pulmonary veins run from the left atrium to both lungs; they are not part of its mask."""
    grid, size = canvas.grid, subject.size
    centre = grid.base + np.array([0.0, 0.0, now.mitral - 0.9 * subject.la[2]]) @ grid.axes
    layers = ((1.2, Tissue.MUSCLE), (0.0, Tissue.ARTERIAL_BLOOD))
    directions = ((1.0, -6.0), (-1.0, -6.0), (1.0, 24.0), (-1.0, 24.0))
    for (side, up), tilt in zip(directions, subject.vein_tilt, strict=True):
        end = centre + size * np.array([side * 50.0, 18.0 + 0.4 * tilt, up + tilt])
        canvas.body_tube(centre, end, (4.8 + 0.04 * tilt) * size, layers)


def _muscles(canvas: Canvas, subject: Subject, now: Moment) -> None:
    """Papillary muscles of the LV and the RV's moderator band: dark in the image, blood pool in the mask."""
    length, radius = now.lv_apex - now.mitral, now.lv_radius
    thick = subject.papillary * (1 + 0.25 * now.contraction)
    tubes = []
    # Anterolateral and posteromedial papillary muscle.
    for angle in (-2.45, 1.95):
        side = np.array([np.cos(angle), np.sin(angle), 0.0])
        start = 0.74 * radius * side + np.array([0, 0, now.mitral + 0.42 * length])
        end = 0.72 * radius * side + np.array([0, 0, now.mitral + 0.72 * length])
        tubes.append((start, end, thick, LV))
    septum = radius + now.wall
    band = np.array([0.75 * septum, 2.0, now.tricuspid + 0.58 * (now.rv_apex - now.tricuspid)])
    tubes.append((band, band + np.array([0.25 * septum + 0.75 * now.rv_depth, 0.0, 9.0]), 0.5 * thick, RV))
    papillary = band + np.array([0.2 * septum + 0.5 * now.rv_depth, 6.0, -2.0])
    tubes.append((papillary, papillary + np.array([6.0, 4.0, 14.0]), 0.6 * thick, RV))
    for start, end, width, label in tubes:
        tube = canvas.heart_tube(start, end, width)
        if tube is not None:
            window, mask = tube
            canvas.paint(window, mask & (canvas.label[window] == label), Tissue.MYOCARDIUM)
