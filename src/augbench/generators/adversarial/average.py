"""The average of a network's weights over the last steps."""

from __future__ import annotations

import torch
from torch import nn


class Average:
    """Exponential moving average of parameters, whose old values count half after `half_life_kimg`; buffers are copied.

    Attributes:
        weights: name -> tensor, as `state_dict` has them.
    """

    def __init__(self, network: nn.Module, half_life_kimg: float) -> None:
        self.half_life_kimg = half_life_kimg
        present = network.state_dict(keep_vars=True)
        self.weights = {name: tensor.detach().clone() for name, tensor in present.items()}
        trained = {name for name, _ in network.named_parameters()}
        self._parameters = [(self.weights[name], present[name].detach()) for name in present if name in trained]
        self._buffers = [(self.weights[name], present[name]) for name in present if name not in trained]

    def update(self, images: int) -> None:
        """Move towards the present weights by what `images` frames are worth."""
        decay = 0.5 ** (images / (1000.0 * self.half_life_kimg))
        averages, present = zip(*self._parameters, strict=True)
        torch._foreach_lerp_(averages, present, 1.0 - decay)
        for average, buffer in self._buffers:
            average.copy_(buffer)
