"""The comparison table: every arm against a reference arm, per view, structure and metric, and over all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from augbench.comparison.holm import holm
from augbench.comparison.paired import MIN_SUBJECTS, Scores, nested_bootstrap, paired_differences
from augbench.comparison.power import n_needed
from augbench.comparison.tost import tost_p
from augbench.comparison.unit import REAL, per_subject, score_cube
from augbench.comparison.variation import percent_variation
from augbench.comparison.verdict import HIGHER_IS_BETTER, verdict
from augbench.comparison.wilcoxon import signed_rank_p
from augbench.core.errors import UserError
from augbench.core.seeding import child_rng

#: View and structure of the row that averages each patient over all views and structures.
ALL_VIEWS, MEAN_STRUCTURE = "all", "mean"

COLUMNS = (
    *("view", "structure", "metric", "arm", "reference_arm", "n_subjects", "mean_arm", "mean_reference"),
    *("mean_difference", "ci_low", "ci_high", "ci90_low", "ci90_high", "sd_paired", "p_wilcoxon", "p_holm", "verdict"),
    *("median_arm", "q1_arm", "q3_arm", "median_reference", "q1_reference", "q3_reference"),
    *("variation_arm", "variation_reference", "n_needed", "n_undefined", "p_tost"),
)


def compare(
    per_case: pd.DataFrame,
    *,
    reference_arm: str = REAL,
    margins: Mapping[str, float],
    alpha: float = 0.05,
    n_boot: int = 10_000,
    rng: np.random.Generator,
    higher_is_better: Mapping[str, bool] = HIGHER_IS_BETTER,
) -> pd.DataFrame:
    """Every other arm against `reference_arm`, one row per view, structure and metric, with COLUMNS.

    Each arm also has a row `all`, `mean` per metric: each patient averaged over his views and structures first, all
    with equal weight. Holm's family is all rows of a metric. A patient whose score is undefined in any run of either
    arm makes no pair; `n_undefined` counts such patients (in the `all` row: those who lost a view or structure).

    Args:
        per_case: tidy scores, see `unit.PER_CASE_COLUMNS`.
        margins: metric -> equivalence margin in its unit, fixed in advance; a metric without one has no equivalence.
        alpha: level of the tests; `ci_*` cover 1 - alpha and `ci90_*` 1 - 2 alpha.
        rng: gives one seed; each row derives its own by name, so that adding an arm leaves all other rows as they are.
        higher_is_better: metric -> direction.

    Raises:
        UserError: an arm, a run or a score is missing, or a metric has no direction.
    """
    subjects = per_subject(per_case)
    _require_known(subjects, reference_arm, higher_is_better)
    seed = int(rng.integers(2**63))
    rows: list[dict[str, Any]] = []
    for metric in subjects["metric"].unique():
        family: list[dict[str, Any]] = []
        cells = _cells(subjects[subjects["metric"] == metric])
        for arm in subjects["arm"].unique():
            if arm == reference_arm:
                continue
            pairs = {place: cell.pair(arm, reference_arm) for place, cell in cells.items()}
            pairs[ALL_VIEWS, MEAN_STRUCTURE] = _overall(list(pairs.values()))
            for (view, structure), pair in pairs.items():
                names = {"view": view, "structure": structure, "metric": metric, "arm": arm}
                row_rng = child_rng(seed, *names.values())
                statistics = _statistics(pair, metric, margins.get(metric), alpha, n_boot, row_rng)
                family.append(names | {"reference_arm": reference_arm} | statistics)
        _conclude(family, margins, alpha, higher_is_better)
        rows += family
    return pd.DataFrame(rows, columns=COLUMNS)


@dataclass(frozen=True)
class _Pair:
    """Two arms in one place; rows of a patient are NaN where he makes no pair.

    Attributes:
        arm, reference: (n, G, S) and (n, G', S') scores.
        lost: (n,) patients who were scored but are undefined in a run of either arm.
    """

    arm: Scores
    reference: Scores
    lost: NDArray[np.bool_]


@dataclass(frozen=True)
class _Cell:
    """Scores of every arm in one view, structure and metric; a patient without this view is NaN, and not scored."""

    scores: dict[str, Scores]
    scored: NDArray[np.bool_]

    def pair(self, arm: str, reference_arm: str) -> _Pair:
        ours, theirs = self.scores[arm], self.scores[reference_arm]
        complete = _defined(ours) & _defined(theirs)
        keep = complete[:, None, None]
        return _Pair(np.where(keep, ours, np.nan), np.where(keep, theirs, np.nan), self.scored & ~complete)


def _defined(scores: Scores) -> NDArray[np.bool_]:
    """(n,) patients with a score in every run."""
    return np.asarray(~np.isnan(scores).any(axis=(1, 2)))


def _cells(subjects: pd.DataFrame) -> dict[tuple[str, str], _Cell]:
    """(view, structure) -> scores, with one order of patients throughout."""
    ids = sorted(subjects["subject_id"].unique())
    cells = {}
    for view, structure in subjects[["view", "structure"]].drop_duplicates().itertuples(index=False):
        rows = subjects[(subjects["view"] == view) & (subjects["structure"] == structure)]
        scores = {arm: score_cube(rows[rows["arm"] == arm], ids) for arm in rows["arm"].unique()}
        cells[view, structure] = _Cell(scores, np.isin(ids, rows["subject_id"].unique()))
    return cells


def _overall(pairs: list[_Pair]) -> _Pair:
    """Each patient's mean over the places where he makes a pair: the same places in both arms."""
    makes_pair = np.array([_defined(pair.arm) for pair in pairs])
    places = np.where(makes_pair.any(axis=0), makes_pair.sum(axis=0), np.nan)[:, None, None]
    arm = np.nansum([pair.arm for pair in pairs], axis=0) / places
    reference = np.nansum([pair.reference for pair in pairs], axis=0) / places
    return _Pair(arm, reference, np.any([pair.lost for pair in pairs], axis=0))


