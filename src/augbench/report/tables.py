"""Rows of the report's tables, formatted; every number comes straight from the tidy tables."""

from __future__ import annotations

from typing import Any

import pandas as pd

from augbench.core.arms import Arm
from augbench.core.study import Published, PublishedRow
from augbench.core.tables import ALL_VIEWS
from augbench.report import words
from augbench.report.data import ReportData
from augbench.report.display import Display
from augbench.report.metric import Metric
from augbench.report.rows import ordered, records, single, sort_by, verdict_word
from augbench.report.targets import FLAGGED, NOT_FLAGGED, is_flagged
from augbench.report.verdicts import needed, qualified, verdict_sentence
from augbench.report.words import p_value

AXES = ("fidelity", "coverage", "utility", "privacy")


def arm_table(data: ReportData) -> list[dict[str, str]]:
    """What every arm is."""
    return [
        {
            "name": data.display.arm(arm.name),
            "role": arm.role,
            "regime": _regime(arm),
            "dose": words.NOTHING if arm.dose is None else f"{arm.dose:g}",
            "synthetic": arm.synthetic or words.NOTHING,
            "cohort": data.display.cohort(arm.cohort),
            "labels": arm.labels if arm.synthetic else words.NOTHING,
            "network": arm.segmenter,
            "against": data.display.opponent(arm.name) if arm.against else words.NOTHING,
            "runs": str(len(arm.runs)),
        }
        for arm in (data.display.by_name[key] for key in data.display.sort_arms(data.display.by_name))
    ]


def _regime(arm: Arm) -> str:
    """With what sets the arm apart from others of this regime."""
    share = "" if arm.real_share is None else f", {arm.real_share:.0%} real in every batch"
    return f"{arm.regime}{share}{'' if arm.augmented else ', no augmentation'}"


def published_table(data: ReportData, published: Published) -> list[dict[str, Any]]:
    """The published rows, each with ours beside it; `ours` is None where this run scored no such thing."""
    metric = next((one for one in data.metrics if one.kind == published.metric), Metric(published.metric))
    rows = data.of(published.metric, [published.arm])
    rows = rows[rows["reference_arm"] == published.reference]
    table = []
    for row in published.rows:
        found = records(rows[(rows["view"] == row.view) & (rows["structure"] == row.structure)])
        table.append(
            {
                "label": row.label,
                "place": data.display.place(row.view, row.structure),
                "published": _published_cells(row, metric),
                "ours": _our_cells(found[0], metric) if found else None,
            }
        )
    return table


def _published_cells(row: PublishedRow, metric: Metric) -> dict[str, str]:
    return {
        "arm": metric.median_iqr(*row.arm),
        "reference": metric.median_iqr(*row.reference),
        "p": row.p or words.NOTHING,
        "variation": f"{words.number(row.variation_arm)} / {words.number(row.variation_reference)}",
    }


def _our_cells(row: dict[str, Any], metric: Metric) -> dict[str, str]:
    sides = {side: [row[f"{name}_{side}"] for name in ("median", "q1", "q3")] for side in ("arm", "reference")}
    variation = f"{words.number(row.get('variation_arm'))} / {words.number(row.get('variation_reference'))}"
    return {side: metric.median_iqr(*quartiles) for side, quartiles in sides.items()} | {
        "p": p_value(row["p_wilcoxon"]),
        "variation": variation,
    }


def verdict_table(comparison: pd.DataFrame, arm: str, metric: Metric, display: Display) -> list[dict[str, Any]]:
    """One row per view and structure of an arm, cells as text plus the verdict word for its colour."""
    rows = comparison[(comparison["metric"] == metric.kind) & (comparison["arm"] == arm)]
    table = []
    for row in records(ordered(rows, views=display.views, structures=display.structures)):
        word = verdict_word(row["verdict"])
        table.append(
            {
                "overall": row["view"] == ALL_VIEWS,
                "place": display.place(str(row["view"]), str(row["structure"])),
                "n": words.count(row["n_subjects"]),
                "mean_arm": metric.number(row["mean_arm"]),
                "mean_reference": metric.number(row["mean_reference"]),
                "difference": metric.difference(row["mean_difference"]),
                "ci": metric.interval(row["ci_low"], row["ci_high"]),
                "ci90": metric.interval(row["ci90_low"], row["ci90_high"]),
                "sd": words.number(row["sd_paired"], metric.decimals + 1),
                "p": p_value(row["p_adjusted"]),
                "needed": needed(row) or words.NOTHING,
                "verdict": qualified(row) or words.NOTHING,
                "word": word,
                "css": word.split()[-1] if word else "",
                "sentence": verdict_sentence(row, metric, display),
            }
        )
    return table


