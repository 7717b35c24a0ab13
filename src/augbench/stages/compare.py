"""compare: scores of patients -> paired differences, intervals, tests, verdicts, and the tables derived from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from augbench.comparison.components import variance_table
from augbench.comparison.recovered import recovered
from augbench.comparison.rows import Endpoint, Rules
from augbench.comparison.summary import dose_response, headline, site_means
from augbench.comparison.table import compare, contrasts
from augbench.comparison.unit import PER_PATIENT_TEXT, require_per_patient
from augbench.core import layout
from augbench.core.arms import CONTROL_ROLES, REFERENCE
from augbench.core.component import create
from augbench.core.params import Params
from augbench.core.reports import read_report_table, write_report_json, write_report_table
from augbench.core.tables import ARM_COLUMNS, DEVELOPMENT_COLUMNS, PER_PATIENT_COLUMNS
from augbench.scores.base import SegmentationScore


def run(params: Params) -> None:
    """Write the tables of differences, doses, sites and variances, and the headline of the primary endpoint."""
    per_patient, arms = read_per_patient(), read_arms()
    primary = Endpoint(params.comparison.primary.metric, params.comparison.primary.arm)
    rules = rules_of(
        scores_of(params.evaluation.metrics),
        margins=params.comparison.margins,
        alpha=params.comparison.alpha,
        primary=primary,
        controls=list(arms.loc[arms["role"].isin(CONTROL_ROLES), "arm"]),
    )
    generators = dict(zip(arms["arm"], arms["generator"], strict=True))
    reference = arms.loc[arms["role"] == REFERENCE, "arm"].item()
    against = dict(zip(arms["arm"], arms["against"], strict=True))
    table = compare(per_patient, rules, reference_arm=reference, generators=generators, against=against)
    between = contrasts(per_patient, rules, metric=primary.metric, generators=generators)
    leads = recovered(per_patient, arms, metric=primary.metric, alpha=params.comparison.alpha, generators=generators)
    external = params.evaluation.external
    development = [read_development(cohort) for cohort in params.evaluation.development]
    sites = site_means(table, development, metric=primary.metric, external=external)
    write_report_table(layout.COMPARISON, table)
    write_report_table(layout.CONTRASTS, between)
    write_report_table(layout.RECOVERED, leads)
    write_report_table(layout.VARIANCE, variance_table(per_patient))
    write_report_table(layout.SITES, sites)
    write_report_table(layout.DOSE_RESPONSE, dose_response(sites, table, arms, external=external))
    write_report_json(layout.METRICS, headline(table, primary))


def rules_of(scores: Mapping[str, SegmentationScore], **judged: Any) -> Rules:
    """Rules whose directions are those of the scores; a plain number of which 1 is the best has a "variation"."""
    return Rules(
        higher_is_better={name: score.higher_is_better for name, score in scores.items()},
        variation=[name for name, score in scores.items() if score.higher_is_better and not score.unit],
        **judged,
    )


def scores_of(metrics: Mapping[str, dict[str, Any]]) -> dict[str, SegmentationScore]:
    """Components by name, from `evaluation.metrics`."""
    return {
        name: create(SegmentationScore, name, options, entry=f"evaluation.metrics.{name}")
        for name, options in metrics.items()
    }


def read_per_patient() -> pd.DataFrame:
    """External scores of patients (`core.tables.PER_PATIENT_COLUMNS`), checked."""
    return require_per_patient(read_report_table(layout.PER_PATIENT, PER_PATIENT_COLUMNS, text=PER_PATIENT_TEXT))


def read_arms() -> pd.DataFrame:
    """What every arm is (`core.tables.ARM_COLUMNS`)."""
    return read_report_table(layout.ARMS, ARM_COLUMNS, text=[name for name in ARM_COLUMNS if name != "dose"])


def read_development(cohort: str) -> pd.DataFrame:
    """Mean scores of every run on a development cohort (`core.tables.DEVELOPMENT_COLUMNS`)."""
    return read_report_table(layout.development(cohort), DEVELOPMENT_COLUMNS, text=DEVELOPMENT_COLUMNS[:-1])
