"""nnunet: real images in nnU-Net's raw layout (PNG or NIfTI), one folder a site -> cohorts by patient.

Isensee et al., Nature Methods 2021 (doi 10.1038/s41592-020-01008-z) for the layout. docs/your-own-data.md shows it.
"""

from __future__ import annotations

import re
import sys
from itertools import combinations
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from augbench.core.component import Component
from augbench.core.seeding import child_rng
from augbench.core.types import COHORTS, Frames, LabelScheme
from augbench.datasets.base import Dataset
from augbench.datasets.nnunet.cohorts import build_scheme, frames_of, scheme_of, split_subjects
from augbench.datasets.nnunet.persons import merge_persons, require_different_people
from augbench.datasets.nnunet.reader import count_planes
from augbench.datasets.nnunet.root import resolve_root
from augbench.datasets.nnunet.source import Imported, Source, annotated_structures, import_source
from augbench.datasets.nnunet.splits import Share

FolderName = Annotated[str, Field(pattern=r"^[^/\\]*[^/\\.][^/\\]*$", description="name of a folder inside `root`")]
CropFraction = Annotated[float, Field(gt=0, le=1)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Subjects = Annotated[int, Field(ge=1)] | Fraction


class Override(Component):
    """Settings of one dataset that differ from the common ones."""

    crop_fraction: CropFraction | None = None
    subject_pattern: str | None = None
    default_view: str | None = None


class NnUNet(Dataset):
    """A training site and an external site, each a folder with dataset.json, imagesTr and labelsTr."""

    root: str = Field(min_length=1, description="folder that holds the datasets; ${NAME:-default} and ~ are expanded")
    training_dataset: FolderName
    external_dataset: FolderName
    development_dataset: FolderName | None = Field(
        None, description="a third site; null: development patients are taken from training_dataset"
    )
    generator_subjects: Subjects | None = Field(None, description="number or fraction; null: all the others leave")
    segmenter_subjects: Annotated[int, Field(ge=2)] | Fraction = Field(0.2, description="number or fraction")
    internal_subjects: Subjects = Field(0.125, description="held-out patients of the training site")
    development_subjects: Subjects | None = Field(0.125, description="null: all of development_dataset")
    external_subjects: Subjects | None = Field(None, description="null: all")
    validation_fraction: Fraction = Field(0.2, description="part of the segmenter cohort's patients")
    default_view: str = Field("sax", min_length=1, description="view of cases for which none is stated")
    subject_pattern: str = Field(
        r"(?P<subject>.+?)_.*", description="matches a whole case name; used where there is no cases.csv"
    )
    structure_names: dict[str, str] = Field({}, description="label name in dataset.json -> structure, if unusual")
    channel: int = Field(0, ge=0, le=9999, description="_0000, _0001, ... of imagesTr")
    crop_fraction: CropFraction = Field(1.0, description="side of the central square / shorter side of the image")
    intensity_percentiles: tuple[Annotated[float, Field(ge=0, lt=100)], Annotated[float, Field(gt=0, le=100)]] = Field(
        (0.5, 99.5), description="grey values that become 0 and 255, per frame"
    )
    nominal_field_of_view_mm: float = Field(
        320.0, gt=0, description="shorter side of an image whose spacing nothing states"
    )
    max_enlargement: float = Field(1.0, ge=1, description="how far a cropped image may be blown up to image_size")
    same_images: Literal["merge", "refuse"] = Field(
        "merge", description="subjects of one dataset that share a picture: treat as one person, or stop"
    )
    overrides: dict[str, Override] = Field({}, description="dataset folder -> its own settings")

    @field_validator("subject_pattern")
    @classmethod
    def _names_subject(cls, pattern: str) -> str:
        try:
            groups = re.compile(pattern).groupindex
        except re.error as error:
            raise ValueError(f"a regular expression ({error})") from error
        if "subject" not in groups:
            raise ValueError("a regular expression with a group (?P<subject>...)")
        return pattern

    @model_validator(mode="after")
    def _consistent(self) -> NnUNet:
        names = list(self.datasets.values())
        if len(set(names)) != len(names):
            raise ValueError(f"training, development and external must be different datasets, not {names}")
        unknown = sorted(set(self.overrides) - set(names))
        if unknown:
            raise ValueError(f"overrides names {unknown}, but the datasets are {names}")
        for override in self.overrides.values():
            if override.subject_pattern is not None:
                self._names_subject(override.subject_pattern)
        if self.development_subjects is None and self.development_dataset is None:
            raise ValueError("development_subjects may be null only where development_dataset is given")
        if self.intensity_percentiles[0] >= self.intensity_percentiles[1]:
            raise ValueError("intensity_percentiles must rise")
        return self

    def cohorts(self, image_size: int, views: tuple[str, ...], seed: int) -> dict[str, Frames]:
        """Import all folders, then split by patient; see `Dataset.cohorts`."""
        imported = {role: import_source(self.source(name), image_size, views) for role, name in self.datasets.items()}
        for data in imported.values():
            _announce(data, merge_persons(data, refuse=self.same_images == "refuse"))
        for one, other in combinations(imported.values(), 2):
            require_different_people(one, other)
        scheme = build_scheme(imported["training"].annotated, views)
        result: dict[str, Frames] = {}
        for role, data in imported.items():
            rng = child_rng(seed, "nnunet", "split", role)
            splits = split_subjects(data, self.shares(role), self.validation_fraction, rng)
            own = scheme_of(data, scheme)
            result |= {cohort: frames_of(data, subjects, own) for cohort, subjects in splits.items()}
        return {cohort: result[cohort] for cohort in COHORTS}

    def expected_frames(self, views: tuple[str, ...]) -> int:
        """Planes of the images of these views, from file names and headers."""
        sources = [self.source(name) for name in self.datasets.values()]
        return sum(count_planes(case) for source in sources for case in source.cases(source.description(), views))

    def scheme(self, views: tuple[str, ...]) -> LabelScheme:
        """The structures that the training dataset's masks hold, per view; another site may annotate fewer."""
        return build_scheme(annotated_structures(self.source(self.training_dataset), views), views)

    @property
    def datasets(self) -> dict[str, str]:
        """Role (training, development, external) -> folder name."""
        named = {
            "training": self.training_dataset,
            "development": self.development_dataset,
            "external": self.external_dataset,
        }
        return {role: name for role, name in named.items() if name is not None}

    def shares(self, role: str) -> dict[str, Share | None]:
        """Cohort -> number, fraction or None (all others) of the patients of one dataset."""
        if role != "training":
            return {role: self.development_subjects if role == "development" else self.external_subjects}
        shares: dict[str, Share | None] = {
            "generator": self.generator_subjects,
            "segmenter": self.segmenter_subjects,
            "internal": self.internal_subjects,
        }
        return shares if self.development_dataset else {**shares, "development": self.development_subjects}

    def source(self, name: str) -> Source:
        """A dataset folder with the settings that hold for it."""
        own = self.overrides.get(name, Override())
        return Source(
            folder=resolve_root(self.root) / name,
            channel=self.channel,
            subject_pattern=own.subject_pattern or self.subject_pattern,
            default_view=own.default_view or self.default_view,
            crop_fraction=own.crop_fraction or self.crop_fraction,
            structure_names=self.structure_names,
            intensity_percentiles=self.intensity_percentiles,
            nominal_field_of_view_mm=self.nominal_field_of_view_mm,
            max_enlargement=self.max_enlargement,
        )


def _announce(data: Imported, merged: dict[str, str]) -> None:
    """Say on stderr what a reader of the results has to know about the folder."""
    name = data.source.folder.name
    for gone, kept in merged.items():
        print(f"{name}: {gone} and {kept} have the same pictures and count as one person, {kept}", file=sys.stderr)


COMPONENT = NnUNet