def verdict_counts(comparison: pd.DataFrame, arm: str, metric: Metric) -> dict[str, int]:
    """Verdict word -> count over structures and views, the overall row left out."""
    rows = single(comparison[(comparison["metric"] == metric.kind) & (comparison["arm"] == arm)])
    found = [verdict_word(verdict) for verdict in rows["verdict"]]
    return {word: found.count(word) for word in dict.fromkeys(found) if word}


def site_table(sites: pd.DataFrame, metric: Metric, display: Display) -> dict[str, Any]:
    """Arm by cohort, with what is lost from the first cohort to the last; positive is worse."""
    if sites.empty:
        return {"sites": [], "rows": [], "reference_loss": ""}
    order = sort_by(sites["site"])
    means = sites.set_index(["arm", "site"])["mean"]
    rows = []
    for arm in display.sort_arms(sites["arm"]):
        cells = [float(means.get((arm, site), float("nan"))) for site in order]
        loss = words.number(metric.loss(cells[0], cells[-1]), metric.decimals + 1)
        rows.append(
            {"key": arm, "arm": display.arm(arm), "cells": [metric.number(cell) for cell in cells], "loss": loss}
        )
    reference = next((row["loss"] for row in rows if row["key"] == display.reference and len(order) > 1), "")
    return {"sites": [display.cohort(site) for site in order], "rows": rows, "reference_loss": reference}


def audit_table(audit: pd.DataFrame, display: Display) -> dict[str, Any]:
    """One row per generator and seed; a column is a test on a named feature extractor."""
    part = audit.fillna({"features": ""})
    columns = [
        (axis, title, features)
        for axis in sort_by(part["axis"], AXES)
        for title, features in dict.fromkeys(
            part.loc[part["axis"] == axis, ["title", "features"]].itertuples(index=False, name=None)
        )
    ]
    rows = []
    for generator in display.sort_generators(part["generator"]):
        for seed, own in part[part["generator"] == generator].groupby("seed", sort=True):
            states = [state for state in map(is_flagged, own["flag"]) if state is not None]
            cells = [
                _audit_cell(own[(own["axis"] == axis) & (own["title"] == title) & (own["features"] == features)])
                for axis, title, features in columns
            ]
            flag = (FLAGGED if any(states) else NOT_FLAGGED) if states else ""
            rows.append({"generator": generator, "seed": _plain(seed), "cells": cells, "flag": flag})
    axes = [(axis, sum(column[0] == axis for column in columns)) for axis in sort_by(part["axis"], AXES)]
    heads = [{"title": title, "features": features} for _, title, features in columns]
    return {"axes": axes, "columns": heads, "rows": rows, "judged": any(row["flag"] for row in rows)}


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


def undefined_table(comparison: pd.DataFrame, display: Display) -> dict[str, Any]:
    """Patients lost to undefined scores (reference and prediction both empty); only structures that lost any.

    Args:
        comparison: rows of one metric.
    """
    rows = single(comparison)
    arms = display.sort_arms(rows["arm"])
    table = []
    for view in sort_by(rows["view"], display.views):
        for structure in sort_by(rows.loc[rows["view"] == view, "structure"], display.structures):
            own = rows[(rows["view"] == view) & (rows["structure"] == structure)].set_index("arm")["n_undefined"]
            if own.fillna(0).sum() > 0:
                cells = [words.count(own.get(arm)) for arm in arms]
                table.append({"place": display.place(view, structure), "cells": cells})
    return {"arms": [display.arm(arm) for arm in arms], "rows": table}


def hardest(per_patient: pd.DataFrame, metric: Metric, display: Display, most: int = 5) -> dict[str, Any]:
    """The patients whom the reference arm segments worst, and what the other arms made of them.

    Args:
        per_patient: rows of one metric.
    """
    parts = per_patient.groupby(["arm", "subject_id", "view", "structure"])["value"].mean()
    means = parts.groupby(level=["arm", "subject_id"]).mean().unstack("arm")
    if display.reference not in means.columns:
        return {"arms": [], "rows": []}
    arms = display.sort_arms(means.columns)
    worst = means.sort_values(display.reference, kind="stable", ascending=metric.higher_is_better).head(most)
    rows = [{"subject": str(key), "cells": [metric.number(row[arm]) for arm in arms]} for key, row in worst.iterrows()]
    return {"arms": [display.arm(arm) for arm in arms], "rows": rows}


def variance_table(variance: pd.DataFrame, metric: Metric, display: Display) -> dict[str, Any]:
    """SD of the score: one row per arm, one column per source."""
    sources = sort_by(variance["component"])
    wide = variance.set_index(["arm", "component"])["sd"]
    rows = [
        {
            "arm": display.arm(arm),
            "cells": [words.number(wide.get((arm, source)), metric.decimals + 1) for source in sources],
        }
        for arm in display.sort_arms(variance["arm"])
    ]
    return {"sources": [source.replace("_", " ") for source in sources], "rows": rows}
