"""report: tables, sheets and curves -> figures and one HTML page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from augbench.comparison.summary import mean_variance
from augbench.comparison.unit import PER_CASE_COLUMNS, PER_CASE_TEXT, per_subject
from augbench.core import layout
from augbench.core.artifacts import (
    atomic_folder,
    read_array,
    read_csv,
    write_bytes,
    write_text,
)
from augbench.core.params import Params
from augbench.core.reports import read_report_json, read_report_table, write_report_json
from augbench.core.runs import all_runs
from augbench.core.seeding import child_rng
from augbench.core.shards import read_shards
from augbench.core.types import COHORTS
from augbench.report.report import AUDIT, COMPARISON, CURVES, DOSE, SITE_SCORES, ReportData, figures, render
from augbench.report.sheets import Example, contact_sheet, example_segmentations
from augbench.report.since import Since
from augbench.runtime import provenance
from augbench.stages.audit import FLOOR

_FRAMES_A_VIEW = 6

#: Limits that follow from the dataset, in the report's words.
_NOTES = {
    "phantom": ["The cohort is a phantom: it can show that a method fails, not that it works on patients."],
    "nnunet": ["Pixel spacing is nominal where the files state none; distances in mm are then only relative."],
}


def run(params: Params) -> None:
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


def _collect(params: Params) -> ReportData:
    per_case = read_report_table(layout.PER_CASE, PER_CASE_COLUMNS, text=PER_CASE_TEXT)
    return ReportData(
        scheme=_scheme(params, per_case),
        provenance=_provenance(params),
        comparison=read_report_table(layout.COMPARISON, COMPARISON),
        per_subject=per_subject(per_case),
        site_scores=read_report_table(layout.SITES, SITE_SCORES),
        dose=read_report_table(layout.DOSE_RESPONSE, DOSE, text=("generator",)),
        audit=read_audits(params),
        curves=_curves(params),
        variance=mean_variance(read_report_table(layout.VARIANCE, ("view", "structure", "metric", "arm"))),
        sheets=_sheets(params),
        examples=_examples(params),
    )


def _provenance(params: Params) -> dict[str, Any]:
    """Versions, hardware and cost of this experiment's stages; another preset's rows are left out."""
    facts = provenance.collect()
    suffixes = {f"{name}-{seed}" for name in params.generators for seed in params.generator_seeds}
    suffixes |= {task.name for task in all_runs(params)} | {""}
    stages = [row for row in facts["stages"] if row["stage"].partition("@")[2] in suffixes]
    return facts | {"stages": stages, "params": params.model_dump()}


def _scheme(params: Params, per_case: pd.DataFrame) -> dict[str, Any]:
    scored = per_case.groupby("view", sort=False)["structure"].unique()
    return {
        "dataset": params.dataset,
        "labels_source": params.labelling,
        "scored": {view: list(names) for view, names in scored.items()},
        "notes": _NOTES.get(params.dataset, []),
        "margin": params.comparison.margins.get("dice", 0.01),
        "selection": params.training.selection,
        "cohorts": [_size(role, per_case) for role in COHORTS],
    }


def _size(role: str, per_case: pd.DataFrame) -> dict[str, Any]:
    """Patients and frames of a cohort; the external one is counted from its scores, since one stage alone reads it."""
    table = per_case if role == "external" else read_shards(layout.cohort(role), verify=False)[1]
    sites = ", ".join(sorted(table["site"].unique()))
    return {
        "cohort": role,
        "site": sites,
        "subjects": table["subject_id"].nunique(),
        "frames": table["frame_id"].nunique(),
    }


def _curves(params: Params) -> pd.DataFrame:
    """Training curves in long form: generator, seed, kimg, name, value, event."""
    parts = []
    for name in params.generators:
        for seed in params.generator_seeds:
            wide = read_report_table(layout.generator_curve(name, seed), ["kimg"])
            event = wide["event"].fillna("") if "event" in wide else ""
            long = wide.assign(event=event).melt(id_vars=["kimg", "event"], var_name="name").dropna(subset=["value"])
            parts.append(long.assign(generator=name, seed=seed))
    return pd.concat(parts, ignore_index=True)[CURVES]


def read_audits(params: Params) -> pd.DataFrame:
    """All audits in long form; the real-versus-real floor is a row of its own."""
    rows: list[dict[str, Any]] = []
    for name in params.generators:
        for seed in params.generator_seeds:
            found = read_report_json(layout.audit(name, seed))
            for metric in params.audit.metrics:
                for features, result in found[metric].items():
                    place = {"generator": name, "seed": seed, "metric": metric, "features": features}
                    rows += [place | row for row in _audit_rows(result)]
    return pd.DataFrame(rows, columns=AUDIT)


def _audit_rows(result: dict[str, Any]) -> list[dict[str, Any]]:
    if "memorised" in result:
        flag = "flagged" if result["memorised"] else "not flagged"
        return [{"axis": "privacy", "value": result["ratio_of_medians"], "flag": flag}]
    floor = {f"floor_{name}": value for name, value in result[FLOOR].items()}
    return [{"axis": "fidelity", "flag": "", **result, **floor}]


def _sheets(params: Params) -> dict[str, bytes]:
    """The same number of random frames of each view, real ones and those of every generator's first seed."""
    folders = {"real": layout.cohort("generator")}
    folders |= {name: layout.synthetic(name, params.generator_seeds[0]) for name in params.generators}
    return {name: _sheet(folder, params) for name, folder in folders.items()}


def _sheet(folder: Path, params: Params) -> bytes:
    shards, table, scheme = read_shards(folder, verify=False)
    rng = child_rng(params.seed, "report", "sheet", folder.name)
    chosen = np.concatenate(
        [
            rng.choice(rows, min(_FRAMES_A_VIEW, len(rows)), replace=False)
            for rows in (np.flatnonzero(table["view"] == view) for view in params.views)
        ]
    )
    pairs = shards[chosen]
    return contact_sheet(pairs[:, 0], pairs[:, 1], columns=2, structures=scheme.structures)


def _examples(params: Params) -> bytes:
    stack = read_array(layout.PREDICTIONS / "examples.npy")
    columns = ("view", "rank", "subject_id", "real_arm", "synthetic_arm", "real_dice", "synthetic_dice")
    table = read_csv(layout.PREDICTIONS / "examples.csv", columns, text=("view", "subject_id"))
    rows = [
        Example(
            rank=row["rank"],
            view=row["view"],
            subject_id=row["subject_id"],
            image=image,
            reference=reference,
            predictions={row["real_arm"]: real, row["synthetic_arm"]: synthetic},
            dice={row["real_arm"]: row["real_dice"], row["synthetic_arm"]: row["synthetic_dice"]},
        )
        for row, (image, reference, real, synthetic) in zip(table.to_dict("records"), stack, strict=True)
    ]
    structures = read_shards(layout.cohort("segmenter"), verify=False)[2].structures
    return example_segmentations(rows, structures=structures)
