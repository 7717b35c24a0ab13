"""params.yaml as validated, frozen objects: an unknown key or a value out of range is an error that names the remedy.

A section that makes a component (`dataset`, an entry of `generators`, an arm's `regime` and `segmenter`) holds the
component's `kind` and its own options; the component validates those when it is created (`core.component`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from augbench.core.component import Section, invalid_parameter
from augbench.core.errors import UserError
from augbench.core.kernels import DEFAULT, Kernels
from augbench.core.yaml_file import load_yaml

PARAMS_FILE = Path("params.yaml")

Fraction = Annotated[float, Field(ge=0, le=1)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Seeds = Annotated[list[Seed], Field(min_length=1)]
#: Views stand in file names and in the report.
View = Annotated[str, Field(pattern=r"^\w[\w -]*$", max_length=40)]
#: Entries stand in paths and in the names of DVC's stages.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=60)]
Options = dict[str, Any]
#: Options by kind: `{dice: {}, nsd: {tolerance_mm: 2.0}}`.
Kinds = dict[str, Options]


class Entry(Section):
    """What makes a component: its kind, and the component's own options beside the fields of this class."""

    model_config = ConfigDict(extra="allow")

    kind: str = Field(description="file or folder of the component in its family")

    @property
    def options(self) -> Options:
        """What the component itself validates."""
        return dict(self.model_extra or {})


class DatasetEntry(Entry):
    """Where the images come from, and which cohorts the study has."""

    cohorts: dict[Name, Options] = Field(min_length=1, description="name -> what the dataset needs to make it")

    @property
    def options(self) -> Options:
        """What the dataset itself validates: its cohorts among them."""
        return {"cohorts": self.cohorts, **(self.model_extra or {})}


class GeneratorEntry(Entry):
    """A generator of image-mask pairs under a name of the user's choosing."""

    cohort: Name = Field(description="cohort whose frames it learns from; validation patients are never shown to it")
    seeds: Seeds


class LabellingEntry(Entry):
    """Other masks for images that are there: a set of synthetic frames of its own (`core.synthetic`)."""

    images: str = Field(
        pattern=r"^data/(synthetic|cohort)/[A-Za-z0-9][A-Za-z0-9._-]*$",
        description="data/synthetic/<generator>, or data/cohort/<cohort> for patients whose masks are not used",
    )
    source: str = Field(description="what makes the masks: data/models/<arm>, or the annotators' folder")

    @property
    def generator(self) -> str | None:
        """The generator that made the images; None where they are a cohort's."""
        return self.images.rpartition("/")[2] if self.images.startswith("data/synthetic/") else None

    @property
    def cohort(self) -> str | None:
        """The cohort whose images they are; None where a generator made them."""
        return self.images.rpartition("/")[2] if self.generator is None else None

    @property
    def network(self) -> str | None:
        """The arm whose network makes the masks; None where the source is no arm's folder."""
        folder, _, arm = self.source.rpartition("/")
        return arm if folder == "data/models" else None


class ArmEntry(Section):
    """A way to train the segmenter, compared with the others (`core.arms.Arm`)."""

    role: Literal["reference", "opponent", "studied", "positive control", "negative control"]
    cohort: Name = Field(description="cohort of its real frames")
    regime: Entry
    segmenter: Entry
    seeds: Seeds = Field(description="of the segmenter; crossed with those of the generator where there is one")
    augmented: bool = Field(default=True, description="false: this arm alone trains without classical augmentation")
    against: Name | None = Field(
        default=None, description="arm that it is compared with, of arms.patients; null: the reference arm"
    )


class GeneratedArmEntry(ArmEntry):
    """An arm that trains on synthetic frames."""

    synthetic: Name = Field(description="set of synthetic frames: a name in generators or in labelling")


class Arms(Section):
    """Every arm, in two groups, because DVC must know which of them wait for synthetic frames."""

    patients: dict[Name, ArmEntry] = Field(description="trained on real frames alone")
    generated: dict[Name, GeneratedArmEntry] = Field(description="trained on synthetic frames, with or without real")


class Sampling(Section):
    """Synthetic frames made from each fitted generator."""

    frames: int = Field(ge=1, le=100_000_000, description="synthetic frames per generator and seed")


class Training(Section):
    """Every arm trains with exactly this budget, optimiser and selection."""

    steps: int = Field(ge=1, le=100_000_000, description="optimiser steps, equal in all arms")
    batch_size: int = Field(ge=2, le=65_536)
    optimiser: Literal["muon", "adamw"] = "adamw"
    learning_rate: float = Field(gt=0, le=1, description="highest of the schedule; with muon, of inner convolutions")
    weight_decay: float = Field(ge=0, le=1)
    validate_every: int = Field(ge=1, description="steps between two rows of the training curve")
    selection: Literal["last", "best"] = Field(
        default="last",
        description="'last': no arm ever sees a validation label; 'best': the weights with the highest mean Dice of "
        "the validation patients of the arm's cohort, in every arm, whatever the primary metric is",
    )


