"""Tables of what was run: parameters, wall times and memory."""

from __future__ import annotations

from typing import Any

from augbench.report import words
from augbench.report.rows import sort_by

STAGES = (
    *("prepare", "train_generator", "sample", "label", "audit", "train_segmenter", "train_segmenter_generated"),
    *("develop", "evaluate", "compare", "report"),
)


def flattened(params: Any, prefix: str = "") -> list[tuple[str, str]]:
    """Nested parameters as `generators.<name>.<option>`, `60`."""
    if isinstance(params, dict):
        return [
            row for key, value in params.items() for row in flattened(value, f"{prefix}.{key}" if prefix else str(key))
        ]
    text = ", ".join(str(item) for item in params) if isinstance(params, (list, tuple)) else str(params)
    return [(prefix, text)]


def stage_table(stages: list[dict[str, Any]]) -> dict[str, Any]:
    """Wall time and peak memory: per kind of stage (the name before `@`), and of every single stage.

    A row whose name begins with `all` is the whole run; stages run side by side, so their times add to more.
    """
    single = [stage for stage in stages if not str(stage["stage"]).startswith("all ")]
    whole = [stage for stage in stages if stage not in single]
    total = sum(float(stage["seconds"]) for stage in single)
    kinds: dict[str, list[dict[str, Any]]] = {}
    for stage in single:
        kinds.setdefault(str(stage["stage"]).partition("@")[0], []).append(stage)
    rows = []
    for kind in sort_by(kinds, STAGES):
        parts = kinds[kind]
        seconds = [float(part["seconds"]) for part in parts]
        share = round(100 * sum(seconds) / total, 1) if total else 0.0
        times = {"time": words.duration(sum(seconds)), "longest": words.duration(max(seconds)), "share": share}
        rows.append({"stage": kind, "runs": len(parts), "peak": _peak(parts)} | times)
    every = [
        {"stage": stage["stage"], "time": words.duration(stage["seconds"]), "peak": words.count(stage.get("peak_mib"))}
        for stage in single
    ]
    return {
        "rows": rows,
        "every": every,
        "total": words.duration(total),
        "whole": words.duration(whole[0]["seconds"]) if whole else "",
        "peak": _peak(single),
    }


def _peak(stages: list[dict[str, Any]]) -> str:
    peaks = [stage["peak_mib"] for stage in stages if words.is_number(stage.get("peak_mib"))]
    return words.count(max(peaks)) if peaks else words.NOTHING
