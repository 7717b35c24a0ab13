"""Rows of the report's tables, formatted; every number comes straight from the tidy tables."""

from __future__ import annotations

from typing import Any

import pandas as pd

from augbench.figures import words
from augbench.figures.arms import REAL, SITE_NAMES, SITES, STRUCTURES, VIEWS, sort_arms, sort_by, verdict_word, view_name
from augbench.figures.headline import is_flagged
from augbench.figures.paper import TABLE_1
from augbench.figures.words import difference, interval, median_iqr, number, p_value

METRIC_NAMES = {
    "dice": "Dice",
    "hd95_mm": "HD95 (mm)",
    "nsd": "normalised surface Dice",
    "area_error_percent": "area error (%)",
    "kid": "KID",
    "frechet": "Fréchet distance",
    "nn_ratio": "nearest-neighbour ratio",
}
AXES = ("fidelity", "coverage", "utility", "privacy")


def ordered(comparison: pd.DataFrame) -> pd.DataFrame:
    """Rows by arm, view and structure in canonical order, the overall row of each arm last."""
    arms, views = sort_arms(comparison["arm"]), sort_by(comparison["view"], VIEWS)
    structures = sort_by(comparison["structure"], STRUCTURES)
    places = [
        (arms.index(row.arm), row.view == "all", views.index(row.view), structures.index(row.structure))
        for row in comparison.itertuples(index=False)
    ]
    order = sorted(range(len(places)), key=places.__getitem__)
    return comparison.iloc[order].reset_index(drop=True)


def paper_table(comparison: pd.DataFrame, synthetic_arms: list[str]) -> list[dict[str, Any]]:
    """Table 1 of the paper beside our rows, once per synthetic arm."""
    dice = comparison[comparison["metric"] == "dice"]
    blocks = []
    for arm in synthetic_arms:
        rows = []
        for paper in TABLE_1:
            found = dice[(dice["arm"] == arm) & (dice["view"] == paper.view) & (dice["structure"] == paper.structure)]
            rows.append({"paper": paper, "ours": _paper_cells(found.iloc[0].to_dict()) if len(found) else None})
        blocks.append({"arm": arm, "rows": rows})
    return blocks


def _paper_cells(row: dict[str, Any]) -> dict[str, str]:
    cells = {
        side: median_iqr(row.get(f"median_{name}"), row.get(f"q1_{name}"), row.get(f"q3_{name}"))
        for side, name in (("synthetic", "arm"), ("real", "reference"))
    }
    variation = f"{number(row.get('variation_arm'))} / {number(row.get('variation_reference'))}"
    return cells | {"p": p_value(row.get("p_wilcoxon")), "variation": variation}


def verdict_table(comparison: pd.DataFrame, arm: str, metric: str = "dice") -> list[dict[str, Any]]:
    """One row per view and structure of an arm, cells as text plus the verdict word for its colour."""
    rows = comparison[(comparison["metric"] == metric) & (comparison["arm"] == arm)]
    table = []
    for row in ordered(rows).to_dict("records"):
        overall = row["view"] == "all"
        table.append(
            {
                "overall": overall,
                "view": "all" if overall else view_name(str(row["view"])),
                "structure": "mean" if overall else row["structure"],
                "n": words.count(row["n_subjects"]),
                "mean_arm": number(row["mean_arm"]),
                "mean_reference": number(row["mean_reference"]),
                "difference": difference(row["mean_difference"]),
                "ci": interval(row["ci_low"], row["ci_high"]),
                "ci90": interval(row["ci90_low"], row["ci90_high"]),
                "sd": number(row["sd_paired"], 4),
                "p_wilcoxon": p_value(row["p_wilcoxon"]),
                "p_holm": p_value(row["p_holm"]),
                "n_needed": words.count(row.get("n_needed")),
                "verdict": row["verdict"] if isinstance(row["verdict"], str) and row["verdict"] else words.NOTHING,
                "word": verdict_word(row["verdict"]),
                "sentence": "" if overall else row,
            }
        )
    return table


def site_table(site_scores: pd.DataFrame) -> dict[str, Any]:
    """Arm by site, with the drop from the first site to the last."""
    if site_scores.empty:
        return {"sites": [], "rows": []}
    wide = site_scores.pivot_table(index="arm", columns="site", values="mean_dice", aggfunc="mean")
    sites = sort_by(wide.columns, SITES)
    rows = []
    for arm in sort_arms(wide.index):
        cells = wide.loc[arm, sites].to_list()
        drop = 100 * (cells[0] - cells[-1]) if len(cells) > 1 else None
        rows.append({"arm": arm, "cells": [number(cell) for cell in cells], "drop": number(drop, 1)})
    return {"sites": [SITE_NAMES.get(site, site) for site in sites], "rows": rows}


