"""Can an outsider tell who was in the training set? Membership inference by patient from the generated frames alone."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from augbench.audit._search import Matches
from augbench.audit._subjects import too_few_subjects
from augbench.audit.base import Finding, PrivacyTest, Sets


class Membership(PrivacyTest):
    """Area under the ROC curve of a score that should be higher for training patients; 0.5 when nothing leaks.

    A patient's score is the mean over the frames of log(distance to the nearest real frame of another patient /
    distance to the nearest generated frame): how much nearer the generator comes to a patient than other patients do.
    Patients, not frames, are ranked. The p-value is that of the Mann-Whitney test, one-sided.

    The member-only control repeats the attack where it must fail: training patients against other training patients,
    split at random into groups of the sizes at hand. An area that lies in the control's range is no leak, whatever the
    attack claims.

    A result holds `value` (the area), its 95% interval (DeLong et al. 1988), `p_value`, and under `control` the mean
    and the central 95% of the areas among members alone.
    """

    title: ClassVar[str] = "Membership inference, area under the curve"
    higher_is_better: ClassVar[bool] = False

    control_draws: int = Field(default=400, ge=20, le=100_000, description="random splits of the training patients")

    def test(self, sets: Sets, rng: np.random.Generator, alpha: float) -> Finding:
        from scipy.stats import mannwhitneyu

        matches = sets.matches
        if min(matches.members, matches.others) < 2:
            raise too_few_subjects("membership inference", 2)
        score = patient_scores(matches)
        members, others = np.sort(score[: matches.members]), np.sort(score[matches.members :])
        area, low, high = area_with_interval(members, others)
        p_value = float(mannwhitneyu(members, others, alternative="greater").pvalue)
        evidence: dict[str, Any] = {"ci_low": low, "ci_high": high, "p_value": p_value}
        evidence |= {"n_members": len(members), "n_others": len(others)}
        evidence["control"] = self._control(members, min(len(others), len(members) // 2), rng)
        return Finding(area, p_value <= alpha, evidence)

    def _control(self, members: NDArray[np.float64], size: int, rng: np.random.Generator) -> dict[str, float]:
        """Areas when `size` of the members play the patients who are not."""
        areas = []
        for _ in range(self.control_draws):
            dealt = rng.permutation(members)
            areas.append(float(np.mean(_wins(dealt[size:], dealt[:size]))))
        low, high = np.quantile(areas, [0.025, 0.975])
        return {"value": float(np.mean(areas)), "ci_low": float(low), "ci_high": float(high)}


def patient_scores(matches: Matches) -> NDArray[np.float64]:
    """(members + others,) score of each patient; see `Membership`."""
    # A copy has distance 0; the floor keeps its logarithm finite.
    gaps = [np.maximum(distance, 1e-3) for distance in (matches.to_real, matches.to_synthetic)]
    frames = np.bincount(matches.real_patient)
    # Rounded: a product of matrices in another order differs in its last bits.
    return np.round(np.bincount(matches.real_patient, weights=np.log(gaps[0] / gaps[1])) / frames, 4)


def area_with_interval(members: NDArray[np.float64], others: NDArray[np.float64]) -> tuple[float, float, float]:
    """Area under the ROC curve of scores (k,) and (m,), k and m >= 2, with its 95% interval, all in [0, 1]."""
    wins = _wins(members, others)
    area = float(wins.mean())
    spread = wins.mean(axis=1).var(ddof=1) / len(members) + wins.mean(axis=0).var(ddof=1) / len(others)
    half = 1.96 * float(np.sqrt(spread))
    return area, max(0.0, area - half), min(1.0, area + half)


def _wins(members: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """(k, m): 1 where the member's score is higher, 0.5 where they are equal."""
    return (members[:, None] > others[None, :]) + 0.5 * (members[:, None] == others[None, :])


COMPONENT = Membership
