"""What changed between two revisions of the experiment, as plain text cells for every form it is shown in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from augbench.report import words
from augbench.report.arms import sort_arms, verdict_word, view_name
from augbench.report.tables import METRIC_NAMES, ordered, records

SINCE = [
    *("view", "structure", "metric", "arm", "n_subjects", "mean_base", "mean_head", "mean_difference"),
    *("ci_low", "ci_high", "ci90_low", "ci90_high", "p_holm", "verdict", "n_undefined", "n_changed", "seeds"),
]


@dataclass(frozen=True)
class Since:
    """Two revisions side by side.

    Attributes:
        base, head: how the revisions are called: `main (2341268)`, `working tree`.
        table: columns SINCE, of one or more metrics; the overall row of an arm has view `all`, structure `mean`.
        margins: metric -> equivalence margin.
        notes: sentences on doubts and on what else changed.
        verdicts: rows (arm, view, structure, old, new) of verdicts against real that changed.
    """

    base: str
    head: str
    table: pd.DataFrame
    margins: Mapping[str, float]
    notes: Sequence[str] = ()
    verdicts: Sequence[tuple[str, str, str, str, str]] = ()

    @property
    def metrics(self) -> list[str]:
        """In the order of the table."""
        return list(self.table["metric"].unique())

    @property
    def unchanged(self) -> list[str]:
        """Arms in which no patient's score differs."""
        changed = self.table.groupby("arm")["n_changed"].sum()
        return [arm for arm in sort_arms(self.table["arm"]) if changed[arm] == 0]


def overall_rows(since: Since, metric: str) -> list[dict[str, Any]]:
    """One row of cells per arm: the mean over all views and structures."""
    rows = since.table[(since.table["metric"] == metric) & (since.table["view"] == "all")]
    order = sort_arms(rows["arm"])
    return sorted(
        (_cells(row) | {"name": row["arm"]} for row in records(rows)), key=lambda row: order.index(row["name"])
    )


def structure_rows(since: Since, metric: str, arm: str) -> list[dict[str, Any]]:
    """One row of cells per view and structure of an arm, in canonical order."""
    rows = since.table[(since.table["metric"] == metric) & (since.table["arm"] == arm) & (since.table["view"] != "all")]
    return [
        _cells(row) | {"name": f"{view_name(str(row['view']))} {row['structure']}"} for row in records(ordered(rows))
    ]


def _cells(row: dict[str, Any]) -> dict[str, Any]:
    word = verdict_word(row["verdict"])
    return {
        "n": words.count(row["n_subjects"]),
        "base": words.number(row["mean_base"]),
        "head": words.number(row["mean_head"]),
        "difference": words.difference(row["mean_difference"]),
        "ci": words.interval(row["ci_low"], row["ci_high"]),
        "ci90": words.interval(row["ci90_low"], row["ci90_high"]),
        "p": words.p_value(row["p_holm"]),
        "verdict": "unchanged" if row["n_changed"] == 0 else word or words.NOTHING,
        "css": "" if row["n_changed"] == 0 else word.split()[-1] if word else "",
        "changed": int(row["n_changed"]),
    }


def title(since: Since) -> str:
    return f"{since.head} since {since.base}"


def patients(since: Since) -> str:
    """`50 external patients`, or a range where scores are undefined."""
    counts = since.table["n_subjects"].dropna()
    low, high = (int(counts.min()), int(counts.max())) if len(counts) else (0, 0)
    return f"{low} external patients" if low == high else f"{low} to {high} external patients"


def metric_name(metric: str) -> str:
    return METRIC_NAMES.get(metric, metric.replace("_", " "))


def how(since: Since, metric: str) -> str:
    """How the numbers came about, in one sentence."""
    margin = since.margins[metric]
    return (
        f"{metric_name(metric)}, head minus base, paired by patient and seed; 95% CI by a bootstrap over patients and "
        f"seeds; p by Wilcoxon with Holm correction; equivalent means the 90% CI lies within ±{margin:g}."
    )


def seeds_note(since: Since) -> str:
    """Names the arms whose seeds could not be paired; empty when all were."""
    apart = since.table[since.table["seeds"] != "paired"].drop_duplicates("arm")
    parts = [f"{arm} ({seeds})" for arm, seeds in zip(apart["arm"], apart["seeds"], strict=True)]
    return f"seeds changed: {', '.join(parts)}" if parts else ""
