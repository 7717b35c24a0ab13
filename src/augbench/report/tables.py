"""Rows of the report's tables, formatted; every number comes straight from the tidy tables."""

from __future__ import annotations

from typing import Any

import pandas as pd

from augbench.report import words
from augbench.report.arms import (
    REAL,
    SITES,
    STRUCTURES,
    VIEWS,
    generator_of,
    sort_arms,
    sort_by,
    verdict_word,
    view_name,
)
from augbench.report.headline import is_flagged
from augbench.report.paper import TABLE_1
from augbench.report.words import difference, interval, median_iqr, number, p_value

METRIC_NAMES = {
    "dice": "Dice",
    "hd95": "HD95 (mm)",
    "nsd": "normalised surface Dice",
    "area_error": "area error (%)",
    "kid": "KID",
    "frechet": "Fréchet distance",
    "nn_distance": "nearest-neighbour ratio",
}
COMPONENTS = ("patient", "generator_seed", "segmenter_seed", "run", "residual")
STAGES = (
    *("prepare", "train_generator", "sample", "audit", "train_segmenter_real", "train_segmenter"),
    *("develop", "evaluate", "compare", "report"),
)
AXES = ("fidelity", "coverage", "utility", "privacy")


def ordered(comparison: pd.DataFrame) -> pd.DataFrame:
    """Rows by arm, view and structure in canonical order, the overall row of each arm last."""
    arms, views = sort_arms(comparison["arm"]), sort_by(comparison["view"], VIEWS)
    structures = sort_by(comparison["structure"], STRUCTURES)
    columns = (comparison[name].astype(str) for name in ("arm", "view", "structure"))
    places = [
        (arms.index(arm), view == "all", views.index(view), structures.index(structure))
        for arm, view, structure in zip(*columns, strict=True)
    ]
    order = sorted(range(len(places)), key=places.__getitem__)
    return comparison.iloc[order].reset_index(drop=True)


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as plain dictionaries."""
    return [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]


def paper_table(comparison: pd.DataFrame, synthetic_arms: list[str]) -> list[dict[str, Any]]:
    """Table 1 of the paper beside our rows, once per synthetic arm."""
    dice = comparison[comparison["metric"] == "dice"]
    blocks = []
    for arm in synthetic_arms:
        rows = []
        for paper in TABLE_1:
            found = dice[(dice["arm"] == arm) & (dice["view"] == paper.view) & (dice["structure"] == paper.structure)]
            rows.append({"paper": paper, "ours": _paper_cells(records(found)[0]) if len(found) else None})
        blocks.append({"arm": arm, "rows": rows})
    return blocks


def _paper_cells(row: dict[str, Any]) -> dict[str, str]:
    cells = {
        side: median_iqr(row.get(f"median_{name}"), row.get(f"q1_{name}"), row.get(f"q3_{name}"))
        for side, name in (("synthetic", "arm"), ("real", "reference"))
    }
    variation = f"{number(row.get('variation_arm'))} / {number(row.get('variation_reference'))}"
    return cells | {"p": p_value(row.get("p_wilcoxon")), "variation": variation}


def verdict_table(comparison: pd.DataFrame, arm: str, metric: str, margin: float) -> list[dict[str, Any]]:
    """One row per view and structure of an arm, cells as text plus the verdict word for its colour."""
    rows = comparison[(comparison["metric"] == metric) & (comparison["arm"] == arm)]
    table = []
    for row in records(ordered(rows)):
        overall, word = row["view"] == "all", verdict_word(row["verdict"])
        table.append(
            {
                "overall": overall,
                "view": "" if overall else view_name(str(row["view"])),
                "structure": "mean of all" if overall else row["structure"],
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
                "verdict": word or words.NOTHING,
                "word": word,
                "css": word.split()[-1] if word else "",
                "sentence": words.verdict_sentence(row, margin),
            }
        )
    return table


def site_table(site_scores: pd.DataFrame) -> dict[str, Any]:
    """Arm by site, with the drop from the first site to the last."""
    if site_scores.empty:
        return {"sites": [], "rows": [], "real_drop": ""}
    wide = site_scores.pivot_table(index="arm", columns="site", values="mean_dice", aggfunc="mean")
    sites = sort_by(wide.columns, SITES)
    rows = []
    for arm in sort_arms(wide.index):
        cells = [float(cell) for cell in wide.loc[arm, sites].to_numpy(dtype=float)]
        drop = 100 * (cells[0] - cells[-1]) if len(cells) > 1 else None
        rows.append({"arm": arm, "cells": [number(cell) for cell in cells], "drop": number(drop, 1)})
    real_drop = next((row["drop"] for row in rows if row["arm"] == REAL and len(sites) > 1), "")
    return {"sites": sites, "rows": rows, "real_drop": real_drop}


def audit_table(audit: pd.DataFrame) -> dict[str, Any]:
    """One row per generator and seed (and view, where given); a column is a metric on a named feature extractor."""
    keys = [key for key in ("generator", "view", "seed") if key in audit.columns]
    part = audit.fillna(dict.fromkeys([*keys, "features"], ""))
    columns = [
        (axis, metric, features)
        for axis in sort_by(part["axis"], AXES)
        for metric, features in dict.fromkeys(
            part.loc[part["axis"] == axis, ["metric", "features"]].itertuples(index=False, name=None)
        )
    ]
    order = {name: place for place, name in enumerate(_generator_order(part["generator"]))}
    rows = []
    for names, own in sorted(part.groupby(keys, sort=True), key=lambda group: order[str(group[0][0])]):
        states = [state for state in map(is_flagged, own["flag"]) if state is not None]
        cells = [
            _audit_cell(own[(own["axis"] == axis) & (own["metric"] == metric) & (own["features"] == features)])
            for axis, metric, features in columns
        ]
        flag = ("flagged" if any(states) else "not flagged") if states else ""
        labels = ["real, half vs half" if names[0] == REAL else str(names[0]), *(_plain(name) for name in names[1:])]
        rows.append({"labels": labels, "cells": cells, "flag": flag})
    heads = [
        {"metric": METRIC_NAMES.get(metric, metric.replace("_", " ")), "features": name} for _, metric, name in columns
    ]
    axes = [
        (axis, sum(column[0] == axis for column in columns)) for axis in dict.fromkeys(column[0] for column in columns)
    ]
    return {"keys": keys, "axes": axes, "columns": heads, "rows": rows, "judged": any(row["flag"] for row in rows)}


def _generator_order(generators: pd.Series) -> list[str]:
    """The real floor first, then the generators under study, the controls last."""
    return [
        generator_of(arm) or REAL
        for arm in sort_arms(REAL if name == REAL else f"{name}/synthetic" for name in generators)
    ]


def _audit_cell(rows: pd.DataFrame) -> dict[str, str]:
    """Value, its CI and, where given, the floor: the same distance between two halves of the real cohort."""
    if len(rows) > 1:
        raise ValueError(f"two audit values for one cell: {records(rows)}")
    if rows.empty:
        return {"value": words.NOTHING, "ci": "", "floor": ""}
    row = records(rows)[0]
    has_ci = words.is_number(row["ci_low"]) and words.is_number(row["ci_high"])
    floor = row.get("floor_value")
    return {
        "value": words.significant(row["value"]),
        "ci": f"{words.significant(row['ci_low'])} to {words.significant(row['ci_high'])}" if has_ci else "",
        "floor": words.significant(floor) if words.is_number(floor) else "",
    }


def _plain(value: Any) -> str:
    return f"{value:g}" if words.is_number(value) else str(value)


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
        return [
            row for key, value in params.items() for row in flattened(value, f"{prefix}.{key}" if prefix else str(key))
        ]
    text = ", ".join(str(item) for item in params) if isinstance(params, (list, tuple)) else str(params)
    return [(prefix, text)]


def variance_table(variance: pd.DataFrame) -> dict[str, Any]:
    """SD of Dice: one row per arm, one column per source."""
    table = variance if "arm" in variance.columns else variance.assign(arm="all arms")
    sources = sort_by(table["component"], COMPONENTS)
    rows = []
    for arm in sort_arms(table["arm"]):
        own = table[table["arm"] == arm].set_index("component")["sd"]
        rows.append({"arm": arm, "cells": [number(own.get(source), 4) for source in sources]})
    return {"sources": [source.replace("_", " ") for source in sources], "rows": rows}


def stage_table(stages: list[dict[str, Any]]) -> dict[str, Any]:
    """Wall time and peak memory: per kind of stage (the name before `@`), and of every single stage.

    A row whose name begins with `all` is the whole run; stages run side by side, so their times add to more.
    """
    single = [stage for stage in stages if not str(stage["stage"]).startswith("all ")]
    whole = [stage for stage in stages if stage not in single]
    total = sum(float(stage["seconds"]) for stage in single)
    kinds: dict[str, list[dict[str, Any]]] = {}
    for stage in single:
        kinds.setdefault(str(stage["stage"]).partition("@")[0], []).append(stage)
    rows = []
    for kind in sort_by(kinds, STAGES):
        parts = kinds[kind]
        seconds = [float(part["seconds"]) for part in parts]
        share = round(100 * sum(seconds) / total, 1) if total else 0.0
        times = {"time": words.duration(sum(seconds)), "longest": words.duration(max(seconds)), "share": share}
        rows.append({"stage": kind, "runs": len(parts), "peak": _peak(parts)} | times)
    every = [
        {"stage": stage["stage"], "time": words.duration(stage["seconds"]), "peak": words.count(stage.get("peak_mib"))}
        for stage in single
    ]
    return {
        "rows": rows,
        "every": every,
        "total": words.duration(total),
        "whole": words.duration(whole[0]["seconds"]) if whole else "",
        "peak": _peak(single),
    }


def _peak(stages: list[dict[str, Any]]) -> str:
    peaks = [stage["peak_mib"] for stage in stages if words.is_number(stage.get("peak_mib"))]
    return words.count(max(peaks)) if peaks else words.NOTHING
