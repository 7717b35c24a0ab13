"""Short tables from the long ones: what `dvc metrics show` prints, and means by arm, site and dose."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from augbench.comparison.rows import Endpoint, overall_rows
from augbench.core.tables import ALL_VIEWS, DOSE_COLUMNS, SITE_COLUMNS


def headline(comparison: pd.DataFrame, primary: Endpoint) -> dict[str, Any]:
    """The primary endpoint as JSON: few keys, since `dvc metrics show` makes a column of each, and a line of a study.

    Args:
        comparison: what `table.compare` returned.

    Returns:
        `arm`, the metric's name (mean of the arm), `reference` (mean of the reference arm), `difference`, `ci_low`,
        `ci_high`, `verdict`; undefined is None.
    """
    rows = overall_rows(comparison)
    row = rows[(rows["metric"] == primary.metric) & (rows["arm"] == primary.arm)].iloc[0]
    numbers = {primary.metric: "mean_arm", "reference": "mean_reference", "difference": "mean_difference"}
    numbers |= {"ci_low": "ci_low", "ci_high": "ci_high"}
    found = {key: _number(row[name]) for key, name in numbers.items()}
    return {"arm": primary.arm, **found, "verdict": row["verdict"]}


def site_means(
    comparison: pd.DataFrame, development: Sequence[pd.DataFrame], *, metric: str, external: str
) -> pd.DataFrame:
    """Mean score of every arm at every site, views and structures with equal weight, as SITE_COLUMNS.

    Args:
        comparison: what `table.compare` returned, of the external cohort.
        development: DEVELOPMENT_COLUMNS, a table a cohort; may be none.
        external: name of the external cohort; `site` is the cohort's name.
    """
    places = comparison[(comparison["metric"] == metric) & (comparison["view"] != ALL_VIEWS)]
    # The reference arm has no rows of its own: its means stand in those of the arms compared with it.
    reference = places[~places["reference_arm"].isin(places["arm"])].drop_duplicates(["view", "structure"])
    reference = reference[["reference_arm", "mean_reference"]]
    outer = [part.assign(site=external) for part in (reference, places[["arm", "mean_arm"]])]
    inner = [table.loc[table["metric"] == metric, ["arm", "value", "cohort"]] for table in development]
    every = pd.concat([part.set_axis(["arm", "mean", "site"], axis=1) for part in (*inner, *outer)])
    means = every.groupby(["arm", "site"], sort=False)["mean"].mean().reset_index()
    return means.assign(metric=metric)[list(SITE_COLUMNS)]


def dose_response(sites: pd.DataFrame, comparison: pd.DataFrame, arms: pd.DataFrame, *, external: str) -> pd.DataFrame:
    """Mean score over the dose as DOSE_COLUMNS; the dose of an arm without one is NaN.

    Args:
        sites: what `site_means` returned, of one metric.
        comparison: gives the external interval: the reference arm's mean plus the limits of the paired difference.
        arms: ARM_COLUMNS.
    """
    found = sites.merge(arms[["arm", "generator", "dose"]], on="arm", how="left")
    limits = overall_rows(comparison)[["arm", "metric", "mean_reference", "ci_low", "ci_high"]].assign(site=external)
    found = found.merge(limits, on=["arm", "metric", "site"], how="left")
    for name in ("ci_low", "ci_high"):
        found[name] += found["mean_reference"]
    return found[list(DOSE_COLUMNS)]


def mean_variance(variance: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Standard deviation of a metric by its source, per arm: root mean square over views and structures.

    Args:
        variance: what `components.variance_table` returned.

    Returns:
        Columns arm, component, sd.
    """
    own = variance[variance["metric"] == metric]
    sources = [name for name in variance.columns if name.startswith("sd_")]
    squares = own.set_index("arm")[sources].pow(2)
    roots = squares.groupby(level="arm", sort=False).mean().pow(0.5).rename(columns=lambda name: name[len("sd_") :])
    long = roots.reset_index().melt(id_vars="arm", var_name="component", value_name="sd")
    return long.dropna(subset=["sd"]).reset_index(drop=True)


def _number(value: Any) -> float | None:
    """Six significant digits; None where undefined, since JSON knows no NaN."""
    return float(f"{value:.6g}") if math.isfinite(value) else None
