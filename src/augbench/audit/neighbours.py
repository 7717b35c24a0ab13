"""Does a generator return training frames? Single copies by the tail of nearness, many by whom the nearest are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from augbench.audit._rank_path import critical_counts, rank_path
from augbench.audit._search import Matches, Near
from augbench.audit.base import Finding, PrivacyTest, Sets

#: Part of the permitted false alarms that single copies may spend. They are told apart by far, so little is enough.
_SINGLE_PART = 0.2
#: The tail of nearness is fitted between these quantiles.
_MIDDLE, _TOP = 0.5, 0.9
#: Generated frames near held-out patients that a tail of theirs takes; with fewer, that of real frames alone counts.
_ENOUGH_FRAMES = 20
_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Tail:
    """An exponential tail of nearness: P(nearness > x) = (1 - 0.9) exp(-(x - top) / scale) for x > top.

    For points of any density that is even at the scale of a neighbour's distance, the ratio of the first two distances
    has exactly this tail, with scale 1 / the dimension of the data (Facco et al. 2017, doi 10.1038/s41598-017-11873-y).
    """

    top: float
    scale: float

    @staticmethod
    def of(nearness: NDArray[np.float64]) -> Tail:
        """Fitted to (n,) values by two quantiles, which single outliers cannot move."""
        middle, top = np.quantile(nearness, [_MIDDLE, _TOP])
        return Tail(float(top), float(top - middle) / float(np.log((1 - _MIDDLE) / (1 - _TOP))))

    def expected(self, nearness: float, n: int, safety: float) -> float:
        """Frames among `n` that are expected above `nearness`, at most; of a tail `safety` times as long."""
        beyond = max(0.0, nearness - self.top) / max(safety * self.scale, 1e-12)
        return float(n * (1 - _TOP) * np.exp(-beyond))

    def limit(self, n: int, alpha: float, safety: float) -> float:
        """Nearness above which fewer than `alpha` frames among `n` are expected."""
        return self.top + safety * self.scale * float(np.log(max(1.0, n * (1 - _TOP) / alpha)))


@dataclass(frozen=True)
class Judgement:
    """What the two parts say of n generated frames.

    Attributes:
        p_single: expected number of frames as near as the nearest one to a training patient, if chance made all.
        p_many: of the ranking of patients by their nearest generated frame.
        limit: nearness from which on a single frame is held to be a copy.
        suspicious: (n,) bool, frames beyond the limit whose nearest patient is a training patient.
    """

    p_single: float
    p_many: float
    limit: float
    suspicious: NDArray[np.bool_]

    @property
    def p_value(self) -> float:
        """Of both parts together."""
        return min(1.0, self.p_single / _SINGLE_PART, self.p_many / (1 - _SINGLE_PART))


class Neighbours(PrivacyTest):
    """The memorisation test.

    Every generated frame has a nearness (`Near`) and a nearest patient, found among training and held-out patients
    together. Two questions share the permitted false alarms:

    - *Is a single frame too near?* Beyond what the exponential tails of real frames among themselves and of generated
      frames near held-out patients allow, either taken `safety` times as long, and beyond every one of the latter. No
      number of copies moves either.
    - *Are the nearest ones too often training patients?* Patients are ranked by their nearest generated frame; if the
      generator owes its training patients nothing, the ranking does not know them (`RankPath`). This is exact for any
      generator and any number of frames a patient, and asks only that both cohorts come from one population.

    Held-out patients must come from the training site, or the distance of sites passes for memorisation.

    A result holds the share of suspicious frames as `value`; beside it `p_value` and those of both parts, the number of
    suspicious frames, the ratio of distances that makes one and the smallest ratios to either set's patients, and
    `detection_limit`: the smallest share of copies, of the kind that is hardest to see, that this audit of as many
    frames would have found with 95% probability; by kind in `detection_limits`. Null where more than half of the frames
    would have to be copies, where none were planted, or where the generator was flagged: `undefined` says which.
    """

    title: ClassVar[str] = "Frames too near a training frame"
    higher_is_better: ClassVar[bool] = False

    safety: float = Field(default=2.0, ge=1.0, le=10.0, description="how much longer than fitted tails may be")
    power_draws: int = Field(default=200, ge=20, le=100_000, description="contaminated sets drawn for the limit")

    def test(self, sets: Sets, rng: np.random.Generator, alpha: float) -> Finding:
        matches = sets.matches
        judged = self.judge(matches.synthetic, matches, alpha)
        flagged = judged.p_value <= alpha
        limits = {} if flagged else self.detection_limits(matches, judged.limit, alpha, rng)
        count = int(judged.suspicious.sum())
        evidence: dict[str, Any] = {
            "p_value": judged.p_value,
            "p_single": judged.p_single,
            "p_many": judged.p_many,
            "n_suspicious": count,
            "n_frames": len(judged.suspicious),
            "ratio_limit": _ratio(judged.limit),
            **_smallest_ratios(matches),
            "detection_limit": _hardest(limits),
            "detection_limits": limits,
        }
        if evidence["detection_limit"] is None:
            evidence["undefined"] = _why(flagged, limits)
        return Finding(count / len(judged.suspicious), flagged, evidence)

    def judge(self, near: Near, matches: Matches, alpha: float) -> Judgement:
        """Both parts on generated frames `near`, which need not be those of `matches`."""
        nearness, n = near.nearness, len(near.nearness)
        is_member = near.patient < matches.members
        tails = [Tail.of(matches.real.nearness)]
        if np.count_nonzero(~is_member) >= _ENOUGH_FRAMES:
            tails.append(Tail.of(nearness[~is_member]))
        chance = float(nearness[~is_member].max(initial=0.0))
        limit = max(chance, *(tail.limit(n, _SINGLE_PART * alpha, self.safety) for tail in tails))
        nearest = float(nearness[is_member].max(initial=0.0))
        # Where a held-out patient is as near as that, the tail is no tail of chance.
        expected = max(tail.expected(nearest, n, self.safety) for tail in tails) if nearest > chance else 1.0
        path = rank_path(matches.members, matches.others)
        p_many = path.p_value(_ranking(near, matches.members, matches.others))
        return Judgement(min(1.0, expected), p_many, limit, is_member & (nearness > limit))

    def detection_limits(
        self, matches: Matches, limit: float, alpha: float, rng: np.random.Generator
    ) -> dict[str, float | None]:
        """Kind of copy -> smallest share of the generated frames that would have been found with 95% probability.

        Copies that were planted take the place of generated frames; None: even half of the frames are not enough.
        """
        n = len(matches.synthetic.nearness)
        critical = critical_counts(matches.members, matches.others, (1 - _SINGLE_PART) * alpha)
        # So many copies at least, each of another patient, before the ranking can speak.
        at_least = int(np.argmax(critical <= np.arange(1, len(critical) + 1))) + 1
        found: dict[str, float | None] = {}
        for kind, copies in matches.planted.items():
            count = _enough_single(copies, matches.members, limit)
            if count is None or count > at_least:
                ranked = self._enough_many(matches, copies, critical, rng)
                count = min((one for one in (count, ranked) if one is not None), default=None)
            found[kind] = None if count is None or count > n // 2 else count / n
        return found

    def _enough_many(
        self, matches: Matches, copies: Near, critical: NDArray[np.intp], rng: np.random.Generator
    ) -> int | None:
        """Smallest number of copies that the ranking finds in 95% of drawn sets, by bisection; None: over half."""
        order = np.lexsort((matches.synthetic.patient, matches.synthetic.nearness))
        clean = Near(matches.synthetic.patient[order], matches.synthetic.nearness[order])
        n = len(order)

        def power(count: int) -> float:
            hits = 0
            for _ in range(self.power_draws):
                kept, added = rng.permutation(n)[: n - count], rng.integers(0, len(copies.patient), count)
                near = Near(
                    np.concatenate([clean.patient[kept], copies.patient[added]]),
                    np.concatenate([clean.nearness[kept], copies.nearness[added]]),
                )
                seen = np.cumsum(_ranking(near, matches.members, matches.others)[: len(critical)])
                hits += bool((seen >= critical[: len(seen)]).any())
            return hits / self.power_draws

        low, high = 0, max(1, n // 2)
        if power(high) < _CONFIDENCE:
            return None
        while high - low > max(1, high // 20):
            middle = (low + high) // 2
            low, high = (low, middle) if power(middle) >= _CONFIDENCE else (middle, high)
        return high


def _ranking(near: Near, members: int, others: int) -> NDArray[np.bool_]:
    """Patients with a generated frame near them, the nearest first: whether each is a training patient."""
    top = np.zeros(members + others)
    np.maximum.at(top, near.patient, near.nearness)
    # Of equals the held-out patient goes first: never to the benefit of an alarm.
    is_member = np.arange(members + others) < members
    order = np.lexsort((is_member, -top))
    return np.asarray(is_member[order[: int((top > 0).sum())]])


def _enough_single(copies: Near, members: int, limit: float) -> int | None:
    """Copies of which one at least is beyond the limit with 95% probability; None: none ever is.

    The share that is beyond it is taken at its lower 95% confidence limit: it is known from the planted copies alone.
    """
    from scipy.stats import beta

    beyond = int(((copies.nearness > limit) & (copies.patient < members)).sum())
    if not beyond:
        return None
    share = float(beta.ppf(1 - _CONFIDENCE, beyond, len(copies.nearness) - beyond + 1))
    return max(1, int(np.ceil(np.log(1 - _CONFIDENCE) / np.log1p(-share))))


def _smallest_ratios(matches: Matches) -> dict[str, float]:
    near, is_member = matches.synthetic, matches.synthetic.patient < matches.members
    return {
        "smallest_ratio_training": _ratio(float(near.nearness[is_member].max(initial=0.0))),
        "smallest_ratio_held_out": _ratio(float(near.nearness[~is_member].max(initial=0.0))),
    }


def _ratio(nearness: float) -> float:
    return round(float(np.exp(-nearness)), 4)


def _hardest(limits: Mapping[str, float | None]) -> float | None:
    known = [limit for limit in limits.values() if limit is not None]
    return max(known) if known and len(known) == len(limits) else None


def _why(flagged: bool, limits: Mapping[str, float | None]) -> str:
    if flagged:
        return "the generator was flagged"
    if not limits:
        return "no copies were planted"
    return f"not found even when half of the frames are copies: {', '.join(k for k, v in limits.items() if v is None)}"


COMPONENT = Neighbours
