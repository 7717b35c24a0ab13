"""Two arms side by side in one place (a view and a structure), and what a table says of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from augbench.comparison.holm import holm
from augbench.comparison.paired import APART, MIN_SUBJECTS, Scores, SharedSeeds, nested_bootstrap, paired_differences
from augbench.comparison.power import n_needed
from augbench.comparison.tost import tost_p
from augbench.comparison.unit import score_cube
from augbench.comparison.variation import percent_variation
from augbench.comparison.verdict import verdict
from augbench.comparison.wilcoxon import signed_rank_p

#: View and structure of the row that averages each patient over all views and structures.
ALL_VIEWS, MEAN_STRUCTURE = "all", "mean"


@dataclass(frozen=True)
class Pair:
    """Two arms in one place; rows of a patient are NaN where he makes no pair.

    Attributes:
        arm, reference: (n, G, S) and (n, G', S') scores.
        lost: (n,) patients who were scored but are undefined in a run of either arm.
    """

    arm: Scores
    reference: Scores
    lost: NDArray[np.bool_]

    @classmethod
    def of(cls, arm: Scores, reference: Scores, scored: NDArray[np.bool_]) -> Pair:
        """Blank, and count as lost, the patients of `scored` (n,) who lack a score in any run of either side."""
        complete = defined(arm) & defined(reference)
        keep = complete[:, None, None]
        return cls(np.where(keep, arm, np.nan), np.where(keep, reference, np.nan), scored & ~complete)


@dataclass(frozen=True)
class Cell:
    """Scores of every arm in one view, structure and metric; a patient without this view is NaN, and not scored."""

    scores: dict[str, Scores]
    scored: NDArray[np.bool_]

    def pair(self, arm: str, reference_arm: str) -> Pair:
        return Pair.of(self.scores[arm], self.scores[reference_arm], self.scored)


def defined(scores: Scores) -> NDArray[np.bool_]:
    """(n,) patients with a score in every run."""
    return np.asarray(~np.isnan(scores).any(axis=(1, 2)))


def cells(subjects: pd.DataFrame, ids: list[str]) -> dict[tuple[str, str], Cell]:
    """(view, structure) -> scores, with one order of patients throughout.

    Args:
        subjects: rows of `unit.per_subject` of one metric.
        ids: the order of the patients; one without rows is NaN, and not scored.
    """
    found = {}
    for view, structure in subjects[["view", "structure"]].drop_duplicates().itertuples(index=False):
        rows = subjects[(subjects["view"] == view) & (subjects["structure"] == structure)]
        scores = {arm: score_cube(rows[rows["arm"] == arm], ids) for arm in rows["arm"].unique()}
        found[view, structure] = Cell(scores, np.isin(ids, rows["subject_id"].unique()))
    return found


def overall(pairs: list[Pair]) -> Pair:
    """Each patient's mean over the places where he makes a pair: the same places in both arms."""
    makes_pair = np.array([defined(pair.arm) for pair in pairs])
    places = np.where(makes_pair.any(axis=0), makes_pair.sum(axis=0), np.nan)[:, None, None]
    arm = np.nansum([pair.arm for pair in pairs], axis=0) / places
    reference = np.nansum([pair.reference for pair in pairs], axis=0) / places
    return Pair(arm, reference, np.any([pair.lost for pair in pairs], axis=0))


def statistics(
    pair: Pair,
    metric: str,
    margin: float | None,
    alpha: float,
    n_boot: int,
    rng: np.random.Generator,
    shared: SharedSeeds = APART,
) -> dict[str, float]:
    """All numbers of a row but those that need the other rows; `shared` as in `paired.nested_bootstrap`."""
    paired = defined(pair.arm)
    arm, reference = pair.arm[paired], pair.reference[paired]
    counts: dict[str, float] = {"n_subjects": len(arm), "n_undefined": int(pair.lost.sum())}
    if len(arm) == 0:
        return counts
    differences = paired_differences(arm, reference)
    numbers = counts | _described(arm, metric, "arm") | _described(reference, metric, "reference")
    numbers["mean_difference"] = float(differences.mean())
    if len(arm) < MIN_SUBJECTS:
        return numbers
    sd = float(differences.std(ddof=1))
    interval = nested_bootstrap(arm, reference, n_boot=n_boot, rng=rng, alpha=alpha, shared=shared)
    numbers |= {"sd_paired": sd, "p_wilcoxon": signed_rank_p(differences)} | asdict(interval)
    if margin is not None:
        numbers |= {"n_needed": max(MIN_SUBJECTS, n_needed(sd, margin)), "p_tost": tost_p(differences, margin)}
    return numbers


def _described(scores: Scores, metric: str, side: str) -> dict[str, float]:
    """Mean, and median and quartiles as in the paper, over patients; runs averaged first."""
    by_patient = scores.mean(axis=(1, 2))
    q1, median, q3 = np.quantile(by_patient, [0.25, 0.5, 0.75])
    described = {"mean": by_patient.mean(), "median": median, "q1": q1, "q3": q3}
    if metric == "dice":
        described["variation"] = percent_variation(by_patient)
    return {f"{name}_{side}": float(value) for name, value in described.items()}


def conclude(
    rows: list[dict[str, Any]], margins: Mapping[str, float], alpha: float, higher_is_better: Mapping[str, bool]
) -> None:
    """Add Holm's correction and the verdict to every row of one metric; what could not be computed is NaN."""
    p_holm = holm(np.array([row.get("p_wilcoxon", np.nan) for row in rows]))
    for row, p in zip(rows, p_holm, strict=True):
        row["p_holm"] = float(p)
        row["verdict"] = verdict(
            *(row.get(name, np.nan) for name in ("ci_low", "ci_high", "ci90_low", "ci90_high", "p_holm")),
            margin=margins.get(row["metric"]),
            higher_is_better=higher_is_better[row["metric"]],
            alpha=alpha,
        )
