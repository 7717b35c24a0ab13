"""Tables of what was run: parameters, processor and wall times, memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from augbench.report import words

#: An assumption, stated with the estimate: a server processor of 64 cores at full load, with its share of memory and
#: power supply, takes some 400 to 700 W.
WATTS_PER_CORE = 10.0


def flattened(params: Any, prefix: str = "") -> list[tuple[str, str]]:
    """Nested parameters as `generators.<name>.<option>`, `60`."""
    if isinstance(params, dict):
        return [
            row for key, value in params.items() for row in flattened(value, f"{prefix}.{key}" if prefix else str(key))
        ]
    text = ", ".join(str(item) for item in params) if isinstance(params, (list, tuple)) else str(params)
    return [(prefix, text)]


def stage_table(stages: list[dict[str, Any]]) -> dict[str, Any]:
    """What the results cost: per kind of stage (the name before `@`), and of every stage and every part of one.

    A stage's row leaves out its parts (`stage@entry+part`), so the rows add up. One whose name begins with `all` is the
    last run of the whole; it kept what was finished before, and ran stages side by side. Rows keep the order they are
    given in.
    """
    single = [stage for stage in stages if not str(stage["stage"]).startswith("all ")]
    whole = [stage for stage in stages if stage not in single]
    total = sum(map(processor_seconds, single))
    kinds: dict[str, list[dict[str, Any]]] = {}
    for stage in single:
        kinds.setdefault(str(stage["stage"]).partition("@")[0], []).append(stage)
    return {
        "rows": [_kind(kind, kinds[kind], total) for kind in kinds],
        "every": [_times(stage["stage"], [stage]) for stage in single],
        "total": words.duration(total),
        "energy": f"{total / 3600 * WATTS_PER_CORE:.0f}",
        "whole": words.duration(whole[0]["seconds"]) if whole else "",
        "peak": _peak(single),
    }


def processor_seconds(stage: Mapping[str, Any]) -> float:
    """Over all threads; the wall time in a row of a time when that was all that was noted."""
    return float(stage.get("core_seconds", stage["seconds"]))


def _kind(kind: str, rows: list[dict[str, Any]], total: float) -> dict[str, Any]:
    spent = sum(map(processor_seconds, rows))
    parts = sum("+" in str(row["stage"]) for row in rows) or len(rows)
    return _times(kind, rows) | {"parts": parts, "share": round(100 * spent / total, 1) if total else 0.0}


def _times(name: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "stage": name,
        "processor": words.duration(sum(map(processor_seconds, rows))),
        "time": words.duration(sum(float(row["seconds"]) for row in rows)),
        "longest": words.duration(max(float(row["seconds"]) for row in rows)),
        "peak": _peak(rows),
    }


def _peak(stages: list[dict[str, Any]]) -> str:
    peaks = [stage["peak_mib"] for stage in stages if words.is_number(stage.get("peak_mib"))]
    return words.count(max(peaks)) if peaks else words.NOTHING
