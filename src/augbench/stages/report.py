"""report: tables, sheets and curves -> figures and one HTML page."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from augbench.audit.base import AuditTest
from augbench.comparison.summary import mean_variance
from augbench.core import layout, tables
from augbench.core.arms import arms_of
from augbench.core.artifacts import atomic_folder, read_array, read_csv, read_json, write_bytes, write_text
from augbench.core.component import create
from augbench.core.params import Params
from augbench.core.reports import read_report_json, read_report_table, write_report_json
from augbench.core.study import SHOWN, read_study
from augbench.core.types import Pairs
from augbench.report import collect
from augbench.report.data import ReportData
from augbench.report.metric import Metric, from_component
from augbench.report.report import figures, render
from augbench.report.rows import sort_by
from augbench.report.sheets import Example, contact_sheet, example_segmentations
from augbench.report.since import Since
from augbench.runtime import pipeline, provenance
from augbench.runtime.parts import parts_of
from augbench.scores.base import SegmentationScore
from augbench.stages import sheets
from augbench.stages.examples import ABOUT, EXAMPLE_COLUMNS
from augbench.stages.preregister import registration

_IDENTITY = ("generator_seed", "segmenter_seed", "subject_id")
#: Frames in a row of a contact sheet.
_COLUMNS = 3


def run(params: Params) -> None:
    """Draw the figures into reports/figures, pictures of frames into data/pictures, and write the page."""
    data = _collect(params)
    with atomic_folder(layout.FIGURES) as folder:
        for name, panels in figures(data).items():
            for number, svg in enumerate(panels):
                write_text(folder / f"{name}-{number}.svg", svg)
        if data.study.pictures == SHOWN:
            _write_pictures(data, folder)
    with atomic_folder(layout.PICTURES) as folder:
        _write_pictures(data, folder)
    _write_page(data)


def _write_pictures(data: ReportData, folder: Path) -> None:
    for name, png in data.sheets.items():
        write_bytes(folder / f"sheet-{re.sub(r'[^A-Za-z0-9_.-]+', '-', name)}.png", png)
    if data.examples:
        write_bytes(folder / "examples.png", data.examples)


def write_page(params: Params, since: Since | None = None) -> None:
    """The page alone, with what is known by now of what the stages cost, and with what changed since a revision."""
    _write_page(replace(_collect(params), since=since))


def _write_page(data: ReportData) -> None:
    # Not DVC outputs: they hold clock times (docs/decisions/0006-provenance.md).
    write_report_json(layout.PROVENANCE, data.provenance)
    shown = data if data.study.pictures == SHOWN else replace(data, sheets={}, examples=None)
    write_text(layout.REPORT, render(shown))


def results(params: Params) -> ReportData:
    """What reports/ alone holds: all tables, no picture.

    Raises:
        UserError: study.yaml or a report is missing or damaged.
    """
    place = ("view", "structure", "metric", "arm")
    return ReportData(
        study=read_study(),
        arms=arms_of(params),
        metrics=_metrics(params),
        primary_arm=params.comparison.primary.arm,
        external=params.evaluation.external,
        selection=params.training.selection,
        comparison=read_report_table(
            layout.COMPARISON,
            tables.COMPARISON_COLUMNS,
            text=(*place, "reference_arm", "endpoint", "seeds_unknown"),
        ),
        contrasts=read_report_table(layout.CONTRASTS, tables.CONTRAST_COLUMNS, text=("arm", "other")),
        recovered=read_report_table(
            layout.RECOVERED, tables.RECOVERED_COLUMNS, text=("arm", "opponent", "reference_arm", "seeds_unknown")
        ),
        per_patient=read_report_table(layout.PER_PATIENT, tables.PER_PATIENT_COLUMNS, text=(*place, *_IDENTITY)),
        sites=read_report_table(layout.SITES, tables.SITE_COLUMNS, text=("arm", "site", "metric")),
        dose=read_report_table(layout.DOSE_RESPONSE, tables.DOSE_COLUMNS, text=("arm", "generator", "site", "metric")),
        audit=_audits(params),
        curves=_curves(params),
        variance=mean_variance(read_report_table(layout.VARIANCE, place, text=place), params.comparison.primary.metric),
    )


def _metrics(params: Params) -> list[Metric]:
    """The scores of the study with their display facts, the primary one first."""
    kinds = sort_by(params.evaluation.metrics, [params.comparison.primary.metric])
    scores = {
        kind: create(SegmentationScore, kind, params.evaluation.metrics[kind], entry=f"evaluation.metrics.{kind}")
        for kind in kinds
    }
    return [from_component(kind, score, params.comparison.margins) for kind, score in scores.items()]


def _audits(params: Params) -> pd.DataFrame:
    tests = {
        name: create(AuditTest, name, options, entry=f"audit.metrics.{name}")
        for name, options in params.audit.metrics.items()
    }
    documents = {name: read_report_json(layout.audit(name)) for name in params.generators}
    return collect.audit_rows(documents, {name: test.title for name, test in tests.items()})


def _curves(params: Params) -> pd.DataFrame:
    paths = {name: layout.generator_curve(name) for name in params.generators}
    return collect.curve_rows({name: read_report_table(path, ["seed", "kimg"]) for name, path in paths.items()})


def _collect(params: Params) -> ReportData:
    """Tables and pictures. No cohort is read: other stages laid their frames aside for the report."""
    about = read_json(layout.PREDICTIONS / ABOUT)
    data = replace(results(params), views=about["views"], structures=about["structures"])
    facts = _provenance(params, data)
    return replace(
        data,
        provenance=facts,
        registration=registration(params, facts),
        cohorts=collect.cohort_rows(
            read_report_table(layout.COHORT_SIZES, tables.COHORT_COLUMNS, text=tables.COHORT_COLUMNS[:3])
        ),
        sheets=_sheets(params, data),
        examples=_examples(data),
    )


def _provenance(params: Params, data: ReportData) -> dict[str, Any]:
    """Versions, hardware and cost of this study's stages; rows of what it no longer has are left out."""
    facts = provenance.collect()
    known = {*params.generators, *params.labelling, *data.display.by_name, *params.evaluation.development, ""}
    stages = [row for row in facts["stages"] if _is_of_study(row["stage"], known, params)]
    noted = {row["stage"] for row in stages}
    parts = [f"{stage.name}+{part}" for stage in pipeline.stages(params) for part in parts_of(params, stage.name)]
    unnoted = sum(part not in noted for part in parts)
    return facts | {"stages": in_order(stages, params), "parts_without_cost": unnoted, "params": params.model_dump()}


