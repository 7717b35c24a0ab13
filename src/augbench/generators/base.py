"""What every generator is: hyper-parameters in the constructor, data in `fit`, and another type once fitted.

A generator is a folder `generators/<kind>/`, on which its stages depend as a whole.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
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

#: Fresh subjects of the process that made a cohort: n views, n frame seeds and the side in pixels to (n, 2, H, H)
#: uint8 pairs; frame i follows from its seed and view alone.
Draw = Callable[[list[str], NDArray[np.int64], int], Pairs]


@dataclass
class FitContext:
    """What a fit may use besides the frames.

    Attributes:
        seed: every random number of the fit follows from it.
        accelerator: `cpu` or `gpu`.
        precision: `fp32`, or `bf16` for mixed precision.
        draw: fresh subjects of the cohort's own process, where there is one; the oracle uses it.
        curve: rows of the training curve (`kimg` and any scores), appended to by the fit; the stage writes them.
        checkpoints: where a long fit saves its state now and then, and finds it again; None: nowhere.
        bars: draws the progress.
    """

    seed: int
    accelerator: str = "cpu"
    precision: str = "fp32"
    draw: Draw | None = None
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
    """Makes pairs of image and mask. Frame i follows from its seed and condition alone.

    Attributes:
        condition: the column of the frames' table whose values `sample` is asked for.
    """

    condition: str = "view"

    @abstractmethod
    def sample(self, conditions: list[str], seeds: NDArray[np.int64]) -> Pairs:
        """Pairs (n, 2, H, W) uint8 for n conditions (views, if nothing else is said) and n frame seeds.

        Raises:
            UserError: a condition that the training frames did not have (`require_known`).
        """

    @abstractmethod
    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Weights and the JSON-ready arguments that `Generator.restore` needs."""


class Generator(Component):
    """Its fields are the parameters of its entry in section `generators` of params.yaml."""

    family = "generators"

    #: Needs a dataset that can draw subjects who never were (`FitContext.draw`).
    draws_subjects: ClassVar[bool] = False

    @abstractmethod
    def fit(self, frames: Frames, context: FitContext) -> FittedGenerator:
        """Train on image-mask pairs."""

    @abstractmethod
    def restore(
        self, tensors: dict[str, Tensor], config: dict[str, Any], *, accelerator: str = "cpu", draw: Draw | None = None
    ) -> FittedGenerator:
        """The fitted generator from what `FittedGenerator.state` returned, to sample on `cpu` or `gpu`."""

    def require(self, image_size: int, classes: int, conditions: int) -> None:
        """Check, without data and within milliseconds, that `fit` takes frames of this kind; all do by default.

        Args:
            image_size: height and width in pixels.
            classes: number of classes with background.
            conditions: number of conditions.

        Raises:
            UserError: a parameter does not fit them.
        """

    def memory_bytes(self, image_size: int, classes: int) -> int:
        """Working memory of a fit besides its frames and libraries, an estimate; 0 where it is not worth a number."""
        return 0

    def fit_seconds(
        self, image_size: int, classes: int, conditions: int, *, accelerator: str = "cpu", precision: str = "fp32"
    ) -> float:
        """Wall time of a fit on this machine, estimated from a few real steps; 0 where nothing is trained."""
        return 0.0


def require_known(conditions: Iterable[str], known: Iterable[str]) -> None:
    """Every condition must be one of the training frames'.

    Raises:
        UserError: names the first that is not.
    """
    names = list(known)
    unknown = sorted(set(conditions) - set(names))
    if unknown:
        raise UserError(
            f"generator was not trained on '{unknown[0]}'",
            got=unknown[0],
            expected=", ".join(names),
            remedy="ask for a view or condition of the training frames",
            file="params.yaml",
        )
