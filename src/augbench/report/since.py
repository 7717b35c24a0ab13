"""What changed between two revisions of the experiment, as plain text cells for every form it is shown in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pandas as pd

from augbench.core.study import Names
from augbench.report import words
from augbench.report.display import Display
from augbench.report.verdicts import qualified


@dataclass(frozen=True)
class Since:
    """Two revisions side by side.

    Attributes:
        base, head: how the revisions are called: `main (2341268)`, `working tree`.
        table: columns of `comparison.revision.COLUMNS`, of one or more metrics.
        margins: metric -> equivalence margin.
        titles: metric -> its name for readers.
        notes: sentences on doubts and on what else changed.
        verdicts: rows (arm, view, structure, old, new) of verdicts against the reference arm that changed.
        names: display names of views, structures and arms.
    """

    base: str
    head: str
    table: pd.DataFrame
    margins: Mapping[str, float]
    titles: Mapping[str, str]
    notes: Sequence[str] = ()
    verdicts: Sequence[tuple[str, str, str, str, str]] = ()
    names: Names = field(default_factory=Names)

    @property
    def metrics(self) -> list[str]:
        """In the order of the table, the primary one first."""
        return list(self.table["metric"].unique())

    @property
    def unchanged(self) -> list[str]:
        """Arms in which no patient's score differs."""
        changed = self.table.groupby("arm", sort=False)["n_changed"].sum()
        return [str(arm) for arm in changed.index[changed == 0]]

    @property
    def changed(self) -> list[str]:
        """The other arms, in the order of the table."""
        return [arm for arm in self.table["arm"].unique() if arm not in self.unchanged]

    @cached_property
    def display(self) -> Display:
        """How keys are shown."""
        return Display(self.names)

    def place(self, view: str, structure: str) -> str:
        """`4-chamber left ventricle`, or `mean of all`."""
        return self.display.spoken(view, structure)

    @property
    def moved(self) -> list[tuple[str, str, str, str]]:
        """Names of arm and place, old and new verdict, of each row of `verdicts`."""
        return [
            (self.display.arm(arm), self.place(view, structure), old, new)
            for arm, view, structure, old, new in self.verdicts
        ]

    @property
    def unchanged_names(self) -> list[str]:
        """Display names of the arms in which no patient's score differs."""
        return [self.display.arm(arm) for arm in self.unchanged]


def overall_rows(since: Since, metric: str) -> list[dict[str, Any]]:
    """One row of cells per arm: the mean over all views and structures."""
    rows = since.table[(since.table["metric"] == metric) & since.table["overall"]]
    return [_cells(row) | {"name": since.display.arm(row["arm"])} for row in rows.to_dict("records")]


def structure_rows(since: Since, metric: str, arm: str) -> list[dict[str, Any]]:
    """One row of cells per view and structure of an arm; none where one place is all there is."""
    table = since.table
    rows = table[(table["metric"] == metric) & (table["arm"] == arm) & ~table["overall"]]
    return [_cells(row) | {"name": since.place(row["view"], row["structure"])} for row in rows.to_dict("records")]


def _cells(row: Mapping[Any, Any]) -> dict[str, Any]:
    word = "unchanged" if row["n_changed"] == 0 else row["verdict"]
    return {
        "n": words.count(row["n_subjects"]),
        "base": words.number(row["mean_base"]),
        "head": words.number(row["mean_head"]),
        "difference": words.difference(row["mean_difference"]),
        "ci": words.interval(row["ci_low"], row["ci_high"]),
        "ci90": words.interval(row["ci90_low"], row["ci90_high"]),
        "p": words.p_value(row["p_adjusted"]),
        "verdict": word if row["n_changed"] == 0 else qualified(dict(row)) or word,
        "css": word.split()[-1],
        "changed": int(row["n_changed"]),
    }


def title(since: Since) -> str:
    """Heading of the page: head since base."""
    return f"{since.head} since {since.base}"


def patients(since: Since) -> str:
    """`50 external patients`, or a range where scores are undefined."""
    counts = since.table["n_subjects"].dropna()
    low, high = (int(counts.min()), int(counts.max())) if len(counts) else (0, 0)
    return f"{low} external patients" if low == high else f"{low} to {high} external patients"


def how(since: Since, metric: str) -> str:
    """How the numbers came about, in one sentence."""
    return (
        f"{since.titles[metric]}, head minus base, paired by patient and seed; 95% CI and p from the variance between "
        f"patients and trainings, p after Holm correction unless of the primary endpoint; equivalent means the 90% CI "
        f"lies within ±{since.margins[metric]:g}."
    )


def seeds_note(table: pd.DataFrame) -> str:
    """Names the arms of a `Since.table` whose seeds could not be paired; empty when all were."""
    apart = table[table["seeds"].str.endswith("differ")].drop_duplicates("arm")
    parts = [f"{arm} ({seeds})" for arm, seeds in zip(apart["arm"], apart["seeds"], strict=True)]
    return f"seeds changed: {', '.join(parts)}" if parts else ""