def in_order(rows: Sequence[Mapping[str, Any]], params: Params) -> list[Mapping[str, Any]]:
    """Rows of stages and their parts in the order of dvc.yaml; what it does not name, such as a whole run, is last."""
    order = [stage.name for stage in pipeline.stages(params)]
    places = [str(row["stage"]).partition("+")[0] for row in rows]
    ranks = [order.index(place) if place in order else len(order) for place in places]
    return [row for _, row in sorted(zip(ranks, rows, strict=True), key=lambda ranked: ranked[0])]


def _is_of_study(row: str, entries: set[str], params: Params) -> bool:
    stage, _, part = row.partition("+")
    return stage.partition("@")[2] in entries and (not part or part in parts_of(params, stage))


def _sheets(params: Params, data: ReportData) -> dict[str, bytes]:
    """Patients that the generators learn from, a sheet a cohort, and frames of every generator's first seed."""
    generators = data.display.sort_generators(params.generators)
    cohorts = {params.generators[name].cohort: name for name in reversed(generators)}
    shown = [(f"patients: {data.display.cohort(key)}", name, sheets.REAL) for key, name in cohorts.items()]
    shown += [(name, name, sheets.SYNTHETIC) for name in generators]
    return {title: _sheet(layout.sheets(name), file, data) for title, name, file in shown}


def _sheet(folder: Path, file: str, data: ReportData) -> bytes:
    about = read_json(folder / sheets.ABOUT)
    colours = data.display.structure_colours(about["structures"])
    return draw_sheet(read_array(folder / file), len(data.views), about["structures"], colours)


def draw_sheet(pairs: Pairs, views: int, structures: Sequence[str], colours: Mapping[str, str]) -> bytes:
    """A row for each view, or all frames where there is one view.

    Args:
        pairs: (n, 2, H, W) uint8, the same number of frames of each view.
    """
    shown = pairs
    if views > 1 and len(pairs) % views == 0 and len(pairs) > views * _COLUMNS:
        shown = pairs.reshape(views, -1, *pairs.shape[1:])[:, :_COLUMNS].reshape(-1, *pairs.shape[1:])
    return contact_sheet(shown[:, 0], shown[:, 1], columns=_COLUMNS, structures=structures, colours=colours)


def _examples(data: ReportData) -> bytes:
    stack = read_array(layout.PREDICTIONS / "examples.npy")
    table = read_csv(layout.PREDICTIONS / "examples.csv", EXAMPLE_COLUMNS, text=("view", "subject_id"))
    rows = []
    for row, (image, reference, first, second) in zip(table.to_dict("records"), stack, strict=True):
        arms = [data.display.arm(row[key]) for key in ("reference_arm", "primary_arm")]
        rows.append(
            Example(
                rank=row["rank"],
                view=data.display.view(row["view"]),
                subject_id=row["subject_id"],
                image=image,
                reference=reference,
                predictions=dict(zip(arms, (first, second), strict=True)),
                scores=dict(zip(arms, (row["reference_score"], row["primary_score"]), strict=True)),
            )
        )
    colours = data.display.structure_colours()
    return example_segmentations(rows, data.metric, structures=data.structures, colours=colours)
