"""params.yaml as validated, frozen objects: an unknown key or a value out of range is an error that names the remedy.

Sections keyed by component names (`datasets`, `generators`, `segmenters`, `labelling`) hold plain
dictionaries here; each component validates its own section when it is created (`core.component`).
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, ValidationError

from augbench.core.component import Section as _Strict
from augbench.core.component import invalid_parameter
from augbench.core.errors import UserError
from augbench.core.yaml_file import load_yaml

PARAMS_FILE = Path("params.yaml")

Fraction = Annotated[float, Field(ge=0, le=1)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Seeds = Annotated[list[Seed], Field(min_length=1)]
#: Views stand in file names and in the report.
View = Annotated[str, Field(pattern=r"^\w[\w -]*$", max_length=40)]
Section = dict[str, dict[str, Any]]


class Sampling(_Strict):
    """Synthetic frames made from each fitted generator."""

    frames: int = Field(ge=1, le=100_000_000, description="synthetic frames per generator and generator seed")


class Training(_Strict):
    """Every arm trains the same network with exactly this budget, optimiser and selection."""

    steps: int = Field(ge=1, le=100_000_000, description="optimiser steps, equal in all arms")
    batch_size: int = Field(ge=2, le=65_536)
    learning_rate: float = Field(gt=0, le=1)
    weight_decay: float = Field(ge=0, le=1)
    validate_every: int = Field(ge=1, description="steps between validations on the real validation patients")
    selection: Literal["best", "last"] = Field(
        description="'best' on the real validation patients in every arm; 'last' never looks at a real label"
    )


class Augmentation(_Strict):
    """Classical augmentation, on in every arm. `probability` is per transform and frame."""

    probability: Fraction
    rotation_deg: float = Field(ge=0, le=180, description="rotation drawn from +- this")
    scaling: Fraction = Field(description="zoom drawn from 1 +- this")
    translation: Fraction = Field(description="shift drawn from +- this fraction of the image size")
    gamma: float = Field(ge=1, le=5, description="gamma drawn from [1/this, this]")
    blur_px: float = Field(ge=0, le=5, description="Gaussian sigma drawn from [0, this]")
    bias_field: float = Field(ge=0, le=2, description="polynomial coefficient drawn from +- this")
    rician_noise: float = Field(ge=0, le=1, description="noise SD drawn from [0, this] on images in [0, 1]")


class Mixed(_Strict):
    """The mixed regime's dose."""

    synthetic_per_real: list[Annotated[int | float, Field(gt=0, le=1e6)]] = Field(min_length=1)


class Regimes(_Strict):
    """Regimes that every compared generator is put through; `real` always runs."""

    synthetic: dict[str, Any] = Field(default_factory=dict, max_length=0)
    mixed: Mixed


class Evaluation(_Strict):
    """What is scored on the external test set."""

    metrics: Section


class Comparison(_Strict):
    """The statistics, fixed before any external score is seen."""

    margins: dict[str, Annotated[float, Field(gt=0)]] = Field(description="equivalence margin per metric")
    alpha: float = Field(gt=0, lt=0.5)
    bootstrap: int = Field(ge=200, le=10_000_000, description="resamples of patients and seeds")


class Gate(_Strict):
    """What `augbench gate` lets pass; no stage reads it. Older revisions have no such section."""

    margin: float = Field(default=0.01, gt=0, le=1, description="largest loss of mean Dice that may pass")
    floors: dict[str, Fraction] = Field(
        default_factory=dict, description="structure -> lowest mean Dice of any gated arm, over its views and patients"
    )


class Audit(_Strict):
    """Fidelity and privacy of synthetic frames."""

    features: Section
    frames: int = Field(ge=20, description="synthetic frames audited per generator and seed")
    metrics: Section


class Compute(_Strict):
    """Where and how wide the networks run. Thread count is part of the result's bytes."""

    accelerator: Literal["cpu", "gpu"]
    threads: int = Field(ge=1, le=256, description="threads a stage uses; results are reproducible for one value")
    deterministic: bool = Field(
        default=True, description="use deterministic kernels alone; a layer that has none on the device is an error"
    )
    checkpoint_seconds: float = Field(
        default=60, gt=0, le=86400, description="time between two checkpoints of a long task; no part of any result"
    )


class Params(_Strict):
    """All of params.yaml."""

    seed: Seed
    raw_data: str = Field(description="folder of an imported dataset; a change in it makes `prepare` stale")
    dataset: str
    datasets: Section
    image_size: int = Field(ge=16, le=1024)
    views: list[View] = Field(min_length=1)
    generator_cohort: Literal["generator", "segmenter"] = Field(
        description="'generator': as in the paper; 'segmenter': the equal-patient control, training patients only"
    )
    generators: Section
    compared: list[str] = Field(min_length=1, description="generators put through every regime")
    controls: list[str] = Field(description="generators run in the synthetic regime with the first generator seed only")
    generator_seeds: Seeds
    sampling: Sampling
    labelling: str = Field(description="who makes the masks of synthetic frames: joint, pseudo or manual")
    label_source: str = Field(
        description="joint: data/labels, unread; pseudo: data/models/real-<seed>; manual: the annotators' folder"
    )
    regimes: Regimes
    segmenter: str
    segmenters: Section
    segmenter_seeds: Seeds
    training: Training
    augmentation: Augmentation
    evaluation: Evaluation
    audit: Audit
    comparison: Comparison
    gate: Gate = Field(default_factory=Gate)
    compute: Compute


