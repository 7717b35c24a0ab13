"""Every chart of the report in one place to import from; each lives in its own short file."""

from __future__ import annotations

from augbench.report.curves import training_curves
from augbench.report.distribution import score_distribution
from augbench.report.dose import dose_response
from augbench.report.forest import forest
from augbench.report.seeds import seed_spread
from augbench.report.sites import site_drop
from augbench.report.svg import panels, to_svg

__all__ = [
    "dose_response",
    "forest",
    "panels",
    "score_distribution",
    "seed_spread",
    "site_drop",
    "to_svg",
    "training_curves",
]
