"""The patient: one draw of body, heart and contraction, from which every view and phase is cut.

Lengths are in mm in body coordinates: x to the patient's left, y to the back, z to the head; the origin lies on the
midline at half depth of the chest, at the height of the mitral valve. Heart coordinates (u, v, w): w runs along the LV
axis from the mitral valve to the apex, u from the LV to the RV, v to the inferior wall.

Sizes of repaired Tetralogy of Fallot: RV end-diastolic volume 154 +- 53 (patch) and 133 +- 51 (conduit) ml/m2, RV
ejection fraction 50 +- 9 %, over 300 SSFP examinations (JMRI 2007;26:934-940). The LV and its wall have
the size of healthy adults (Kawel-Boehm et al., JCMR 2015;17:29), with a septum flattened by the volume-loaded RV (Geva,
JCMR 2011;13:9).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from augbench.core.seeding import Rng
from augbench.datasets.tof_phantom.sites import Site

#: Mean directions in body coordinates: LV base to apex (left, forward, down), and LV to RV (right, forward, down).
_APEX_DIRECTION = np.array([0.62, -0.62, -0.48])
_RV_DIRECTION = np.array([-0.70, -0.58, -0.30])


@dataclass(frozen=True)
class Subject:
    """One patient; lengths in mm, at end-diastole unless said otherwise.

    Attributes:
        size: factor on all lengths (body surface area ~ size**2).
        half_width, half_depth, squareness: the chest's cross-section, a squircle.
        fat, chest_wall: thickness of subcutaneous fat and of muscle and ribs.
        axes: (3, 3), rows u, v, w in body coordinates.
        base: mitral valve centre in body coordinates.
        lv_radius, lv_length, wall: LV cavity at mid-level, cavity length, wall thickness.
        septal_flattening: 0 round to 0.6 D-shaped; wall_asymmetry: septum against free wall.
        rv_depth, rv_height, rv_reach: RV depth beyond the septum, half height over the LV's outer radius, length
            over the LV's.
        la, ra: half axes (u, v, w) of the atria.
        lv_shortening, rv_shortening: radial shortening from ED to ES as a fraction.
        mapse, tapse: descent of mitral and tricuspid valve from ED to ES.
        epicardial_fat: thickness; trabeculation: density factor; papillary: radius of the papillary muscles.
        sax_level: height of the short-axis slice, 0 mitral valve to 1 apex.
        liver_top, spine_depth, aorta_radius: chest anatomy; vein_tilt: rise of the four pulmonary veins over 50 mm.
        warp_amplitudes, warp_waves, warp_phases: smooth irregularity of all shapes as a sum of sines: (3, 2) mm,
            (3, 2, 3) wave vectors, (3, 2).
        two_chamber_deg: angle of the 2ch plane against the inferior direction.
        blood_factor, fat_factor, liver_factor: patient's signal relative to the equation (haematocrit, T1, T2, inflow).
        noise, blur, flip_deg, coil_depth, coil_floor, off_resonance, b1_dip: this examination.
        rotation_deg, shift: of the field of view (right, down).
    """

    size: float
    half_width: float
    half_depth: float
    squareness: float
    fat: float
    chest_wall: float
    axes: NDArray[np.float64]
    base: NDArray[np.float64]
    lv_radius: float
    lv_length: float
    wall: float
    septal_flattening: float
    wall_asymmetry: float
    rv_depth: float
    rv_height: float
    rv_reach: float
    la: NDArray[np.float64]
    ra: NDArray[np.float64]
    lv_shortening: float
    rv_shortening: float
    mapse: float
    tapse: float
    epicardial_fat: float
    trabeculation: float
    papillary: float
    sax_level: float
    liver_top: float
    spine_depth: float
    vein_tilt: NDArray[np.float64]
    aorta_radius: float
    warp_amplitudes: NDArray[np.float64]
    warp_waves: NDArray[np.float64]
    warp_phases: NDArray[np.float64]
    two_chamber_deg: float
    blood_factor: float
    fat_factor: float
    liver_factor: float
    noise: float
    blur: float
    flip_deg: float
    coil_depth: float
    coil_floor: float
    off_resonance: float
    b1_dip: float
    rotation_deg: float
    shift: NDArray[np.float64]


def _normal(rng: Rng, mean: float, sd: float) -> float:
    """A normal draw cut at 2.3 sd: rare extremes would be other diseases."""
    return mean + sd * min(max(rng.standard_normal(), -2.3), 2.3)


def _axes(rng: Rng) -> NDArray[np.float64]:
    w = _APEX_DIRECTION + np.array([_normal(rng, 0, 0.13), _normal(rng, 0, 0.10), _normal(rng, 0, 0.17)])
    w /= np.linalg.norm(w)
    u = _RV_DIRECTION + 0.13 * rng.standard_normal(3).clip(-2, 2)
    u -= (u @ w) * w
    u /= np.linalg.norm(u)
    return np.stack([u, np.cross(w, u), w])


def _front(
    base: NDArray[np.float64],
    axes: NDArray[np.float64],
    epicardium: float,
    lv_length: float,
    rv_depth: float,
    rv_height: float,
) -> float:
    """How far the RV or the LV's apex reaches to the front of the body's middle, in mm."""
    u, v, w = axes[:, 1]
    bulge = np.hypot((0.58 * epicardium + rv_depth) * u, rv_height * epicardium * v)
    right = base[1] + 0.25 * lv_length * w + 0.42 * epicardium * u - bulge
    return -float(min(right, base[1] + 1.05 * lv_length * w))


def draw_subject(rng: Rng, site: Site) -> Subject:
    """A patient of a site; the order of the draws is part of the data's definition."""
    size = _normal(rng, *site.size)
    fat = max(4.0, _normal(rng, *site.fat_mm))
    axes = _axes(rng)
    build = _normal(rng, 1.0, 0.05)
    base = size * np.array([_normal(rng, 18, 6), _normal(rng, 3, 4), 0.0])
    # RV volume spreads widely (coefficient of variation 0.35), so its depth is drawn log-normally.
    dilation = site.rv_dilation * float(np.exp(_normal(rng, 0.0, 0.19)))
    lv_radius = size * _normal(rng, 26.0, 2.0)
    lv_length = size * _normal(rng, 86.0, 6.0)
    wall = size * _normal(rng, 7.4, 1.1)
    rv_depth = size * 51.0 * dilation
    rv_height = _normal(rng, 1.31, 0.09) * dilation**0.5
    chest_wall = size * _normal(rng, 15.0, 2.5)
    # The sternum yields to a large RV, which lies against it.
    front = _front(base, axes, lv_radius + wall, lv_length, rv_depth, rv_height)
    half_depth = max(size * (95.0 / build) + 0.7 * fat, front + 3.0 + fat + chest_wall)
    atria = size * _normal(rng, 1.0, 0.08)
    return Subject(
        size=size,
        half_width=size * 162.0 * build + fat,
        half_depth=half_depth,
        squareness=_normal(rng, 0.45, 0.12),
        fat=fat,
        chest_wall=chest_wall,
        axes=axes,
        base=base,
        lv_radius=lv_radius,
        lv_length=lv_length,
        wall=wall,
        septal_flattening=max(0.0, _normal(rng, 0.25, 0.14)),
        wall_asymmetry=_normal(rng, 0.0, 0.10),
        rv_depth=rv_depth,
        rv_height=rv_height,
        rv_reach=_normal(rng, 0.97, 0.07),
        la=atria * np.array([_normal(rng, 23, 2.5), _normal(rng, 24, 2.5), _normal(rng, 29, 3)]),
        ra=atria * np.array([_normal(rng, 26, 3), _normal(rng, 27, 3), _normal(rng, 30, 3)]),
        lv_shortening=_normal(rng, 0.27, 0.045),
        rv_shortening=_normal(rng, 0.26, 0.045),
        mapse=size * _normal(rng, 12.0, 2.0),
        tapse=size * _normal(rng, 14.0, 3.0),
        epicardial_fat=max(1.5, _normal(rng, 3.0 + 0.08 * fat, 1.3)),
        trabeculation=_normal(rng, 1.0, 0.25),
        papillary=size * _normal(rng, 4.7, 0.7),
        sax_level=float(rng.uniform(0.25, 0.62)),
        liver_top=size * _normal(rng, -46.0, 11.0),
        vein_tilt=rng.normal(0.0, 16.0, 4).clip(-30, 30),
        spine_depth=half_depth - fat - size * _normal(rng, 46.0, 4.0),
        aorta_radius=size * _normal(rng, 11.0, 1.3),
        warp_amplitudes=size * np.array([3.0, 2.0]) * rng.uniform(0.6, 1.4, (3, 2)),
        warp_waves=rng.standard_normal((3, 2, 3)).clip(-2, 2) * (2 * np.pi / size) / np.array([[150.0], [75.0]]),
        warp_phases=rng.uniform(0, 2 * np.pi, (3, 2)),
        two_chamber_deg=_normal(rng, 12.0, 9.0),
        blood_factor=_normal(rng, 1.0, 0.12),
        fat_factor=_normal(rng, 1.0, 0.18),
        liver_factor=_normal(rng, 1.0, 0.20),
        noise=max(0.3 * site.noise[0], _normal(rng, *site.noise)),
        blur=max(0.4, _normal(rng, *site.blur_mm)),
        flip_deg=_normal(rng, *site.flip_deg),
        coil_depth=max(25.0, _normal(rng, *site.coil_depth_mm)),
        coil_floor=float(np.clip(_normal(rng, *site.coil_floor), 0.1, 1.0)),
        off_resonance=_normal(rng, *site.banding),
        b1_dip=site.b1_dip * float(rng.uniform(0.5, 1.5)),
        rotation_deg=_normal(rng, *site.rotation_deg),
        shift=np.array([_normal(rng, site.shift_mm[0], site.shift_mm[2]), _normal(rng, *site.shift_mm[1:])]),
    )
