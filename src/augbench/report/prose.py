"""The sentences of the page, written from the numbers: glossary, summary, controls, selection and limits."""

from __future__ import annotations

from math import sqrt
from typing import Any

from augbench.core.arms import Arm
from augbench.report.data import ReportData
from augbench.report.rows import single, sort_by
from augbench.report.tables import verdict_counts
from augbench.report.targets import REFUTED, SHOWN, UNKNOWN, Judged
from augbench.report.words import count, listed, number

_LABELS = {
    "joint": "the generator made image and mask together",
    "teacher": "a network trained on the patients that the generator learnt from labelled its images",
    "pseudo": "a network trained on other patients labelled the images",
    "manual": "people annotated the images",
}
_ROLES = {
    "positive control": "an upper bound: no generator should do better",
    "negative control": "copies, which the privacy audit must flag",
}


def glossary(data: ReportData) -> list[tuple[str, str]]:
    """Terms that the page uses, with their meaning: only those that this study has."""
    arms = data.arms
    terms = [
        ("arm", "one way to train the segmenter"),
        ("regime", "which frames an arm trains on, and when"),
    ]
    if any(arm.dose is not None for arm in arms):
        terms.append(("dose", "synthetic frames per real frame"))
    for role, meaning in _ROLES.items():
        named = [data.display.arm(arm.name) for arm in arms if arm.role == role]
        if named:
            terms.append((listed(named), f"{role}, {meaning}"))
    return terms


def summary(data: ReportData) -> list[str]:
    """Abstract, one sentence an item."""
    rows = data.overall
    compared = [arm.name for arm in data.display.studied if arm.name in rows]
    if not compared:
        return ["This run compared no arm with the reference arm, so it has no headline result."]
    sentences = [_primary(data, rows[data.primary_arm])] if data.primary_arm in compared else []
    others = [arm for arm in compared if arm != data.primary_arm]
    if others:
        sentences.append(f"Differences of the other arms: {listed([_change(data, arm) for arm in others])}.")
    counted = []
    for arm in compared:
        counts = verdict_counts(data.comparison, arm, data.metric)
        if counts:
            words = listed([f"{number_of} {word}" for word, number_of in counts.items()])
            counted.append(f"{words} for {data.display.arm(arm)}")
    if counted:
        margin = f", at a margin of {data.metric.margin_text}," if data.metric.margin is not None else ""
        sentences.append(f"Verdicts on single structures and views{margin} were: {'; '.join(counted)}.")
    reference = rows[compared[0]]["mean_reference"]
    if data.metric.too_weak(reference):
        sentences.append(
            f"The reference arm itself reaches only {data.metric.name} {data.metric.number(reference)}: it has not "
            "learnt the task, so ratios, differences and verdicts of this run mean nothing."
        )
    return [*sentences, targets_sentence(data.targets)] if data.targets else sentences


def _primary(data: ReportData, row: dict[str, Any]) -> str:
    metric, display = data.metric, data.display
    return (
        f"In the cohort '{display.cohort(data.external)}', {display.arm(str(row['arm']))} reached a mean "
        f"{metric.name} of {metric.number(row['mean_arm'])} against {metric.number(row['mean_reference'])} of "
        f"{the_reference(data)} ({metric.direction}): a ratio of {number(row['ratio'], 4)} and a difference of "
        f"{metric.difference(row['mean_difference'])} (95% CI {metric.interval(row['ci_low'], row['ci_high'])}; "
        f"{count(row['n_subjects'])} patients)."
    )


def _change(data: ReportData, arm: str) -> str:
    row, metric = data.overall[arm], data.metric
    interval = metric.interval(row["ci_low"], row["ci_high"])
    other = data.display.opponent(arm)
    against = "" if other == data.display.arm(data.display.reference) else f" against {other}"
    return f"{metric.difference(row['mean_difference'])} for {data.display.arm(arm)}{against} (95% CI {interval})"


def the_reference(data: ReportData) -> str:
    """`the reference arm (real)`."""
    return f"the reference arm ({data.display.arm(data.display.reference)})"


def targets_sentence(targets: list[Judged]) -> str:
    """`Of 8 targets, 5 were shown, 1 refuted and 2 not shown: …`, each of the others with what was wanted and found."""
    unknown = sum(target.status == UNKNOWN for target in targets)
    shown, refuted = (sum(target.status == status for target in targets) for status in (SHOWN, REFUTED))
    others = [target for target in targets if target.status not in (SHOWN, UNKNOWN)]
    text = (
        f"Of {len(targets)} targets, {shown or 'none'} {'was' if shown == 1 else 'were'} shown, {refuted or 'none'} "
        f"refuted and {len(others) - refuted or 'none'} not shown"
    )
    if others:
        said = (f"{one.name} ({one.status}: wanted {one.wanted}, found {one.found})" for one in others)
        text += ": " + "; ".join(said)
    return text + (f". {unknown} could not be judged in this run." if unknown else ".")


