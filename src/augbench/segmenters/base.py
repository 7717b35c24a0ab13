"""What every segmenter is: a network from one grey channel to one logit per class."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from augbench.core.component import Component

if TYPE_CHECKING:
    from torch import Tensor, nn

_FLOAT_BYTES = 4
#: Weights, their gradients, two moments of AdamW and a copy in a checkpoint.
_TRAINING_WEIGHTS = 5
#: What backward keeps of a layer's outputs, and its own gradients (measured on both components).
_TRAINING_COPIES = 1.3
#: Share of all outputs that lives at one time without gradients.
_PREDICTION_SHARE = 0.45


class Segmenter(Component):
    """Its fields are its section `segmenter` of params.yaml."""

    family = "segmenters"

    @abstractmethod
    def build(self, classes: int, image_size: int) -> nn.Module:
        """A network (n, 1, H, W) float -> (n, classes, H, W) logits, with random weights.

        Raises:
            UserError: frames of `image_size` are too small for the network.
        """

    def memory_bytes(self, classes: int, image_size: int, batch_size: int, *, training: bool = True) -> int:
        """Bytes that a step takes beside the libraries and the frames, an estimate within a factor of 1.5.

        Args:
            batch_size: frames (1, image_size, image_size) at a time.
            training: with gradients and the optimiser's state, or prediction alone.

        Raises:
            UserError: as `build`.
        """
        import torch

        outputs = 0

        def count(layer: Any, _: Any, output: Any) -> None:
            nonlocal outputs
            in_place = isinstance(layer, torch.nn.Identity) or getattr(layer, "inplace", False)
            outputs += 0 if in_place or not isinstance(output, torch.Tensor) else output.numel()

        # On the device `meta` shapes are computed and nothing is stored.
        with torch.device("meta"), torch.no_grad():
            network = self.build(classes, image_size)
            for layer in network.modules():
                if not list(layer.children()):
                    layer.register_forward_hook(count)
            network.eval()(torch.empty(1, 1, image_size, image_size))
        weights = sum(parameter.numel() for parameter in network.parameters())
        if not training:
            return _FLOAT_BYTES * (weights + round(_PREDICTION_SHARE * outputs * batch_size))
        return _FLOAT_BYTES * (_TRAINING_WEIGHTS * weights + round(_TRAINING_COPIES * outputs * batch_size))

    @abstractmethod
    def encode(self, network: Any, images: Tensor) -> Tensor:
        """Deepest feature maps averaged over space: (n, 1, H, W) -> (n, d); the audit's `segmenter` features."""


def require_size(image_size: int, divisor: int, network: str) -> None:
    """Raises UserError unless `image_size` is a multiple of `divisor`."""
    from augbench.core.errors import UserError

    if image_size % divisor or image_size < divisor:
        raise UserError(
            f"image is too small for {network}",
            got=f"{image_size} x {image_size}",
            expected=f"a multiple of {divisor}",
            remedy=f"set image_size to a multiple of {divisor}, or take fewer levels",
            file="params.yaml",
        )
