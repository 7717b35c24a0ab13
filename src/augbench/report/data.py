"""What the report is made from: tidy tables, pictures and a few words; the stage fills it, `render` reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pandas as pd

from augbench.report.since import Since

COMPARISON = [
    *("view", "structure", "metric", "arm", "reference_arm", "n_subjects", "mean_arm", "mean_reference"),
    *("mean_difference", "ci_low", "ci_high", "ci90_low", "ci90_high", "sd_paired", "p_wilcoxon", "p_holm", "verdict"),
    *("median_arm", "q1_arm", "q3_arm", "median_reference", "q1_reference", "q3_reference"),
    *("variation_arm", "variation_reference", "n_needed", "n_undefined"),
]
PER_SUBJECT = ["view", "structure", "metric", "arm", "generator_seed", "segmenter_seed", "subject_id", "value"]
SITE_SCORES = ["arm", "site", "mean_dice"]
DOSE = ["arm", "generator", "synthetic_per_real", "site", "mean_dice", "ci_low", "ci_high"]
AUDIT = ["generator", "seed", "axis", "metric", "features", "value", "ci_low", "ci_high", "flag", "floor_value"]
CURVES = ["generator", "seed", "kimg", "name", "value", "event"]
VARIANCE = ["component", "sd"]

_COLUMNS = {
    "comparison": COMPARISON,
    "per_subject": PER_SUBJECT,
    "site_scores": SITE_SCORES,
    "dose": DOSE,
    "audit": AUDIT,
    "curves": CURVES,
    "variance": VARIANCE,
}
_OPTIONAL = {"floor_value", "event"}


def empty(table: str) -> pd.DataFrame:
    """The named table without rows: a part that was not run."""
    return pd.DataFrame(columns=_COLUMNS[table])


@dataclass(frozen=True)
class ReportData:
    """Everything the report shows. Tables may be empty; the page then says that the part was not run.

    Attributes:
        scheme: `dataset`, `labels_source`, `scored` (view -> structures), `notes` (sentences for the limits); optional
            `margin` (equivalence margin, Dice, default 0.01), `title`, `selection` (of weights: `best` or `last`),
            `cohorts` (rows cohort, site, subjects, frames).
        provenance: `params` (nested), `versions`, `hardware`, `stages` (rows stage, seconds, peak_mib).
        comparison: one row per view, structure, metric and arm; Dice in [0, 1]; the overall row of an arm has view
            `all`, structure `mean`; verdict is one of the five words, or empty.
        per_subject: scores on the external cohort, one row per patient and trained network; generator_seed is
            undefined for `real`.
        site_scores: mean Dice per arm and site (internal, development, external).
        dose: mean Dice per arm and site with its 95% CI; the category on the axis follows from the arm's name.
        audit: one value per generator, seed (optional column `view`), axis (fidelity, coverage, privacy), metric and
            feature extractor; flag is `flagged`, `not flagged` or empty; optional `floor_value`, real against real.
        curves: kimg = thousands of training images shown; optional `event`, what the watchdog logged there.
        variance: sd in Dice; optional column `arm`.
        sheets: name (`real` or a generator) -> PNG of `sheets.contact_sheet`.
        examples: PNG of `sheets.example_segmentations`.
        since: differences from a base revision; None: no section.

    Raises:
        ValueError: a table lacks a column.
    """

    scheme: Mapping[str, Any]
    provenance: Mapping[str, Any] = field(default_factory=dict)
    comparison: pd.DataFrame = field(default_factory=partial(empty, "comparison"))
    per_subject: pd.DataFrame = field(default_factory=partial(empty, "per_subject"))
    site_scores: pd.DataFrame = field(default_factory=partial(empty, "site_scores"))
    dose: pd.DataFrame = field(default_factory=partial(empty, "dose"))
    audit: pd.DataFrame = field(default_factory=partial(empty, "audit"))
    curves: pd.DataFrame = field(default_factory=partial(empty, "curves"))
    variance: pd.DataFrame = field(default_factory=partial(empty, "variance"))
    sheets: Mapping[str, bytes] = field(default_factory=dict)
    examples: bytes | None = None
    since: Since | None = None

    def __post_init__(self) -> None:
        for table, columns in _COLUMNS.items():
            absent = set(columns) - _OPTIONAL - set(getattr(self, table).columns)
            if absent:
                raise ValueError(f"report table '{table}' lacks {', '.join(sorted(absent))}")

    @property
    def margin(self) -> float:
        """Half-width of the equivalence band (Dice)."""
        return float(self.scheme.get("margin", 0.01))
