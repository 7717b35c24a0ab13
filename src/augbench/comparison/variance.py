"""Where scores vary: between patients, generator seeds, segmenter seeds."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from augbench.comparison.unit import CELL, per_subject, score_cube


@dataclass(frozen=True)
class VarianceComponents:
    """Variances in squared units of the metric, each >= 0; None where the design has one level only.

    Attributes:
        patient: between patients, all runs averaged.
        generator_seed: between generators trained with another seed.
        segmenter_seed: between segmentation networks trained with another seed.
        run: between single trainings beyond both seeds' own shares (generator seed by segmenter seed).
        residual: patients who respond differently to a run.
    """

    patient: float | None
    generator_seed: float | None
    segmenter_seed: float | None
    run: float | None
    residual: float | None


def variance_components(scores: NDArray[np.float64]) -> VarianceComponents:
    """Random-effects ANOVA by the method of moments on crossed scores (n, G, S) without NaN; negatives are set to 0.

    Expected mean squares, with the interactions of patients pooled in the residual e and r the run:
    E[MS_patient] = e + G S v_patient, E[MS_r] = e + n v_r, E[MS_generator] = e + n v_r + n S v_generator, and the
    segmenter likewise. With one generator seed (or one segmenter seed) a run and a seed are the same thing; the
    variance is then given to the seed. With a single run the residual cannot be told from the patient's variance.
    """
    n, g, s = scores.shape
    total = scores.mean()
    by_patient = scores.mean(axis=(1, 2)) - total
    by_run = scores.mean(axis=0) - total
    by_generator, by_segmenter = by_run.mean(axis=1), by_run.mean(axis=0)
    residual = scores - total - by_patient[:, None, None] - by_run
    interaction = by_run - by_generator[:, None] - by_segmenter[None, :]
    ms_residual = _mean_square(residual, (n - 1) * (g * s - 1), 1)
    ms_run = _mean_square(interaction, (g - 1) * (s - 1), n)
    # What a seed's mean square holds besides its own share: the run's where it can be seen, else the residual's.
    floor = ms_residual if ms_run is None else ms_run
    return VarianceComponents(
        patient=_component(_mean_square(by_patient, n - 1, g * s), ms_residual or 0.0, g * s),
        generator_seed=_component(_mean_square(by_generator, g - 1, n * s), floor, n * s),
        segmenter_seed=_component(_mean_square(by_segmenter, s - 1, n * g), floor, n * g),
        run=_component(ms_run, ms_residual, n),
        residual=ms_residual,
    )


def _mean_square(deviations: NDArray[np.float64], degrees: int, repeats: int) -> float | None:
    return float((deviations**2).sum() * repeats / degrees) if degrees > 0 else None


def _component(mean_square: float | None, floor: float | None, repeats: int) -> float | None:
    return None if mean_square is None or floor is None else max(0.0, (mean_square - floor) / repeats)


def variance_table(per_case: pd.DataFrame) -> pd.DataFrame:
    """Standard deviations of every view, structure, metric and arm, over the patients with every score defined.

    Returns:
        Columns view, structure, metric, arm, n_subjects, then `sd_<component>` in the metric's unit (NaN: one level).
    """
    rows = []
    for (view, structure, metric, arm), cell in per_subject(per_case).groupby([*CELL, "arm"], sort=False):
        scores = score_cube(cell, sorted(set(cell["subject_id"])))
        scores = scores[~np.isnan(scores).any(axis=(1, 2))]
        parts = asdict(variance_components(scores)) if len(scores) else {}
        deviations = {f"sd_{name}": np.nan if part is None else np.sqrt(part) for name, part in parts.items()}
        row = {"view": view, "structure": structure, "metric": metric, "arm": arm, "n_subjects": len(scores)}
        rows.append(row | deviations)
    return pd.DataFrame(rows)
