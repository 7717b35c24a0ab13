"""Short tables from the long ones: what `dvc metrics show` prints and what the dose-response figure draws."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from augbench.comparison.pairs import ALL_VIEWS, MEAN_STRUCTURE
from augbench.comparison.unit import REAL, arm_names


def headline(comparison: pd.DataFrame) -> dict[str, Any]:
    """What `dvc metrics show` prints: few numbers, JSON-ready; undefined is None.

    Args:
        comparison: what `table.compare` returned.

    Returns:
        `dice`: arm -> mean over patients, views, structures; `ratio_to_real`, `verdict`: arm -> its overall row's.
    """
    rows = comparison[(comparison["metric"] == "dice") & (comparison["view"] == ALL_VIEWS)]
    overall = rows[rows["structure"] == MEAN_STRUCTURE].to_dict("records")
    return {
        "dice": {REAL: _number(overall[0]["mean_reference"])} | {r["arm"]: _number(r["mean_arm"]) for r in overall},
        "ratio_to_real": {r["arm"]: _number(r["mean_arm"] / r["mean_reference"]) for r in overall},
        "verdict": {r["arm"]: r["verdict"] for r in overall},
    }


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
