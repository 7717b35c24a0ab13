"""Control, the upper bound of any generator: fresh draws of fresh subjects from the cohort's own process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from augbench.core.errors import UserError
from augbench.core.types import Frames, Pairs
from augbench.generators.base import Draw, FitContext, FittedGenerator, Generator, require_known

if TYPE_CHECKING:
    from torch import Tensor


class Oracle(Generator):
    """Has no parameters; works with datasets that can draw new subjects (a phantom)."""

    draws_subjects = True

    def fit(self, frames: Frames, context: FitContext) -> FittedGenerator:
        """Keep what is to be drawn; nothing is learned from the frames."""
        config = {"image_size": frames.image_size, "views": sorted(set(frames.views))}
        return self.restore({}, config, draw=context.draw)

    def restore(
        self, tensors: dict[str, Tensor], config: dict[str, Any], *, accelerator: str = "cpu", draw: Draw | None = None
    ) -> FittedGenerator:
        if draw is None:
            raise UserError(
                "the oracle has nothing to draw from",
                got="a dataset that cannot draw fresh subjects",
                expected="a dataset that can, such as a phantom",
                remedy="remove the oracle from 'generators' and 'arms'",
                file="params.yaml",
            )
        return FittedOracle(draw, config)


class FittedOracle(FittedGenerator):
    """The process behind the frames.

    Args:
        draw: makes fresh subjects.
        config: `image_size` in pixels and `views`.
    """

    def __init__(self, draw: Draw, config: dict[str, Any]) -> None:
        self._draw, self.config = draw, config

    def sample(self, conditions: list[str], seeds: NDArray[np.int64]) -> Pairs:
        require_known(conditions, self.config["views"])
        return self._draw(conditions, seeds, self.config["image_size"])

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        return {}, self.config


COMPONENT = Oracle
