"""Numbers as they are printed: one form for one kind of number, everywhere in the report."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

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


def difference(value: Any, digits: int = 4) -> str:
    """`+0.0123`: with its sign."""
    text = number(value, digits)
    return f"+{text}" if is_number(value) and float(f"{value:.{digits}f}") > 0 else text


def interval(low: Any, high: Any, digits: int = 4) -> str:
    """`−0.0101 to 0.0012`."""
    return f"{number(low, digits)} to {number(high, digits)}" if is_number(low) and is_number(high) else NOTHING


def median_iqr(median: Any, q1: Any, q3: Any, digits: int = 3) -> str:
    """`0.978 [0.973–0.983]`."""
    return f"{number(median, digits)} [{number(q1, digits)}–{number(q3, digits)}]" if is_number(median) else NOTHING


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
    if abs(value) < 1e-4:  # where `g` would change to powers of ten
        return f"{value:.{digits - 1 - math.floor(math.log10(abs(value)))}f}".replace("-", _MINUS)
    # `#` keeps closing zeros, so that 0.0310 stands as exact as 0.0332 beside it.
    return f"{value:#.{digits}g}".rstrip(".").replace("-", _MINUS)


def percent(value: Any) -> str:
    """`45%`, `−3%`."""
    return f"{number(100 * value, 0)}%" if is_number(value) else NOTHING


def count(value: Any) -> str:
    """A whole number with thousands separated, or a dash where there is none."""
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


def listed(parts: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}" if parts else ""


def capitalise(text: str) -> str:
    """First letter large, the others as they are (names keep their form)."""
    return text[:1].upper() + text[1:]
