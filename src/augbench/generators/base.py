"""What every generator is: hyper-parameters in the constructor, data in `fit`, and another type once fitted."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from augbench.core.bars import Bars, no_bar
from augbench.core.checkpoint import Checkpoints
from augbench.core.component import Component
from augbench.core.errors import UserError
from augbench.core.types import Frames, Pairs

if TYPE_CHECKING:
    from torch import Tensor


@dataclass
class FitContext:
    """What a fit may use besides the frames.

    Attributes:
        seed: every random number of the fit follows from it.
        dataset_name, dataset_params: the dataset behind the frames; the oracle draws from it.
        accelerator: `cpu` or `gpu`.
        curve: rows of the training curve (`kimg` and any scores), appended to by the fit; the stage writes them.
        checkpoints: where a long fit saves its state now and then, and finds it again; None: nowhere.
        bars: draws the progress.
    """

    seed: int
    dataset_name: str
    dataset_params: dict[str, Any]
    accelerator: str = "cpu"
    curve: list[dict[str, float | str]] = field(default_factory=list)
    checkpoints: Checkpoints | None = None
    bars: Bars = no_bar


class TrainingDiverged(UserError):
    """Training could not be rescued.

    Args:
        what, got, expected, remedy: as of UserError.
        pairs: (n, 2, H, W) uint8, frames of the last good weights.
    """

    def __init__(self, what: str, *, got: str, expected: str, remedy: str, pairs: Pairs) -> None:
        super().__init__(what, got=got, expected=expected, remedy=remedy)
        self.pairs = pairs


class FittedGenerator(ABC):
    """Makes pairs of image and mask. Frame i follows from its seed and view alone."""

    @abstractmethod
    def sample(self, views: list[str], seeds: NDArray[np.int64]) -> Pairs:
        """Pairs (n, 2, H, W) uint8 for n views and n frame seeds."""

    @abstractmethod
    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Weights and the JSON-ready arguments that `Generator.restore` needs."""


class Generator(Component):
    """Its fields are its section `generators.<name>` of params.yaml."""

    #: Needs a dataset that can draw subjects who never were (`Dataset.draw`).
    draws_subjects: ClassVar[bool] = False

    @abstractmethod
    def fit(self, frames: Frames, context: FitContext) -> FittedGenerator:
        """Train on image-mask pairs."""

    @abstractmethod
    def restore(self, tensors: dict[str, Tensor], config: dict[str, Any], accelerator: str = "cpu") -> FittedGenerator:
        """The fitted generator from what `FittedGenerator.state` returned, to sample on `cpu` or `gpu`."""
