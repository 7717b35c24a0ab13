"""Every chart of the report in one place to import from; each lives in its own short file."""

from __future__ import annotations

from augbench.figures.curves import training_curves
from augbench.figures.distribution import dice_distribution
from augbench.figures.dose import dose_response
from augbench.figures.forest import forest
from augbench.figures.seeds import seed_spread
from augbench.figures.sites import site_drop
from augbench.figures.svg import panels, to_svg

__all__ = [
    "dice_distribution",
    "dose_response",
    "forest",
    "panels",
    "seed_spread",
    "site_drop",
    "to_svg",
    "training_curves",
]
