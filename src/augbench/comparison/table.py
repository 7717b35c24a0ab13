"""The comparison table: every arm against its opponent, per view, structure and metric, and over all of them."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import pandas as pd

from augbench.comparison.pairs import cells, with_overall
from augbench.comparison.rows import Row, Rules, conclude, frame
from augbench.comparison.unit import require_per_patient
from augbench.core.errors import UserError
from augbench.core.tables import COMPARISON_COLUMNS, CONTRAST_COLUMNS


def compare(
    per_patient: pd.DataFrame,
    rules: Rules,
    *,
    reference_arm: str,
    generators: Mapping[str, str] | None = None,
    against: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Every other arm against `reference_arm`, one row per view, structure and metric, with COMPARISON_COLUMNS.

    Where there are several views or structures, each arm also has a row `all`, `mean` per metric: each patient averaged
    over all of them first, with equal weight. `overall` marks it; a single place's own row is marked instead. A patient
    whose score is undefined in any run of either arm makes no pair; `n_undefined` counts such patients (in the `all`
    row: those who lost a view or structure).

    Args:
        per_patient: see `core.tables.PER_PATIENT_COLUMNS`.
        generators: arm -> its generator; arms of one generator share its seeds.
        against: arm -> the arm that it is compared with; the column `reference_arm` holds it. An arm that is not named
            is compared with `reference_arm`.

    Raises:
        UserError: an arm, a run or a score is missing, or a metric has no direction.
    """
    scores = require_per_patient(per_patient)
    rules.require_directions(scores["metric"])
    arms = list(scores["arm"].unique())
    if reference_arm not in arms or len(arms) < 2:
        raise UserError(
            f"arm '{reference_arm}' has nothing to be compared with" if reference_arm in arms else "no reference arm",
            got=", ".join(arms),
            expected=f"'{reference_arm}' and at least one other arm",
            remedy="run `augbench repro`, which scores every arm",
        )
    rows: list[Row] = []
    for metric, own in scores.groupby("metric", sort=False):
        places = cells(own, sorted(own["subject_id"].unique()), generators)
        for arm in arms:
            if arm == reference_arm:
                continue
            other = (against or {}).get(arm) or reference_arm
            pairs = with_overall({place: cell.pair(arm, other) for place, cell in places.items()})
            for (view, structure), pair in pairs.items():
                names = {"view": view, "structure": structure, "metric": str(metric), "arm": arm}
                rows.append(Row.measured(names | {"reference_arm": other}, pair, rules))
    conclude(rows, rules)
    return frame(rows, COMPARISON_COLUMNS)


def contrasts(
    per_patient: pd.DataFrame, rules: Rules, *, metric: str, generators: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """Every two arms on one metric, over all views and structures, as CONTRAST_COLUMNS: `arm` minus `other`.

    P-values are not corrected, and no verdict is given: the study's questions are those of `compare`.
    """
    scores = require_per_patient(per_patient[per_patient["metric"] == metric])
    places = cells(scores, sorted(scores["subject_id"].unique()), generators)
    rows = []
    for arm, other in combinations(scores["arm"].unique(), 2):
        pairs = with_overall({place: cell.pair(arm, other) for place, cell in places.items()})
        names = {"arm": arm, "other": other, "metric": metric}
        rows.append(Row.measured(names, list(pairs.values())[-1], rules).cells)
    return pd.DataFrame(rows, columns=list(CONTRAST_COLUMNS))
