"""The share of an opponent's lead over the reference that arms with synthetic frames recover: table and sentences."""

from __future__ import annotations

from typing import Any

from augbench.report.data import ReportData
from augbench.report.rows import records, text
from augbench.report.words import NOTHING, count, is_number, listed, percent

_UNBOUNDED = "unbounded"


def table(data: ReportData) -> list[dict[str, str]]:
    """A row an arm and opponent, cells as text."""
    display, metric = data.display, data.metric
    return [
        {
            "arm": display.arm(row["arm"]),
            "opponent": display.arm(row["opponent"]),
            "reference": display.arm(row["reference_arm"]),
            "n": count(row["n_subjects"]),
            "lead": metric.difference(row["lead"]),
            "lead_ci": metric.interval(row["lead_low"], row["lead_high"]),
            "share": percent(row["share"]),
            "ci": _interval(row) or (_UNBOUNDED if is_number(row["share"]) else NOTHING),
        }
        for row in records(data.recovered)
    ]


def sentences(data: ReportData) -> list[str]:
    """One an opponent: its lead, and what each arm recovers of it."""
    rows = [row for row in records(data.recovered) if is_number(row["share"])]
    return [
        _sentence(data, [row for row in rows if row["opponent"] == opponent])
        for opponent in dict.fromkeys(row["opponent"] for row in rows)
    ]


def _sentence(data: ReportData, rows: list[dict[str, Any]]) -> str:
    display, metric, first = data.display, data.metric, rows[0]
    opponent, reference = display.arm(first["opponent"]), display.arm(first["reference_arm"])
    leads = dict.fromkeys(metric.interval(row["lead_low"], row["lead_high"]) for row in rows)
    lead = f"{metric.difference(first['lead'])} (95% CI {' or '.join(leads)})"
    sign = 1 if metric.higher_is_better else -1
    if sign * first["lead"] < 0:
        return f"{opponent} does not lead {reference}: the difference is {lead}, and there is no lead to recover."
    shares = listed([f"{display.arm(row['arm'])} recovers {_share(row)}" for row in rows])
    return f"{opponent} leads {reference} by {lead}. Of this lead, {shares}."


def _share(row: dict[str, Any]) -> str:
    unknown = f"; {text(row['seeds_unknown'])} unknown" if text(row["seeds_unknown"]) else ""
    limits = _interval(row)
    if limits:
        return f"{percent(row['share'])} (95% CI {limits}{unknown})"
    return f"{percent(row['share'])} (no interval: the lead itself is not shown to differ from 0{unknown})"


def _interval(row: dict[str, Any]) -> str:
    low, high = row["ci_low"], row["ci_high"]
    return f"{percent(low)} to {percent(high)}" if is_number(low) and is_number(high) else ""
