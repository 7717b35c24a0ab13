"""The results as a short Markdown text: for a terminal, a README or a pull request."""

from __future__ import annotations

from typing import Any

import pandas as pd

from augbench.report import recovered, tables
from augbench.report.data import ReportData
from augbench.report.rows import text, verdict_word
from augbench.report.verdicts import qualified
from augbench.report.words import is_number, number


def summary(data: ReportData) -> str:
    """Arms against the reference, targets, verdict per structure; the primary metric only."""
    parts = [f"# {data.study.title}", _arms(data)]
    if data.targets:
        rows = [[one.name, one.wanted, one.found, one.status] for one in data.targets]
        parts.append(markdown_table(["target", "wanted", "found", "result"], rows))
    parts += recovered.sentences(data)
    parts += [_structures(data, arm) for arm in data.overall]
    if data.labels:
        parts.append(f"Labels of synthetic frames: {data.labels}.")
    return "\n\n".join(parts) + "\n"


def document(data: ReportData) -> dict[str, Any]:
    """The same numbers for machines: full precision, keys as in the tables, undefined as None."""
    means = (
        "mean_arm",
        "mean_reference",
        "mean_difference",
        "ci_low",
        "ci_high",
        "ratio",
        "ratio_low",
        "ratio_high",
        "p_value",
        "p_adjusted",
    )
    return {
        "title": data.study.title,
        "metric": data.metric.kind,
        "higher_is_better": data.metric.higher_is_better,
        "margin": data.metric.margin,
        "primary_arm": data.primary_arm,
        "reference_arm": data.display.reference,
        "arms": {
            arm: {
                "role": data.display.by_name[arm].role,
                "endpoint": row["endpoint"],
                "verdict": verdict_word(row["verdict"]) or None,
                "seeds_unknown": text(row["seeds_unknown"]) or None,
            }
            | {name: _plain(row[name]) for name in means}
            for arm, row in data.overall.items()
            if arm in data.display.by_name
        },
        "sites": [
            {"arm": arm, "site": site, "mean": _plain(mean)}
            for arm, site, mean in _primary_sites(data)[["arm", "site", "mean"]].itertuples(index=False, name=None)
        ],
        "targets": [vars(target) for target in data.targets],
        "flagged_generators": data.flags,
    }


def _plain(value: Any) -> float | None:
    return float(f"{value:.6g}") if is_number(value) else None


def _primary_sites(data: ReportData) -> pd.DataFrame:
    return data.sites[data.sites["metric"] == data.metric.kind]


def _arms(data: ReportData) -> str:
    reference = data.display.arm(data.display.reference)
    sites = tables.site_table(_primary_sites(data), data.metric, data.display)
    rows = []
    for row in sites["rows"]:
        own = data.overall.get(row["key"])
        cells = ["", "", ""] if own is None else [number(own["ratio"]), *_against(data, own)]
        against = "" if data.display.opponent(row["key"]) == reference else f" (to {data.display.opponent(row['key'])})"
        rows.append([f"{row['arm']}{against}", *row["cells"], *cells])
    head = ["arm", *sites["sites"], f"ratio to {reference}", "difference [95% CI]", "verdict"]
    return f"Mean {data.metric.name}, {data.metric.direction}.\n\n{markdown_table(head, rows)}"


def _against(data: ReportData, row: dict[str, Any]) -> list[str]:
    metric = data.metric
    interval = f"{metric.difference(row['mean_difference'])} [{metric.interval(row['ci_low'], row['ci_high'])}]"
    return [interval, qualified(row)]


def _structures(data: ReportData, arm: str) -> str:
    keys = ("place", "n", "mean_arm", "mean_reference", "difference", "ci", "p", "verdict")
    rows = tables.verdict_table(data.comparison, arm, data.metric, data.display)
    shown = [[row[key] for key in keys] for row in rows if not row["overall"]]
    reference = data.display.opponent(arm)
    head = ["structure", "n", "arm", reference, "difference", "95% CI", "p", "verdict"]
    return f"**{data.display.arm(arm)} against {reference}**\n\n{markdown_table(head, shown)}"


def markdown_table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table; `|` in a cell is escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)
