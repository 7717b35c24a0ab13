"""The targets that a study set in advance, judged from the tables: met, missed, or not judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from augbench.core.study import Target
from augbench.report import words
from augbench.report.display import Display
from augbench.report.metric import Metric

MET, MISSED, UNKNOWN = "met", "missed", "not judged"
FLAGGED, NOT_FLAGGED = "flagged", "not flagged"

Rows = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Judged:
    """One target as a line of text, with its status: `met`, `missed` or `not judged`."""

    name: str
    wanted: str
    found: str
    status: str


@dataclass(frozen=True)
class Judge:
    """Judges targets.

    Attributes:
        rows: arm -> its overall row on the primary metric, with `ratio` and `ci_width`.
        flags: generator -> whether its privacy audit flagged it.
    """

    rows: Rows
    flags: Mapping[str, bool]
    metric: Metric
    display: Display

    def judge(self, targets: Sequence[Target]) -> list[Judged]:
        """Every target, in the order of the study."""
        return [self._judged(target) for target in targets]

    def _judged(self, target: Target) -> Judged:
        if target.kind in (FLAGGED, NOT_FLAGGED):
            return self._audited(target)
        if target.arm not in self.rows:
            wanted = _limits(target) or f"as good as {words.listed([self.display.arm(name) for name in target.others])}"
            return Judged(target.name, wanted, f"no arm {self.display.arm(target.arm)} in this run", UNKNOWN)
        return self._ranked(target) if target.kind == "not below" else self._limited(target)

    def _limited(self, target: Target) -> Judged:
        """`ratio`, `difference` and `interval`: a number against its limits, unrounded."""
        column = {"ratio": "ratio", "difference": "mean_difference", "interval": "ci_width"}[target.kind]
        row = self.rows[target.arm]
        value = row[column]
        found = self.metric.difference(value) if column == "mean_difference" else words.number(value, 4)
        if self.metric.too_weak(row["mean_reference"]) or not words.is_number(value):
            return Judged(target.name, _limits(target), found, UNKNOWN)
        good = (target.at_least is None or value >= target.at_least) and (
            target.at_most is None or value <= target.at_most
        )
        return Judged(target.name, _limits(target), found, MET if good else MISSED)

    def _ranked(self, target: Target) -> Judged:
        """`not below`: the arm's mean is at least as good as that of each of the others."""
        row = self.rows[target.arm]
        known = {name: other["mean_arm"] for name, other in self.rows.items()}
        known[self.display.reference] = row["mean_reference"]
        means = {name: known[name] for name in target.others if name in known}
        shown = "; ".join(
            f"{self.display.arm(name)} {self.metric.number(mean)}"
            for name, mean in {target.arm: row["mean_arm"], **means}.items()
        )
        wanted = f"as good as {words.listed([self.display.arm(name) for name in target.others])}"
        numbers = [row["mean_arm"], *means.values()]
        if self.metric.too_weak(row["mean_reference"]) or not means or not all(map(words.is_number, numbers)):
            return Judged(target.name, wanted, shown, UNKNOWN)
        good = all(self.metric.at_least_as_good(row["mean_arm"], mean) for mean in means.values())
        return Judged(target.name, wanted, shown, MET if good else MISSED)

    def _audited(self, target: Target) -> Judged:
        """`flagged` and `not flagged`: the privacy audit of the arm's generator."""
        arm = self.display.by_name.get(target.arm)
        state = self.flags.get(arm.generator) if arm and arm.generator else None
        if state is None:
            return Judged(target.name, target.kind, "not audited", UNKNOWN)
        found = FLAGGED if state else NOT_FLAGGED
        return Judged(target.name, target.kind, found, MET if found == target.kind else MISSED)


def _limits(target: Target) -> str:
    bounds = (("≥", target.at_least), ("≤", target.at_most))
    return " and ".join(f"{sign} {bound:g}".replace("-", "−") for sign, bound in bounds if bound is not None)


def is_flagged(flag: Any) -> bool | None:
    """True, False, or None where the row was not judged. Reads booleans and the words `flagged` / `not flagged`."""
    if flag is None or flag == "" or (isinstance(flag, float) and pd.isna(flag)):
        return None
    return str(flag).strip().lower() in (FLAGGED, "true", "1", "1.0")


def flags(audit: pd.DataFrame) -> dict[str, bool]:
    """Generator -> whether any row of its privacy audit was flagged; generators without a privacy row are absent."""
    found: dict[str, bool] = {}
    for generator, flag in audit[["generator", "flag"]].itertuples(index=False, name=None):
        state = is_flagged(flag)
        if state is not None:
            found[str(generator)] = found.get(str(generator), False) or state
    return found
