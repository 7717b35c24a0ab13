"""The gate on two tables of scores: rows, floors, what is missing, and the outcome."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from augbench.comparison.absent import absent_scores
from augbench.comparison.gate import FAIL, INCONCLUSIVE, OVERALL, PASS, Bounds, Estimate, Runs, bounds, estimates
from augbench.comparison.needed import Needed, needed
from augbench.comparison.paired import MIN_SUBJECTS
from augbench.comparison.pairs import ALL_VIEWS, Pair, defined, overall
from augbench.comparison.revision import RevisionPair, revision_pairs
from augbench.comparison.unit import REAL, arm_names
from augbench.core.errors import UserError

METRIC = "dice"


@dataclass(frozen=True)
class Row:
    """One gated row.

    Attributes:
        kind: overall, arm or structure.
        base, head, change: mean Dice and its change, patients with equal weight.
        low, high: one-sided limits of the change, each at the level of `bounds`; NaN below MIN_SUBJECTS patients.
        needed: for an inconclusive row with limits.
    """

    name: str
    kind: str
    base: float
    head: float
    change: float
    low: float
    high: float
    bounds: Bounds
    outcome: str
    needed: Needed | None


@dataclass(frozen=True)
class Floor:
    """An absolute floor: mean Dice of a structure in one arm of head, no limits."""

    structure: str
    arm: str
    floor: float
    head: float

    @property
    def broken(self) -> bool:
        return self.head < self.floor


@dataclass(frozen=True)
class Gate:
    """The gate's result.

    Attributes:
        seeds: (generator seeds, segmenter seeds) of head's arms at most.
        seeds_paired: whether every arm has the same seed labels on both sides.
        seeds_seen: whether some factor has several seeds; if not, the limits speak for patients alone.
        missing: names of what head lacks; nothing is computed then.
        not_gated: arms of head that are controls or that base does not have.
    """

    margin: float
    alpha: float
    n_subjects: int
    seeds: tuple[int, int]
    seeds_paired: bool
    seeds_seen: bool
    rows: tuple[Row, ...]
    floors: tuple[Floor, ...]
    missing: tuple[str, ...]
    not_gated: tuple[str, ...]

    @property
    def outcome(self) -> str:
        outcomes = {row.outcome for row in self.rows}
        if self.missing or FAIL in outcomes or any(floor.broken for floor in self.floors):
            return FAIL
        return INCONCLUSIVE if INCONCLUSIVE in outcomes else PASS


def gate(
    base: pd.DataFrame,
    head: pd.DataFrame,
    *,
    margin: float,
    alpha: float = 0.05,
    floors: Mapping[str, float] | None = None,
    controls: Sequence[str] = (),
) -> Gate:
    """Judge head against base by Dice.

    Args:
        base, head: tidy scores, see `unit.PER_CASE_COLUMNS`.
        margin: largest loss of mean Dice that may pass.
        alpha: see `comparison.gate` for what it bounds.
        floors: structure -> lowest mean Dice.
        controls: generators whose arms are not gated: they say what the scale is, not whether the pipeline is well.

    Raises:
        UserError: base has no Dice, a floor names an unknown structure, or a revision's scores contradict themselves.
    """
    old, new = _dice(base, controls), _dice(head, controls)
    if old.empty:
        raise UserError("base has no Dice to gate", got="no row", expected="metric 'dice'", remedy="name another base")
    unknown = sorted(set(floors or {}) - set(old["structure"]))
    if unknown:
        raise UserError(
            f"gate.floors names an unknown structure '{unknown[0]}'",
            got=", ".join(unknown),
            expected=", ".join(dict.fromkeys(old["structure"])),
            remedy="correct gate.floors in params.yaml",
        )
    arms = list(dict.fromkeys(old["arm"]))
    others = tuple(arm for arm in dict.fromkeys(arm_names(head)) if arm not in arms)
    gated = new[new["arm"].isin(arms)]
    missing = tuple(absent_scores(old, gated))
    if missing:
        return replace(failed(*missing, margin=margin), alpha=alpha, not_gated=others)
    pairs = list(revision_pairs(old, gated))
    kept = np.all([defined(pair.scores.arm) for pair in pairs if pair.view == ALL_VIEWS], axis=0)
    rows = _rows(pairs, margin, alpha)
    seeds = [pair.scores.arm.shape[1:] for pair in pairs]
    return Gate(
        margin,
        alpha,
        int(kept.sum()),
        (max(g for g, _ in seeds), max(s for _, s in seeds)),
        all(_paired(pair) for pair in pairs),
        any(g > 1 or s > 1 for g, s in seeds),
        tuple(rows),
        tuple(_floors(pairs, floors or {})),
        (),
        others,
    )


def failed(*missing: str, margin: float) -> Gate:
    """The result where something is missing and nothing can be computed."""
    return Gate(margin, 0.05, 0, (0, 0), True, True, (), (), missing, ())


def _dice(per_case: pd.DataFrame, controls: Sequence[str]) -> pd.DataFrame:
    rows = per_case[(per_case["metric"] == METRIC) & ~per_case["generator"].isin(controls)].reset_index(drop=True)
    return rows.assign(arm=arm_names(rows), value=pd.to_numeric(rows["value"].replace("", np.nan)))


def _paired(pair: RevisionPair) -> bool:
    return pair.shared.generator and pair.shared.segmenter


def _rows(pairs: Sequence[RevisionPair], margin: float, alpha: float) -> list[Row]:
    arms = list(dict.fromkeys(pair.arm for pair in pairs))
    structures = list(dict.fromkeys(pair.structure for pair in pairs if pair.view != ALL_VIEWS))
    parts = len(arms) + len(structures)
    whole = [next(pair for pair in pairs if pair.arm == arm and pair.view == ALL_VIEWS) for arm in arms]
    runs = _runs(whole, [pair.scores for pair in whole])
    own, mean = estimates(runs)
    rows = [_row(OVERALL, "overall", runs, mean, bounds(True, parts, margin, alpha))]
    part = bounds(False, parts, margin, alpha)
    rows += [_row(arm, "arm", [run], estimate, part) for arm, run, estimate in zip(arms, runs, own, strict=True)]
    for structure in structures:
        runs = _runs(whole, [_structure(pairs, arm, structure) for arm in arms])
        rows.append(_row(structure, "structure", runs, estimates(runs)[1], part))
    return rows


def _structure(pairs: Sequence[RevisionPair], arm: str, structure: str) -> Pair:
    """One arm's structure, each patient averaged over the views that show it."""
    return overall([p.scores for p in pairs if p.arm == arm and p.structure == structure and p.view != ALL_VIEWS])


