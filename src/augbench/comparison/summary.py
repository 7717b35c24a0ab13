"""Short tables from the long ones: what `dvc metrics show` prints and what the dose-response figure draws."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from augbench.comparison.table import ALL_VIEWS, MEAN_STRUCTURE
from augbench.comparison.unit import REAL, arm_names

SCHEMA = 1


def headline(comparison: pd.DataFrame) -> dict[str, Any]:
    """Nested numbers per metric and arm, JSON-ready; undefined is None.

    Args:
        comparison: what `table.compare` returned.

    Returns:
        `{metric: {arm: {"mean", "ratio_to_real", "difference", "verdict", view: {structure: mean}}}}`.
    """
    found: dict[str, Any] = {"schema": SCHEMA}
    for (metric, arm), rows in comparison.groupby(["metric", "arm"], sort=False):
        metric, arm = str(metric), str(arm)
        places = rows[rows["view"] != ALL_VIEWS]
        overall = rows[(rows["view"] == ALL_VIEWS) & (rows["structure"] == MEAN_STRUCTURE)].iloc[0]
        arms = found.setdefault(metric, {})
        arms.setdefault(REAL, {"mean": _number(overall["mean_reference"])} | _by_place(places, "mean_reference"))
        arms[arm] = {
            "mean": _number(overall["mean_arm"]),
            "ratio_to_real": _number(overall["mean_arm"] / overall["mean_reference"]),
            "difference": _number(overall["mean_difference"]),
            "ci_low": _number(overall["ci_low"]),
            "ci_high": _number(overall["ci_high"]),
            "verdict": overall["verdict"],
        } | _by_place(places, "mean_arm")
    return found


def _by_place(rows: pd.DataFrame, column: str) -> dict[str, dict[str, float | None]]:
    found: dict[str, dict[str, float | None]] = {}
    for row in rows.itertuples(index=False):
        found.setdefault(str(row.view), {})[str(row.structure)] = _number(getattr(row, column))
    return found


def site_means(comparison: pd.DataFrame, development: pd.DataFrame) -> pd.DataFrame:
    """Mean Dice of every arm at every site, views and structures with equal weight.

    Args:
        comparison: what `table.compare` returned, of the external site.
        development: columns cohort, generator, regime, generator_seed, segmenter_seed, view, structure, metric, value.

    Returns:
        Columns arm, site (internal, development, external), mean_dice.
    """
    inner = development[development["metric"] == "dice"].rename(columns={"cohort": "site"})
    inner = inner.assign(arm=arm_names(inner))
    means = inner.groupby(["arm", "site"], sort=False)["value"].mean().reset_index()
    places = comparison[(comparison["metric"] == "dice") & (comparison["view"] != ALL_VIEWS)]
    arms = places.groupby("arm", sort=False)["mean_arm"].mean()
    external = pd.DataFrame({"arm": [REAL, *arms.index], "site": "external"})
    external["value"] = [places.drop_duplicates(["view", "structure"])["mean_reference"].mean(), *arms]
    return pd.concat([means, external], ignore_index=True).rename(columns={"value": "mean_dice"})


def dose_response(sites: pd.DataFrame, comparison: pd.DataFrame) -> pd.DataFrame:
    """Mean Dice over the dose: `real` (dose 0), each mixed dose, and `synthetic` (no real frame, so its dose is empty).

    Args:
        sites: what `site_means` returned.
        comparison: gives the external interval: the mean of `real` plus the limits of the paired difference.

    Returns:
        Columns arm, generator, synthetic_per_real, site, mean_dice, ci_low, ci_high.
    """
    overall = comparison[(comparison["metric"] == "dice") & (comparison["view"] == ALL_VIEWS)].set_index("arm")
    rows = []
    for arm, site, mean_dice in sites[["arm", "site", "mean_dice"]].itertuples(index=False, name=None):
        generator, _, regime = arm.rpartition("/")
        _, _, dose = regime.partition("-")
        limits: tuple[float, float] = (math.nan, math.nan)
        if site == "external" and arm in overall.index:
            place = overall.loc[arm]
            limits = (place["mean_reference"] + place["ci_low"], place["mean_reference"] + place["ci_high"])
        shown_dose = 0.0 if arm == REAL else float(dose) if dose else math.nan
        rows.append((arm, generator, shown_dose, site, mean_dice, *limits))
    names = ["arm", "generator", "synthetic_per_real", "site", "mean_dice", "ci_low", "ci_high"]
    return pd.DataFrame(rows, columns=names)


def mean_variance(variance: pd.DataFrame) -> pd.DataFrame:
    """Standard deviation of Dice by its source, per arm: root mean square over views and structures.

    Args:
        variance: what `variance.variance_table` returned.

    Returns:
        Columns arm, component, sd.
    """
    dice = variance[variance["metric"] == "dice"]
    sources = [name for name in variance.columns if name.startswith("sd_")]
    squares = dice.set_index("arm")[sources].pow(2)
    roots = squares.groupby(level="arm", sort=False).mean().pow(0.5).rename(columns=lambda name: name[len("sd_") :])
    long = roots.reset_index().melt(id_vars="arm", var_name="component", value_name="sd")
    return long.dropna(subset=["sd"]).reset_index(drop=True)


def _number(value: Any) -> float | None:
    """Six significant digits; None where undefined, since JSON knows no NaN."""
    return None if value is None or not math.isfinite(value) else float(f"{value:.6g}")
