"""Components of variance of a finished study, with how little a few seeds say of them, to plan another one by."""

from __future__ import annotations

import numpy as np

from augbench.comparison.blocks import Array, Part
from augbench.comparison.plan import PILOT, StudyDraws, Variances
from augbench.core.errors import UserError

_PATIENTS, _GENERATORS, _RUNS, _SEGMENTERS, _REFERENCE = range(PILOT, PILOT + 5)
#: With fewer common seeds a correlation has no interval (Fisher 1921).
_LEAST_SHARED = 4


def variances(arm: Part, reference: Part, draws: StudyDraws, generator_sd: float | None = None) -> Variances:
    """What the components may be, given the mean squares of these scores: (K,) of each, one a draw.

    A mean square of d degrees of freedom is divided by a drawn chi-squared over d (the fiducial distribution), so that
    the variance between two seeds comes out anywhere from a fifth to many times of what was found. What patients
    respond to single runs is known from many degrees and taken as found. An estimate below 0 counts as 0.

    Args:
        arm, reference: all patients in both, with at least 2 segmenter seeds each.
        generator_sd: SD between generator seeds, in place of what the pilot's own say.

    Raises:
        UserError: a kind of seeds has a single one, so that nothing is known of its variance.
    """
    n, g, s = arm.scores.shape
    _require_seeds(arm, reference, generator_sd)
    own, other = _Squares(arm.scores), _Squares(reference.scores)
    residual, residual0 = own.residual, other.residual
    of_patients = np.var(arm.scores.mean(axis=(1, 2)) - reference.scores.mean(axis=(1, 2)), ddof=1)
    total = of_patients / draws.ratio(_PATIENTS, n - 1)
    nothing = np.zeros_like(total)
    training = generator = nothing
    of_generators = 0.0
    floor = np.full_like(total, residual)
    if g > 1:
        found = own.runs / draws.ratio(_RUNS, (g - 1) * (s - 1))
        training = np.maximum(found - residual, 0) / n
        floor = np.maximum(found, residual)
        of_generators = max(own.by_patient_and_generator - residual, 0.0) / s
        found = own.generators / draws.ratio(_GENERATORS, g - 1)
        generator = np.maximum(found - own.by_patient_and_generator - n * training, 0) / (n * s)
    if generator_sd is not None and arm.generators:
        generator = nothing + generator_sd**2
    by_seed = own.segmenters / draws.ratio(_SEGMENTERS, s - 1)
    of_reference = other.segmenters / draws.ratio(_REFERENCE, len(reference.segmenters) - 1)
    of_runs = of_generators / g + residual / (g * s) + residual0 / len(reference.segmenters)
    return Variances(
        response=np.maximum(total - of_runs, 0),
        generator_response=nothing + of_generators,
        residual=nothing + residual,
        reference_residual=nothing + residual0,
        generator=generator,
        segmenter=np.maximum(by_seed - floor, 0) / (n * g),
        training=training,
        reference=np.maximum(of_reference - residual0, 0) / n,
        correlation=shown_correlation(arm, reference),
        has_generator=bool(arm.generators),
    )


class _Squares:
    """Mean squares of crossed scores (n, G, S), S at least 2; in expectation

    `residual` e, `by_patient_and_generator` e + S pg, `runs` e + n r, `segmenters` e + n r + nG s and `generators`
    e + S pg + n r + nS g, each letter a variance.
    """

    def __init__(self, scores: Array) -> None:
        n, g, s = scores.shape
        runs = scores.mean(axis=0)
        of_generators, of_segmenters = runs.mean(axis=1), runs.mean(axis=0)
        self.segmenters = n * g * float(of_segmenters.var(ddof=1))
        within = scores - scores.mean(axis=2, keepdims=True) - (runs - of_generators[:, None])
        self.residual = float((within**2).sum() / ((n - 1) * g * (s - 1)))
        if g > 1:
            self.generators = n * s * float(of_generators.var(ddof=1))
            crossed = runs - of_generators[:, None] - of_segmenters + runs.mean()
            self.runs = n * float((crossed**2).sum() / ((g - 1) * (s - 1)))
            cells = scores.mean(axis=2)
            left = cells - cells.mean(axis=1, keepdims=True) - of_generators + cells.mean()
            self.by_patient_and_generator = s * float((left**2).sum() / ((n - 1) * (g - 1)))


def _require_seeds(arm: Part, reference: Part, generator_sd: float | None) -> None:
    if len(arm.generators) == 1 and generator_sd is None:
        raise UserError(
            "the study has one generator seed, so the variance between generators is unknown",
            got="1 generator seed",
            expected="at least 2, or a value for it: it is not made up",
            remedy="add a seed to the generator and run `augbench repro`, or state the SD of its effect on the mean "
            "with --generator-sd",
        )
    for part, whose in ((arm, "arm of the primary endpoint"), (reference, "reference arm")):
        if len(part.segmenters) < 2:
            raise UserError(
                f"the {whose} has one segmenter seed, so the variance between trainings is unknown",
                got="1 segmenter seed",
                expected="at least 2",
                remedy="add a seed to the arm in params.yaml and run `augbench repro`",
            )


def seed_correlation(arm: Part, reference: Part) -> tuple[float, tuple[float, float]]:
    """Correlation of the means of both arms over the segmenter seeds that they share, and its 95% interval.

    Fisher's z; with fewer than four common seeds the interval is (-1, 1), and with fewer than three the value is NaN.
    """
    common = [seed for seed in arm.segmenters if seed in reference.segmenters]
    if len(common) < 3:
        return float("nan"), (-1.0, 1.0)
    means = (
        part.scores.mean(axis=(0, 1))[[part.segmenters.index(seed) for seed in common]] for part in (arm, reference)
    )
    value = float(np.corrcoef(*means)[0, 1])
    if len(common) < _LEAST_SHARED:
        return value, (-1.0, 1.0)
    reach = 1.959964 / np.sqrt(len(common) - 3)
    return value, (float(np.tanh(np.arctanh(value) - reach)), float(np.tanh(np.arctanh(value) + reach)))


def shown_correlation(arm: Part, reference: Part) -> float:
    """That correlation where its interval leaves out 0, else 0: a plan must not lean on what few seeds happen to do."""
    value, (low, high) = seed_correlation(arm, reference)
    return value if low > 0 or high < 0 else 0.0
