"""summary: the finished reports as Markdown."""

from __future__ import annotations

from augbench.core import layout
from augbench.core.params import read_params
from augbench.core.reports import read_report_table
from augbench.report.markdown import summary
from augbench.report.report import COMPARISON, SITE_SCORES
from augbench.stages.report import read_audits


def run() -> str:
    """Tables of arms, targets and verdicts, from reports/.

    Raises:
        UserError: a report is missing.
    """
    params = read_params()
    comparison = read_report_table(layout.COMPARISON, COMPARISON)
    text = summary(comparison, read_report_table(layout.SITES, SITE_SCORES), read_audits(params))
    return f"{text}\nLabels of synthetic frames: {params.labelling}.\n"
