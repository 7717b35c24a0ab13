"""The three sites: everything in which scanners, protocols, operators and patients differ, in one place.

The strength of the domain shift is set here and nowhere else. `main` trains; `development` is chosen on; `external` is
scored once. Development and external differ from main about as much as each other, but in other ways.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Site:
    """Protocol, scanner and referral population of one hospital.

    Pairs are (mean, sd) over patients unless said otherwise.

    Attributes:
        field_t, tr_ms, te_ms, flip_deg: for the bSSFP equation; the flip angle has a patient-level sd (B1).
        fov_mm: side of the square image; spacing follows from the image size.
        slice_mm: slice thickness, averaged through plane.
        resolution_mm: acquired (readout, phase-encoding) resolution; k-space ends there if pixels are smaller.
        apodisation: share of k-space that the window rolls off, in [0, 1].
        blur_mm: sd of the in-plane point spread by motion and breathing.
        noise: sd of each noise channel relative to the blood signal at 2 mm pixels; ~ pixel**-0.5 elsewhere.
        coil_depth_mm: depth at which the anterior coil's sensitivity has fallen to 1/e.
        coil_floor: sensitivity far from the anterior coil relative to its surface, in [0, 1].
        coil_posterior: weight of the posterior coil relative to the anterior one.
        b1_dip: relative loss of signal in the middle of the chest (dielectric effect, 3 T).
        banding: (mean, sd) of the off-resonance across the chest in units of 1/TR: dark bands at +-0.5.
        shading: sd of a random smooth multiplicative field.
        rotation_deg: in-plane rotation of the field of view.
        shift_mm: right and down shift of the heart off the image centre (mean right, mean down, sd).
        plane_error_deg: sd of the operator's error in each angle of the slice.
        fat_mm: subcutaneous fat.
        size: factor on the body and all organs.
        rv_dilation: factor on the depth of the right ventricle.
        ghosting: amplitude of a breathing ghost along phase encoding, relative to the image.
    """

    name: str
    field_t: float
    tr_ms: float
    te_ms: float
    flip_deg: tuple[float, float]
    fov_mm: float
    slice_mm: float
    resolution_mm: tuple[float, float]
    apodisation: float
    blur_mm: tuple[float, float]
    noise: tuple[float, float]
    coil_depth_mm: tuple[float, float]
    coil_floor: tuple[float, float]
    coil_posterior: float
    b1_dip: float
    banding: tuple[float, float]
    shading: float
    rotation_deg: tuple[float, float]
    shift_mm: tuple[float, float, float]
    plane_error_deg: float
    fat_mm: tuple[float, float]
    size: tuple[float, float]
    rv_dilation: float
    ghosting: float


MAIN = Site(
    name="main",
    field_t=1.5,
    tr_ms=3.0,
    te_ms=1.5,
    flip_deg=(60.0, 4.0),
    fov_mm=205.0,
    slice_mm=7.0,
    resolution_mm=(1.6, 2.0),
    apodisation=0.3,
    blur_mm=(1.0, 0.25),
    noise=(0.020, 0.007),
    coil_depth_mm=(80.0, 15.0),
    coil_floor=(0.50, 0.07),
    coil_posterior=0.6,
    b1_dip=0.0,
    banding=(0.0, 0.06),
    shading=0.13,
    rotation_deg=(0.0, 10.0),
    shift_mm=(0.0, 0.0, 7.0),
    plane_error_deg=4.0,
    fat_mm=(16.0, 7.0),
    size=(1.0, 0.08),
    rv_dilation=1.0,
    ghosting=0.01,
)

DEVELOPMENT = Site(
    name="development",
    field_t=1.5,
    tr_ms=3.78,
    te_ms=1.89,
    flip_deg=(47.0, 5.3),
    fov_mm=223.0,
    slice_mm=8.3,
    resolution_mm=(1.99, 2.78),
    apodisation=0.495,
    blur_mm=(1.39, 0.315),
    noise=(0.0395, 0.0135),
    coil_depth_mm=(56.6, 11.1),
    coil_floor=(0.344, 0.07),
    coil_posterior=0.405,
    b1_dip=0.0,
    banding=(0.0, 0.086),
    shading=0.137,
    rotation_deg=(13.0, 12.6),
    shift_mm=(6.5, -5.2, 9.6),
    plane_error_deg=5.3,
    fat_mm=(19.2, 7.65),
    size=(0.948, 0.093),
    rv_dilation=0.935,
    ghosting=0.023,
)

EXTERNAL = Site(
    name="external",
    field_t=3.0,
    tr_ms=3.26,
    te_ms=1.56,
    flip_deg=(44.4, 5.3),
    fov_mm=217.0,
    slice_mm=6.35,
    resolution_mm=(1.47, 1.94),
    apodisation=0.105,
    blur_mm=(0.935, 0.289),
    noise=(0.0525, 0.0187),
    coil_depth_mm=(67.0, 13.7),
    coil_floor=(0.396, 0.083),
    coil_posterior=0.73,
    b1_dip=0.234,
    banding=(0.039, 0.086),
    shading=0.149,
    rotation_deg=(-11.7, 12.6),
    shift_mm=(-6.5, 5.2, 9.6),
    plane_error_deg=5.3,
    fat_mm=(14.1, 7.0),
    size=(1.04, 0.093),
    rv_dilation=1.06,
    ghosting=0.0165,
)

SITES = {site.name: site for site in (MAIN, DEVELOPMENT, EXTERNAL)}
