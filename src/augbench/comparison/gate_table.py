"""The gate on two tables of scores: rows, floors, what is missing, and the outcome."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from augbench.comparison.absent import absent_scores
from augbench.comparison.blocks import Part
from augbench.comparison.estimate import MIN_SUBJECTS, Estimate
from augbench.comparison.gate import FAIL, INCONCLUSIVE, OVERALL, PASS, Bounds, Clearing, bounds
from augbench.comparison.needed import Limit, limit, too_few_patients
from augbench.comparison.pairs import Pair, overall
from augbench.comparison.revision import RevisionPair, revision_pairs
from augbench.comparison.unit import require_per_patient
from augbench.core.errors import UserError
from augbench.core.tables import ALL_VIEWS


@dataclass(frozen=True)
class GatedMetric:
    """What is gated: the loss of this metric that may pass, in its unit, and its direction."""

    metric: str
    margin: float
    higher_is_better: bool

    @property
    def sign(self) -> int:
        """Turns a change of the metric into a gain, and a gain into a change."""
        return 1 if self.higher_is_better else -1


@dataclass(frozen=True)
class GatedRow:
    """One gated row; numbers in the metric's unit.

    Attributes:
        kind: overall, arm or structure.
        base, head, change: means and head minus base, patients with equal weight.
        at_worst, at_best: one-sided limits of the change on its bad and its good side, each at the level of `bounds`;
            NaN below MIN_SUBJECTS patients.
        bounds: of gains.
        limit: what an inconclusive row lacks.
        unknown: kinds of seeds of which a changed arm has a single one: limits do not speak for other trainings.
    """

    name: str
    kind: str
    base: float
    head: float
    change: float
    at_worst: float
    at_best: float
    bounds: Bounds
    outcome: str
    limit: Limit | None
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True)
class Floor:
    """The worst mean that a structure may have in any arm of head, without limits."""

    structure: str
    arm: str
    floor: float
    head: float
    broken: bool


@dataclass(frozen=True)
class GateResult:
    """The gate's result.

    Attributes:
        seeds: (generator seeds, segmenter seeds) of head's arms at most.
        one_generator, one_segmenter: arms that have a single generator seed, or a single segmenter seed, in a revision:
            their limits do not speak for other trainings.
        missing: names of what head lacks; nothing is computed then.
        not_gated: arms of head that are controls or that base does not have.
    """

    scale: GatedMetric
    alpha: float
    n_subjects: int = 0
    seeds: tuple[int, int] = (0, 0)
    one_generator: tuple[str, ...] = ()
    one_segmenter: tuple[str, ...] = ()
    rows: tuple[GatedRow, ...] = ()
    floors: tuple[Floor, ...] = ()
    missing: tuple[str, ...] = ()
    not_gated: tuple[str, ...] = ()

    @property
    def outcome(self) -> str:
        """`pass`, `fail` or `inconclusive`."""
        outcomes = {row.outcome for row in self.rows}
        if self.missing or FAIL in outcomes or any(floor.broken for floor in self.floors):
            return FAIL
        return INCONCLUSIVE if INCONCLUSIVE in outcomes else PASS


def gate(
    base: pd.DataFrame,
    head: pd.DataFrame,
    scale: GatedMetric,
    *,
    alpha: float = 0.05,
    floors: Mapping[str, float] | None = None,
    controls: Collection[str] = (),
    generators: Mapping[str, str] | None = None,
) -> GateResult:
    """Judge head against base.

    Args:
        base, head: see `core.tables.PER_PATIENT_COLUMNS`.
        alpha: see `comparison.gate` for what it bounds.
        floors: structure -> worst mean that may pass.
        controls: arms that are not gated: they say what the scale is, not whether the pipeline is well.
        generators: arm -> its generator; arms of one generator share its seeds.

    Raises:
        UserError: base has no score to gate, a floor names an unknown structure, or a revision's scores contradict
            themselves.
    """
    old, new = (_gated(table, scale.metric, controls) for table in (base, head))
    if old.empty:
        raise UserError(
            f"base has no '{scale.metric}' to gate",
            got=", ".join(base["metric"].unique()),
            expected=f"scores of the primary metric '{scale.metric}' in an arm that is no control",
            remedy="name another base",
        )
    unknown = sorted(set(floors or {}) - set(old["structure"]))
    if unknown:
        raise UserError(
            f"gate.floors names an unknown structure '{unknown[0]}'",
            got=", ".join(unknown),
            expected=", ".join(dict.fromkeys(old["structure"])),
            remedy="correct gate.floors in params.yaml",
        )
    arms = list(dict.fromkeys(old["arm"]))
    result = GateResult(scale, alpha, not_gated=tuple(arm for arm in dict.fromkeys(head["arm"]) if arm not in arms))
    new = new[new["arm"].isin(arms)]
    missing = tuple(absent_scores(old, new))
    if missing:
        return replace(result, missing=missing)
    pairs: dict[str, list[RevisionPair]] = {}
    for pair in revision_pairs(old, new, generators):
        pairs.setdefault(pair.arm, []).append(pair)
    judge = _Judge(pairs, scale)
    whole = [own[-1].scores for own in pairs.values()]
    return replace(
        result,
        n_subjects=int(np.all([pair.kept for pair in whole], axis=0).sum()),
        seeds=(max(pair.arm.scores.shape[1] for pair in whole), max(pair.arm.scores.shape[2] for pair in whole)),
        one_generator=_single(old, new, "generator_seed"),
        one_segmenter=_single(old, new, "segmenter_seed"),
        rows=tuple(judge.rows(alpha)),
        floors=tuple(judge.floors(floors or {})),
    )


def _gated(per_patient: pd.DataFrame, metric: str, controls: Collection[str]) -> pd.DataFrame:
    chosen = per_patient[(per_patient["metric"] == metric) & ~per_patient["arm"].isin(controls)]
    return chosen if chosen.empty else require_per_patient(chosen)


def _single(base: pd.DataFrame, head: pd.DataFrame, seed: str) -> tuple[str, ...]:
    """Arms with one seed of a kind in either revision; an arm without a generator has no generator seed at all."""
    counts = [side[side[seed] != ""].groupby("arm", sort=False)[seed].nunique() for side in (base, head)]
    return tuple(dict.fromkeys(str(arm) for count in counts for arm in count.index[count == 1]))


@dataclass(frozen=True)
class _Judge:
    """Rows and floors of arms that both revisions have, each arm's overall place last."""

    pairs: Mapping[str, Sequence[RevisionPair]]
    scale: GatedMetric

    @property
    def structures(self) -> list[str]:
        return list(dict.fromkeys(p.structure for own in self.pairs.values() for p in own if p.view != ALL_VIEWS))

    def rows(self, alpha: float) -> list[GatedRow]:
        """The overall row; then one per arm and one per structure, where there are several."""
        arms, structures = list(self.pairs), self.structures
        parts = sum(len(names) for names in (arms, structures) if len(names) > 1)
        limits = bounds(True, parts, self.scale.margin, alpha), bounds(False, max(parts, 1), self.scale.margin, alpha)
        whole = {arm: own[-1].scores for arm, own in self.pairs.items()}
        kept = np.all([pair.kept for pair in whole.values()], axis=0)
        rows = [_row(OVERALL, "overall", list(whole.values()), kept, limits[0], self.scale)]
        if len(arms) > 1:
            rows += [_row(arm, "arm", [pair], kept, limits[1], self.scale) for arm, pair in whole.items()]
        for structure in structures if len(structures) > 1 else ():
            own = [self._structure(arm, structure) for arm in arms]
            kept = np.all([pair.kept for pair in own], axis=0)
            rows.append(_row(structure, "structure", own, kept, limits[1], self.scale))
        return rows

    def floors(self, floors: Mapping[str, float]) -> Iterator[Floor]:
        for structure, floor in floors.items():
            for arm in self.pairs:
                mean = float(np.nanmean(self._structure(arm, structure).arm.scores))
                yield Floor(structure, arm, floor, mean, broken=self.scale.sign * (mean - floor) < 0)

    def _structure(self, arm: str, structure: str) -> Pair:
        """One arm's structure, each patient averaged over the views that show it."""
        own = self.pairs[arm]
        return overall([p.scores for p in own if p.structure == structure and p.view != ALL_VIEWS])


