"""Tissues and their signal in balanced steady-state free precession (bSSFP) cine MR.

T1 and T2 at 1.5 and 3 tesla:

- blood, myocardium, skeletal muscle: Stanisz et al., Magn Reson Med 2005;54:507 (blood 1441/290 and 1932/275 ms,
  heart 1030/40 and 1471/47 ms, skeletal muscle 1008/44 and 1412/50 ms).
- fat, liver, spleen, bone marrow: de Bazelaire et al., Radiology 2004;230:652.
- venous blood: the T1 of arterial blood and the shorter T2 of about 70% oxygen saturation: Wright et al., JMRI
  1991;1:275.
- lung: Stadler et al., JMRI 2005;21:759 (T1 at 1.5 T); its proton density is that of inflated lung.

Proton densities are relative to blood. Cortical bone and air give next to no signal.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray


class Tissue(IntEnum):
    """Values of a tissue map; 0 must be air."""

    AIR = 0
    LUNG = 1
    FAT = 2
    MUSCLE = 3
    MYOCARDIUM = 4
    ARTERIAL_BLOOD = 5
    VENOUS_BLOOD = 6
    LIVER = 7
    SPLEEN = 8
    MARROW = 9
    BONE = 10
    FLUID = 11
    FIBROUS = 12
    VESSEL = 13
    TRABECULAE = 14


@dataclass(frozen=True)
class Relaxation:
    """T1 and T2 in ms at (1.5 T, 3 T), and proton density relative to blood in [0, 1]."""

    t1_ms: tuple[float, float]
    t2_ms: tuple[float, float]
    density: float


RELAXATION: dict[Tissue, Relaxation] = {
    Tissue.AIR: Relaxation((1000.0, 1000.0), (100.0, 100.0), 0.0),
    Tissue.LUNG: Relaxation((1200.0, 1300.0), (40.0, 30.0), 0.12),
    Tissue.FAT: Relaxation((343.0, 382.0), (58.0, 68.0), 0.95),
    Tissue.MUSCLE: Relaxation((1008.0, 1412.0), (44.0, 50.0), 0.70),
    Tissue.MYOCARDIUM: Relaxation((1030.0, 1471.0), (40.0, 47.0), 0.88),
    Tissue.ARTERIAL_BLOOD: Relaxation((1441.0, 1932.0), (290.0, 275.0), 1.00),
    Tissue.VENOUS_BLOOD: Relaxation((1441.0, 1932.0), (210.0, 170.0), 1.00),
    Tissue.LIVER: Relaxation((586.0, 809.0), (46.0, 34.0), 0.70),
    Tissue.SPLEEN: Relaxation((1057.0, 1328.0), (79.0, 61.0), 0.80),
    Tissue.MARROW: Relaxation((549.0, 586.0), (49.0, 49.0), 0.45),
    Tissue.BONE: Relaxation((1000.0, 1000.0), (10.0, 10.0), 0.10),
    Tissue.FLUID: Relaxation((4000.0, 4000.0), (1500.0, 1200.0), 1.00),
    Tissue.FIBROUS: Relaxation((1000.0, 1200.0), (25.0, 22.0), 0.60),
    # Vessels of lung and liver are thinner than a voxel is thick: blood diluted by its surroundings.
    Tissue.VESSEL: Relaxation((1441.0, 1932.0), (190.0, 150.0), 0.55),
    # A sponge of blood and thin muscle strands: between the two.
    Tissue.TRABECULAE: Relaxation((1250.0, 1700.0), (95.0, 90.0), 0.90),
}

#: Relative sd of the texture inside a tissue, as (fine, coarse) with grains of about 5 and 16 mm: flow in blood,
#: vessels and fat below the resolution elsewhere.
TEXTURE: dict[Tissue, tuple[float, float]] = {
    Tissue.LUNG: (0.35, 0.25),
    Tissue.FAT: (0.06, 0.07),
    Tissue.MUSCLE: (0.18, 0.15),
    Tissue.MYOCARDIUM: (0.04, 0.06),
    Tissue.ARTERIAL_BLOOD: (0.03, 0.18),
    Tissue.VENOUS_BLOOD: (0.04, 0.20),
    Tissue.LIVER: (0.05, 0.06),
    Tissue.SPLEEN: (0.10, 0.12),
    Tissue.MARROW: (0.18, 0.10),
    Tissue.FLUID: (0.05, 0.05),
    Tissue.VESSEL: (0.30, 0.20),
    Tissue.TRABECULAE: (0.15, 0.10),
}


def bssfp_signal(t1_ms: float, t2_ms: float, density: float, *, tr_ms: float, te_ms: float, flip_deg: float) -> float:
    """Steady-state signal on resonance, in units of the equilibrium magnetisation of blood.

    `M = PD sin(a) (1 - E1) / (1 - (E1 - E2) cos(a) - E1 E2) exp(-TE / T2)`, `E = exp(-TR / T)`.
    Bernstein, King, Zhou: Handbook of MRI Pulse Sequences (2004), eq. 14.21.
    """
    e1, e2 = np.exp(-tr_ms / t1_ms), np.exp(-tr_ms / t2_ms)
    flip = np.deg2rad(flip_deg)
    steady = np.sin(flip) * (1 - e1) / (1 - (e1 - e2) * np.cos(flip) - e1 * e2)
    return float(density * steady * np.exp(-te_ms / t2_ms))


def signal_table(field_t: float, tr_ms: float, te_ms: float, flip_deg: float) -> NDArray[np.float32]:
    """Signal of every tissue, (n_tissues,), with arterial blood at 1; between 1.5 and 3 T by interpolation."""
    weight = float(np.clip((field_t - 1.5) / 1.5, 0.0, 1.0))
    table = np.zeros(len(Tissue), np.float32)
    for tissue, relaxation in RELAXATION.items():
        t1 = relaxation.t1_ms[0] * (1 - weight) + relaxation.t1_ms[1] * weight
        t2 = relaxation.t2_ms[0] * (1 - weight) + relaxation.t2_ms[1] * weight
        table[tissue] = bssfp_signal(t1, t2, relaxation.density, tr_ms=tr_ms, te_ms=te_ms, flip_deg=flip_deg)
    return table / table[Tissue.ARTERIAL_BLOOD]


#: `TEXTURE` by tissue value, (2, n_tissues).
TEXTURE_TABLE: NDArray[np.float32] = np.array([TEXTURE.get(tissue, (0.0, 0.0)) for tissue in Tissue], np.float32).T


def off_resonance_profile(tr_ms: float, flip_deg: float, samples: int = 257) -> NDArray[np.float32]:
    """Relative blood signal at off-resonances of -1 to 1 cycles a TR, (samples,): dark bands at +-0.5, 1 at 0.

    Freeman and Hill, J Magn Reson 1971;4:366; the RF phase alternates, so that 0 lies in the middle of the passband.
    """
    blood = RELAXATION[Tissue.ARTERIAL_BLOOD]
    e1, e2 = np.exp(-tr_ms / blood.t1_ms[0]), np.exp(-tr_ms / blood.t2_ms[0])
    cosine = np.cos(np.deg2rad(flip_deg))
    turn = np.cos(2 * np.pi * np.linspace(-1, 1, samples) + np.pi)
    denominator = (1 - e1 * cosine) * (1 - e2 * turn) - e2 * (e1 - cosine) * (e2 - turn)
    profile = np.sqrt(np.clip(1 - 2 * e2 * turn + e2**2, 0, None)) / denominator
    return np.asarray(profile / profile[samples // 2], np.float32)
