"""Where each stage's files are, relative to the study's folder."""

from __future__ import annotations

from pathlib import Path

from augbench.core.arms import Run

COHORTS = Path("data/cohort")
GENERATORS = Path("data/generators")
SYNTHETIC = Path("data/synthetic")
MODELS = Path("data/models")
PREDICTIONS = Path("data/predictions")
SCORES = Path("data/scores")
REPORTS = Path("reports")
LOCK = Path("dvc.lock")
STUDY = Path("study.yaml")
FIGURES = REPORTS / "figures"
#: Contact sheets and examples; those of studies with `pictures: shown` stand in reports/ as well.
PICTURES = Path("data/pictures")
#: Git-ignored working state: checkpoints, locks, provenance of the last run of each stage.
STATE = Path(".augbench")

ARMS = REPORTS / "arms.csv"
PER_FRAME = SCORES / "external.csv"
PER_PATIENT = REPORTS / "per_patient.csv.gz"
DEVELOPMENT = REPORTS / "development"
COHORT_SIZES = REPORTS / "cohorts.csv"
COMPARISON = REPORTS / "comparison.csv"
VARIANCE = REPORTS / "variance.csv"
RECOVERED = REPORTS / "recovered.csv"
CONTRASTS = REPORTS / "contrasts.csv"
DOSE_RESPONSE = REPORTS / "dose_response.csv"
SITES = REPORTS / "sites.csv"
METRICS = REPORTS / "metrics.json"
REPORT = REPORTS / "report.html"
PROVENANCE = REPORTS / "provenance.json"


def cohort(name: str) -> Path:
    """Frames of a cohort, as shards."""
    return COHORTS / name


def generator(name: str, seed: int) -> Path:
    """Weights and curve of a fitted generator."""
    return GENERATORS / name / str(seed)


def generator_curve(name: str) -> Path:
    """Curves of all seeds of a generator."""
    return REPORTS / "curves" / f"{name}.csv"


def last_good(name: str, seed: int) -> Path:
    """Frames of a generator whose training diverged."""
    return STATE / "diverged" / f"{name}-{seed}.png"


def synthetic(name: str, seed: int | None) -> Path:
    """A part of a set of synthetic frames, as shards: of a generator's seed, or the whole set (None)."""
    return SYNTHETIC / name / ("all" if seed is None else str(seed))


def annotated(source: str, name: str, seed: int | None) -> Path:
    """Masks that people draw for one part of the labelling `name`, in its folder `source`."""
    return Path(source) / f"{name}-{seed}"


def audit(name: str) -> Path:
    """Audit of all seeds of a generator."""
    return REPORTS / "audit" / f"{name}.json"


def model(run: Run) -> Path:
    """Weights and curve of one trained segmenter."""
    return MODELS / run.arm / run.name


def development(cohort: str) -> Path:
    """Scores of every run on a cohort on which choices are made."""
    return DEVELOPMENT / f"{cohort}.csv"


def sheets(name: str) -> Path:
    """Real and synthetic frames of a generator, side by side, for the report."""
    return Path("data/sheets") / name
