"""The embedded cohort: hearts with repaired Tetralogy of Fallot in cine MR, drawn from physics and anatomy.

Nothing is downloaded. See docs/phantom.md for the model, its sources and how it compares with real frames.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field, field_validator

from augbench.core.errors import UserError
from augbench.core.seeding import child_seed
from augbench.core.types import FRAME_COLUMNS, Frames, LabelScheme, Pairs
from augbench.datasets.base import Dataset
from augbench.datasets.phantom.render import ANNOTATED, STRUCTURES, render
from augbench.datasets.phantom.sites import DEVELOPMENT, EXTERNAL, MAIN, Site
from augbench.runtime.progress import Progress, progress

_SIZES = (32, 512)
#: Which site a cohort's patients come from, and the prefix of their ids.
_ORIGIN: dict[str, tuple[Site, str]] = {
    "generator": (MAIN, "main-g"),
    "segmenter": (MAIN, "main-s"),
    "internal": (MAIN, "main-i"),
    "development": (DEVELOPMENT, "development-d"),
    "external": (EXTERNAL, "external-e"),
}

Phase = Annotated[float, Field(ge=0.0, le=1.0)]


class Phantom(Dataset):
    """Patients of three sites: `main` (generator, segmenter, internal), `development` and `external`."""

    generator_subjects: int = Field(
        default=303, ge=1, description="patients the generator trains on; Diller 2020 had 303"
    )
    segmenter_subjects: int = Field(
        default=42, ge=2, description="other patients, for the real-data U-Net; Diller 2020 had 42"
    )
    internal_subjects: int = Field(default=50, ge=1, description="held-out patients of the main site")
    development_subjects: int = Field(default=50, ge=1, description="patients of the site on which choices are made")
    external_subjects: int = Field(
        default=50, ge=1, description="patients of the external test site; Diller 2020 had 50"
    )
    validation_fraction: float = Field(
        default=0.2, gt=0.0, lt=1.0, description="share of segmenter patients for validation"
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

    def cohorts(self, image_size: int, views: tuple[str, ...], seed: int) -> dict[str, Frames]:
        """Every cohort, all subjects in all views and phases; a frame follows from (seed, subject, view, phase)."""
        _require(views, image_size)
        counts = {role: int(getattr(self, f"{role}_subjects")) for role in _ORIGIN}
        total = sum(counts.values()) * len(views) * len(self.phases)
        with progress("draw phantom", total) as bar:
            return {role: self._cohort(role, counts[role], image_size, views, seed, bar) for role in _ORIGIN}

    def draw(self, views: list[str], seeds: NDArray[np.int64], image_size: int) -> Pairs:
        """Fresh main-site patients, (n, 2, H, W) uint8: one a frame seed, in a phase that follows from it too."""
        _require(views, image_size)
        out = np.empty((len(views), 2, image_size, image_size), np.uint8)
        for i, (view, seed) in enumerate(zip(views, seeds, strict=True)):
            phase = self.phases[child_seed(int(seed), "phantom", "fresh", "phase") % len(self.phases)]
            out[i] = render(int(seed), MAIN, "fresh", view, phase, image_size)
        return out

    def expected_frames(self, views: tuple[str, ...]) -> int:
        return sum(getattr(self, f"{role}_subjects") for role in _ORIGIN) * len(views) * len(self.phases)

    def scheme(self, views: tuple[str, ...]) -> LabelScheme:
        """LV, MYO, RV, RA, LA = 1 to 5; a two-chamber view has no right heart, a short-axis view no atria."""
        _require(views)
        return LabelScheme(STRUCTURES, {view: ANNOTATED[view] for view in views})

    def _cohort(
        self, role: str, subjects: int, image_size: int, views: tuple[str, ...], seed: int, bar: Progress
    ) -> Frames:
        site, prefix = _ORIGIN[role]
        ids = [f"{prefix}-{number:04d}" for number in range(1, subjects + 1)]
        splits = self._splits(ids, seed) if role == "segmenter" else dict.fromkeys(ids, role)
        pairs = np.empty((subjects * len(views) * len(self.phases), 2, image_size, image_size), np.uint8)
        rows: list[tuple[object, ...]] = []
        for subject_id in ids:
            for view in views:
                for phase in self.phases:
                    name = phase_name(phase)
                    pairs[len(rows)] = render(seed, site, subject_id, view, phase, image_size)
                    frame_id = f"{subject_id}_{view}_{name}"
                    spacing = round(site.fov_mm / image_size, 6)
                    rows.append((frame_id, subject_id, site.name, view, name, "ToF", spacing, splits[subject_id]))
                    bar.advance()
        return Frames(pairs, pd.DataFrame(rows, columns=list(FRAME_COLUMNS)), self.scheme(views))

    def _splits(self, ids: list[str], seed: int) -> dict[str, str]:
        """`train` or `validation` for each patient, at least one of each."""
        wanted = min(max(round(self.validation_fraction * len(ids)), 1), len(ids) - 1)
        chosen = set(sorted(ids, key=lambda name: child_seed(seed, "phantom", "validation", name))[:wanted])
        return {name: "validation" if name in chosen else "train" for name in ids}


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


COMPONENT = Phantom