def audit_tables(audit: pd.DataFrame) -> list[dict[str, Any]]:
    """One table per axis; a column is a metric on a named feature extractor, a row a generator and its seed."""
    tables = []
    for axis in sort_by(audit["axis"], AXES) if len(audit) else []:
        part = audit[audit["axis"] == axis].fillna({"features": "", "seed": ""})
        columns = list(dict.fromkeys(zip(part["metric"], part["features"], strict=True)))
        rows = []
        pairs = dict.fromkeys(zip(part["generator"], part["seed"], strict=True))
        order = sort_arms(f"{generator}/synthetic" for generator, _ in pairs)
        for generator, seed in sorted(pairs, key=lambda pair: (order.index(f"{pair[0]}/synthetic"), str(pair[1]))):
            own = part[(part["generator"] == generator) & (part["seed"] == seed)]
            states = [state for state in map(is_flagged, own["flag"]) if state is not None]
            cells = [_audit_cell(own[(own["metric"] == metric) & (own["features"] == name)]) for metric, name in columns]
            name = "real half vs real half" if generator == REAL else generator
            flag = ("flagged" if any(states) else "not flagged") if states else ""
            rows.append({"generator": name, "seed": _seed(seed), "cells": cells, "flag": flag})
        heads = [{"metric": METRIC_NAMES.get(metric, metric.replace("_", " ")), "features": name} for metric, name in columns]
        tables.append({"axis": axis, "columns": heads, "rows": rows, "judged": any(row["flag"] for row in rows)})
    return tables


def _audit_cell(rows: pd.DataFrame) -> dict[str, str]:
    if rows.empty:
        return {"value": words.NOTHING, "ci": ""}
    row = rows.iloc[0]
    ci = ""
    if words.is_number(row["ci_low"]) and words.is_number(row["ci_high"]):
        ci = f"{words.significant(row['ci_low'])} to {words.significant(row['ci_high'])}"
    return {"value": words.significant(row["value"]), "ci": ci}


def _seed(seed: Any) -> str:
    return f"{seed:g}" if words.is_number(seed) else str(seed)


def undefined_table(comparison: pd.DataFrame) -> dict[str, Any]:
    """Undefined Dice values (reference and prediction both empty) per structure and arm; only rows with any."""
    rows = comparison[(comparison["metric"] == "dice") & (comparison["view"] != "all")]
    arms = sort_arms(rows["arm"])
    table = []
    for view in sort_by(rows["view"], VIEWS):
        for structure in sort_by(rows.loc[rows["view"] == view, "structure"], STRUCTURES):
            own = rows[(rows["view"] == view) & (rows["structure"] == structure)].set_index("arm")["n_undefined"]
            if own.fillna(0).sum() > 0:
                cells = [words.count(own.get(arm)) for arm in arms]
                table.append({"view": view_name(view), "structure": structure, "cells": cells})
    return {"arms": arms, "rows": table, "total": words.count(float(rows["n_undefined"].fillna(0).sum()))}


def hardest(per_subject: pd.DataFrame, arms: list[str], most: int = 5) -> list[dict[str, Any]]:
    """The patients with the lowest mean Dice in the real arm, and what the other arms made of them."""
    dice = per_subject[per_subject["metric"] == "dice"]
    parts = dice.groupby(["arm", "subject_id", "view", "structure"])["value"].mean()
    means = parts.groupby(level=["arm", "subject_id"]).mean().unstack("arm")
    if REAL not in means.columns:
        return []
    worst = means.sort_values(REAL, kind="stable").head(most)
    return [{"subject": str(name), "cells": [number(row.get(arm)) for arm in arms]} for name, row in worst.iterrows()]


def flattened(params: Any, prefix: str = "") -> list[tuple[str, str]]:
    """Nested parameters as `generators.pggan.total_kimg`, `60`."""
    if isinstance(params, dict):
        return [row for key, value in params.items() for row in flattened(value, f"{prefix}.{key}" if prefix else str(key))]
    text = ", ".join(str(item) for item in params) if isinstance(params, (list, tuple)) else str(params)
    return [(prefix, text)]


def stage_table(stages: list[dict[str, Any]]) -> dict[str, Any]:
    """Wall time and peak memory per stage with each stage's share of the whole."""
    total = sum(float(stage["seconds"]) for stage in stages) or 1.0
    rows = [
        {
            "stage": stage["stage"],
            "time": words.duration(stage["seconds"]),
            "share": round(100 * float(stage["seconds"]) / total, 1),
            "peak": words.count(stage.get("peak_mib")),
        }
        for stage in stages
    ]
    peaks = [stage["peak_mib"] for stage in stages if words.is_number(stage.get("peak_mib"))]
    return {"rows": rows, "total": words.duration(total), "peak": words.count(max(peaks)) if peaks else words.NOTHING}
