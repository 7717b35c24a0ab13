"""What the report is made from: the study's words, tidy tables and pictures; the stage fills it, `render` reads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import pandas as pd

from augbench.core.arms import Arm
from augbench.core.study import Study
from augbench.core.tables import (
    ALL_VIEWS,
    COMPARISON_COLUMNS,
    CONTRAST_COLUMNS,
    DOSE_COLUMNS,
    PER_PATIENT_COLUMNS,
    RECOVERED_COLUMNS,
    SITE_COLUMNS,
    VARIANCE_COLUMNS,
)
from augbench.report.display import Display
from augbench.report.metric import Metric
from augbench.report.registration import Registration
from augbench.report.rows import overall, records, sort_by
from augbench.report.targets import Judge, Judged, flags

if TYPE_CHECKING:
    from augbench.report.since import Since

AUDIT = ["generator", "seed", "axis", "title", "features", "value", "ci_low", "ci_high", "flag", "floor_value"]
CURVES = ["generator", "seed", "kimg", "name", "value", "event"]
COHORTS = ["cohort", "site", "subjects", "frames"]

#: Columns without which a table is refused.
REQUIRED: dict[str, Sequence[str]] = {
    "comparison": COMPARISON_COLUMNS,
    "contrasts": CONTRAST_COLUMNS,
    "recovered": RECOVERED_COLUMNS,
    "per_patient": PER_PATIENT_COLUMNS,
    "sites": SITE_COLUMNS,
    "dose": DOSE_COLUMNS,
    "audit": AUDIT[:-1],
    "curves": CURVES[:-1],
    "variance": VARIANCE_COLUMNS,
    "cohorts": COHORTS,
}


def empty(table: str) -> pd.DataFrame:
    """The named table without rows: a part that was not run."""
    return pd.DataFrame(columns=list(REQUIRED[table]))


@dataclass(frozen=True)
class ReportData:
    """Everything the report shows. Tables may be empty; the page then says that the part was not run.

    Attributes:
        study: title, question, names, targets, published table: what the study says in words.
        arms: every arm, the reference first.
        metrics: the scores, the primary one first.
        primary_arm: key of the arm of the primary endpoint.
        views: of the study, in its order.
        structures: label value `k + 1` is `structures[k]`; empty: those of the comparison.
        external: key of the external cohort.
        selection: of weights, `last` or `best`.
        provenance: `params` (nested), `versions`, `hardware`, `stages` (rows stage, seconds, peak_mib).
        comparison: reports/comparison.csv: one row per view, structure, metric and arm; `overall` marks the row that
            speaks for all of an arm's; verdict is one of the five words, or empty.
        contrasts: reports/contrasts.csv: every two arms on the primary endpoint's metric.
        recovered: reports/recovered.csv: shares of an opponent's lead, on the primary endpoint's metric.
        per_patient: reports/per_patient.csv.gz: one row per patient and trained network on the external cohort;
            generator_seed is empty without a generator.
        sites: reports/sites.csv, mean score per arm and cohort.
        dose: reports/dose_response.csv; dose is empty where the regime states none.
        audit: one value per generator, seed, axis, title (of the test) and feature extractor; flag is `flagged`, `not
            flagged` or empty; optional `floor_value`, real against real.
        curves: kimg = thousands of training images shown; optional `event`, what the watchdog logged there.
        variance: SD of the primary metric per arm and source.
        cohorts: patients and frames of every cohort.
        sheets: name -> PNG of `sheets.contact_sheet`.
        examples: PNG of `sheets.example_segmentations`.
        registration: what was fixed before external scores existed; None: nothing was.
        since: differences from a base revision; None: no section.

    Raises:
        ValueError: a table lacks a column.
    """

    study: Study
    arms: Sequence[Arm]
    metrics: Sequence[Metric]
    primary_arm: str
    views: Sequence[str] = ()
    structures: Sequence[str] = ()
    external: str = "external"
    selection: str = "last"
    provenance: Mapping[str, Any] = field(default_factory=dict)
    comparison: pd.DataFrame = field(default_factory=partial(empty, "comparison"))
    contrasts: pd.DataFrame = field(default_factory=partial(empty, "contrasts"))
    recovered: pd.DataFrame = field(default_factory=partial(empty, "recovered"))
    per_patient: pd.DataFrame = field(default_factory=partial(empty, "per_patient"))
    sites: pd.DataFrame = field(default_factory=partial(empty, "sites"))
    dose: pd.DataFrame = field(default_factory=partial(empty, "dose"))
    audit: pd.DataFrame = field(default_factory=partial(empty, "audit"))
    curves: pd.DataFrame = field(default_factory=partial(empty, "curves"))
    variance: pd.DataFrame = field(default_factory=partial(empty, "variance"))
    cohorts: pd.DataFrame = field(default_factory=partial(empty, "cohorts"))
    sheets: Mapping[str, bytes] = field(default_factory=dict)
    examples: bytes | None = None
    registration: Registration | None = None
    since: Since | None = None

    def __post_init__(self) -> None:
        for table, columns in REQUIRED.items():
            absent = set(columns) - set(getattr(self, table).columns)
            if absent:
                raise ValueError(f"report table '{table}' lacks {', '.join(sorted(absent))}")

    @property
    def metric(self) -> Metric:
        """The primary metric."""
        return self.metrics[0]

    @cached_property
    def display(self) -> Display:
        """Names, order and colours of this study."""
        structures = self.structures or sort_by(self.scored["structure"])
        study = self.study
        return Display(study.names, tuple(self.arms), tuple(self.views), tuple(structures), dict(study.colours))

    @cached_property
    def scored(self) -> pd.DataFrame:
        """Views and structures that were compared, each pair once."""
        rows = self.comparison[self.comparison["view"] != ALL_VIEWS]
        return rows[["view", "structure"]].drop_duplicates()

    @cached_property
    def labels(self) -> str:
        """Who made the masks of synthetic frames: `joint`; empty where no arm learns from any."""
        return ", ".join(sort_by(arm.labels for arm in self.arms if arm.synthetic))

    def of(self, metric: str, arms: Sequence[str] | None = None) -> pd.DataFrame:
        """Rows of the comparison on one metric, of all arms or of these."""
        rows = self.comparison[self.comparison["metric"] == metric]
        return rows if arms is None else rows[rows["arm"].isin(arms)]

    @cached_property
    def overall(self) -> dict[str, dict[str, Any]]:
        """Arm -> its overall row on the primary metric, with `ci_width`."""
        rows = {str(row["arm"]): row for row in records(overall(self.of(self.metric.kind)))}
        for row in rows.values():
            row["ci_width"] = row["ci_high"] - row["ci_low"]
        return {arm: rows[arm] for arm in self.display.sort_arms(rows)}

    @cached_property
    def flags(self) -> dict[str, bool]:
        """Generator -> whether its privacy audit flagged it."""
        return flags(self.audit)

    @cached_property
    def targets(self) -> list[Judged]:
        """The study's targets, judged."""
        return Judge(self.overall, self.contrasts, self.flags, self.metric, self.display).judge(self.study.targets)
