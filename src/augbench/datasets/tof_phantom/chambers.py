"""Shapes of the four chambers as implicit functions of heart coordinates, in mm and negative inside.

Values are signed distances near the surface, which is where walls and fat layers are read off them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from augbench.datasets.tof_phantom.plane import Field
from augbench.datasets.tof_phantom.subject import Subject

#: Height, as a share of the LV's length, at which it is widest.
_WIDEST = 0.30


@dataclass(frozen=True)
class Moment:
    """Sizes in mm of a subject's heart at a moment of the cycle.

    Attributes:
        mitral, tricuspid: heights w of the valve planes.
        lv_radius, wall: LV cavity at its widest and wall thickness.
        lv_apex, rv_apex: heights of the cavities' ends.
        rv_depth, rv_height: depth of the RV beyond the septum and its half height.
        atria: factor on the half axes of both atria.
        contraction: 0 at ED to 1 at ES.
    """

    mitral: float
    tricuspid: float
    lv_radius: float
    wall: float
    lv_apex: float
    rv_apex: float
    rv_depth: float
    rv_height: float
    atria: float
    contraction: float


def moment(subject: Subject, phase: float) -> Moment:
    """The heart at `phase`, 0 = ED to 1 = ES; the apex stays, the base descends, the LV wall keeps its volume."""
    c = 0.5 - 0.5 * float(np.cos(np.pi * phase))
    mitral = c * subject.mapse
    radius = subject.lv_radius * (1 - c * subject.lv_shortening)
    epicardium = subject.lv_radius + subject.wall
    ring = epicardium**2 - subject.lv_radius**2
    wall = -radius + float(np.sqrt(radius**2 + ring * subject.lv_length / (subject.lv_length - mitral)))
    return Moment(
        mitral=mitral,
        # The septal leaflet inserts a little closer to the apex than the mitral valve.
        tricuspid=0.06 * subject.lv_length + c * subject.tapse,
        lv_radius=radius,
        wall=wall,
        lv_apex=subject.lv_length - 0.3 * (wall - subject.wall),
        rv_apex=(subject.rv_reach - 0.02 * c) * subject.lv_length,
        rv_depth=subject.rv_depth * (1 - c * subject.rv_shortening),
        rv_height=subject.rv_height * epicardium * (1 - 0.5 * c * subject.rv_shortening),
        atria=1 + 0.16 * c,
        contraction=c,
    )


def left_ventricle(subject: Subject, now: Moment, u: Field, v: Field, w: Field) -> tuple[Field, Field]:
    """Epicardium (ending at the valve) and endocardium of the LV."""
    # A volume-loaded RV flattens the septum, most at end-diastole.
    flat = subject.septal_flattening * (1 - 0.6 * now.contraction)
    septal = np.maximum(u, 0)
    radius = np.sqrt(u * u + v * v + np.float32(flat) * septal * septal)
    cavity = _profile(w, now.mitral, now.lv_apex, 0.22)
    endo = radius - np.float32(now.lv_radius) * np.sqrt(np.maximum(cavity, 0))
    endo -= 30 * np.minimum(cavity, 0)
    # The wall thins towards the apex, where the cavity ends before the epicardium does.
    outline = _profile(w, now.mitral, now.lv_apex + 0.75 * now.wall, 0.16)
    asymmetry = np.float32(now.wall * subject.wall_asymmetry) * u / (radius + 8.0)
    epi = radius - (np.float32(now.lv_radius + now.wall) + asymmetry) * np.sqrt(np.maximum(outline, 0))
    epi -= 30 * np.minimum(outline, 0)
    return np.maximum(epi, now.mitral - w), endo


def right_ventricle(subject: Subject, now: Moment, u: Field, v: Field, w: Field) -> Field:
    """Cavity of the RV, ending at the valve. It wraps the septum: the LV is to be painted over it."""
    epicardium = subject.lv_radius + subject.wall
    tau = (w - np.float32(now.tricuspid)) * np.float32(1 / (now.rv_apex - now.tricuspid))
    beyond = np.maximum(tau - 0.15, 0) * np.float32(1 / 0.85)
    # Between a cone and an ellipsoid: triangular in a four-chamber view.
    before = np.minimum(tau - 0.15, 0) * np.float32(1 / 0.15)
    profile = 1 - beyond * (0.2 + 0.8 * beyond) - np.float32(0.3) * before * before
    shape = np.sqrt(np.maximum(profile, 0)) + np.float32(1e-3)
    across = u / shape - np.float32(0.42 * epicardium)
    free = np.maximum(across, 0) * np.float32(1 / (0.58 * epicardium + now.rv_depth))
    septal = np.minimum(across, 0) * np.float32(1 / (0.70 * epicardium))
    high = (v / shape + np.float32(0.10 * epicardium)) * np.float32(1 / now.rv_height)
    level = np.sqrt(free * free + septal * septal + high * high)
    distance = (level - 1) * shape * np.float32(0.8 * now.rv_height)
    distance -= 40 * np.minimum(profile, 0)
    return np.maximum(distance, now.tricuspid - w)


def atria(subject: Subject, now: Moment, u: Field, v: Field, w: Field) -> tuple[Field, Field]:
    """Left and right atrium as ellipsoids; the valve planes are to be applied by the caller."""
    left, right = subject.la * now.atria, subject.ra * now.atria
    middle = 0.05 * subject.lv_radius
    la = _ellipsoid(u, v, w, (-0.10 * subject.lv_radius, middle, now.mitral - 0.72 * left[2]), left)
    across = subject.la[0] + subject.ra[0] - 2.0
    ra = _ellipsoid(u, v, w, (across, middle, now.tricuspid - 0.74 * right[2]), right)
    return la, ra


def _ellipsoid(u: Field, v: Field, w: Field, centre: tuple[float, float, float], half: np.ndarray) -> Field:
    squared = np.square((u - np.float32(centre[0])) * np.float32(1 / half[0]))
    squared += np.square((v - np.float32(centre[1])) * np.float32(1 / half[1]))
    squared += np.square((w - np.float32(centre[2])) * np.float32(1 / half[2]))
    return (np.sqrt(squared, out=squared) - 1) * np.float32(half.min())


def _profile(height: Field, base: float, apex: float, basal_taper: float) -> Field:
    """Squared relative radius of the LV along its axis: 1 at the widest, 0 or less beyond the apex."""
    tau = (height - np.float32(base)) * np.float32(1 / (apex - base)) - np.float32(_WIDEST)
    apical = np.maximum(tau, 0)
    basal = tau - apical
    return (
        1 - apical * apical * np.float32(1 / (1 - _WIDEST) ** 2) - basal * basal * np.float32(basal_taper / _WIDEST**2)
    )


def volumes_ml(subject: Subject, phase: float, step_mm: float = 2.5) -> dict[str, float]:
    """Volumes of LV cavity, LV wall (`MYO`) and RV cavity in ml, by counting points `step_mm` apart; no warp."""
    now = moment(subject, phase)
    reach = subject.lv_radius + 2 * subject.wall
    axes = (
        np.arange(-reach, reach + subject.rv_depth, step_mm, dtype=np.float32),
        np.arange(-1.8 * reach, 1.8 * reach, step_mm, dtype=np.float32),
        np.arange(0.0, subject.lv_length + 3 * subject.wall, step_mm, dtype=np.float32),
    )
    u, v, w = np.meshgrid(*axes, indexing="ij")
    epi, endo = left_ventricle(subject, now, u, v, w)
    rv = right_ventricle(subject, now, u, v, w)
    cavity = (endo < 0) & (w > now.mitral)
    counts = {"LV": cavity, "MYO": (epi < 0) & ~cavity, "RV": (rv < 0) & (epi > 0)}
    return {name: float(np.count_nonzero(inside)) * step_mm**3 / 1000 for name, inside in counts.items()}
