"""nnunet: your own images, in the `raw layout of nnU-Net <https://github.com/MIC-DKFZ/nnUNet>`_ (PNG or NIfTI).

Each site is a folder with dataset.json, imagesTr and labelsTr (and cases.csv, which says who is who). Cohorts are parts
of folders, by patient::

    dataset = NnUNet(root="images", crop_fraction=0.65, cohorts={
        "generator": {"dataset": "Dataset101_ACDC"},                                     # all that the others leave
        "segmenter": {"dataset": "Dataset101_ACDC", "share": 0.2, "validation_fraction": 0.2},
        "external": {"dataset": "Dataset103_Sunnybrook"},
    })
    frames = dataset.cohorts(image_size=64, views=("sax",), seed=2020)["segmenter"]
    frames.images, frames.labels     # (n, 64, 64) uint8 each; frames.scheme says what the values mean

docs/your-own-data.md shows the layout, every setting and what is refused.

.. note::
    Nothing is downloaded, and the licence of images is that of their owners. Public sets in this layout:

    - ACDC, cine MR, RV=1, MYO=2, LV=3: CC BY-NC-SA 4.0. Bernard et al., IEEE TMI 2018 (doi 10.1109/TMI.2018.2837502).
    - Sunnybrook, cine MR, LV=1: CC0. Radau et al., MIDAS Journal 2009.
    - CAMUS, echocardiography, LV=1, MYO=2, LA=3: CC BY-NC-SA 4.0. Leclerc et al., IEEE TMI 2019
      (doi 10.1109/TMI.2019.2900516).
    - M&Ms, cine MR, LV=1, MYO=2, RV=3: for research. Campello et al., IEEE TMI 2021 (doi 10.1109/TMI.2021.3090082).

    For the layout cite Isensee et al., Nature Methods 2021 (doi 10.1038/s41592-020-01008-z).
"""

from __future__ import annotations

import sys
from itertools import combinations
from typing import Literal

import pandas as pd
from pydantic import Field, model_validator

from augbench.core.bars import Bars, no_bar
from augbench.core.types import Frames, LabelScheme
from augbench.datasets.base import Dataset, Tables
from augbench.datasets.nnunet.description import scheme_of
from augbench.datasets.nnunet.patients import (
    FolderCohort,
    cohort_sizes,
    deal,
    merge_persons,
    require_different_people,
    require_room,
)
from augbench.datasets.nnunet.reader import count_planes
from augbench.datasets.nnunet.source import Folder, Imported, Reading, resolve_root


