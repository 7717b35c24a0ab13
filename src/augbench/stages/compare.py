"""compare: scores of patients -> paired differences, intervals, tests, verdicts, and the tables derived from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from augbench.comparison.components import variance_table
from augbench.comparison.rows import Rules
from augbench.comparison.summary import (
    DEVELOPMENT_COLUMNS,
    Endpoint,
    arms_table,
    dose_response,
    headline,
    site_means,
)
from augbench.comparison.table import compare
from augbench.comparison.unit import PER_PATIENT_COLUMNS, PER_PATIENT_TEXT, require_per_patient
from augbench.core import layout
from augbench.core.arms import Arm, arms_of, reference_arm
from augbench.core.component import create
from augbench.core.params import Params
from augbench.core.reports import read_report_table, write_report_json, write_report_table
from augbench.core.seeding import child_rng
from augbench.scores.base import SegmentationScore


def run(params: Params) -> None:
    per_patient, arms = read_per_patient(), arms_of(params)
    rng = child_rng(params.seed, "compare")
    table = compare(per_patient, rules(params, arms), reference_arm=reference_arm(params).name, rng=rng)
    primary, external = Endpoint(**params.comparison.primary.model_dump()), params.evaluation.external
    sites = site_means(table, read_development(), metric=primary.metric, external=external)
    for path, part in (
        (layout.ARMS, arms_table(arms)),
        (layout.COMPARISON, table),
        (layout.VARIANCE, variance_table(per_patient)),
        (layout.SITES, sites),
        (layout.DOSE_RESPONSE, dose_response(sites, table, arms_table(arms), external=external)),
    ):
        write_report_table(path, part)
    write_report_json(layout.METRICS, headline(table, primary))


def rules(params: Params, arms: list[Arm]) -> Rules:
    """How this study's differences are judged."""
    return rules_of(
        scores_of(params.evaluation.metrics),
        margins=params.comparison.margins,
        alpha=params.comparison.alpha,
        n_boot=params.comparison.bootstrap,
        controls=[arm.name for arm in arms if arm.is_control],
    )


def rules_of(scores: Mapping[str, SegmentationScore], **judged: Any) -> Rules:
    """Rules whose directions are those of the scores; a plain number of which 1 is the best has a "variation"."""
    return Rules(
        higher_is_better={name: score.higher_is_better for name, score in scores.items()},
        variation=[name for name, score in scores.items() if score.higher_is_better and not score.unit],
        **judged,
    )


def scores_of(metrics: Mapping[str, dict[str, Any]]) -> dict[str, SegmentationScore]:
    """Components by name, from `evaluation.metrics`."""
    return {name: create(SegmentationScore, name, options) for name, options in metrics.items()}


def read_per_patient() -> pd.DataFrame:
    return require_per_patient(read_report_table(layout.PER_PATIENT, PER_PATIENT_COLUMNS, text=PER_PATIENT_TEXT))


def read_development() -> pd.DataFrame:
    return read_report_table(layout.DEVELOPMENT, DEVELOPMENT_COLUMNS, text=DEVELOPMENT_COLUMNS[:-1])
