"""Where scores vary: between patients, generator seeds, segmenter seeds, single trainings.

All functions take leading axes, so that the calibration runs the code that the gate runs.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from augbench.comparison.unit import require_per_patient, score_cube
from augbench.core.tables import CELL

Array = NDArray[np.float64]


@dataclass(frozen=True)
class VarianceComponent:
    """A variance estimate (...) in squared units of the metric, and the sampling variance of that estimate (...)."""

    value: Array
    variance: Array

    def __add__(self, other: VarianceComponent) -> VarianceComponent:
        return VarianceComponent(self.value + other.value, self.variance + other.variance)

    def times(self, factor: float) -> VarianceComponent:
        """The component of a mean that weighs `factor` as much."""
        return VarianceComponent(self.value * factor, self.variance * factor**2)

    def clipped(self) -> VarianceComponent:
        """An estimate below 0 counts as 0."""
        return VarianceComponent(np.maximum(self.value, 0), self.variance)


NOTHING = VarianceComponent(np.zeros(()), np.zeros(()))


@dataclass(frozen=True)
class VarianceComponents:
    """Estimates that may be below 0; None where the design has one level only.

    Attributes:
        patient: between patients, all runs averaged.
        generator_seed: between generators trained with another seed.
        segmenter_seed: between segmentation networks trained with another seed.
        run: between single trainings beyond both seeds' own shares (generator seed by segmenter seed).
        residual: patients who respond differently to a run.
    """

    patient: VarianceComponent | None
    generator_seed: VarianceComponent | None
    segmenter_seed: VarianceComponent | None
    run: VarianceComponent | None
    residual: VarianceComponent | None


def variance_components(scores: Array) -> VarianceComponents:
    """Random-effects ANOVA by the method of moments on crossed scores (..., n, G, S) without NaN.

    Expected mean squares, with the interactions of patients pooled in the residual e and r the run:
    E[MS_patient] = e + G S v_patient, E[MS_r] = e + n v_r, E[MS_generator] = e + n v_r + n S v_generator, and the
    segmenter likewise. With one generator seed (or one segmenter seed) a run and a seed are the same thing; the
    variance is then given to the seed. With a single run the residual cannot be told from the patient's variance.
    """
    n, g, s = scores.shape[-3:]
    total = scores.mean(axis=(-3, -2, -1), keepdims=True)
    by_patient = scores.mean(axis=(-2, -1), keepdims=True) - total
    by_run = scores.mean(axis=-3, keepdims=True) - total
    by_generator, by_segmenter = by_run.mean(axis=-1, keepdims=True), by_run.mean(axis=-2, keepdims=True)
    residual = _mean_square(scores - total - by_patient - by_run, (n - 1) * (g * s - 1), 1)
    run = _mean_square(by_run - by_generator - by_segmenter, (g - 1) * (s - 1), n)
    # What a seed's mean square holds besides its own share: the run's where it can be seen, else the residual's.
    floor = residual if run is None else run
    return VarianceComponents(
        patient=_share(_mean_square(by_patient, n - 1, g * s), residual or NOTHING, g * s),
        generator_seed=_share(_mean_square(by_generator, g - 1, n * s), floor, n * s),
        segmenter_seed=_share(_mean_square(by_segmenter, s - 1, n * g), floor, n * g),
        run=_share(run, residual, n),
        residual=residual,
    )


def _mean_square(deviations: Array, degrees: int, repeats: int) -> VarianceComponent | None:
    if degrees <= 0:
        return None
    value = (deviations**2).sum(axis=(-3, -2, -1)) * repeats / degrees
    return VarianceComponent(value, 2 * value**2 / degrees)


def _share(
    mean_square: VarianceComponent | None, floor: VarianceComponent | None, repeats: int
) -> VarianceComponent | None:
    return None if mean_square is None or floor is None else (mean_square + floor.times(-1)).times(1 / repeats)


def variance_table(per_patient: pd.DataFrame) -> pd.DataFrame:
    """Standard deviations of every view, structure, metric and arm, over the patients with every score defined.

    Args:
        per_patient: see `core.tables.PER_PATIENT_COLUMNS`.

    Returns:
        Columns view, structure, metric, arm, n_subjects, then `sd_<component>` in the metric's unit (NaN: one level;
        a negative variance estimate is shown as 0).
    """
    rows = []
    for (view, structure, metric, arm), cell in require_per_patient(per_patient).groupby([*CELL, "arm"], sort=False):
        scores = score_cube(cell, sorted(set(cell["subject_id"])))
        scores = scores[~np.isnan(scores).any(axis=(1, 2))]
        row = {"view": view, "structure": structure, "metric": metric, "arm": arm, "n_subjects": len(scores)}
        rows.append(row | (_deviations(variance_components(scores)) if len(scores) else {}))
    return pd.DataFrame(rows)


def _deviations(parts: VarianceComponents) -> dict[str, float]:
    found = {field.name: getattr(parts, field.name) for field in fields(parts)}
    return {f"sd_{name}": np.nan if part is None else np.sqrt(part.clipped().value) for name, part in found.items()}
