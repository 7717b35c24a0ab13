"""What every distance between two sets of frames is: two feature arrays in, a number with its interval out."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from augbench.core.component import Component


@dataclass(frozen=True)
class Estimate:
    """A distance between two sets of frames with its 95% confidence interval.

    Attributes:
        n_reference, n_sample: frames on either side; distances at different n are not comparable.
    """

    value: float
    ci_low: float
    ci_high: float
    n_reference: int
    n_sample: int


class FidelityMetric(Component):
    """Distance between real and synthetic frames, measured on features (n, d) that the caller names in each table."""

    higher_is_better: ClassVar[bool] = False

    @abstractmethod
    def estimate(
        self,
        reference: NDArray[np.floating],
        sample: NDArray[np.floating],
        rng: np.random.Generator,
        reference_subjects: NDArray[np.generic] | None = None,
        sample_subjects: NDArray[np.generic] | None = None,
    ) -> Estimate:
        """Distance of `sample` (m, d) to `reference` (n, d).

        Args:
            reference_subjects, sample_subjects: (n,) and (m,) patient of each frame; None when each frame is its own
                (synthetic frames). Frames of a patient resemble each other: without this the interval is too narrow.
        """
