"""One experiment in two revisions: what a change of code or parameters did to each patient's score.

Why seeds are paired here and not between arms. Runs of two *arms* with seed 0 are two networks trained on different
data; nothing ties them together, so each arm draws its seeds by itself. In two *revisions* of one arm, runs with the
same labels may be anything from the same network bit for bit (the change did not touch it) to two independent
trainings. Only the difference per (patient, generator seed, segmenter seed) is right in all cases: its variance over
seeds is Var(head) + Var(base) - 2 Cov(head, base), measured as it is. Drawing the two sides apart leaves the covariance
out: with correlated runs the interval is too wide, and a revision against itself would not be exactly 0. Where the seed
labels of a factor differ there are no pairs, and each side draws that factor by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from augbench.comparison.bootstrap import SharedSeeds
from augbench.comparison.pairs import Pair, cells, with_overall
from augbench.comparison.rows import LIMIT_COLUMNS, Row, Rules, conclude, frame
from augbench.comparison.unit import RUN, require_per_patient
from augbench.core.seeding import child_rng

COLUMNS = (
    *("view", "structure", "metric", "arm", "n_subjects", "mean_base", "mean_head"),
    *("mean_difference", "ci_low", "ci_high", "ci90_low", "ci90_high", "sd_paired", "p_wilcoxon", "p_holm", "verdict"),
    *LIMIT_COLUMNS,
    *("median_base", "q1_base", "q3_base", "median_head", "q1_head", "q3_head", "variation_base", "variation_head"),
    *("n_undefined", "p_tost", "n_changed", "seeds", "overall"),
)
_SIDE = {"_arm": "_head", "_reference": "_base"}


@dataclass(frozen=True)
class RevisionPair:
    """One arm in one place and metric, in both revisions.

    Attributes:
        view, structure: `all`, `mean` in the row that averages each patient over all places.
        scores: `arm` is head and `reference` is base, (n, G, S) and (n, G', S'), patients by sorted id.
        shared: which seed factors have the same labels on both sides, and are therefore paired.
    """

    view: str
    structure: str
    metric: str
    arm: str
    scores: Pair
    shared: SharedSeeds

    @property
    def seeds(self) -> str:
        """`paired`, or which seeds were drawn apart because their labels differ."""
        apart = [name for name in ("generator", "segmenter") if not getattr(self.shared, name)]
        return "paired" if not apart else f"{' and '.join(apart)} seeds drawn apart"

    @property
    def n_changed(self) -> int:
        """Patients whose score changed in any run (paired seeds) or in the mean over runs (seeds drawn apart)."""
        head, base = self.scores.arm, self.scores.reference
        if not self.shared.all:
            head, base = head.mean(axis=(1, 2), keepdims=True), base.mean(axis=(1, 2), keepdims=True)
        return int(((head != base) & ~np.isnan(head)).any(axis=(1, 2)).sum())


def revision_pairs(base: pd.DataFrame, head: pd.DataFrame) -> Iterator[RevisionPair]:
    """Every arm, place and metric that both revisions have, by metric and arm; the overall place comes last.

    A patient whose score is undefined in any run of either side, or who is missing on one, makes no pair.

    Args:
        base, head: see `unit.PER_PATIENT_COLUMNS`.

    Raises:
        UserError: a run or a score is missing within a revision.
    """
    old, new = require_per_patient(base), require_per_patient(head)
    ids = sorted({*old["subject_id"], *new["subject_id"]})
    for metric in _common(old, new, "metric"):
        ours, theirs = new[new["metric"] == metric], old[old["metric"] == metric]
        new_cells, old_cells = cells(ours, ids), cells(theirs, ids)
        for arm in _common(theirs, ours, "arm"):
            pairs = {
                place: Pair.of(cell.scores[arm], old_cells[place].scores[arm], cell.scored | old_cells[place].scored)
                for place, cell in new_cells.items()
                if place in old_cells
            }
            shared = _shared(ours[ours["arm"] == arm], theirs[theirs["arm"] == arm])
            for (view, structure), pair in with_overall(pairs).items():
                yield RevisionPair(view, structure, metric, arm, pair, shared)


def revision_table(base: pd.DataFrame, head: pd.DataFrame, rules: Rules, *, rng: np.random.Generator) -> pd.DataFrame:
    """Head minus base per view, structure, metric and arm, paired by patient and, where possible, by seed.

    Statistics and verdict words are those of `table.compare`, and so are the overall rows, the families of tests and
    the counting of undefined scores. `better` and `worse` speak of head.

    Args:
        base, head: see `unit.PER_PATIENT_COLUMNS`; only what both hold is compared.
        rng: gives one seed; each row derives its own by name.

    Returns:
        COLUMNS; `n_changed` counts patients whose score differs at all, `seeds` is `RevisionPair.seeds`.
    """
    seed = int(rng.integers(2**63))
    rows = []
    for pair in revision_pairs(base, head):
        names = {"view": pair.view, "structure": pair.structure, "metric": pair.metric, "arm": pair.arm}
        row = Row.measured(names, pair.scores, rules, child_rng(seed, *names.values()), pair.shared)
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


def _shared(head: pd.DataFrame, base: pd.DataFrame) -> SharedSeeds:
    return SharedSeeds(*(set(head[seed]) == set(base[seed]) for seed in RUN[1:]))
