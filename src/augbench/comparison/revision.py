"""One experiment in two revisions: what a change of code or parameters did to each patient's score.

Runs with the same labels may be anything from the same network bit for bit (the change did not touch it) to two
independent trainings. The difference of what a seed contributes in head and in base is right in all cases: its variance
over seeds is Var(head) + Var(base) - 2 Cov(head, base), measured as it is, and a revision against itself is exactly 0.
Seeds that only one side has are blocks of their own (`blocks`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from augbench.comparison.pairs import Pair, cells, with_overall
from augbench.comparison.rows import Row, Rules, conclude, frame
from augbench.comparison.unit import require_per_patient
from augbench.core.tables import LIMIT_COLUMNS

COLUMNS = (
    *("view", "structure", "metric", "arm", "endpoint", "n_subjects", "mean_base", "mean_head"),
    *("mean_difference", "ci_low", "ci_high", "ci90_low", "ci90_high", "degrees", "p_value", "p_adjusted", "p_tost"),
    *("verdict", "seeds_unknown", *LIMIT_COLUMNS, "sd_paired", "p_wilcoxon"),
    *("median_base", "q1_base", "q3_base", "median_head", "q1_head", "q3_head", "variation_base", "variation_head"),
    *("n_undefined", "n_changed", "seeds", "overall"),
)
_SIDE = {"_arm": "_head", "_reference": "_base"}


@dataclass(frozen=True)
class RevisionPair:
    """One arm in one place and metric, in both revisions.

    Attributes:
        view, structure: `all`, `mean` in the row that averages each patient over all places.
        scores: `arm` is head and `reference` is base, patients by sorted id.
    """

    view: str
    structure: str
    metric: str
    arm: str
    scores: Pair

    @property
    def apart(self) -> tuple[str, ...]:
        """Kinds of seeds whose labels differ between the sides."""
        head, base = self.scores.arm, self.scores.reference
        kinds = ("generator", head.generators, base.generators), ("segmenter", head.segmenters, base.segmenters)
        return tuple(kind for kind, ours, theirs in kinds if ours != theirs)

    @property
    def seeds(self) -> str:
        """`paired`, or which seeds differ."""
        return f"{' and '.join(self.apart)} seeds differ" if self.apart else "paired"

    @property
    def n_changed(self) -> int:
        """Patients whose score changed in any run (paired seeds) or in the mean over runs (other seeds)."""
        head, base = self.scores.arm.scores, self.scores.reference.scores
        if self.apart:
            head, base = head.mean(axis=(1, 2), keepdims=True), base.mean(axis=(1, 2), keepdims=True)
        return int(((head != base) & ~np.isnan(head)).any(axis=(1, 2)).sum())


def revision_pairs(
    base: pd.DataFrame, head: pd.DataFrame, generators: Mapping[str, str] | None = None
) -> Iterator[RevisionPair]:
    """Every arm, place and metric that both revisions have, by metric and arm; the overall place comes last.

    A patient whose score is undefined in any run of either side, or who is missing on one, makes no pair.

    Args:
        base, head: see `core.tables.PER_PATIENT_COLUMNS`.
        generators: arm -> its generator; arms of one generator share its seeds.

    Raises:
        UserError: a run or a score is missing within a revision.
    """
    old, new = require_per_patient(base), require_per_patient(head)
    ids = sorted({*old["subject_id"], *new["subject_id"]})
    for metric in _common(old, new, "metric"):
        ours, theirs = new[new["metric"] == metric], old[old["metric"] == metric]
        new_cells, old_cells = (cells(side, ids, generators) for side in (ours, theirs))
        for arm in _common(theirs, ours, "arm"):
            pairs = {
                place: Pair.of(cell.sides[arm], old_cells[place].sides[arm], cell.scored | old_cells[place].scored)
                for place, cell in new_cells.items()
                if place in old_cells
            }
            for (view, structure), pair in with_overall(pairs).items():
                yield RevisionPair(view, structure, metric, arm, pair)


def revision_table(base: pd.DataFrame, head: pd.DataFrame, rules: Rules) -> pd.DataFrame:
    """Head minus base per view, structure, metric and arm, paired by patient and by what seeds both have.

    Statistics and verdict words are those of `table.compare`, and so are the overall rows, the families of tests and
    the counting of undefined scores. `better` and `worse` speak of head.

    Args:
        base, head: see `core.tables.PER_PATIENT_COLUMNS`; only what both hold is compared.

    Returns:
        COLUMNS; `n_changed` counts patients whose score differs at all, `seeds` is `RevisionPair.seeds`.
    """
    rows = []
    for pair in revision_pairs(base, head):
        names = {"view": pair.view, "structure": pair.structure, "metric": pair.metric, "arm": pair.arm}
        row = Row.measured(names, pair.scores, rules, two_arms=False)
        row.cells |= {"seeds": pair.seeds, "n_changed": pair.n_changed}
        rows.append(row)
    conclude(rows, rules)
    for row in rows:
        row.cells = {_side(name): value for name, value in row.cells.items()}
    return frame(rows, COLUMNS)


def _side(name: str) -> str:
    for ending, side in _SIDE.items():
        name = name.removesuffix(ending) + side if name.endswith(ending) else name
    return name


def _common(base: pd.DataFrame, head: pd.DataFrame, column: str) -> list[str]:
    """Values that both have, in the order of head."""
    known = set(base[column])
    return [value for value in head[column].unique() if value in known]
