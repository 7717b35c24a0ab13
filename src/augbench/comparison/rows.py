"""One row of a table of differences: its numbers, its verdict, and what limits a row without one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from augbench.comparison.blocks import Array
from augbench.comparison.estimate import MIN_SUBJECTS, Estimate, Precision
from augbench.comparison.needed import limit, too_few_patients
from augbench.comparison.pairs import Pair
from augbench.comparison.tests import holm, signed_rank_p
from augbench.comparison.verdict import verdict
from augbench.core.errors import UserError
from augbench.core.tables import LIMIT_COLUMNS
from augbench.core.verdicts import INCONCLUSIVE

PRIMARY, SECONDARY, CONTROL = "primary", "secondary", "control"


@dataclass(frozen=True)
class Endpoint:
    """The primary endpoint: mean of `metric` over views and structures, `arm` against the reference arm."""

    metric: str
    arm: str


@dataclass(frozen=True)
class Rules:
    """How differences are judged.

    Attributes:
        higher_is_better: metric -> direction, for every metric in the table.
        margins: metric -> equivalence margin in its unit, fixed in advance; without one nothing is equivalent.
        alpha: level of the tests; `ci_*` and `ratio_*` cover 1 - alpha and `ci90_*` 1 - 2 alpha.
        primary: fixed in advance; tested at full alpha, by itself. None: every row is secondary.
        controls: arms that say whether the instruments work; their rows are a family of tests of their own.
        variation: metrics whose "percent variation" is printed: those in [0, 1], 1 for perfect agreement.
    """

    higher_is_better: Mapping[str, bool]
    margins: Mapping[str, float]
    alpha: float = 0.05
    primary: Endpoint | None = None
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
    """Cells by column, filled in two steps (`measured`, `conclude`).

    `estimate` is None below MIN_SUBJECTS patients.
    """

    cells: dict[str, Any]
    estimate: Estimate | None = None

    @classmethod
    def measured(cls, names: dict[str, Any], pair: Pair, rules: Rules, *, two_arms: bool = True) -> Row:
        """All numbers but those that need the other rows.

        Args:
            names: cells that name the row, `metric` and `arm` among them.
            two_arms: False for one arm in two revisions.
        """
        kept = pair.kept
        arm, reference = (side.scores[kept].mean(axis=(1, 2)) for side in (pair.arm, pair.reference))
        row = cls({**names, "n_subjects": len(arm), "n_undefined": int(pair.lost.sum())})
        if len(arm) == 0:
            return row
        metric, margin = names["metric"], rules.margins.get(names["metric"])
        row.cells |= _described(arm, "arm", metric in rules.variation)
        row.cells |= _described(reference, "reference", metric in rules.variation)
        row.cells["mean_difference"] = float((arm - reference).mean())
        if len(arm) < MIN_SUBJECTS:
            return row
        row.estimate = Estimate.of(pair.parts(of_reference=two_arms))
        row.cells["sd_paired"] = float((arm - reference).std(ddof=1))
        row.cells["p_wilcoxon"] = signed_rank_p(arm - reference)
        row.cells |= _inferred(row.estimate, margin, rules.alpha) | _ratio(pair, rules.alpha)
        return row


def _inferred(estimate: Estimate, margin: float | None, alpha: float) -> dict[str, Any]:
    """Intervals and p-values of an estimate without leading axes."""
    precision = estimate.precision()
    mean, reach, reach90 = (float(x) for x in (estimate.mean, precision.reach(alpha / 2), precision.reach(alpha)))
    found = {
        "ci_low": mean - reach,
        "ci_high": mean + reach,
        "ci90_low": mean - reach90,
        "ci90_high": mean + reach90,
        "degrees": float(precision.degrees(alpha / 2)),
        "p_value": float(2 * precision.below(-abs(estimate.mean))) if mean else 1.0,
        "seeds_unknown": " and ".join(estimate.unknown),
    }
    if margin is not None:
        found["p_tost"] = float(precision.below(abs(estimate.mean) - margin))
    return found


def _ratio(pair: Pair, alpha: float) -> dict[str, float]:
    """Mean of the arm over that of the reference, with limits from the variance of its logarithm (delta method)."""
    parts = pair.parts()
    means = [abs(float(part.scores.mean())) for part in parts]
    if min(means) == 0:
        return {}
    relative = Estimate.of([replace(part, scores=part.scores / mean) for part, mean in zip(parts, means, strict=True)])
    factor, ratio = float(np.exp(relative.precision().reach(alpha / 2))), means[0] / means[1]
    return {"ratio": ratio, "ratio_low": ratio / factor, "ratio_high": ratio * factor}


def _described(by_patient: Array, side: str, with_variation: bool) -> dict[str, float]:
    """Mean, and median and quartiles as publications print them, over patients (n,)."""
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


def conclude(rows: Sequence[Row], rules: Rules) -> None:
    """Add the kind of endpoint, Holm's correction, the verdict and what limits it; what cannot be computed is NaN.

    The primary endpoint is a family of its own; all secondary rows of all metrics are one, and all controls' are one.
    """
    for row, last in zip(rows, _last_places(rows), strict=True):
        row.cells["endpoint"] = _kind(row, last, rules)
    for kind in (PRIMARY, SECONDARY, CONTROL):
        family = [row for row in rows if row.cells["endpoint"] == kind]
        adjusted = holm(np.array([row.cells.get("p_value", np.nan) for row in family]))
        for row, p in zip(family, adjusted, strict=True):
            _conclude(row, float(p), int(np.sum(~np.isnan(adjusted))), rules)


def _kind(row: Row, overall: bool, rules: Rules) -> str:
    if row.cells["arm"] in rules.controls:
        return CONTROL
    named = Endpoint(row.cells["metric"], row.cells["arm"])
    return PRIMARY if overall and named == rules.primary else SECONDARY


def _last_places(rows: Sequence[Row]) -> list[bool]:
    """Which rows are the last of their metric and arm: the overall ones (`pairs.with_overall`)."""
    last = {(row.cells["metric"], row.cells["arm"]): index for index, row in enumerate(rows)}
    return [last[row.cells["metric"], row.cells["arm"]] == index for index, row in enumerate(rows)]


def _conclude(row: Row, p_adjusted: float, tests: int, rules: Rules) -> None:
    metric = row.cells["metric"]
    row.cells |= {"p_adjusted": p_adjusted, "verdict": INCONCLUSIVE}
    if row.estimate is None:
        found = too_few_patients()
    else:
        p = row.cells["p_value"]
        decision = _Decision(
            mean=float(row.estimate.mean),
            factor=p_adjusted / p if p > 0 and p_adjusted < 1 else float(tests),
            margin=rules.margins.get(metric),
            higher_is_better=rules.higher_is_better[metric],
            alpha=rules.alpha,
        )
        row.cells["verdict"] = decision.word(row.estimate.precision())
        if row.cells["verdict"] != INCONCLUSIVE:
            return
        found = limit(row.estimate, decision)
    needed = (np.nan if number is None else float(number) for number in (found.patients, found.seeds))
    row.cells |= dict(zip(LIMIT_COLUMNS, (found.source, found.share, *needed), strict=True))


@dataclass(frozen=True)
class _Decision:
    """The verdict of a row, as found or with another precision; a `needed.Goal`.

    Attributes:
        factor: by which Holm's correction multiplies the p-value.
    """

    mean: float
    factor: float
    margin: float | None
    higher_is_better: bool
    alpha: float

    def reached(self, precision: Precision) -> bool:
        return self.word(precision) != INCONCLUSIVE

    def word(self, precision: Precision) -> str:
        reach90 = float(precision.reach(self.alpha))
        p = float(2 * precision.below(-np.abs(np.asarray(self.mean)))) if self.mean else 1.0
        return verdict(
            self.mean, self.mean - reach90, self.mean + reach90, min(p * self.factor, 1.0),
            margin=self.margin, higher_is_better=self.higher_is_better, alpha=self.alpha,
        )  # fmt: skip


def overall_rows(table: pd.DataFrame) -> pd.DataFrame:
    """The row of each metric and arm that speaks for all views and structures: with a single place, the place's own.

    Args:
        table: of `table.compare` or `revision.revision_table`, or what was read from its file.
    """
    return table[table["overall"].astype(bool)]


def frame(rows: Sequence[Row], columns: Collection[str]) -> pd.DataFrame:
    """Rows as a table; `overall` marks the last place of each arm and metric (`pairs.with_overall`)."""
    found = pd.DataFrame([row.cells for row in rows], columns=list(columns))
    return found.assign(overall=_last_places(rows))