def gain(pairs: Sequence[Pair], kept: NDArray[np.bool_], sign: int) -> list[Part]:
    """Mean over arms of head minus base, of the patients `kept` (n,), as a gain: more is better."""
    weight = sign / len(pairs)
    return [part for pair in pairs for part in (pair.arm.part(kept, weight), pair.reference.part(kept, -weight))]


def _row(
    name: str, kind: str, pairs: Sequence[Pair], kept: NDArray[np.bool_], limits: Bounds, scale: GatedMetric
) -> GatedRow:
    estimate = Estimate.of(gain(pairs, kept, scale.sign))
    head, base = (
        float(np.mean([getattr(pair, side).scores[kept].mean() for pair in pairs])) for side in ("arm", "reference")
    )
    change, unchanged = float(estimate.mean), all(_same(pair, kept) for pair in pairs)
    low = high = change if unchanged else math.nan
    outcome, lacks = (PASS, None) if unchanged else (INCONCLUSIVE, too_few_patients())
    if not unchanged and estimate.n >= MIN_SUBJECTS:
        low, high = (float(value) for value in estimate.limits(limits.lower_level, limits.upper_level))
        passes, fails = limits.judge(np.asarray(low), np.asarray(high))
        outcome = PASS if passes else FAIL if fails else INCONCLUSIVE
        lacks = limit(estimate, Clearing(change, limits)) if outcome == INCONCLUSIVE else None
    change, at_worst, at_best = (scale.sign * value for value in (change, low, high))
    unknown = () if unchanged else estimate.unknown
    return GatedRow(name, kind, base, head, change, at_worst, at_best, limits, outcome, lacks, unknown)


def _same(pair: Pair, kept: NDArray[np.bool_]) -> bool:
    """Whether no patient's mean over runs changed."""
    head, base = (side.scores[kept].mean(axis=(1, 2)) for side in (pair.arm, pair.reference))
    return bool((head == base).all())
