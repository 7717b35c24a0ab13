"""compare: per-case scores -> paired differences, intervals, tests, verdicts, and the tables derived from them."""

from __future__ import annotations

import pandas as pd

from augbench.comparison.summary import dose_response, headline, site_means
from augbench.comparison.table import compare
from augbench.comparison.unit import PER_CASE_COLUMNS, PER_CASE_TEXT
from augbench.comparison.variance import variance_table
from augbench.core import layout
from augbench.core.component import create
from augbench.core.params import Params
from augbench.core.reports import read_report_table, write_report_json, write_report_table
from augbench.core.runs import mask_source
from augbench.core.seeding import child_rng

DEVELOPMENT_COLUMNS = (
    "cohort",
    "generator",
    "regime",
    "generator_seed",
    "segmenter_seed",
    "view",
    "structure",
    "value",
)


def run(params: Params) -> None:
    per_case = read_per_case()
    metrics = params.evaluation.metrics
    directions = {name: create("scores", name, options).higher_is_better for name, options in metrics.items()}
    table = compare(
        per_case,
        margins=params.comparison.margins,
        alpha=params.comparison.alpha,
        n_boot=params.comparison.bootstrap,
        rng=child_rng(params.seed, "compare"),
        higher_is_better=directions,
    )
    sites = site_means(table, read_development())
    for path, part in (
        (layout.COMPARISON, table),
        (layout.VARIANCE, variance_table(per_case)),
        (layout.SITES, sites),
        (layout.DOSE_RESPONSE, dose_response(sites, table)),
    ):
        write_report_table(path, part.assign(labels=[_labels(params, arm) for arm in part["arm"]]))
    write_report_json(layout.METRICS, headline(table))


def _labels(params: Params, arm: str) -> str:
    return mask_source(params, arm.rpartition("/")[0] or None)


def read_per_case() -> pd.DataFrame:
    return read_report_table(layout.PER_CASE, PER_CASE_COLUMNS, text=PER_CASE_TEXT)


def read_development() -> pd.DataFrame:
    return read_report_table(
        layout.DEVELOPMENT, DEVELOPMENT_COLUMNS, text=("generator", "regime", "generator_seed", "segmenter_seed")
    )