class Augmentation(Section):
    """Classical augmentation, on in every arm. `probability` is per transform and frame."""

    probability: Fraction
    rotation_deg: float = Field(ge=0, le=180, description="rotation drawn from +- this")
    scaling: Fraction = Field(description="zoom drawn from [1 / (1 + this), 1 + this], evenly in its logarithm")
    translation: Fraction = Field(description="shift drawn from +- this fraction of the image size")
    gamma: float = Field(ge=1, le=5, description="gamma drawn from [1/this, this]")
    blur_px: float = Field(ge=0, le=5, description="Gaussian sigma drawn from [0, this]")
    bias_field: float = Field(ge=0, le=2, description="polynomial coefficient drawn from +- this")
    rician_noise: float = Field(ge=0, le=1, description="noise SD drawn from [0, this] on images in [0, 1]")


class Evaluation(Section):
    """Which cohorts are scored, and how."""

    development: list[Name] = Field(description="cohorts on which choices are made")
    external: Name = Field(description="the external test set: read by `evaluate` alone, scored once")
    metrics: Kinds = Field(min_length=1, description="scores of a mask against its reference")


class Primary(Section):
    """The one primary endpoint: mean of `metric` over views and structures, `arm` against the reference arm."""

    metric: str
    arm: Name


class Comparison(Section):
    """The statistics, fixed before any external score is seen."""

    primary: Primary
    margins: dict[str, Annotated[float, Field(gt=0)]] = Field(description="equivalence margin per metric")
    alpha: float = Field(gt=0, lt=0.5)


class Gate(Section):
    """What `augbench gate` lets pass; no stage reads it. Older revisions have no such section."""

    margin: float = Field(default=0.01, gt=0, description="largest loss of the mean primary metric that may pass")
    floors: dict[str, float] = Field(
        default_factory=dict, description="structure -> worst mean of any gated arm, over its views and patients"
    )


class Audit(Section):
    """Fidelity and privacy of synthetic frames."""

    held_out: Name = Field(description="cohort that no generator learns from")
    network: Name | None = Field(
        default=None, description="arm without a generator whose first network makes the `segmenter` features"
    )
    features: Kinds
    frames: int = Field(ge=20, description="synthetic frames audited per generator and seed")
    metrics: Kinds


class Compute(Section):
    """Where and how wide the networks run. Threads, precision and kernels are part of the result's bytes."""

    accelerator: Literal["cpu", "gpu"]
    precision: Literal["fp32", "bf16"] = Field(default="fp32", description="bf16: automatic mixed precision")
    threads: int = Field(ge=1, le=256, description="threads a stage uses; results are reproducible for one value")
    deterministic: bool = Field(
        default=True, description="use deterministic kernels alone; a layer that has none on the device is an error"
    )
    kernels: Kernels = Field(
        default=DEFAULT,
        description="portable: the same bytes on any x86-64 processor with AVX2; native: the fastest code of this one",
    )
    checkpoint_seconds: float = Field(
        default=60, gt=0, le=86400, description="time between two checkpoints of a long task; no part of any result"
    )


class Params(Section):
    """All of params.yaml."""

    seed: Seed
    code: str = Field(default=".", description="where augbench's source is, seen from the study; read by dvc.yaml")
    raw_data: str = Field(description="folder of an imported dataset; a change in it makes `prepare` stale")
    dataset: DatasetEntry
    image_size: int = Field(ge=16, le=1024)
    views: list[View] = Field(min_length=1)
    generators: dict[Name, GeneratorEntry]
    sampling: Sampling
    labelling: dict[Name, LabellingEntry] = Field(
        description="other masks for images; where there are none, `labelling: {}`, which dvc.yaml needs"
    )
    segmenters: dict[Name, Entry]
    arms: Arms
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
            expected="the numbers of a study",
            remedy="go to the study's folder or name it with --study; `augbench studies` lists them, "
            "`augbench new NAME --like smoke` makes one",
            file=path,
        )
    content = load_yaml(path)
    if not isinstance(content, dict):
        raise UserError(
            "file holds no parameters",
            got=type(content).__name__,
            expected="a mapping",
            remedy="make a complete study with `augbench new NAME --like smoke`",
            file=path,
        )
    return parse_params(content)


def parse_params(content: dict[str, Any]) -> Params:
    """Validate already loaded parameters.

    Raises:
        UserError: names the first wrong key, what it was, what is allowed and the nearest name.
    """
    from augbench.core.consistency import require_consistent
    from augbench.core.former import require_present_form
    from augbench.core.labelling import require_labellings

    require_present_form(content)
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
    require_consistent(params)
    require_labellings(params)
    return params


def _fields_at(error: ValidationError) -> list[str]:
    """Field names allowed where the first unknown key is, or at the top."""
    unknown = next((one for one in error.errors() if one["type"] == "extra_forbidden"), error.errors()[0])
    model: type[BaseModel] | None = Params
    for part in unknown["loc"][:-1]:
        # Within a mapping of entries the name itself is no field.
        if model is not None and part in model.model_fields:
            model = _model_in(model.model_fields[str(part)].annotation)
    return list(model.model_fields) if model is not None else []


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model of `Model` or `dict[Name, Model]`."""
    from typing import get_args

    for one in (annotation, *get_args(annotation)):
        if isinstance(one, type) and issubclass(one, BaseModel):
            return one
    return None