class NnUNet(Reading, Dataset):
    """Cohorts out of folders in nnU-Net's raw layout. The folder of the first cohort decides the structures."""

    root: str = Field(min_length=1, description="folder that holds the datasets; ${NAME:-default} and ~ are expanded")
    declared: dict[str, FolderCohort] = Field(
        alias="cohorts", min_length=1, description="cohort -> dataset, share or subjects, validation_fraction"
    )
    same_images: Literal["merge", "refuse"] = Field(
        "merge", description="subjects of one dataset that share a picture: treat as one person, or stop"
    )
    overrides: dict[str, Reading] = Field({}, description="dataset folder -> settings that differ there")

    @model_validator(mode="after")
    def _consistent(self) -> NnUNet:
        require_room(self.declared)
        unknown = sorted(set(self.overrides) - set(self.folder_names))
        if unknown:
            raise ValueError(f"overrides names {unknown}, but the datasets are {self.folder_names}")
        return self

    @property
    def folder_names(self) -> list[str]:
        """Folders that some cohort comes from, in the study's order."""
        return list(dict.fromkeys(cohort.dataset for cohort in self.declared.values()))

    def folder(self, name: str) -> Folder:
        """A dataset folder with the settings that hold for it."""
        common = {key: getattr(self, key) for key in Reading.model_fields}
        own = self.overrides[name].model_dump(exclude_unset=True) if name in self.overrides else {}
        return Folder(resolve_root(self.root) / name, Reading(**{**common, **own}))

    def cohorts(self, image_size: int, views: tuple[str, ...], seed: int, bars: Bars = no_bar) -> dict[str, Frames]:
        """Import all folders, then split each by patient; see `Dataset.cohorts`."""
        result: dict[str, Frames] = {}
        for data, scheme in self._in_common(self._import(image_size, views, bars), views):
            folder = data.folder.path
            splits = deal(data.pathology, self._declared_of(folder.name), seed, folder)
            result |= {name: data.frames(who, scheme) for name, who in splits.items()}
        return {name: result[name] for name in self.declared}

    def expected_frames(self, views: tuple[str, ...]) -> int:
        """About the planes of these views, from file names and headers: patients may have different numbers of them."""
        expected = 0.0
        for name in self.folder_names:
            folder = self.folder(name)
            cases = folder.cases(folder.description(), views)
            patients = len({case.subject_id for case in cases})
            taken = sum(cohort_sizes(patients, self._declared_of(name), folder.path).values())
            expected += sum(map(count_planes, cases)) * taken / patients
        return round(expected)

    def scheme(self, views: tuple[str, ...]) -> LabelScheme:
        """What the masks in the first cohort's folder hold, by its own order of values; another may annotate fewer."""
        folder = self.folder(self.folder_names[0])
        return scheme_of(folder.description(), folder.annotated(views), views)

    def describe(self, image_size: int, views: tuple[str, ...], bars: Bars = no_bar) -> Tables:
        """Cohorts and their sizes, then each folder's files, labels, views, phases and pathologies.

        Raises:
            UserError: the first file, patient or label that `cohorts` would refuse.
        """
        tables: Tables = {"Cohorts": {name: {} for name in self.declared}}
        for title in ("Folders", "Labels", "Views", "Phases", "Patients by pathology"):
            tables[title] = {}
        for data, scheme in self._in_common(self._import(image_size, views, bars), views):
            name, table = data.folder.path.name, data.table
            for cohort, members in deal(data.pathology, self._declared_of(name), 0, data.folder.path).items():
                held = list(members.values()).count("validation")
                tables["Cohorts"][cohort] = {"dataset": name, "patients": len(members), "of them for validation": held}
            for fact, value in _facts(data).items():
                tables["Folders"].setdefault(fact, {})[name] = value
            tables["Labels"][name] = {structure: value for value, structure in data.description.structures.items()}
            tables["Phases"][name] = _counts(table["phase"].value_counts().sort_index())
            tables["Patients by pathology"][name] = _counts(table.groupby("pathology")["subject_id"].nunique())
            for view in views:
                part = table[table["view"] == view]
                tables["Views"][f"{name}, {view}"] = {
                    "frames": len(part),
                    "patients": part["subject_id"].nunique(),
                    "structures": ", ".join(scheme.annotated[view]),
                }
        return tables

    def _declared_of(self, folder: str) -> dict[str, FolderCohort]:
        return {name: cohort for name, cohort in self.declared.items() if cohort.dataset == folder}

    def _import(self, image_size: int, views: tuple[str, ...], bars: Bars) -> list[Imported]:
        """All folders in the study's order, each person under one id and in one folder."""
        imported = [self.folder(name).read(image_size, views, bars) for name in self.folder_names]
        for data in imported:
            for gone, kept in merge_persons(data, refuse=self.same_images == "refuse").items():
                said = f"{gone} and {kept} have the same pictures and count as one person, {kept}"
                print(f"{data.folder.path.name}: {said}", file=sys.stderr)
        for one, other in combinations(imported, 2):
            require_different_people(one, other)
        return imported

    def _in_common(self, imported: list[Imported], views: tuple[str, ...]) -> list[tuple[Imported, LabelScheme]]:
        """Each folder with the label values that all share and what it annotates of them; the first one decides."""
        common = scheme_of(imported[0].description, imported[0].annotated, views)
        return [(data, scheme_of(data.description, data.annotated, views, common)) for data in imported]


def _counts(counted: pd.Series[int]) -> dict[str, object]:
    return {str(value) or "not stated": int(count) for value, count in counted.items()}


def _facts(data: Imported) -> dict[str, object]:
    """What a reader of the results has to know about a folder's files."""
    table, sizes = data.table, data.table["size"]
    spacings = [spacing[0] for spacing in table["source_mm"] if spacing is not None]
    return {
        "cases announced": data.description.announced,
        "frames": len(table),
        "patients": table["subject_id"].nunique(),
        "file ending": data.description.file_ending,
        "smallest image, px": " x ".join(map(str, min(sizes, key=min))),
        "largest image, px": " x ".join(map(str, max(sizes, key=max))),
        "pixel spacing, mm": f"{min(spacings):.3g} to {max(spacings):.3g}" if spacings else "not stated: nominal",
        "labelled pixels cut off, %": round(100 * float(table["outside"].mean()), 2),
        "frames with some cut off": int((table["outside"] > 0).sum()),
    }


COMPONENT = NnUNet
