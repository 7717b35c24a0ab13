"""plan: a finished study -> numbers of patients and seeds that decide the primary endpoint best for a budget."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from augbench.comparison.blocks import Part
from augbench.comparison.estimate import MIN_SUBJECTS
from augbench.comparison.pairs import cells, with_overall
from augbench.comparison.pilot import variances
from augbench.comparison.plan import Design, Prospect, StudyDraws, Widths
from augbench.core import layout
from augbench.core.arms import reference_arm
from augbench.core.component import create
from augbench.core.errors import UserError
from augbench.core.params import Params, read_params
from augbench.core.study import read_study
from augbench.report.metric import from_component
from augbench.report.plan_text import Decided, Option, Plan, lines, print_plan
from augbench.scores.base import SegmentationScore
from augbench.stages.compare import read_arms, read_per_patient
from augbench.stages.costs import Costs, costs

#: Designs that are looked at: seeds of the generator, of the segmenter with each, of the reference arm.
_GENERATORS = range(2, 13)
_SEGMENTERS = (*range(2, 9), 10, 12)
_REFERENCES = (*range(2, 13), 14, 16, 20, 24)
#: Budgets that are shown beside the one that was asked for, as shares of it.
_OTHER_BUDGETS = (0.5, 2.0)


@dataclass(frozen=True)
class Limits:
    """What a design may cost and how many patients it may have; `fixed`: exactly so many."""

    core_minutes: float
    patients: int
    fixed: bool


def run(
    *,
    core_minutes: float | None,
    patients: int | None,
    max_patients: int | None,
    generator_sd: float | None,
    as_json: bool,
) -> None:
    """Print the designs, and what they decide, in a table and sentences; or JSON.

    Raises:
        UserError: there are no results to plan by, a kind of seeds has a single one, or no design fits the budget.
    """
    if patients is not None and max_patients is not None:
        raise UserError("--patients and --max-patients exclude each other", got="both", expected="one",
                        remedy="drop one")  # fmt: skip
    params = read_params()
    made = plan(params, core_minutes, patients, max_patients, generator_sd)
    if as_json:
        print(json.dumps(document(made), indent=2, allow_nan=False))
        return
    from rich.console import Console

    print_plan(made, Console())


def plan(
    params: Params,
    core_minutes: float | None = None,
    patients: int | None = None,
    max_patients: int | None = None,
    generator_sd: float | None = None,
) -> Plan:
    """The best designs of the study in this folder; errors as in `run`."""
    scores = _scores(params)
    arm, reference = _parts(params, scores)
    draws = StudyDraws()
    found = variances(arm, reference, draws, generator_sd)
    widths = Widths(found, params.comparison.alpha, draws)
    present = Design(len(arm.generators) or 1, len(arm.segmenters), len(reference.segmenters), len(arm.scores))
    price = costs(params, len(arm.scores), _frames_per_patient(scores))
    budget = core_minutes or price.core_minutes(present)
    limits = Limits(budget, patients or max_patients or present.patients, fixed=max_patients is None)

    def option(name: str, design: Design) -> Option:
        known = design.generators > 1 or not found.has_generator
        numbers = (design.generators, design.segmenters, design.reference, design.patients)
        return Option(name, *numbers, price.core_minutes(design), _decided(widths.prospect(design)) if known else None)

    ranked = rank(widths, price, limits)
    if not ranked:
        raise _too_little(found.has_generator, price, limits)
    now, best = option("present", present), option("best", ranked[0])
    options = [now, best]
    options += [option(f"{one.generators} generators", one) for one in _neighbours(ranked)]
    for share in _OTHER_BUDGETS:
        if other := rank(widths, price, _scaled(limits, share)):
            options.append(option(f"budget x {share:g}", other[0]))
    metric = params.comparison.primary.metric
    names = read_study().names.arms
    return Plan(
        options=options,
        best=best,
        budget=budget,
        metric=from_component(metric, create(SegmentationScore, metric, params.evaluation.metrics[metric]),
                              params.comparison.margins),
        arm=names.get(params.comparison.primary.arm, params.comparison.primary.arm),
        reference=names.get(reference_arm(params).name, reference_arm(params).name),
        has_generator=found.has_generator,
        correlation=found.correlation,
        source=price.source,
        pilot=now,
        given_sd=generator_sd,
    )  # fmt: skip


def _decided(found: Prospect) -> Decided:
    return Decided(found.median, *found.range, found.degrees, found.margin, found.difference, found.shares)


def rank(widths: Widths, price: Costs, limits: Limits) -> list[Design]:
    """Every design within the limits, those with the narrowest interval first; none where nothing fits."""
    return sorted(_affordable(widths.variances.has_generator, price, limits), key=widths.median)


def _too_little(has_generator: bool, price: Costs, limits: Limits) -> UserError:
    least = Design(_GENERATORS[0] if has_generator else 1, _SEGMENTERS[0], _REFERENCES[0], limits.patients)
    return UserError(
        "no design fits the budget",
        got=f"{limits.core_minutes:.1f} core-minutes",
        expected=f"at least {price.core_minutes(least):.1f}: 2 seeds of each kind, and the study's other arms",
        remedy="give more with --core-minutes, fewer --patients, or take arms out of the study",
    )


def _affordable(has_generator: bool, price: Costs, limits: Limits) -> Iterator[Design]:
    """With as many patients as the budget has room for: more never widen the interval."""
    for g in _GENERATORS if has_generator else (1,):
        for s in _SEGMENTERS:
            for s0 in _REFERENCES:
                design = Design(g, s, s0, limits.patients)
                n = min(limits.patients, price.most_patients(design, limits.core_minutes))
                if n == limits.patients or (n >= MIN_SUBJECTS and not limits.fixed):
                    yield Design(g, s, s0, n)


def _scaled(limits: Limits, share: float) -> Limits:
    return Limits(share * limits.core_minutes, limits.patients, limits.fixed)


def _neighbours(ranked: Sequence[Design]) -> list[Design]:
    """The best design with one generator seed fewer than the best of all has, and with one more, where they fit."""
    wanted = (ranked[0].generators - 1, ranked[0].generators + 1)
    found = (next((design for design in ranked if design.generators == g), None) for g in wanted)
    return [design for design in found if design is not None]


def _scores(params: Params) -> pd.DataFrame:
    if not layout.PER_PATIENT.is_file():
        raise UserError(
            "the study has no results to plan by",
            got=f"no {layout.PER_PATIENT}",
            expected="a finished study, or a pilot: the same study with few seeds and patients",
            remedy="run `augbench repro` first; or name a finished study of the same arms with --study",
            file=layout.PER_PATIENT,
        )
    scores = read_per_patient()
    return scores[scores["metric"] == params.comparison.primary.metric]


def _parts(params: Params, scores: pd.DataFrame) -> list[Part]:
    """Both arms of the primary endpoint, over all views and structures."""
    wanted = {params.comparison.primary.arm, reference_arm(params).name}
    if absent := wanted - set(scores["arm"]):
        raise UserError(
            f"the results have no arm '{min(absent)}'",
            got=", ".join(sorted(set(scores["arm"]))),
            expected="the arm of the primary endpoint and the reference arm",
            remedy="run `augbench repro` again",
            file=layout.PER_PATIENT,
        )
    arms = read_arms()
    generators = dict(zip(arms["arm"], arms["generator"], strict=True))
    places = cells(scores, sorted(scores["subject_id"].unique()), generators)
    pairs = {
        place: cell.pair(params.comparison.primary.arm, reference_arm(params).name) for place, cell in places.items()
    }
    return list(with_overall(pairs).values())[-1].parts()


def _frames_per_patient(scores: pd.DataFrame) -> float:
    run = scores[["arm", "generator_seed", "segmenter_seed"]].drop_duplicates().iloc[:1]
    frames = scores.merge(run).drop_duplicates(["view", "subject_id"])
    return float(frames["n_frames"].sum() / frames["subject_id"].nunique())


def document(made: Plan) -> dict[str, Any]:
    """Everything as JSON."""
    designs = [asdict(option) for option in made.options]
    return {"core_minutes": made.budget, "times_from": made.source, "sentences": lines(made), "designs": designs}
