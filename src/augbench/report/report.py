"""The study as one HTML page that opens offline: text, tables, inline SVG and base64 PNG, nothing loaded."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from augbench.report import charts, tables
from augbench.report.arms import (
    CONTROLS,
    REAL,
    STRUCTURE_COLOURS,
    generator_of,
    kind,
    sort_arms,
)
from augbench.report.data import AUDIT, COMPARISON, CURVES, DOSE, PER_SUBJECT, SITE_SCORES, VARIANCE, ReportData
from augbench.report.distribution import n_below
from augbench.report.headline import flags, headline
from augbench.report.paper import CITATION, DOI, PATIENTS, REFERENCES
from augbench.report.prose import limits, summary
from augbench.report.seeds import several_runs
from augbench.report.since_page import section
from augbench.report.templates import environment

__all__ = [
    "AUDIT",
    "COMPARISON",
    "CURVES",
    "DOSE",
    "PER_SUBJECT",
    "SITE_SCORES",
    "VARIANCE",
    "ReportData",
    "figures",
    "render",
]


def figures(data: ReportData) -> dict[str, list[str]]:
    """Every chart of the report as SVG texts, one per panel so that the page can stack them on a narrow screen."""
    dice = data.per_subject[data.per_subject["metric"] == "dice"].dropna(subset=["value"])
    rows = data.comparison[(data.comparison["metric"] == "dice") & data.comparison["mean_difference"].notna()]
    control = pd.Series([kind(arm) == "control" for arm in rows["arm"]], index=rows.index, dtype=bool)
    dose = data.dose.dropna(subset=["mean_dice"])
    sources: dict[str, tuple[pd.DataFrame, Callable[[pd.DataFrame], Any]]] = {
        "dice": (dice, charts.dice_distribution),
        "forest": (rows[~control], lambda table: charts.forest(table, data.margin)),
        "forest-controls": (rows[control], lambda table: charts.forest(table, data.margin)),
        "dose": (dose, charts.dose_response),
        "sites": (data.site_scores.dropna(subset=["mean_dice"]), charts.site_drop),
        "curves": (data.curves.dropna(subset=["kimg", "value"]), charts.training_curves),
        "seeds": (dice if several_runs(dice) else dice.iloc[:0], charts.seed_spread),
    }
    return {
        name: [charts.to_svg(panel, f"{name}-{index}") for index, panel in enumerate(charts.panels(draw(table)))]
        if len(table)
        else []
        for name, (table, draw) in sources.items()
    }


def render(data: ReportData) -> str:
    """The whole page. Same data, same text."""
    from markupsafe import Markup

    dice = data.comparison[data.comparison["metric"] == "dice"]
    head = headline(data.comparison, data.audit)
    arms = sort_arms(dice["arm"])
    studied = [arm for arm in arms if kind(arm) != "control"]
    page = environment().get_template("report.html.j2")
    return page.render(
        data=data,
        scheme=data.scheme,
        labels=data.scheme.get("labels_source", "not stated"),
        margin=data.margin,
        head=head,
        summary=summary(data.scheme, head, data.margin),
        limits=limits(data.scheme, data.comparison, data.per_subject),
        svg={name: [Markup(text) for text in texts] for name, texts in figures(data).items()},
        sheets={name: _base64(data.sheets[name]) for name in _sheet_order(data.sheets)},
        examples=_base64(data.examples) if data.examples else "",
        studied=studied,
        controls=[arm for arm in arms if kind(arm) == "control"],
        generators=sorted({generator_of(arm) for arm in studied} - {""}),
        paper={"doi": DOI, "citation": CITATION, "patients": PATIENTS, "references": REFERENCES},
        paper_blocks=tables.paper_table(data.comparison, [arm for arm in studied if kind(arm) == "synthetic"]),
        verdicts={arm: tables.verdict_table(data.comparison, arm, "dice", data.margin) for arm in arms},
        secondary=[
            {
                "name": tables.METRIC_NAMES.get(metric, metric),
                "arms": {arm: tables.verdict_table(data.comparison, arm, metric, data.margin) for arm in arms},
            }
            for metric in sorted(set(data.comparison["metric"]) - {"dice"})
        ],
        sites=tables.site_table(data.site_scores),
        variance=tables.variance_table(data.variance),
        audit=tables.audit_table(data.audit),
        flags=flags(data.audit),
        undefined=tables.undefined_table(data.comparison),
        hardest=tables.hardest(data.per_subject, sort_arms(data.per_subject["arm"])),
        hardest_arms=sort_arms(data.per_subject["arm"]),
        below=n_below(data.per_subject),
        params=tables.flattened(data.provenance.get("params", {})),
        stages=tables.stage_table(list(data.provenance.get("stages", []))),
        colours=STRUCTURE_COLOURS,
        since=section(data.since) if data.since is not None else None,
    )


def _sheet_order(sheets: Mapping[str, bytes]) -> list[str]:
    """Real first, then the generators, the controls last."""
    place = {REAL: 0} | dict.fromkeys(CONTROLS, 2)
    return sorted(sheets, key=lambda name: (place.get(name, 1), name))


def _base64(image: bytes) -> str:
    return base64.b64encode(image).decode("ascii")