def _runs(whole: Sequence[RevisionPair], scores: Sequence[Pair]) -> list[Runs]:
    """Of the patients who make a pair in every arm."""
    kept = np.all([defined(pair.arm) for pair in scores], axis=0)
    return [
        Runs(pair.arm[kept], pair.reference[kept], _paired(of), of.arm != REAL)
        for of, pair in zip(whole, scores, strict=True)
    ]


def _row(name: str, kind: str, runs: Sequence[Runs], estimate: Estimate, limit: Bounds) -> Row:
    head, base = (float(np.mean([getattr(run, side).mean() for run in runs])) for side in ("head", "base"))
    change, unchanged = float(estimate.mean), all(not run.differences().any() for run in runs)
    low = high = change if unchanged else math.nan
    outcome = INCONCLUSIVE
    if unchanged:
        outcome = PASS
    elif estimate.n >= MIN_SUBJECTS:
        low, high = (float(value) for value in estimate.limits(limit.lower_level, limit.upper_level))
        passes, fails = limit.judge(np.asarray(low), np.asarray(high))
        outcome = PASS if passes else FAIL if fails else INCONCLUSIVE
    wanted = needed(estimate, limit) if outcome == INCONCLUSIVE and estimate.n >= MIN_SUBJECTS else None
    return Row(name, kind, base, head, change, low, high, limit, outcome, wanted)


def _floors(pairs: Sequence[RevisionPair], floors: Mapping[str, float]) -> list[Floor]:
    arms = list(dict.fromkeys(pair.arm for pair in pairs))
    return [
        Floor(structure, arm, floor, float(np.nanmean(_structure(pairs, arm, structure).arm)))
        for structure, floor in floors.items()
        for arm in arms
    ]