def read_params(path: Path = PARAMS_FILE) -> Params:
    """Read and validate params.yaml.

    Raises:
        UserError: the file is missing, is not YAML, or holds an unknown, missing or impossible value.
    """
    if not path.is_file():
        raise UserError(
            f"{path} is missing",
            got="no such file",
            expected="the experiment's parameters",
            remedy="run from the project's root, or write one with `augbench preset smoke`",
            file=path,
        )
    content = load_yaml(path)
    if not isinstance(content, dict):
        raise UserError(
            "file holds no parameters",
            got=type(content).__name__,
            expected="a mapping",
            remedy="write a complete one with `augbench preset NAME`",
            file=path,
        )
    return parse_params(content)


def parse_params(content: dict[str, Any]) -> Params:
    """Validate already loaded parameters.

    Raises:
        UserError: names the first wrong key, what it was, what is allowed and the nearest name.
    """
    try:
        params = Params(**content)
    except ValidationError as error:
        raise invalid_parameter(error, "", _fields_at(error)) from error
    except TypeError as error:  # a key that is not text cannot be passed by name
        raise UserError(
            "parameter names must be text",
            got=str(error),
            expected="text keys",
            remedy="correct the key",
            file=PARAMS_FILE,
        ) from error
    _require_consistent(params)
    return params


def _require_consistent(params: Params) -> None:
    """What no single key can show."""
    for name in ("views", "compared", "controls", "generator_seeds", "segmenter_seeds"):
        values = getattr(params, name)
        if len(set(values)) != len(values):
            raise _inconsistent(f"{name} lists a value twice", values, "each value once", f"correct '{name}'")
    doses = params.regimes.mixed.synthetic_per_real
    if len(set(doses)) != len(doses):
        raise _inconsistent("synthetic_per_real lists a dose twice", doses, "each dose once", "correct the list")
    unscored = sorted(set(params.comparison.margins) - set(params.evaluation.metrics))
    if unscored:
        raise _inconsistent(
            f"comparison.margins names a metric that is not scored: {unscored[0]}",
            ", ".join(unscored),
            f"metrics of evaluation.metrics: {', '.join(sorted(params.evaluation.metrics))}",
            "correct the name, or add the metric",
        )
    chosen, sections = sorted([*params.compared, *params.controls]), sorted(params.generators)
    if chosen != sections:
        raise _inconsistent(
            "compared and controls do not name every generator exactly once",
            f"compared and controls: {', '.join(chosen)}",
            f"the sections of generators: {', '.join(sections)}",
            "name each section of generators in exactly one of the two lists",
        )
    for name, held in (("dataset", params.datasets), ("segmenter", params.segmenters)):
        value = getattr(params, name)
        if value not in held:
            raise _inconsistent(
                f"{name} '{value}' has no section in {name}s",
                value,
                ", ".join(sorted(held)),
                f"correct '{name}' or add its section",
            )
    _require_label_source(params)


#: Folders that stages write: what people drew there would be deleted.
_OUTPUTS = ("data/cohort", "data/generators", "data/synthetic", "data/models", "data/predictions", "reports")


def _require_label_source(params: Params) -> None:
    """dvc.yaml makes sampling depend on `label_source`: it must be what the labelling reads, and nothing else."""
    source = PurePosixPath(params.label_source)
    networks = [f"data/models/real-{seed}" for seed in params.segmenter_seeds]
    misplaced = any(source.is_relative_to(folder) for folder in _OUTPUTS)
    fits, expected = {
        "joint": (str(source) == "data/labels", "data/labels, which joint does not read"),
        "pseudo": (str(source) in networks, " or ".join(networks)),
        "manual": (not misplaced, "a folder that no stage writes, such as data/labels"),
    }.get(params.labelling, (True, ""))
    if not fits:
        what = f"label_source does not fit labelling '{params.labelling}'"
        raise _inconsistent(what, params.label_source, expected, "correct 'label_source'")


def _inconsistent(what: str, got: object, expected: str, remedy: str) -> UserError:
    return UserError(what, got=got, expected=expected, remedy=remedy, file=PARAMS_FILE)


def _fields_at(error: ValidationError) -> list[str]:
    """Field names allowed where the first unknown key is, or at the top."""
    unknown = next((one for one in error.errors() if one["type"] == "extra_forbidden"), error.errors()[0])
    model: type[BaseModel] = Params
    for part in unknown["loc"][:-1]:
        annotation = model.model_fields[part].annotation if part in model.model_fields else None
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return []
        model = annotation
    return list(model.model_fields)
