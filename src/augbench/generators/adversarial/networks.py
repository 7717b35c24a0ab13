"""What the training loop asks of networks, and the last layer that every generator of image-mask pairs needs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from augbench.core.types import Pairs
from augbench.generators.adversarial.frame_spec import Scale


class GeneratorNetwork(nn.Module, ABC):
    """Code and condition to image and class probabilities.

    Attributes:
        latent_size: length of the latent.
    """

    latent_size: int

    def code_size(self, scale: Scale) -> int:
        """Normal numbers that make one frame: the latent first, then pixel noise if the network takes any."""
        return self.latent_size

    @abstractmethod
    def forward(self, code: Tensor, condition: Tensor, scale: Scale) -> Tensor:
        """(n, code_size(scale)) standard normal, (n,) int64 -> (n, 1 + classes, side, side).

        Channel 0 is the image in [-1, 1], unclipped, the others are class probabilities.
        """


class DiscriminatorNetwork(nn.Module, ABC):
    """Frame and condition to a score."""

    @abstractmethod
    def forward(self, x: Tensor, condition: Tensor, scale: Scale) -> Tensor:
        """(n, 1 + classes, side, side), (n,) int64 -> (n,) scores; high is real."""


class MaskHead(nn.Module):
    """Joins image and class probabilities; classes that a condition cannot show get probability 0.

    Args:
        allowed: per condition, which classes it can show.
    """

    def __init__(self, allowed: Sequence[Sequence[bool]]) -> None:
        super().__init__()
        forbidden = torch.where(torch.tensor(allowed), 0.0, -1e4)[:, :, None, None]
        self.register_buffer("forbidden", forbidden, persistent=False)
        self.forbidden: Tensor

    def forward(self, image: Tensor, logits: Tensor, condition: Tensor) -> Tensor:
        """(n, 1, h, w), (n, classes, h, w), (n,) -> (n, 1 + classes, h, w), channels_last."""
        parts = [image, torch.softmax(logits + self.forbidden[condition], 1)]
        # Joined with the channels in the last dimension: joined in the second, they would lose their memory format.
        return torch.cat([part.permute(0, 2, 3, 1) for part in parts], -1).permute(0, 3, 1, 2)


def quantised(out: Tensor) -> Pairs:
    """Output of a generator (n, 1 + classes, h, w) as stored pairs (n, 2, h, w) uint8."""
    pairs = np.empty((len(out), 2, *out.shape[2:]), np.uint8)
    pairs[:, 0] = ((out[:, 0] + 1) * 127.5).round_().clamp_(0, 255).byte().cpu().numpy()
    pairs[:, 1] = out[:, 1:].max(1).indices.byte().cpu().numpy()
    return pairs
