"""How often `augbench gate` passes, fails or cannot tell, when the true change is known.

    python benchmarks/gate_calibration.py                                     # the table of docs/gate.md
    python benchmarks/gate_calibration.py --output docs/gate-calibration.csv --figure docs/images/gate-calibration.svg

Revisions are simulated from the variances that the study in the current folder shows, of its primary metric and the
arms that are no controls. Patients are drawn with replacement, and each patient's residuals from the patient's own, all
structures together. Seeds and trainings are drawn normal with the standard
deviations measured per view and structure (pooled over arms), equally correlated between these so that the variance of
the arms' mean is the one measured. A true change differs between patients: it is exponential, with the stated mean.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from augbench.comparison.blocks import Array, Part
from augbench.comparison.components import variance_components
from augbench.comparison.estimate import Estimate
from augbench.comparison.gate import OVERALL, decide
from augbench.comparison.pairs import cells
from augbench.core.arms import CONTROL_ROLES
from augbench.core.params import read_params
from augbench.stages.compare import read_arms, read_per_patient, scores_of

SHIFTS = (0.0, -0.5, -1.0, -1.5, -2.0, -3.0)
SCENARIOS = ("same networks", "trained again, same seeds", "trained again, other seeds")
ALL = "every structure"
_BATCH = 100


@dataclass(frozen=True)
class Measured:
    """What is simulated from; R rows: the mean of all places, then each structure.

    Attributes:
        arms: name -> whether it has a generator.
        structures: names of rows 1 to R - 1.
        weights: (R, K) mean over places.
        residuals: (n, m, R) what is left of a patient's score after his mean and the run's.
        sd: component -> (K,) standard deviation.
        correlation: component -> correlation between places.
        margin: largest loss of the metric that may pass, in its unit.
        shared: correlation of generator effects between arms of one generator, which two seeds cannot show.
    """

    arms: dict[str, bool]
    structures: list[str]
    weights: Array
    residuals: Array
    sd: dict[str, Array]
    correlation: dict[str, float]
    margin: float
    alpha: float
    shared: float = 0.0


@dataclass(frozen=True)
class Design:
    """Seeds and patients of both revisions."""

    generator_seeds: int = 2
    segmenter_seeds: int = 3
    patients: int = 50


def measure(per_patient: pd.DataFrame, generators: pd.Series, margin: float, alpha: float) -> Measured:
    """Variance components of the gated arms, from rows of one metric of which more is better.

    Args:
        generators: arm -> generator, '' where it has none, of the gated arms.
    """
    scores = per_patient[per_patient["arm"].isin(generators.index)]
    found = cells(scores, sorted(scores["subject_id"].unique()))
    arms = list(scores["arm"].unique())
    cubes = [np.stack([cell.sides[arm].scores for cell in found.values()]) for arm in arms]
    structures = list(dict.fromkeys(structure for _, structure in found))
    weights = np.array([[1.0] * len(found), *([float(name == s) for _, name in found] for s in structures)])
    weights /= weights.sum(axis=1, keepdims=True)
    sd, correlation = {}, {}
    for component, name in (("generator", "generator_seed"), ("segmenter", "segmenter_seed"), ("run", "run")):
        variance = _pooled(cubes, name)
        sd[component] = np.sqrt(variance)
        alone, together = variance.sum(), sd[component].sum() ** 2
        of_mean = float(_pooled([cube.mean(axis=0) for cube in cubes], name)) * len(variance) ** 2
        correlation[component] = float(np.clip((of_mean - alone) / (together - alone), 0, 1)) if alone > 0 else 0.0
    rows = np.einsum("rk,knj->njr", weights, np.concatenate([_residuals(cube) for cube in cubes], axis=-1))
    has_generator = {arm: bool(generators[arm]) for arm in arms}
    return Measured(has_generator, structures, weights, rows, sd, correlation, margin, alpha)


def _pooled(cubes: list[Array], component: str) -> Array:
    """Mean over the arms that show a component, at least 0."""
    seen = [part for cube in cubes if (part := getattr(variance_components(cube), component)) is not None]
    return np.maximum(np.mean([part.value for part in seen], axis=0), 0)


def _residuals(cube: Array) -> Array:
    _, n, g, s = cube.shape
    left = cube - cube.mean(axis=1, keepdims=True) - cube.mean(axis=(2, 3), keepdims=True)
    left = left + cube.mean(axis=(1, 2, 3), keepdims=True)
    return np.asarray((left * np.sqrt(n * g * s / ((n - 1) * (g * s - 1)))).reshape(len(cube), n, -1))


def _effects(measured: Measured, component: str, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """(..., R) effects of seeds or trainings."""
    rho, sd = measured.correlation[component], measured.sd[component]
    draw = np.sqrt(1 - rho) * rng.standard_normal((*shape, len(sd)))
    draw += np.sqrt(rho) * rng.standard_normal((*shape, 1))
    return np.asarray((draw * sd) @ measured.weights.T)


def _side(measured: Measured, patients: NDArray[np.int64], design: Design, rng: np.random.Generator) -> Iterator[Array]:
    """Noise (B, R, n, G, S) of every arm in one revision; his own level cancels in a patient's difference."""
    batch, n = patients.shape
    common = _effects(measured, "generator", (batch, 1, design.generator_seeds, 1), rng)
    for has_generator in measured.arms.values():
        g, s = design.generator_seeds if has_generator else 1, design.segmenter_seeds
        draw = rng.integers(measured.residuals.shape[1], size=(batch, n, g, s))
        noise = measured.residuals[patients[:, :, None, None], draw]
        noise = noise + _effects(measured, "segmenter", (batch, 1, 1, s), rng)
        noise = noise + _effects(measured, "run", (batch, 1, g, s), rng)
        if has_generator:
            own = _effects(measured, "generator", (batch, 1, g, 1), rng)
            noise = noise + np.sqrt(1 - measured.shared) * own + np.sqrt(measured.shared) * common
        yield np.moveaxis(noise, -1, 1)


