"""The headline: ratio, difference, verdict counts, and each target of the study as met or missed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from operator import le
from typing import Any

import pandas as pd

from augbench.report.arms import VERDICT_COLOURS, generator_of, kind, sort_arms, verdict_word
from augbench.report.words import difference, is_number, number

RATIO_TARGET, RATIO_GOAL = 0.97, 0.99
CI_WIDTH = 0.03
MIXED_TOLERANCE = 0.005
#: Below this Dice the real-only network has not learnt the task, and a ratio to it means nothing.
REFERENCE_FLOOR = 0.5

MET, MISSED, UNKNOWN = "met", "missed", "not judged"


def headline(comparison: pd.DataFrame, audit: pd.DataFrame) -> dict[str, Any]:
    """Numbers of the abstract.

    Returns:
        `arms`: arm -> its overall row (view `all`, structure `mean`, metric `dice`) with `ratio` and `ci_width`;
        `verdicts`: arm -> verdict word -> number of structures and views; `targets`: rows name, wanted, found, status.
    """
    dice = comparison[comparison["metric"] == "dice"]
    overall = dice[(dice["view"] == "all") & (dice["reference_arm"] == "real")]
    arms: dict[str, dict[str, Any]] = {}
    for arm in sort_arms(overall["arm"]):
        row = {str(name): value for name, value in overall[overall["arm"] == arm].iloc[0].items()}
        mean, reference = row["mean_arm"], row["mean_reference"]
        row["ratio"] = mean / reference if is_number(mean) and is_number(reference) and reference else None
        row["ci_width"] = row["ci_high"] - row["ci_low"]
        arms[arm] = row
    return {"arms": arms, "verdicts": verdict_counts(dice), "targets": _targets(arms, flags(audit))}


def verdict_counts(dice: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Arm -> verdict word -> count over structures and views, the overall row left out."""
    rows = dice[(dice["view"] != "all") & (dice["reference_arm"] == "real")]
    counts: dict[str, dict[str, int]] = {}
    for arm in sort_arms(rows["arm"]):
        words = [verdict_word(verdict) for verdict in rows.loc[rows["arm"] == arm, "verdict"]]
        counts[arm] = {word: words.count(word) for word in VERDICT_COLOURS}
    return counts


def flags(audit: pd.DataFrame) -> dict[str, bool]:
    """Generator -> whether any row of its privacy audit was flagged; generators without a privacy row are absent."""
    found: dict[str, bool] = {}
    for row in audit.itertuples(index=False):
        flag = is_flagged(row.flag)
        if flag is not None:
            found[str(row.generator)] = found.get(str(row.generator), False) or flag
    return found


def is_flagged(flag: Any) -> bool | None:
    """True, False, or None where the row was not judged. Reads booleans and the words `flagged` / `not flagged`."""
    if flag is None or flag == "" or (isinstance(flag, float) and pd.isna(flag)):
        return None
    return str(flag).strip().lower() in ("flagged", "true", "1", "1.0")


def too_weak(row: dict[str, Any]) -> bool:
    """Whether the real-only network itself fails, so that comparing with it says nothing."""
    return not is_number(row["mean_reference"]) or row["mean_reference"] < REFERENCE_FLOOR


def _targets(arms: dict[str, dict[str, Any]], flagged: dict[str, bool]) -> list[dict[str, str]]:
    synthetic = [arm for arm in arms if kind(arm) == "synthetic"]
    targets: list[dict[str, str]] = []
    for arm in synthetic:
        row = arms[arm]
        for name, bound in (("target", RATIO_TARGET), ("goal", RATIO_GOAL)):
            good = _known(row, row["ratio"], partial(le, bound))
            targets.append(_target(f"Dice ratio {arm} : real, {name}", f"≥ {bound}", number(row["ratio"], 4), good))
        good = _known(row, row["ci_width"], lambda value: value < CI_WIDTH)
        found = number(row["ci_width"], 4)
        targets.append(_target(f"95% CI width of the difference {arm} − real", f"< {CI_WIDTH}", found, good))
    for arm in (arm for arm in arms if kind(arm) == "mixed"):
        gap = arms[arm]["mean_difference"]
        good = _known(arms[arm], gap, lambda value: value >= -MIXED_TOLERANCE)
        targets.append(_target(f"{arm} not below real", f"≥ −{MIXED_TOLERANCE}", difference(gap), good))
    if not synthetic:
        name = "Synthetic-only : real-only Dice ratio"
        targets.append(_target(name, f"≥ {RATIO_TARGET}", "no synthetic-only arm in this run", None))
    return targets + _control_targets(arms, flagged, synthetic)


def _control_targets(
    arms: dict[str, dict[str, Any]], flagged: dict[str, bool], synthetic: list[str]
) -> list[dict[str, str]]:
    oracle = arms.get("oracle/synthetic")
    name, wanted = "Oracle below no generator", "oracle ≥ every generator"
    if oracle is None:
        targets = [_target(name, wanted, "no oracle arm in this run", None)]
    else:
        others = ", ".join(f"{generator_of(arm)} {number(arms[arm]['mean_arm'])}" for arm in synthetic)
        found = f"oracle {number(oracle['mean_arm'])}" + (f"; {others}" if others else "")
        best = max((arms[arm]["mean_arm"] for arm in synthetic), default=None)
        targets = [_target(name, wanted, found, _known(oracle, best, lambda value: oracle["mean_arm"] >= value))]
    for name, expected in (("memoriser", True), ("oracle", False)):
        state = flagged.get(name)
        words = "not audited" if state is None else "flagged" if state else "not flagged"
        wanted = "flagged" if expected else "not flagged"
        good = None if state is None else state is expected
        targets.append(_target(f"Privacy audit: {name} {wanted}", wanted, words, good))
    return targets


def _target(name: str, wanted: str, found: str, good: bool | None) -> dict[str, str]:
    status = UNKNOWN if good is None else MET if good else MISSED
    return {"name": name, "wanted": wanted, "found": found, "status": status}


def _known(row: dict[str, Any], value: Any, met: Callable[[Any], bool]) -> bool | None:
    """Whether a target on Dice is met; None when the value is undefined or the real-only network fails."""
    return None if too_weak(row) or not is_number(value) else bool(met(value))