def controls(data: ReportData) -> list[dict[str, str]]:
    """Every control with its role, its result and what the privacy audit says of its generator."""
    return [
        {
            "name": data.display.arm(arm.name),
            "role": f"{arm.role}, {_ROLES[arm.role]}",
            "result": _control_result(data, arm),
            **_control_audit(data, arm),
        }
        for arm in data.display.controls
    ]


def _control_result(data: ReportData, arm: Arm) -> str:
    if arm.name not in data.overall:
        return "not compared in this run"
    row, metric = data.overall[arm.name], data.metric
    return (
        f"mean {metric.name} {metric.number(row['mean_arm'])}, {metric.difference(row['mean_difference'])} against "
        f"{data.display.opponent(arm.name)}"
    )


def _control_audit(data: ReportData, arm: Arm) -> dict[str, str]:
    flag = data.flags.get(arm.generator or "")
    if flag is None:
        return {"audit": "not made", "css": ""}
    if arm.role == "negative control":
        blind = "not flagged: the audit is blind to copies and its other answers are worth nothing"
        return {"audit": "flagged, as it must be", "css": "shown"} if flag else {"audit": blind, "css": "refuted"}
    alarm = "flagged: a false alarm if it holds no training frame"
    return {"audit": alarm, "css": "flagged"} if flag else {"audit": "not flagged, as it should be", "css": "shown"}


def shared(data: ReportData) -> str:
    """What all arms have in common."""
    plain = [data.display.arm(arm.name) for arm in data.arms if not arm.augmented]
    but = f"; {listed(plain)} had no augmentation" if plain else ""
    return (
        "All arms share augmentation, optimiser, batch size, number of optimiser steps and the selection of weights"
        f"{but}."
    )


def selection(data: ReportData) -> str:
    """Whether any arm saw a validation label."""
    if data.selection == "last":
        return "The weights after the last step are taken: no arm saw a validation label."
    return (
        "The weights that overlap most with the masks of the arm cohort's validation patients are taken, whatever the "
        "primary metric is: every arm, also one of synthetic frames alone, saw the labels of those patients."
    )


def limits(data: ReportData) -> list[str]:
    """What this study cannot show: the study's own notes, then what follows from what was run."""
    items = list(data.study.notes)
    structures = sort_by(data.scored["structure"])
    if len(structures) == 1:
        items.append(f"Only {structures[0]} has a reference in the external set, so it alone is scored.")
    unscored = [data.display.view(view) for view in data.views if view not in set(data.scored["view"])]
    if unscored:
        items.append(f"Nothing is said about {listed(unscored)}: no such frame was scored.")
    items += _spread(data)
    runs = seed_counts(data)
    if runs:
        one = ", and one network architecture stands for all" if len({arm.segmenter for arm in data.arms}) == 1 else ""
        items.append(
            f"Seeds: {runs[0]} of the generators and {runs[1]} of the segmenter. The spread over so few runs is itself "
            f"only roughly known{one}."
        )
    kinds = sort_by(arm.labels for arm in arms_with_synthetic(data))
    if kinds:
        meanings = [f"{kind} ({_LABELS.get(kind, 'as stated in params.yaml')})" for kind in kinds]
        items.append(f"Labels of the synthetic frames: {listed(meanings)}.")
    if len(data.audit):
        items.append(
            "Each axis of the audit is measured on the named features only. A privacy audit that flags nothing shows "
            "that these tests found nothing, not that the frames are free of risk."
        )
    return items


def arms_with_synthetic(data: ReportData) -> list[Arm]:
    """Arms that learn from synthetic frames."""
    return [arm for arm in data.arms if arm.synthetic]


def _spread(data: ReportData) -> list[str]:
    """What the number of patients allows, if seeds made no difference."""
    metric = data.metric
    rows = single(data.of(metric.kind, [arm.name for arm in data.display.studied]))
    rows = rows[rows["sd_paired"].notna()]
    if rows.empty or metric.margin is None:
        return []
    from scipy.stats import t

    n = int(rows["n_subjects"].max())
    limit = metric.margin * sqrt(n) / t.ppf(0.95, n - 1)
    low, high = (number(value, metric.decimals) for value in (rows["sd_paired"].min(), rows["sd_paired"].max()))
    return [
        f"The external set has {n} patients. That many can show a difference to lie within {metric.margin_text} only "
        f"if its SD between patients is below {number(limit, metric.decimals)}, even without any spread between seeds; "
        f"here it is {low} to {high} over structures and views. 'Inconclusive' means undecided by these data, not "
        "without difference."
    ]


def seed_counts(data: ReportData) -> tuple[int, int] | None:
    """Number of generator and segmenter seeds, or None without per-patient scores."""
    if data.per_patient.empty:
        return None
    seeds = data.per_patient["generator_seed"].replace("", None)
    return int(seeds.nunique()), int(data.per_patient["segmenter_seed"].nunique())
