"""Where each stage's files are, relative to the project's root."""

from __future__ import annotations

from pathlib import Path

from augbench.core.runs import Run

COHORTS = Path("data/cohort")
PREDICTIONS = Path("data/predictions")
REPORTS = Path("reports")
LOCK = Path("dvc.lock")
FIGURES = REPORTS / "figures"
#: Git-ignored working state: provenance of the last run of each stage.
STATE = Path(".augbench")

PER_CASE = REPORTS / "per_case.csv"
DEVELOPMENT = REPORTS / "development.csv"
COMPARISON = REPORTS / "comparison.csv"
VARIANCE = REPORTS / "variance.csv"
DOSE_RESPONSE = REPORTS / "dose_response.csv"
SITES = REPORTS / "sites.csv"
METRICS = REPORTS / "metrics.json"
REPORT = REPORTS / "report.html"
PROVENANCE = REPORTS / "provenance.json"


def cohort(role: str) -> Path:
    return COHORTS / role


def generator(name: str, seed: int) -> Path:
    return Path("data/generators") / f"{name}-{seed}"


def generator_curve(name: str, seed: int) -> Path:
    return REPORTS / "curves" / f"{name}-{seed}.csv"


def last_good(name: str, seed: int) -> Path:
    """Frames of a generator whose training diverged."""
    return STATE / "diverged" / f"{name}-{seed}.png"


def synthetic(name: str, seed: int) -> Path:
    return Path("data/synthetic") / f"{name}-{seed}"


def annotated(source: str, name: str, seed: int) -> Path:
    """Masks that people draw for one generator and seed, in the folder `label_source`."""
    return Path(source) / f"{name}-{seed}"


def audit(name: str, seed: int) -> Path:
    return REPORTS / "audit" / f"{name}-{seed}.json"


def model(run: Run) -> Path:
    return Path("data/models") / run.name
