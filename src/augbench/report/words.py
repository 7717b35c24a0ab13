"""Numbers and verdicts as they are printed: one form for one kind of number, everywhere in the report."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

from augbench.report.arms import NEGLIGIBLE, STRUCTURE_NAMES, split_arm, verdict_word, view_name

NOTHING = "–"
_MINUS = "−"


def is_number(value: Any) -> bool:
    """True for a finite number; False for None, NaN, an empty cell or text."""
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def number(value: Any, digits: int = 3) -> str:
    """`0.871`; a true minus sign; `–` when undefined."""
    if not is_number(value):
        return NOTHING
    text = f"{value:.{digits}f}"
    if float(text) == 0:
        text = text.removeprefix("-")
    return text.replace("-", _MINUS)


def difference(value: Any) -> str:
    """Four decimals and a sign: the margin is 0.01, so the fourth decides near it."""
    text = number(value, 4)
    return f"+{text}" if is_number(value) and float(f"{value:.4f}") > 0 else text


def interval(low: Any, high: Any, digits: int = 4) -> str:
    """`−0.0101 to 0.0012`."""
    return f"{number(low, digits)} to {number(high, digits)}" if is_number(low) and is_number(high) else NOTHING


def median_iqr(median: Any, q1: Any, q3: Any) -> str:
    """`0.978 [0.973–0.983]`, the paper's form."""
    return f"{number(median)} [{number(q1)}–{number(q3)}]" if is_number(median) else NOTHING


def p_value(value: Any) -> str:
    """`<0.0001`, `0.0031`, `0.45`."""
    if not is_number(value):
        return NOTHING
    return "<0.0001" if value < 0.0001 else f"{value:.4f}" if value < 0.001 else f"{value:.3f}"


def significant(value: Any, digits: int = 3) -> str:
    """Three significant digits, for scores of any size."""
    if not is_number(value):
        return NOTHING
    if value == 0 or abs(value) >= 1000:
        return f"{value:,.0f}".replace("-", _MINUS)
    # `#` keeps closing zeros, so that 0.0310 stands as exact as 0.0332 beside it.
    return f"{value:#.{digits}g}".rstrip(".").replace("-", _MINUS)


def count(value: Any) -> str:
    return f"{int(value):,}" if is_number(value) else NOTHING


def duration(seconds: Any) -> str:
    """`41 s`, `15 min 12 s`, `2 h 05 min`."""
    if not is_number(seconds):
        return NOTHING
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def trained_on(arm: str) -> str:
    """`pggan frames alone`, `real and pggan frames (1 per real frame)`."""
    generator, regime = split_arm(arm)
    if not generator:
        return "real frames" if regime == "real" else f"{regime} frames"
    if regime == "synthetic":
        return f"{generator} frames alone"
    amount = regime.partition("-")[2]
    return f"real and {generator} frames" + (f" ({amount} synthetic per real)" if amount else "")


def structure_name(view: str, structure: str) -> str:
    """`4-chamber left ventricle`."""
    return f"{view_name(view)} {STRUCTURE_NAMES.get(structure, structure)}"


def verdict_sentence(row: dict[str, Any], margin: float) -> str:
    """What one Dice row of the comparison says: verdict, difference with its interval, and why."""
    word = verdict_word(row.get("verdict"))
    name = structure_name(str(row["view"]), str(row["structure"]))
    if not word or not is_number(row["ci_low"]):
        return f"{name}: no verdict, for lack of patients with a defined score."
    reason = {
        "equivalent": f"the 90% CI lies within ±{margin:g}",
        NEGLIGIBLE: f"the 95% CI leaves out 0, the 90% CI lies within ±{margin:g}",
        "better": "the whole 95% CI lies above 0",
        "worse": "the whole 95% CI lies below 0",
        "inconclusive": _undecided(row),
    }[word]
    return (
        f"{name}: {word}, {difference(row['mean_difference'])} ({interval(row['ci_low'], row['ci_high'])}); {reason}."
    )


def _undecided(row: dict[str, Any]) -> str:
    if row["ci_low"] > 0 or row["ci_high"] < 0:
        return f"the 95% CI leaves out 0, but p is {p_value(row['p_holm'])} after Holm correction"
    needed = row.get("n_needed")
    if not is_number(needed):
        return "the data decide neither way"
    if needed > row["n_subjects"]:
        return f"at this spread at least {count(needed)} patients would have been needed to decide"
    return "the spread would have allowed a decision, but the difference lies too near the margin"


def capitalise(text: str) -> str:
    """First letter large, the others as they are (`4-chamber`, `LV` and generator names keep their form)."""
    return text[:1].upper() + text[1:]
