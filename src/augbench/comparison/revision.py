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

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from augbench.comparison.paired import SharedSeeds
from augbench.comparison.pairs import ALL_VIEWS, MEAN_STRUCTURE, Pair, cells, conclude, overall, statistics
from augbench.comparison.unit import RUN, per_subject
from augbench.comparison.verdict import HIGHER_IS_BETTER
from augbench.core.seeding import child_rng

_SIDE = {"_arm": "_head", "_reference": "_base"}

COLUMNS = (
    *("view", "structure", "metric", "arm", "n_subjects", "mean_base", "mean_head"),
    *("mean_difference", "ci_low", "ci_high", "ci90_low", "ci90_high", "sd_paired", "p_wilcoxon", "p_holm", "verdict"),
    *("median_base", "q1_base", "q3_base", "median_head", "q1_head", "q3_head", "variation_base", "variation_head"),
    *("n_needed", "n_undefined", "p_tost", "n_changed", "seeds"),
)


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
        if not (self.shared.generator and self.shared.segmenter):
            head, base = head.mean(axis=(1, 2), keepdims=True), base.mean(axis=(1, 2), keepdims=True)
        return int(((head != base) & ~np.isnan(head)).any(axis=(1, 2)).sum())


def revision_pairs(base: pd.DataFrame, head: pd.DataFrame) -> Iterator[RevisionPair]:
    """Every arm, place and metric that both revisions have, by metric and arm; the overall place comes last.

    A patient whose score is undefined in any run of either side, or who is missing on one, makes no pair.

    Args:
        base, head: tidy scores, see `unit.PER_CASE_COLUMNS`.

    Raises:
        UserError: a run or a score is missing within a revision.
    """
    old, new = per_subject(base), per_subject(head)
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
            if not pairs:
                continue
            pairs[ALL_VIEWS, MEAN_STRUCTURE] = overall(list(pairs.values()))
            shared = _shared(ours[ours["arm"] == arm], theirs[theirs["arm"] == arm])
            for (view, structure), pair in pairs.items():
                yield RevisionPair(view, structure, metric, arm, pair, shared)


def revision_table(
    base: pd.DataFrame,
    head: pd.DataFrame,
    *,
    margins: Mapping[str, float],
    alpha: float = 0.05,
    n_boot: int = 10_000,
    rng: np.random.Generator,
    higher_is_better: Mapping[str, bool] = HIGHER_IS_BETTER,
) -> pd.DataFrame:
    """Head minus base per view, structure, metric and arm (`real` too), paired by patient and, where possible, by seed.

    Statistics and verdict words are those of `table.compare`, and so are the overall rows (`all`, `mean`), Holm's
    family (all rows of a metric) and the counting of undefined scores. `better` and `worse` speak of head.

    Args:
        base, head: tidy scores, see `unit.PER_CASE_COLUMNS`; only what both hold is compared.
        margins: metric -> equivalence margin in its unit.
        rng: gives one seed; each row derives its own by name.
        higher_is_better: metric -> direction; a metric of one's own needs an entry.

    Returns:
        COLUMNS; `n_changed` counts patients whose score differs at all, `seeds` is `RevisionPair.seeds`.
    """
    seed = int(rng.integers(2**63))
    families: dict[str, list[dict[str, Any]]] = {}
    for pair in revision_pairs(base, head):
        names = {"view": pair.view, "structure": pair.structure, "metric": pair.metric, "arm": pair.arm}
        row_rng = child_rng(seed, *names.values())
        margin = margins.get(pair.metric)
        numbers = statistics(pair.scores, pair.metric, margin, alpha, n_boot, row_rng, pair.shared)
        row = names | numbers | {"seeds": pair.seeds, "n_changed": pair.n_changed}
        families.setdefault(pair.metric, []).append(row)
    for family in families.values():
        conclude(family, margins, alpha, higher_is_better)
    rows = [{_side(name): value for name, value in row.items()} for family in families.values() for row in family]
    return pd.DataFrame(rows, columns=COLUMNS)


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