def _statistics(
    pair: _Pair, metric: str, margin: float | None, alpha: float, n_boot: int, rng: np.random.Generator
) -> dict[str, float]:
    """All numbers of a row but those that need the other rows."""
    paired = _defined(pair.arm)
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
    interval = nested_bootstrap(arm, reference, n_boot=n_boot, rng=rng, alpha=alpha)
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


def _conclude(
    rows: list[dict[str, Any]], margins: Mapping[str, float], alpha: float, higher_is_better: Mapping[str, bool]
) -> None:
    """Adds Holm's correction and the verdict to every row of one metric; what could not be computed is NaN."""
    p_holm = holm(np.array([row.get("p_wilcoxon", np.nan) for row in rows]))
    for row, p in zip(rows, p_holm, strict=True):
        row["p_holm"] = float(p)
        row["verdict"] = verdict(
            *(row.get(name, np.nan) for name in ("ci_low", "ci_high", "ci90_low", "ci90_high", "p_holm")),
            margin=margins.get(row["metric"]),
            higher_is_better=higher_is_better[row["metric"]],
            alpha=alpha,
        )


def _require_known(subjects: pd.DataFrame, reference_arm: str, higher_is_better: Mapping[str, bool]) -> None:
    arms = list(subjects["arm"].unique())
    if reference_arm not in arms or len(arms) < 2:
        raise UserError(
            f"arm '{reference_arm}' has nothing to be compared with" if reference_arm in arms else "no reference arm",
            got=", ".join(arms),
            expected=f"'{reference_arm}' and at least one other arm",
            remedy="run `dvc repro evaluate`, which scores every arm",
        )
    undirected = sorted(set(subjects["metric"]) - set(higher_is_better))
    if undirected:
        raise UserError(
            f"metric '{undirected[0]}' has no direction",
            got=undirected,
            expected=f"one of {', '.join(higher_is_better)}",
            remedy="pass `higher_is_better` with an entry for it, or no verdict could tell better from worse",
        )
