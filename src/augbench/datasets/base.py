"""What every dataset is: the cohorts that a study names in, their frames out."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field

from augbench.core.bars import Bars, no_bar
from augbench.core.component import Component, Section
from augbench.core.errors import UserError
from augbench.core.types import Frames, LabelScheme, Pairs

#: Title of a table -> its rows by name -> their cells by column; text, whole and real numbers, or None.
Tables = dict[str, dict[str, dict[str, object]]]


class Cohort(Section):
    """A cohort as the study declares it; each dataset adds where the patients come from."""

    validation_fraction: float = Field(
        default=0.0, ge=0.0, lt=1.0, description="part of the patients whose split is `validation`; the rest is `train`"
    )


class Dataset(Component):
    """A source of cohorts. Its fields are the section `dataset` of params.yaml, `kind` apart.

    Attributes:
        can_draw: whether `draw` makes patients that nobody has seen.
        declared: cohort name -> what the study wants of it, in the study's order; the key `cohorts` of the section.
    """

    model_config = ConfigDict(serialize_by_alias=True)  # what `model_dump` gives makes the dataset again

    family: ClassVar[str] = "datasets"
    can_draw: ClassVar[bool] = False

    declared: Mapping[str, Cohort] = Field(alias="cohorts", min_length=1)

    @abstractmethod
    def cohorts(self, image_size: int, views: tuple[str, ...], seed: int, bars: Bars = no_bar) -> dict[str, Frames]:
        """Every cohort that the study names, in its order. No patient is in two of them.

        Args:
            image_size: height and width of every frame in pixels.
            views: the views to keep.
            seed: root seed; splits and drawings follow from it by name.
            bars: makes progress bars.

        Returns:
            cohort name -> frames, (n, 2, image_size, image_size) uint8, each patient's `split` `train` or `validation`.

        Raises:
            UserError: a view or size that the dataset does not have, too few patients, or a file that is no use.
        """

    def draw(self, views: list[str], seeds: NDArray[np.int64], image_size: int) -> Pairs:
        """Frames of fresh patients, (n, 2, image_size, image_size) uint8: frame i follows from `seeds[i]` alone.

        Args:
            views: view of each frame, (n,).
            seeds: (n,).

        Raises:
            UserError: `can_draw` is false: nobody can draw new patients of real images.
        """
        raise UserError(
            f"dataset {type(self).__name__} cannot draw fresh patients",
            got="a generator that draws from the dataset itself, with real images",
            expected="a dataset that is drawn, such as tof_phantom",
            remedy="remove generators of kind 'oracle' from params.yaml",
            file="params.yaml",
        )

    def describe(self, image_size: int, views: tuple[str, ...], bars: Bars = no_bar) -> Tables:
        """What the dataset holds and how the study divides it, as tables; everything is read and checked, nothing kept.

        Raises:
            UserError: there is nothing to describe, or a file cannot be used.
        """
        raise UserError(
            "nothing to inspect",
            got=f"dataset {type(self).__name__}, which does not describe itself",
            expected="a dataset with a method `describe`",
            remedy="run `dvc repro prepare` and read data/cohort/*/frames.csv",
            file="params.yaml",
        )

    @abstractmethod
    def expected_frames(self, views: tuple[str, ...]) -> int:
        """Frames of all cohorts together, told without reading or drawing a picture; for estimates."""

    @abstractmethod
    def scheme(self, views: tuple[str, ...]) -> LabelScheme:
        """Label values and the structures annotated in each view."""
