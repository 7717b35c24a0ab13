"""The embedded patients: hearts with repaired Tetralogy of Fallot in cine MR, drawn from physics and anatomy.

Nothing is downloaded. See docs/phantom.md for the model, its sources and how it compares with real frames.

    phantom = TofPhantom(cohorts={
        "segmenter": {"site": "main", "subjects": 42, "validation_fraction": 0.2},
        "external": {"site": "external", "subjects": 50},
    })
    frames = phantom.cohorts(image_size=64, views=("4ch", "sax"), seed=2026)["external"]
    frames.images, frames.labels     # (200, 64, 64) uint8 each: 50 patients, 2 views, ED and ES
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator

from augbench.core.bars import Bar, Bars, no_bar
from augbench.core.errors import UserError
from augbench.core.seeding import child_seed
from augbench.core.types import FRAME_COLUMNS, Frames, LabelScheme, Pairs
from augbench.datasets.base import Cohort, Dataset, Tables
from augbench.datasets.tof_phantom.render import ANNOTATED, STRUCTURES, render
from augbench.datasets.tof_phantom.sites import MAIN, SITES

_SIZES = (32, 512)
Phase = Annotated[float, Field(ge=0.0, le=1.0)]


class PhantomCohort(Cohort):
    """Patients of one site, with ids `<site>-<prefix>-<number>`."""

    site: Literal["main", "development", "external"] = Field(description="scanner, protocol and population")
    subjects: int = Field(ge=1, description="number of patients")
    prefix: str | None = Field(
        default=None, pattern="^[A-Za-z0-9]+$", description="stands in the patients' ids; null: the cohort's initial"
    )

    @model_validator(mode="after")
    def _both_splits(self) -> PhantomCohort:
        if self.validation_fraction and self.subjects < 2:
            raise ValueError("2 subjects or more where validation_fraction is not 0: one trains and one validates")
        return self

    def splits(self, name: str, seed: int) -> dict[str, str]:
        """Id of each patient of the cohort `name` -> `train` or `validation`; at least one of each where both exist."""
        stem = f"{self.site}-{self.prefix or name[:1]}"
        ids = [f"{stem}-{number:04d}" for number in range(1, self.subjects + 1)]
        wanted = round(self.validation_fraction * len(ids))
        if self.validation_fraction:
            wanted = min(max(wanted, 1), len(ids) - 1)
        chosen = set(sorted(ids, key=lambda one: child_seed(seed, "phantom", "validation", one))[:wanted])
        return {one: "validation" if one in chosen else "train" for one in ids}


class TofPhantom(Dataset):
    """Patients of three sites, `main`, `development` and `external`, in as many cohorts as the study names."""

    can_draw: ClassVar[bool] = True

    declared: dict[str, PhantomCohort] = Field(
        alias="cohorts", min_length=1, description="cohort -> site, subjects, validation_fraction, prefix"
    )
    phases: tuple[Phase, ...] = Field(
        default=(0.0, 1.0), min_length=1, description="moments of the cycle to draw, from 0 = ED to 1 = ES"
    )

    @field_validator("phases")
    @classmethod
    def _distinct(cls, phases: tuple[float, ...]) -> tuple[float, ...]:
        if len({phase_name(phase) for phase in phases}) != len(phases):
            raise ValueError("phases must differ by at least 0.01")
        return phases

    @model_validator(mode="after")
    def _different_patients(self) -> TofPhantom:
        owners: dict[tuple[str, str], str] = {}
        for name, cohort in self.declared.items():
            key = (cohort.site, cohort.prefix or name[:1])
            if key in owners:
                raise UserError(
                    f"cohorts '{owners[key]}' and '{name}' would have the same patients",
                    got=f"ids {key[0]}-{key[1]}-0001, ... in both",
                    expected="every patient in one cohort",
                    remedy=f"give one of them a prefix of its own: {name}: {{..., prefix: {name[:2]}}}",
                    file="params.yaml",
                )
            owners[key] = name
        return self

    def cohorts(self, image_size: int, views: tuple[str, ...], seed: int, bars: Bars = no_bar) -> dict[str, Frames]:
        """Every cohort, all patients in all views and phases; a frame follows from (seed, subject, view, phase).

        Raises:
            UserError: a view that the phantom does not know, or an image size out of range.
        """
        _require(views, image_size)
        with bars("draw the phantom", self.expected_frames(views), "frames") as bar:
            return {name: self._cohort(name, image_size, views, seed, bar) for name in self.declared}

    def draw(self, views: list[str], seeds: NDArray[np.int64], image_size: int) -> Pairs:
        """Fresh main-site patients, (n, 2, image_size, image_size) uint8: one a seed, which decides the phase too."""
        _require(views, image_size)
        out = np.empty((len(views), 2, image_size, image_size), np.uint8)
        for i, (view, seed) in enumerate(zip(views, seeds, strict=True)):
            phase = self.phases[child_seed(int(seed), "phantom", "fresh", "phase") % len(self.phases)]
            out[i] = render(int(seed), MAIN, "fresh", view, phase, image_size)
        return out

    def describe(self, image_size: int, views: tuple[str, ...], bars: Bars = no_bar) -> Tables:
        """Cohorts, the protocols of their sites and the annotated structures; nothing is drawn."""
        _require(views, image_size)
        tables: Tables = {"Cohorts": {}, "Sites": {}, "Views": {}}
        for name, cohort in self.declared.items():
            site = SITES[cohort.site]
            tables["Cohorts"][name] = {
                "site": site.name,
                "patients": cohort.subjects,
                "of them for validation": list(cohort.splits(name, seed=0).values()).count("validation"),
                "frames": cohort.subjects * len(views) * len(self.phases),
            }
            tables["Sites"][site.name] = {
                "field, T": site.field_t,
                "TR / TE, ms": f"{site.tr_ms} / {site.te_ms}",
                "field of view, mm": site.fov_mm,
                "pixel, mm": round(site.fov_mm / image_size, 2),
            }
        tables["Views"] = {view: {"structures": ", ".join(ANNOTATED[view])} for view in views}
        return tables

    def expected_frames(self, views: tuple[str, ...]) -> int:
        return sum(cohort.subjects for cohort in self.declared.values()) * len(views) * len(self.phases)

    def scheme(self, views: tuple[str, ...]) -> LabelScheme:
        """LV, MYO, RV, RA, LA = 1 to 5; a two-chamber view has no right heart, a short-axis view no atria."""
        _require(views)
        return LabelScheme(STRUCTURES, {view: ANNOTATED[view] for view in views})

    def _cohort(self, name: str, image_size: int, views: tuple[str, ...], seed: int, bar: Bar) -> Frames:
        cohort = self.declared[name]
        site = SITES[cohort.site]
        spacing = round(site.fov_mm / image_size, 6)
        pairs = np.empty((cohort.subjects * len(views) * len(self.phases), 2, image_size, image_size), np.uint8)
        rows: list[tuple[object, ...]] = []
        for subject_id, split in cohort.splits(name, seed).items():
            for view in views:
                for phase in self.phases:
                    moment = phase_name(phase)
                    pairs[len(rows)] = render(seed, site, subject_id, view, phase, image_size)
                    frame_id = f"{subject_id}_{view}_{moment}"
                    rows.append((frame_id, subject_id, site.name, view, moment, "ToF", spacing, split))
                    bar.advance()
        return Frames(pairs, pd.DataFrame(rows, columns=list(FRAME_COLUMNS)), self.scheme(views))


def phase_name(phase: float) -> str:
    """`ED`, `ES`, or the fraction of the way between with two decimals."""
    return {"0.00": "ED", "1.00": "ES"}.get(f"{phase:.2f}", f"{phase:.2f}")


def _require(views: tuple[str, ...] | list[str], image_size: int = _SIZES[0]) -> None:
    unknown = sorted(set(views) - set(ANNOTATED))
    if unknown or not len(views):
        raise UserError(
            "the phantom does not know this view" if unknown else "no view was asked for",
            got=", ".join(unknown) or "no views",
            expected=", ".join(ANNOTATED),
            remedy="correct 'views'",
            file="params.yaml",
        )
    if not _SIZES[0] <= image_size <= _SIZES[1]:
        raise UserError(
            "image size is out of range",
            got=image_size,
            expected=f"{_SIZES[0]} to {_SIZES[1]} pixels",
            remedy="correct 'image_size'",
            file="params.yaml",
        )


COMPONENT = TofPhantom
