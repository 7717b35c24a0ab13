"""What every segmenter is: a network from one grey channel to one logit per class."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from augbench.core.component import Component

if TYPE_CHECKING:
    from torch import Tensor, nn


class Segmenter(Component):
    """Its fields are its section `segmenter` of params.yaml."""

    family = "segmenters"

    @abstractmethod
    def build(self, classes: int, image_size: int) -> nn.Module:
        """A network (n, 1, H, W) float -> (n, classes, H, W) logits, with random weights.

        Raises:
            UserError: frames of `image_size` are too small for the network.
        """

    @abstractmethod
    def encode(self, network: Any, images: Tensor) -> Tensor:
        """Deepest feature maps averaged over space: (n, 1, H, W) -> (n, d); the audit's `segmenter` features."""


def require_size(image_size: int, divisor: int, network: str) -> None:
    from augbench.core.errors import UserError

    if image_size % divisor or image_size < divisor:
        raise UserError(
            f"image is too small for {network}",
            got=f"{image_size} x {image_size}",
            expected=f"a multiple of {divisor}",
            remedy=f"set image_size to a multiple of {divisor}, or take fewer levels",
            file="params.yaml",
        )
