"""Control, the worst case for privacy: training frames with a little noise. The audit must flag it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from augbench.core.types import Frames, Pairs
from augbench.generators.base import Draw, FitContext, FittedGenerator, Generator, require_known

if TYPE_CHECKING:
    from torch import Tensor


class Memoriser(Generator):
    """Returns a random training frame of the view that is asked for."""

    noise_sd: float = Field(4.0, ge=0, le=64, description="sd of the noise on the image, in grey levels of 255")

    def fit(self, frames: Frames, context: FitContext) -> FittedGenerator:
        """Keep every frame."""
        views = sorted(set(frames.views))
        config = {"views": views, "noise_sd": self.noise_sd}
        return FittedMemoriser(np.array(frames.pairs), np.array([views.index(view) for view in frames.views]), config)

    def restore(
        self, tensors: dict[str, Tensor], config: dict[str, Any], *, accelerator: str = "cpu", draw: Draw | None = None
    ) -> FittedGenerator:
        return FittedMemoriser(tensors["pairs"].numpy(), tensors["view"].numpy(), config)


class FittedMemoriser(FittedGenerator):
    """The training frames.

    Args:
        pairs: (n, 2, H, W) uint8.
        view: (n,) number of each frame's view in `config["views"]`.
        config: `views` and `noise_sd`.
    """

    def __init__(self, pairs: Pairs, view: NDArray[np.int64], config: dict[str, Any]) -> None:
        self.pairs, self.view, self.config = pairs, view, config
        self._members = {name: np.flatnonzero(view == number) for number, name in enumerate(config["views"])}

    def sample(self, conditions: list[str], seeds: NDArray[np.int64]) -> Pairs:
        require_known(conditions, self._members)
        out = np.empty((len(conditions), *self.pairs.shape[1:]), np.uint8)
        for row, (name, seed) in enumerate(zip(conditions, seeds, strict=True)):
            rng = np.random.default_rng(int(seed))
            pair = self.pairs[rng.choice(self._members[name])]
            noisy = pair[0] + rng.normal(0.0, self.config["noise_sd"], pair[0].shape)
            out[row, 0] = np.clip(np.rint(noisy), 0, 255)
            out[row, 1] = pair[1]
        return out

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        import torch

        return {"pairs": torch.from_numpy(self.pairs), "view": torch.from_numpy(self.view)}, self.config


COMPONENT = Memoriser
