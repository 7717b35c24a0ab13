"""The comparison table: every arm against a reference arm, per view, structure and metric, and over all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from augbench.comparison.pairs import ALL_VIEWS, MEAN_STRUCTURE, cells, conclude, overall, statistics
from augbench.comparison.unit import REAL, per_subject
from augbench.comparison.verdict import HIGHER_IS_BETTER
from augbench.core.errors import UserError
from augbench.core.seeding import child_rng

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
        scores = subjects[subjects["metric"] == metric]
        places = cells(scores, sorted(scores["subject_id"].unique()))
        for arm in subjects["arm"].unique():
            if arm == reference_arm:
                continue
            pairs = {place: cell.pair(arm, reference_arm) for place, cell in places.items()}
            pairs[ALL_VIEWS, MEAN_STRUCTURE] = overall(list(pairs.values()))
            for (view, structure), pair in pairs.items():
                names = {"view": view, "structure": structure, "metric": metric, "arm": arm}
                row_rng = child_rng(seed, *names.values())
                numbers = statistics(pair, metric, margins.get(metric), alpha, n_boot, row_rng)
                family.append(names | {"reference_arm": reference_arm} | numbers)
        conclude(family, margins, alpha, higher_is_better)
        rows += family
    return pd.DataFrame(rows, columns=COLUMNS)


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
