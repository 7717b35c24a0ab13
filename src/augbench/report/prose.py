"""The sentences of the abstract and of the limits, written from the numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from augbench.report.arms import REAL, kind, view_name
from augbench.report.headline import MET, MISSED, UNKNOWN, too_weak
from augbench.report.words import NOTHING, count, difference, interval, number, trained_on

_LABELS = {
    "joint": "the generator made image and mask together",
    "pseudo": "a network trained on the segmenter cohort labelled the synthetic frames",
    "manual": "people annotated the synthetic frames; controls kept their own masks, which are references",
}


def summary(scheme: Mapping[str, Any], head: Mapping[str, Any], margin: float) -> list[str]:
    """Abstract, one sentence an item."""
    arms = head["arms"]
    synthetic = [arm for arm in arms if kind(arm) == "synthetic"]
    mixed = [arm for arm in arms if kind(arm) == "mixed"]
    if not synthetic and not mixed:
        return ["This run compared no synthetic or mixed arm with the real-only arm, so it has no headline result."]
    sentences = []
    for arm in synthetic:
        row = arms[arm]
        sentences.append(
            f"Networks trained on {trained_on(arm)} reached a mean external Dice of {number(row['mean_arm'])}, against "
            f"{number(row['mean_reference'])} for the same network trained on real frames: a ratio of "
            f"{number(row['ratio'], 4)} and a difference of {difference(row['mean_difference'])} (95% CI "
            f"{interval(row['ci_low'], row['ci_high'])}; {count(row['n_subjects'])} patients)."
        )
    if mixed:
        changes = []
        for arm in mixed:
            row = arms[arm]
            ci = interval(row["ci_low"], row["ci_high"])
            changes.append(f"{difference(row['mean_difference'])} for {arm} (95% CI {ci})")
        sentences.append(f"Adding synthetic to the real frames changed Dice by {listed(changes)}.")
    counted = []
    for arm in [*synthetic, *mixed]:
        counts = {word: number_of for word, number_of in head["verdicts"].get(arm, {}).items() if number_of}
        if counts:
            counted.append(f"for {arm}: {listed([f'{number_of} {word}' for word, number_of in counts.items()])}")
    if counted:
        sentences.append(
            f"Verdicts on the single structures and views, at a margin of ±{margin:g}, were {'; '.join(counted)}."
        )
    weak = next((arms[arm] for arm in [*synthetic, *mixed] if too_weak(arms[arm])), None)
    if weak:
        sentences.append(
            f"The real-only network itself reaches a Dice of only {number(weak['mean_reference'])}: it has not learnt "
            "the task, so ratios, differences and verdicts of this run mean nothing."
        )
    return [*sentences, targets_sentence(head["targets"])]


def targets_sentence(targets: list[dict[str, str]]) -> str:
    """`Of 8 targets, 6 were met and 2 missed: …`, each missed one with what was wanted and found."""
    missed = [target for target in targets if target["status"] == MISSED]
    unknown = sum(target["status"] == UNKNOWN for target in targets)
    met = sum(target["status"] == MET for target in targets)
    verb = "was" if met == 1 else "were"
    text = f"Of {len(targets)} targets, {met or 'none'} {verb} met and {len(missed) or 'none'} missed"
    if missed:
        text += ": " + "; ".join(f"{one['name']} (wanted {one['wanted']}, found {one['found']})" for one in missed)
    return text + (f". {unknown} could not be judged in this run." if unknown else ".")


def limits(scheme: Mapping[str, Any], comparison: pd.DataFrame, per_subject: pd.DataFrame) -> list[str]:
    """What this study cannot show, from what was run; the notes of the scheme come first."""
    items = [str(note) for note in scheme.get("notes", [])]
    scored = scheme.get("scored", {})
    views = [view_name(view) for view in scored]
    if len(views) < 3:
        items.append(f"Only {listed(views) or 'no'} frames were scored; nothing is said about other views.")
    structures = sorted({name for names in scored.values() for name in names})
    if len(structures) == 1:
        items.append(f"Only the {structures[0]} has a reference in the external set, so it alone is scored.")
    single = comparison[(comparison["metric"] == "dice") & (comparison["view"] != "all")]
    single = single[single["sd_paired"].notna() & (single["arm"].map(kind) != "control")]
    if len(single):
        spread = f"{number(single['sd_paired'].min())} to {number(single['sd_paired'].max())}"
        n = count(single["n_subjects"].max())
        items.append(
            f"The external set has {n} patients. At n = 50 a difference of 0.01 can be decided only if the paired SD "
            f"is below about 0.042; here it is {spread} over the structures and views. 'Inconclusive' means "
            "undecided by these data, not without difference."
        )
    runs = seed_counts(per_subject)
    if runs:
        items.append(
            f"Seeds: {runs[0]} of the generator and {runs[1]} of the segmenter. The spread over so few runs is itself "
            "only roughly known, and one network architecture stands for all."
        )
    labels = str(scheme.get("labels_source", NOTHING))
    items.append(f"Labels of the synthetic frames: {labels} ({_LABELS.get(labels, 'as stated in params.yaml')}).")
    items.append(
        "The published values were obtained on other patients, scanners and frame sizes; they are printed for "
        "orientation and are not tested against ours."
    )
    items.append(
        "Each axis of the audit is measured on the named features only. A privacy audit that flags nothing shows "
        "that these tests found nothing, not that the frames are free of risk."
    )
    return items


def seed_counts(per_subject: pd.DataFrame) -> tuple[int, int] | None:
    """Number of generator and segmenter seeds, or None without per-subject scores."""
    if per_subject.empty:
        return None
    generated = per_subject[per_subject["arm"] != REAL]
    return int(generated["generator_seed"].nunique()), int(per_subject["segmenter_seed"].nunique())


def listed(parts: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}" if parts else ""
