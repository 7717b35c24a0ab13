"""report: tables, sheets and curves -> figures and one HTML page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from augbench.core import layout
from augbench.core.arms import arms_of
from augbench.core.artifacts import atomic_folder, read_array, read_csv, write_bytes, write_text
from augbench.core.component import create
from augbench.core.params import Params
from augbench.core.reports import read_report_json, read_report_table, write_report_json
from augbench.core.seeding import child_rng
from augbench.core.shards import read_shards
from augbench.core.study import read_study
from augbench.report import collect
from augbench.report import data as tables
from augbench.report.data import ReportData
from augbench.report.metric import Metric, from_component
from augbench.report.report import figures, render
from augbench.report.rows import sort_by
from augbench.report.sheets import Example, contact_sheet, example_segmentations
from augbench.report.since import Since
from augbench.runtime import provenance
from augbench.scores.base import SegmentationScore
from augbench.stages.examples import EXAMPLE_COLUMNS

_FRAMES_A_VIEW = 6
_PER_PATIENT = [*tables.PER_PATIENT, "site", "n_frames"]
_IDENTITY = ("generator_seed", "segmenter_seed", "subject_id", "site")


def run(params: Params) -> None:
    """Draw the figures into reports/figures and write the page."""
    data = _collect(params)
    with atomic_folder(layout.FIGURES) as folder:
        for name, panels in figures(data).items():
            for number, svg in enumerate(panels):
                write_text(folder / f"{name}-{number}.svg", svg)
        for name, png in data.sheets.items():
            write_bytes(folder / f"sheet-{name}.png", png)
        if data.examples:
            write_bytes(folder / "examples.png", data.examples)
    _write_page(data)


def write_page(params: Params, since: Since | None = None) -> None:
    """The page alone, with what is known by now of what the stages cost, and with what changed since a revision."""
    _write_page(replace(_collect(params), since=since))


def _write_page(data: ReportData) -> None:
    # Not DVC outputs: they hold clock times (docs/decisions/0006-provenance.md).
    write_report_json(layout.PROVENANCE, data.provenance)
    write_text(layout.REPORT, render(data))


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
        views=params.views,
        external=params.evaluation.external,
        selection=params.training.selection,
        comparison=read_report_table(layout.COMPARISON, tables.REQUIRED["comparison"], text=(*place, "reference_arm")),
        per_patient=read_report_table(layout.PER_PATIENT, _PER_PATIENT, text=(*place, *_IDENTITY)),
        sites=read_report_table(layout.SITES, tables.SITES, text=("arm", "site", "metric")),
        dose=read_report_table(layout.DOSE_RESPONSE, tables.DOSE, text=("arm", "generator", "site", "metric")),
        audit=_audits(params),
        curves=_curves(params),
        variance=read_report_table(layout.VARIANCE, tables.VARIANCE, text=place),
    )


def _metrics(params: Params) -> list[Metric]:
    """The scores of the study with their display facts, the primary one first."""
    kinds = sort_by(params.evaluation.metrics, [params.comparison.primary.metric])
    scores = {kind: create(SegmentationScore, kind, params.evaluation.metrics[kind]) for kind in kinds}
    return [from_component(kind, score, params.comparison.margins) for kind, score in scores.items()]


def _audits(params: Params) -> pd.DataFrame:
    documents = {name: read_report_json(layout.audit(name)) for name in params.generators}
    return collect.audit_rows(documents, {})


def _curves(params: Params) -> pd.DataFrame:
    paths = {name: layout.generator_curve(name) for name in params.generators}
    return collect.curve_rows({name: read_report_table(path, ["seed", "kimg"]) for name, path in paths.items()})


def _collect(params: Params) -> ReportData:
    """Tables and pictures: the external cohort is not read, its frames are known from their scores and predictions."""
    data = results(params)
    reference = data.display.by_name[data.display.reference]
    data = replace(data, structures=read_shards(layout.cohort(reference.cohort), verify=False)[2].structures)
    return replace(
        data,
        provenance=_provenance(params, data),
        cohorts=_cohorts(params, data.per_patient),
        sheets=_sheets(params, data, reference.cohort),
        examples=_examples(data),
    )


def _provenance(params: Params, data: ReportData) -> dict[str, Any]:
    """Versions, hardware and cost of this study's stages; rows of what it no longer has are left out."""
    facts = provenance.collect()
    known = {*params.generators, *data.display.by_name, *params.evaluation.development, ""}
    stages = [row for row in facts["stages"] if row["stage"].partition("@")[2] in known]
    return facts | {"stages": stages, "params": params.model_dump()}


def _cohorts(params: Params, per_patient: pd.DataFrame) -> pd.DataFrame:
    external = params.evaluation.external
    others = [name for name in params.dataset.cohorts if name != external]
    frames = {name: read_csv(layout.cohort(name) / "frames.csv", ("frame_id", "subject_id", "site")) for name in others}
    return collect.cohort_rows(frames, external, per_patient)


def _sheets(params: Params, data: ReportData, reference_cohort: str) -> dict[str, bytes]:
    """Frames of the patients that arms and generators learn from, and those of every generator's first seed."""
    cohorts = dict.fromkeys([reference_cohort, *(entry.cohort for entry in params.generators.values())])
    folders = {f"cohort-{name}": layout.cohort(name) for name in cohorts}
    for name in data.display.sort_generators(params.generators):
        folders[name] = layout.synthetic(name, params.generators[name].seeds[0])
    return {name: _sheet(name, folder, params, data) for name, folder in folders.items()}


def _sheet(name: str, folder: Path, params: Params, data: ReportData) -> bytes:
    shards, table, scheme = read_shards(folder, verify=False)
    rng = child_rng(params.seed, "report", "sheet", name)
    pairs = shards[collect.drawn_frames(table["view"], params.views, _FRAMES_A_VIEW, rng)]
    colours = data.display.structure_colours(scheme.structures)
    return contact_sheet(pairs[:, 0], pairs[:, 1], columns=2, structures=scheme.structures, colours=colours)


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
