"""The study as one HTML page that opens offline: text, tables, inline SVG and base64 WebP, nothing loaded."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import Any

import pandas as pd
from PIL.PngImagePlugin import PngImageFile

from augbench.report import charts, prose, recovered, run_tables, tables
from augbench.report.colours import VERDICT_COLOURS
from augbench.report.data import ReportData
from augbench.report.distribution import n_outside
from augbench.report.dose import dosed_arms
from augbench.report.metric import Metric
from augbench.report.registration import sentences
from augbench.report.seeds import several_runs
from augbench.report.since_page import section
from augbench.report.templates import environment


def figures(data: ReportData) -> dict[str, list[str]]:
    """Every chart of the report as SVG texts, one per panel so that the page can stack them on a narrow screen."""
    metric, display = data.metric, data.display
    patients = _primary(data.per_patient, metric, "value")
    rows = _primary(data.comparison, metric, "mean_difference")
    control = rows["arm"].isin([arm.name for arm in display.controls])

    def forest(table: pd.DataFrame) -> Any:
        return charts.forest(table, metric.margin, title=f"difference in {metric.name}", display=display)

    sources: dict[str, tuple[pd.DataFrame, Callable[[pd.DataFrame], Any]]] = {
        "scores": (patients, lambda table: charts.score_distribution(table, metric, display)),
        "forest": (rows[~control], forest),
        "forest-controls": (rows[control], forest),
        "dose": (_dosed(data), lambda table: charts.dose_response(table, metric, display)),
        "sites": (_primary(data.sites, metric, "mean"), lambda table: charts.site_drop(table, metric, display)),
        "curves": (data.curves.dropna(subset=["kimg", "value"]), charts.training_curves),
        "seeds": (
            patients if several_runs(patients) else patients.iloc[:0],
            lambda table: charts.seed_spread(table, metric, display),
        ),
    }
    return {
        name: [charts.to_svg(panel, f"{name}-{index}") for index, panel in enumerate(charts.panels(draw(table)))]
        if len(table)
        else []
        for name, (table, draw) in sources.items()
    }


def _primary(table: pd.DataFrame, metric: Metric, value: str) -> pd.DataFrame:
    """Rows of the primary metric with a defined `value`."""
    return table[(table["metric"] == metric.kind) & table[value].notna()]


def _dosed(data: ReportData) -> pd.DataFrame:
    """Rows of the dose-response figure; none where no arm of the study has a dose."""
    rows = _primary(data.dose, data.metric, "mean")
    return rows if any(arm.dose is not None for arm in dosed_arms(data.display)) else rows.iloc[:0]


def render(data: ReportData) -> str:
    """The whole page. Same data, same text."""
    from markupsafe import Markup

    metric, display, published = data.metric, data.display, data.study.published
    patients = _primary(data.per_patient, metric, "value")
    page = environment().get_template("report.html.j2")
    return page.render(
        data=data,
        study=data.study,
        display=display,
        metric=metric,
        labels=data.labels,
        reference=display.arm(display.reference),
        the_reference=prose.the_reference(data),
        glossary=prose.glossary(data),
        summary=prose.summary(data),
        registered=sentences(data.registration),
        controls=prose.controls(data),
        shared=prose.shared(data),
        selection=prose.selection(data),
        limits=prose.limits(data),
        svg={name: [Markup(text) for text in texts] for name, texts in figures(data).items()},
        sheets={name: _embedded(png) for name, png in data.sheets.items()},
        examples=_embedded(data.examples) if data.examples else "",
        arms=tables.arm_table(data),
        published=tables.published_table(data, published) if published else [],
        recovered=recovered.table(data),
        recovered_words=recovered.sentences(data),
        networks=len({arm.segmenter for arm in data.arms}) > 1,
        varied=published is not None and any(row.variation_arm is not None for row in published.rows),
        verdicts=_verdicts(data, metric),
        secondary=[(one, _verdicts(data, one)) for one in data.metrics[1:] if len(data.of(one.kind))],
        sites=tables.site_table(_primary(data.sites, metric, "mean"), metric, display),
        variance=tables.variance_table(data.variance, metric, display),
        audit=tables.audit_table(data.audit, display),
        undefined=tables.undefined_table(data.of(metric.kind), display),
        hardest=tables.hardest(patients, metric, display),
        outside=n_outside(patients, metric),
        params=run_tables.flattened(data.provenance.get("params", {})),
        unnoted=data.provenance.get("parts_without_cost", 0),
        stages=run_tables.stage_table(list(data.provenance.get("stages", []))),
        cohorts=data.cohorts.to_dict("records"),
        arm_colours=_legend(data, [*display.by_name]),
        dose_colours=_legend(data, [display.reference, *(arm.name for arm in dosed_arms(display))]),
        held=any(arm.real_share is not None for arm in dosed_arms(display)),
        structure_colours=[
            (key, colour) for key, colour in display.structure_colours().items() if key in set(data.scored["structure"])
        ],
        verdict_colours=list(VERDICT_COLOURS.items()),
        since=section(data.since) if data.since is not None else None,
    )


def _verdicts(data: ReportData, metric: Metric) -> dict[str, list[dict[str, Any]]]:
    """Arm -> its rows on one metric, the controls last."""
    rows = data.of(metric.kind)
    return {arm: tables.verdict_table(rows, arm, metric, data.display) for arm in data.display.sort_arms(rows["arm"])}


def _legend(data: ReportData, arms: list[str]) -> list[tuple[str, str]]:
    return [(data.display.arm(key), colour) for key, colour in data.display.arm_colours(arms).items()]


def _embedded(png: bytes) -> str:
    """The same pixels as lossless WebP, a quarter smaller, in base64."""
    stream = io.BytesIO()
    PngImageFile(io.BytesIO(png)).convert("RGB").save(stream, "WEBP", lossless=True, quality=100, method=6)
    return base64.b64encode(stream.getvalue()).decode("ascii")
