"""What a row of the comparison says: its verdict, why, and what would have decided it."""

from __future__ import annotations

from typing import Any

from augbench.core.verdicts import BETTER, EQUIVALENT, NEGLIGIBLE, WORSE
from augbench.report.display import Display
from augbench.report.metric import Metric
from augbench.report.rows import text, verdict_word
from augbench.report.words import count, is_number, p_value

SEEDS_UNKNOWN = "seed variance unknown"


def verdict_sentence(row: dict[str, Any], metric: Metric, display: Display) -> str:
    """Verdict, difference with its interval, and the reason."""
    word = verdict_word(row.get("verdict"))
    name = display.spoken(str(row["view"]), str(row["structure"]))
    if not word or not is_number(row["ci_low"]):
        return f"{name}: no verdict, for lack of patients with a defined score."
    above, below = ("above", "below") if metric.higher_is_better else ("below", "above")
    reason = {
        EQUIVALENT: f"the 90% CI lies within {metric.margin_text}",
        NEGLIGIBLE: f"different from 0 ({_tested(row)}), the 90% CI lies within {metric.margin_text}",
        BETTER: f"the whole 95% CI lies {above} 0 ({_tested(row)})",
        WORSE: f"the whole 95% CI lies {below} 0 ({_tested(row)})",
    }.get(word) or _undecided(row)
    found = f"{metric.difference(row['mean_difference'])} ({metric.interval(row['ci_low'], row['ci_high'])})"
    unknown = f"; one seed of the {lacking(row)} was run, so {SEEDS_UNKNOWN}" if lacking(row) else ""
    return f"{name}: {qualified(row)}, {found}; {reason}{unknown}."


def qualified(row: dict[str, Any]) -> str:
    """The verdict word; in a row that is blind to a kind of seeds, with that said."""
    word = verdict_word(row["verdict"])
    return f"{word} ({SEEDS_UNKNOWN})" if word and lacking(row) else word


def lacking(row: dict[str, Any]) -> str:
    """Whose seeds are unknown: `generator`, `segmenter`, `generator and segmenter`, or nothing."""
    return text(row.get("seeds_unknown")).replace(" seeds", "")


def _tested(row: dict[str, Any]) -> str:
    corrected = "" if row.get("endpoint") == "primary" else " after Holm correction"
    return f"p {p_value(row['p_adjusted'])}{corrected}"


def _undecided(row: dict[str, Any]) -> str:
    enough = needed(row)
    if row["ci_low"] > 0 or row["ci_high"] < 0:
        corrected = f"the 95% CI excludes 0, but p is {p_value(row['p_adjusted'])} after Holm correction"
        return f"{corrected}; about {enough} would decide" if enough else corrected
    source = row.get("limited_by")
    if not isinstance(source, str) or not source:
        return "the data decide neither way"
    share = f", {row['limited_share']:.0%} of the variance," if is_number(row.get("limited_share")) else ""
    spread = f"the spread between {source}{share} prevents a decision"
    alone = f"{spread}, and no sensible number of patients or seeds alone would allow one"
    return f"{spread}; about {enough} would allow one" if enough else alone


def needed(row: dict[str, Any]) -> str:
    """`132 patients or 9 generator seeds`: what would decide an inconclusive row; empty where nothing would."""
    source = str(row.get("limited_by"))
    # Another single training is another segmenter seed.
    seeds = source if source.endswith("seeds") else "segmenter seeds"
    numbers = {"patients": row.get("patients_needed"), seeds: row.get("seeds_needed")}
    return " or ".join(f"{count(number)} {unit}" for unit, number in numbers.items() if is_number(number))