def _losses(measured: Measured, where: str) -> list[Array]:
    """Per arm (R,): a loss of 1 everywhere, in one structure of every arm, or in one arm, as the rows see it."""
    rows = len(measured.weights)
    if where in measured.arms:
        return [np.full(rows, float(arm == where)) for arm in measured.arms]
    if where == ALL:
        return [np.ones(rows)] * len(measured.arms)
    at = measured.structures.index(where) + 1
    return [np.asarray(measured.weights @ (measured.weights[at] > 0).astype(float))] * len(measured.arms)


def simulate(
    measured: Measured, design: Design, scenario: str, repetitions: int, rng: np.random.Generator, places: list[str]
) -> pd.DataFrame:
    """Shares of pass, fail and inconclusive for every shift and place; all shifts see the same noise."""
    counts: dict[tuple[str, float], Array] = {}
    for start in range(0, repetitions, _BATCH):
        batch = min(_BATCH, repetitions - start)
        patients = rng.integers(len(measured.residuals), size=(batch, design.patients))
        base = list(_side(measured, patients, design, rng))
        head = base if scenario == SCENARIOS[0] else list(_side(measured, patients, design, rng))
        taste = rng.exponential(size=(batch, 1, design.patients, 1, 1))
        for where in places:
            losses = [loss[None, :, None, None, None] * taste for loss in _losses(measured, where)]
            for shift in SHIFTS:
                moved = [side + shift * measured.margin * loss for side, loss in zip(head, losses, strict=True)]
                rows = _rows(measured, moved, base, paired=scenario != SCENARIOS[2])
                passes, fails = decide(rows, measured.margin, measured.alpha)
                found = np.array([passes.sum(), fails.sum(), batch - passes.sum() - fails.sum()], dtype=float)
                counts[where, shift] = counts.get((where, shift), np.zeros(3)) + found
    return pd.DataFrame(
        {
            "scenario": scenario, "seeds": f"{design.generator_seeds} x {design.segmenter_seeds}",
            "patients": design.patients, "where": where, "change_in_margins": shift,
            **dict(zip(("pass", "fail", "inconclusive"), found / repetitions, strict=True)),
        }
        for (where, shift), found in counts.items()
    )  # fmt: skip


def _rows(measured: Measured, head: list[Array], base: list[Array], *, paired: bool) -> dict[str, Estimate]:
    """The gate's rows of a batch."""
    seeds = [tuple(range(new.shape[-1])) for new in head]
    other = [own if paired else tuple(-1 - seed for seed in own) for own in seeds]
    sides = [
        [
            Part(side, sign, _generators(side, shown, has_generator), shown)
            for side, sign, shown in ((new, 1.0, own), (old, -1.0, theirs))
        ]
        for new, old, own, theirs, has_generator in zip(head, base, seeds, other, measured.arms.values(), strict=True)
    ]
    rows: dict[str, Estimate] = {}
    for place, name in enumerate((OVERALL, *measured.structures)):
        own = [[replace(part, scores=part.scores[:, place]) for part in arm] for arm in sides]
        every = [replace(part, weight=part.weight / len(own)) for arm in own for part in arm]
        rows[name] = Estimate.of(every)
        if place == 0:
            rows |= {arm: Estimate.of(parts) for arm, parts in zip(measured.arms, own, strict=True)}
    return rows


