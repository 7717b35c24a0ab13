"""The targets that a study set in advance, judged by confidence limits: shown, not shown, refuted, or not judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

import pandas as pd

from augbench.core.study import Target
from augbench.report import words
from augbench.report.display import Display
from augbench.report.metric import Metric

SHOWN, NOT_SHOWN, REFUTED, UNKNOWN = "shown", "not shown", "refuted", "not judged"
FLAGGED, NOT_FLAGGED = "flagged", "not flagged"

Rows = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Judged:
    """One target as a line of text, with its status: `shown`, `not shown`, `refuted` or `not judged`."""

    name: str
    wanted: str
    found: str
    status: str


@dataclass(frozen=True)
class Judge:
    """Judges targets.

    Attributes:
        rows: arm -> its overall row on the primary metric, with `ci_width`.
        contrasts: `arm` minus `other` of every two arms, with limits, on the same metric.
        flags: generator -> whether its privacy audit flagged it.
    """

    rows: Rows
    contrasts: pd.DataFrame
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
        """`ratio`, `difference` and `interval`: the 95% limits against the target's, unrounded.

        The width of the interval is what it is, and has no limits of its own.
        """
        row = self.rows[target.arm]
        if target.kind == "interval":
            low = high = row["ci_width"]
            found = words.number(low, 4)
        elif target.kind == "ratio":
            low, high = row["ratio_low"], row["ratio_high"]
            found = f"{words.number(row['ratio'], 4)} ({words.number(low, 4)} to {words.number(high, 4)})"
        else:
            low, high = row["ci_low"], row["ci_high"]
            found = f"{self.metric.difference(row['mean_difference'])} ({self.metric.interval(low, high)})"
        if self.metric.too_weak(row["mean_reference"]) or not (words.is_number(low) and words.is_number(high)):
            return Judged(target.name, _limits(target), found, UNKNOWN)
        least = -inf if target.at_least is None else target.at_least
        most = inf if target.at_most is None else target.at_most
        status = _status(least <= low and high <= most, high < least or low > most)
        return Judged(target.name, _limits(target), found, status)

    def _ranked(self, target: Target) -> Judged:
        """`not below`: the arm is at least as good as each of the others, by the limits of their differences."""
        wanted = f"as good as {words.listed([self.display.arm(name) for name in target.others])}"
        limits = {name: self._gain(target.arm, name) for name in target.others}
        known = {name: pair for name, pair in limits.items() if pair is not None}
        shown = "; ".join(
            f"against {self.display.arm(name)} {self.metric.interval(*pair)}" for name, pair in known.items()
        )
        if self.metric.too_weak(self.rows[target.arm]["mean_reference"]) or len(known) < len(limits):
            return Judged(target.name, wanted, shown or "no difference with limits", UNKNOWN)
        worst = [pair[0 if self.metric.higher_is_better else 1] for pair in known.values()]
        best = [pair[1 if self.metric.higher_is_better else 0] for pair in known.values()]
        shows = all(self.metric.at_least_as_good(value, 0.0) for value in worst)
        return Judged(
            target.name, wanted, shown, _status(shows, not all(self.metric.at_least_as_good(v, 0.0) for v in best))
        )

    def _gain(self, arm: str, other: str) -> tuple[float, float] | None:
        """95% limits of the mean of `arm` minus that of `other`."""
        for first, second, sign in ((arm, other, 1), (other, arm, -1)):
            rows = self.contrasts[(self.contrasts["arm"] == first) & (self.contrasts["other"] == second)]
            for low, high in rows[["ci_low", "ci_high"]].dropna().itertuples(index=False, name=None):
                return (low, high) if sign > 0 else (-high, -low)
        return None

    def _audited(self, target: Target) -> Judged:
        """`flagged` and `not flagged`: the privacy audit of the arm's generator."""
        arm = self.display.by_name.get(target.arm)
        state = self.flags.get(arm.generator) if arm and arm.generator else None
        if state is None:
            return Judged(target.name, target.kind, "not audited", UNKNOWN)
        found = FLAGGED if state else NOT_FLAGGED
        return Judged(target.name, target.kind, found, _status(found == target.kind, found != target.kind))


def _status(shows: bool, refutes: bool) -> str:
    return SHOWN if shows else REFUTED if refutes else NOT_SHOWN


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
