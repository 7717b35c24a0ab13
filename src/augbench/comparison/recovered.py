"""How much of an opponent's lead over the reference an arm recovers: (arm - reference) / (opponent - reference).

The interval is Fieller's (1954): it holds the shares s for which the mean of arm - reference - s (opponent - reference)
is not significantly different from 0. That contrast of three arms has a variance by source like any other difference
(`estimate`), so patients, generator seeds and segmenter seeds count here as they do there. Dividing the limits of the
arm's gain by the lead would take the lead for known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from augbench.comparison.estimate import MIN_SUBJECTS, Estimate
from augbench.comparison.pairs import Cell, Pair, Place, Side, cells, defined, with_overall
from augbench.comparison.unit import require_per_patient

RECOVERED_COLUMNS = (
    *("arm", "opponent", "reference_arm", "metric", "n_subjects", "lead", "lead_low", "lead_high"),
    *("share", "ci_low", "ci_high", "seeds_unknown"),
)
#: First step of the search for a limit, and how often it is doubled or halved.
_STEP, _DOUBLINGS, _HALVINGS = 0.01, 40, 50


def recovered(
    per_patient: pd.DataFrame,
    arms: pd.DataFrame,
    *,
    metric: str,
    alpha: float,
    generators: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """A row for every arm with synthetic frames and every opponent with other real patients, as RECOVERED_COLUMNS.

    Views and structures have equal weight. `lead` is opponent minus reference in the metric's unit. Where the lead's
    own interval holds 0, no interval bounds the share and its limits are empty, as are all below 6 patients.

    Args:
        arms: `core.tables.ARM_COLUMNS`.
        alpha: intervals cover 1 - alpha.
    """
    scores = require_per_patient(per_patient[per_patient["metric"] == metric])
    places = cells(scores, sorted(scores["subject_id"].unique()), generators)
    rows = []
    for arm, opponent, reference in _trios(arms):
        trio = Trio.of(places, arm, opponent, reference)
        names = {"arm": arm, "opponent": opponent, "reference_arm": reference, "metric": metric}
        rows.append(names | _row(trio, alpha))
    return pd.DataFrame(rows, columns=list(RECOVERED_COLUMNS))


def _trios(arms: pd.DataFrame) -> Iterator[tuple[str, str, str]]:
    """Arm, opponent and reference: both compared with it, the opponent on real frames of other patients than its."""
    cohorts = dict(zip(arms["arm"], arms["cohort"], strict=True))
    rows = arms.fillna({"synthetic": "", "against": ""}).to_dict("records")
    for opponent in rows:
        if opponent["role"] != "opponent" or opponent["synthetic"] or not opponent["against"]:
            continue
        if opponent["cohort"] == cohorts[opponent["against"]]:
            continue
        for arm in rows:
            studied = arm["role"] in ("studied", "opponent") and arm["synthetic"]
            if studied and arm["against"] == opponent["against"]:
                yield arm["arm"], opponent["arm"], arm["against"]


@dataclass(frozen=True)
class Trio:
    """Three arms over all views and structures; every patient has a score in every run of all three."""

    arm: Side
    opponent: Side
    reference: Side

    @classmethod
    def of(cls, places: Mapping[Place, Cell], arm: str, opponent: str, reference: str) -> Trio:
        """Means over the places where a patient has all three, the same places in each arm."""
        gains, leads = {}, {}
        for place, cell in places.items():
            pair = cell.pair(arm, reference)
            leads[place] = Pair.of(cell.sides[opponent], pair.reference, cell.scored)
            gains[place] = Pair.of(pair.arm, leads[place].reference, cell.scored)
        gain, lead = (list(with_overall(pairs).values())[-1] for pairs in (gains, leads))
        return cls(gain.arm, lead.arm, gain.reference)

    @property
    def n(self) -> int:
        """Patients that count."""
        return int(defined(self.arm.scores).sum())

    def estimate(self, gain: float, lead: float) -> Estimate:
        """gain * (arm - reference) + lead * (opponent - reference)."""
        kept = defined(self.arm.scores)
        of_reference = self.reference.part(kept, -gain - lead, of_reference=True)
        return Estimate.of([self.arm.part(kept, gain), self.opponent.part(kept, lead), of_reference])


def _row(trio: Trio, alpha: float) -> dict[str, Any]:
    if trio.n < MIN_SUBJECTS:
        return {"n_subjects": trio.n}
    lead = trio.estimate(0.0, 1.0)
    low, high = (float(limit) for limit in lead.limits(alpha / 2, alpha / 2))
    found: dict[str, Any] = {"n_subjects": trio.n, "lead": float(lead.mean), "lead_low": low, "lead_high": high}
    if lead.mean == 0:
        return found
    share = float(trio.estimate(1.0, 0.0).mean / lead.mean)
    found |= {"share": share, "seeds_unknown": " and ".join(trio.estimate(1.0, -share).unknown)}
    if low <= 0 <= high:
        return found
    return found | dict(zip(("ci_low", "ci_high"), share_limits(trio, share, alpha), strict=True))


def share_limits(trio: Trio, share: float, alpha: float) -> tuple[float, float]:
    """Fieller's limits around the share that was found; NaN where none is found in reach."""

    def held(value: float) -> bool:
        estimate = trio.estimate(1.0, -value)
        return bool(abs(float(estimate.mean)) <= float(estimate.precision().reach(alpha / 2)))

    return _limit(held, share, -_STEP), _limit(held, share, _STEP)


def _limit(held: Callable[[float], bool], inside: float, step: float) -> float:
    """Where `held` ends on one side of a value for which it holds: outwards by doubling, then by bisection."""
    start = inside
    for doubling in range(_DOUBLINGS):
        outside = start + step * 2**doubling
        if not held(outside):
            break
        inside = outside
    else:
        return float("nan")
    for _ in range(_HALVINGS):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if held(middle) else (inside, middle)
    return inside
