"""Control, the upper bound of any generator: fresh draws of fresh subjects from the dataset itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from augbench.core.component import create
from augbench.core.types import Frames, Pairs
from augbench.generators.base import FitContext, FittedGenerator, Generator

if TYPE_CHECKING:
    from torch import Tensor


class Oracle(Generator):
    """Has no parameters; works with datasets that can draw new subjects (the phantom)."""

    draws_subjects = True

    def fit(self, frames: Frames, context: FitContext) -> FittedGenerator:
        """Keep what names the source; nothing is learned from the frames."""
        return FittedOracle(
            {
                "dataset": context.dataset_name,
                "params": context.dataset_params,
                "image_size": frames.image_size,
                "views": sorted(set(frames.views)),
            }
        )

    def restore(self, tensors: dict[str, Tensor], config: dict[str, Any], accelerator: str = "cpu") -> FittedGenerator:
        return FittedOracle(config)


class FittedOracle(FittedGenerator):
    """The dataset behind the frames."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        self._dataset = create("datasets", config["dataset"], config["params"])

    def sample(self, views: list[str], seeds: NDArray[np.int64]) -> Pairs:
        pairs: Pairs = self._dataset.draw(views, seeds, self.config["image_size"])
        return pairs

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        return {}, self.config


COMPONENT = Oracle
