"""The headline: ratio, difference, verdict counts, and each target of the study as met or missed."""

from __future__ import annotations

from typing import Any

import pandas as pd

from augbench.figures.arms import CONTROLS, VERDICT_COLOURS, generator_of, kind, sort_arms, verdict_word
from augbench.figures.words import difference, is_number, number

RATIO_TARGET, RATIO_GOAL = 0.97, 0.99
CI_WIDTH = 0.03
MIXED_TOLERANCE = 0.005

MET, MISSED, UNKNOWN = "met", "missed", "not measured"


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


def _targets(arms: dict[str, dict[str, Any]], flagged: dict[str, bool]) -> list[dict[str, str]]:
    targets: list[dict[str, str]] = []

    def add(name: str, wanted: str, found: str, good: bool | None) -> None:
        status = UNKNOWN if good is None else MET if good else MISSED
        targets.append({"name": name, "wanted": wanted, "found": found, "status": status})

    synthetic = [arm for arm in arms if kind(arm) == "synthetic"]
    for arm in synthetic:
        row, value = arms[arm], arms[arm]["ratio"]
        found = number(value, 4)
        for name, bound in (("target", RATIO_TARGET), ("goal", RATIO_GOAL)):
            add(f"Dice ratio {arm} : real, {name}", f"≥ {bound}", found, _at_least(value, bound))
        width = row["ci_width"]
        good = width < CI_WIDTH if is_number(width) else None
        add(f"95% CI width of the difference {arm} − real", f"< {CI_WIDTH}", number(width, 4), good)
    for arm in (arm for arm in arms if kind(arm) == "mixed"):
        gap = arms[arm]["mean_difference"]
        add(
            f"{arm} not below real",
            f"≥ −{MIXED_TOLERANCE}",
            difference(gap),
            _at_least(gap, -MIXED_TOLERANCE),
        )
    if not synthetic:
        add("synthetic-only / real-only Dice", f"≥ {RATIO_TARGET}", "no synthetic-only arm in this run", None)
    _control_targets(arms, flagged, synthetic, add)
    return targets


def _control_targets(arms: dict[str, dict[str, Any]], flagged: dict[str, bool], synthetic: list[str], add: Any) -> None:
    oracle = arms.get("oracle/synthetic")
    if oracle is None:
        add("Oracle below no generator", "oracle ≥ every generator", "no oracle arm in this run", None)
    else:
        above = [arm for arm in synthetic if arms[arm]["mean_arm"] > oracle["mean_arm"]]
        others = ", ".join(f"{generator_of(arm)} {number(arms[arm]['mean_arm'])}" for arm in synthetic)
        found = f"oracle {number(oracle['mean_arm'])}" + (f"; {others}" if others else "")
        add("Oracle below no generator", "oracle ≥ every generator", found, not above)
    for name, wanted in (("memoriser", True), ("oracle", False)):
        state = flagged.get(name)
        words = "not audited" if state is None else "flagged" if state else "not flagged"
        expected = "flagged" if wanted else "not flagged"
        add(f"Privacy audit: {name} {expected}", expected, words, None if state is None else state is wanted)


def _at_least(value: Any, bound: float) -> bool | None:
    return bool(value >= bound) if is_number(value) else None


def candidates(arms: dict[str, Any]) -> list[str]:
    """Generators under study (not controls) among the arms."""
    return sorted({generator_of(arm) for arm in arms} - set(CONTROLS) - {""})