def _generators(scores: Array, segmenters: tuple[int, ...], has_generator: bool) -> tuple[int, ...]:
    """Names of the generator's seeds, which are others where the segmenter's are."""
    first = min(segmenters[0], 0)
    return tuple(first - seed if first else seed for seed in range(scores.shape[-2])) if has_generator else ()


def study(measured: Measured, repetitions: int, one: list[str]) -> pd.DataFrame:
    """The table of docs/gate.md; `one` are arms and structures that lose by themselves."""
    again, other = SCENARIOS[1:]
    plan = [
        (measured, Design(), SCENARIOS[0], [ALL, *one]),
        (measured, Design(), again, [ALL, *one]),
        (measured, Design(), other, [ALL, *one]),
        (replace(measured, shared=0.5), Design(), again, [ALL]),
        (measured, Design(3, 3), again, [ALL]),
        (measured, Design(3, 5), again, [ALL]),
    ]
    tables = []
    for index, (source, design, scenario, places) in enumerate(plan):
        found = simulate(source, design, scenario, repetitions, np.random.default_rng([2020, index]), places)
        found.insert(1, "generator_correlation", source.shared)
        tables.append(found)
    return pd.concat(tables, ignore_index=True)


def figure(table: pd.DataFrame) -> str:
    """SVG: shares over the true change; panels by scenario and place, at the default seeds."""
    import altair as alt

    from augbench.report.svg import to_svg

    shown = table[(table["seeds"] == "2 x 3") & (table["generator_correlation"] == 0)]
    shown = shown[(shown["where"] == ALL) | (shown["scenario"] == SCENARIOS[1])]
    shown = shown.sort_values("where", key=lambda where: where != ALL, kind="stable")
    panel = shown["scenario"].where(shown["where"] == ALL, "trained again: only " + shown["where"])
    long = shown.assign(panel=panel).melt(
        id_vars=["panel", "change_in_margins"],
        value_vars=["pass", "inconclusive", "fail"],
        var_name="outcome",
        value_name="share",
    )
    lines = (
        alt.Chart(long)
        .mark_line(point=True)
        .encode(
            x=alt.X("change_in_margins:Q", title="true change, in margins", axis=alt.Axis(values=[-3, -2, -1, 0])),
            y=alt.Y("share:Q", title="share of revisions", axis=alt.Axis(format="%", tickCount=5)),
            color=alt.Color(
                "outcome:N",
                scale=alt.Scale(domain=["pass", "inconclusive", "fail"], range=["#009e73", "#999999", "#d55e00"]),
                legend=alt.Legend(orient="bottom", title=None),
            ),
        )
        .properties(width=190, height=130)
    )
    return to_svg(lines.facet(facet=alt.Facet("panel:N", sort=list(dict.fromkeys(panel))), columns=3), "gate")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=2000)
    parser.add_argument("--alone", nargs="*", default=["LV", "RA", "pggan-synthetic"], metavar="ARM_OR_STRUCTURE")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--figure", type=Path)
    options = parser.parse_args()
    table = study(read_study(), options.repetitions, options.alone)
    print(table.to_string(index=False, float_format=lambda value: f"{value:.3f}"))
    if options.output:
        table.to_csv(options.output, index=False, float_format="%.4g", lineterminator="\n")
    if options.figure:
        options.figure.write_text(figure(table) + "\n", encoding="utf-8")


def read_study() -> Measured:
    """Of the study in the current folder, in units of gain: more is better."""
    params, scores, arms = read_params(), read_per_patient(), read_arms()
    metric = params.comparison.primary.metric
    scores = scores[scores["metric"] == metric]
    if not scores_of({metric: params.evaluation.metrics[metric]})[metric].higher_is_better:
        scores = scores.assign(value=-scores["value"])
    gated = arms[~arms["role"].isin(CONTROL_ROLES)].set_index("arm")["generator"]
    return measure(scores, gated, params.gate.margin, params.comparison.alpha)


if __name__ == "__main__":
    main()
