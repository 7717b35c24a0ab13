"""One row of a table of differences: its numbers, its verdict, and what limits a row without one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from augbench.comparison.bootstrap import APART, MIN_SUBJECTS, Scores, SharedSeeds, nested_bootstrap, paired_differences
from augbench.comparison.components import Component
from augbench.comparison.estimate import Estimate, Sides, between_revisions
from augbench.comparison.needed import limit, too_few_patients
from augbench.comparison.pairs import Pair, defined
from augbench.comparison.tests import holm, signed_rank_p, tost_p
from augbench.comparison.verdict import INCONCLUSIVE, verdict
from augbench.core.errors import UserError

#: Empty in a row that is decided.
LIMIT_COLUMNS = ("limited_by", "limited_share", "patients_needed", "seeds_needed")
_LIMITS = ("ci_low", "ci_high", "ci90_low", "ci90_high")


@dataclass(frozen=True)
class Rules:
    """How differences are judged.

    Attributes:
        higher_is_better: metric -> direction, for every metric in the table.
        margins: metric -> equivalence margin in its unit, fixed in advance; without one nothing is equivalent.
        alpha: level of the tests; `ci_*` cover 1 - alpha and `ci90_*` 1 - 2 alpha.
        n_boot: resamples.
        controls: arms that say whether the instruments work; their rows are a family of tests of their own.
        variation: metrics whose "percent variation" is printed: those in [0, 1], 1 for perfect agreement.
    """

    higher_is_better: Mapping[str, bool]
    margins: Mapping[str, float]
    alpha: float = 0.05
    n_boot: int = 10_000
    controls: Collection[str] = ()
    variation: Collection[str] = ()

    def require_directions(self, metrics: Iterable[str]) -> None:
        """Raises UserError for a metric of a table of which better and worse could not be told apart."""
        undirected = sorted(set(metrics) - set(self.higher_is_better))
        if undirected:
            raise UserError(
                f"metric '{undirected[0]}' has no direction",
                got=", ".join(undirected),
                expected=f"one of {', '.join(self.higher_is_better)}",
                remedy="add it to evaluation.metrics, or run `augbench repro` again after it was taken out",
            )


@dataclass
class Row:
    """Cells by column, filled in two steps (`measured`, `conclude`), and the variance of the mean difference by source.

    `estimate` is None below MIN_SUBJECTS patients.
    """

    cells: dict[str, Any]
    estimate: Estimate | None = None

    @classmethod
    def measured(
        cls,
        names: dict[str, Any],
        pair: Pair,
        rules: Rules,
        rng: np.random.Generator,
        shared: SharedSeeds | None = None,
    ) -> Row:
        """All numbers but those that need the other rows.

        Args:
            names: cells that name the row, `metric` and `arm` among them.
            shared: seeds that one arm's two revisions share; None for two arms, which share none.
        """
        paired = defined(pair.arm)
        arm, reference = pair.arm[paired], pair.reference[paired]
        row = cls({**names, "n_subjects": len(arm), "n_undefined": int(pair.lost.sum())})
        if len(arm) == 0:
            return row
        differences = paired_differences(arm, reference)
        metric, margin = names["metric"], rules.margins.get(names["metric"])
        row.cells |= _described(arm, "arm", metric in rules.variation)
        row.cells |= _described(reference, "reference", metric in rules.variation)
        row.cells["mean_difference"] = float(differences.mean())
        if len(arm) < MIN_SUBJECTS:
            return row
        row.estimate = (
            Estimate.between_arms(arm, reference)
            if shared is None
            else between_revisions([Sides(arm, reference, shared.all)])[1]
        )
        row.cells["sd_paired"] = float(differences.std(ddof=1))
        row.cells["p_wilcoxon"] = signed_rank_p(differences)
        row.cells |= asdict(
            nested_bootstrap(arm, reference, n_boot=rules.n_boot, rng=rng, alpha=rules.alpha, shared=shared or APART)
        )
        if margin is not None:
            row.cells["p_tost"] = tost_p(differences, margin)
        return row


def _described(scores: Scores, side: str, with_variation: bool) -> dict[str, float]:
    """Mean, and median and quartiles as publications print them, over patients; runs averaged first."""
    by_patient = scores.mean(axis=(1, 2))
    q1, median, q3 = np.quantile(by_patient, [0.25, 0.5, 0.75])
    described = {"mean": by_patient.mean(), "median": median, "q1": q1, "q3": q3}
    if with_variation:
        described["variation"] = percent_variation(by_patient)
    return {f"{name}_{side}": float(value) for name, value in described.items()}


def percent_variation(scores: np.ndarray) -> float:
    """Median over patients (n,) of 1 - score, as a fraction: 0.021 where Diller et al. 2020, Table 1, print 0.021.

    The publication gives no definition. 1 - Dice is the area in which two outlines differ as a share of their summed
    area, and its median agrees with all ten entries of the table to the 0.001 they are printed to, while SD / mean
    (from the printed quartiles) is off by up to a factor of three. So it holds no information beyond the median, and
    is printed only to stand beside the published column.
    """
    return float(np.median(1 - scores))


def conclude(rows: Iterable[Row], rules: Rules) -> None:
    """Add Holm's correction, the verdict and what limits it to every row; what could not be computed is NaN.

    A family of tests is all rows of a metric that are no controls', or all that are.
    """
    families: dict[tuple[str, bool], list[Row]] = {}
    for row in rows:
        families.setdefault((row.cells["metric"], row.cells["arm"] in rules.controls), []).append(row)
    for family in families.values():
        p_holm = holm(np.array([row.cells.get("p_wilcoxon", np.nan) for row in family]))
        for row, p in zip(family, p_holm, strict=True):
            _conclude(row, float(p), int(np.sum(~np.isnan(p_holm))), rules)


def _conclude(row: Row, p_holm: float, tests: int, rules: Rules) -> None:
    metric = row.cells["metric"]
    decision = _Decision(
        mean=row.cells.get("mean_difference", np.nan),
        limits=tuple(row.cells.get(name, np.nan) for name in _LIMITS),
        p=row.cells.get("p_wilcoxon", np.nan),
        p_holm=p_holm,
        tests=tests,
        margin=rules.margins.get(metric),
        higher_is_better=rules.higher_is_better[metric],
        alpha=rules.alpha,
        present=0.0 if row.estimate is None else float(row.estimate.variance().value),
    )
    row.cells |= {"p_holm": p_holm, "verdict": decision.word(1.0)}
    if row.cells["verdict"] == INCONCLUSIVE:
        found = too_few_patients() if row.estimate is None else limit(row.estimate, decision)
        needed = (np.nan if number is None else float(number) for number in (found.patients, found.seeds))
        row.cells |= dict(zip(LIMIT_COLUMNS, (found.source, found.share, *needed), strict=True))


@dataclass(frozen=True)
class _Decision:
    """The verdict of a row, as found or with an interval that is narrower by a factor; a `needed.Goal`.

    Attributes:
        limits: as `verdict` takes them.
        tests: in the family.
        present: variance of the mean difference as it is.
    """

    mean: float
    limits: tuple[float, ...]
    p: float
    p_holm: float
    tests: int
    margin: float | None
    higher_is_better: bool
    alpha: float
    present: float

    def reached(self, variance: Component) -> bool:
        # The interval is as wide as it was found to be; the components say how its width changes with the design.
        return self.word(float(np.sqrt(variance.value / self.present))) != INCONCLUSIVE

    def word(self, scale: float) -> str:
        """The verdict with an interval `scale` times as wide, and a p-value from a test as much sharper."""
        low, high, low90, high90 = (self.mean + scale * (one - self.mean) for one in self.limits)
        return verdict(
            low, high, low90, high90, self._p_holm(scale),
            margin=self.margin, higher_is_better=self.higher_is_better, alpha=self.alpha,
        )  # fmt: skip

    def _p_holm(self, scale: float) -> float:
        from scipy.stats import norm

        if scale == 1.0 or np.isnan(self.p_holm):
            return self.p_holm
        factor = self.p_holm / self.p if self.p_holm < 1 else self.tests
        return float(2 * norm.sf(norm.isf(self.p / 2) / scale) * factor)


def overall_rows(table: pd.DataFrame) -> pd.DataFrame:
    """The row of each metric and arm that speaks for all views and structures: with a single place, the place's own.

    Args:
        table: of `table.compare` or `revision.revision_table`, or what was read from its file.
    """
    return table[table["overall"].astype(bool)]


def frame(rows: Iterable[Row], columns: Collection[str]) -> pd.DataFrame:
    """Rows as a table; `overall` marks the last place of each arm and metric (`pairs.with_overall`)."""
    found = pd.DataFrame([row.cells for row in rows], columns=list(columns))
    found["overall"] = ~found.duplicated(["metric", "arm"], keep="last")
    return found
