"""What every dataset is: hyper-parameters in, cohorts of frames out."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
from numpy.typing import NDArray

from augbench.core.component import Component
from augbench.core.errors import UserError
from augbench.core.types import Frames, LabelScheme, Pairs


class Dataset(Component):
    """A source of cohorts. Its fields are its section `datasets.<name>` of params.yaml."""

    @abstractmethod
    def cohorts(self, image_size: int, views: tuple[str, ...], seed: int) -> dict[str, Frames]:
        """Every cohort of `core.types.COHORTS` that this dataset has.

        Args:
            image_size: height and width of every frame in pixels.
            views: the views to keep.
            seed: root seed; splits and drawings follow from it by name.
        """

    def draw(self, views: list[str], seeds: NDArray[np.int64], image_size: int) -> Pairs:
        """Fresh frames of fresh main-site subjects, (n, 2, H, W) uint8: frame i follows from `seeds[i]` alone.

        Raises:
            UserError: a dataset of real images cannot draw new patients.
        """
        raise UserError(
            f"dataset {type(self).__name__} cannot draw fresh subjects",
            got="the oracle generator with a dataset of real images",
            expected="the phantom dataset",
            remedy="remove 'oracle' from generators and controls in params.yaml",
            file="params.yaml",
        )

    @abstractmethod
    def expected_frames(self, views: tuple[str, ...]) -> int:
        """Frames of all cohorts together, told without reading or drawing a picture; for estimates."""

    @abstractmethod
    def scheme(self, views: tuple[str, ...]) -> LabelScheme:
        """Label values and the structures annotated in each view."""
