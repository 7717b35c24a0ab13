"""Random training batches, from frames that lie on the device."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from augbench.generators.adversarial.frame_spec import GROUP, Scale, TrainingSet


class Batches:
    """Batches in groups of one condition.

    Args:
        examples: all frames.
        batch_size: a multiple of GROUP.
        rng: which frames are drawn; of the CPU, whatever the device.
        device: where frames are held and batches are made.
    """

    def __init__(self, examples: TrainingSet, batch_size: int, rng: torch.Generator, device: torch.device) -> None:
        # Copied only if it is a read-only memory map, which torch cannot hold.
        self._pairs = torch.from_numpy(np.require(examples.pairs, requirements="W")).to(device)
        self._condition = torch.from_numpy(examples.condition)
        numbers = range(len(examples.spec.conditions))
        self._members = [torch.nonzero(self._condition == number)[:, 0] for number in numbers]
        # Row k is one-hot of class k, behind an empty first column for the image.
        self._one_hot = functional.pad(torch.eye(examples.spec.classes), (1, 0)).to(device)
        self._batch, self._rng, self._device = batch_size, rng, device

    def draw(self, scale: Scale) -> tuple[Tensor, Tensor]:
        """Frames (n, 1 + classes, side, side) as the discriminator sees them, and their conditions (n,)."""
        anchors = torch.randint(len(self._condition), (self._batch // GROUP,), generator=self._rng)
        rows = []
        for number in self._condition[anchors].tolist():
            members = self._members[number]
            rows.append(members[torch.randint(len(members), (GROUP,), generator=self._rng)])
        return self.take(torch.cat(rows), scale)

    def of_each_condition(self, count: int) -> Tensor:
        """Rows of the first `count` frames of every condition; one with fewer repeats them."""
        return torch.cat([members[torch.arange(count) % len(members)] for members in self._members])

    def take(self, row: Tensor, scale: Scale) -> tuple[Tensor, Tensor]:
        """The frames of the given rows, as `draw` gives them."""
        pairs = self._pairs[row.to(self._device)]
        pixels = functional.embedding(pairs[:, 1].int(), self._one_hot)
        pixels[..., 0] = pairs[:, 0].float().div_(127.5).sub_(1.0)
        x = pixels.permute(0, 3, 1, 2)
        if scale.side < x.shape[-1]:
            x = functional.avg_pool2d(x, x.shape[-1] // scale.side)
        if scale.alpha < 1.0:
            x = torch.lerp(upsample(functional.avg_pool2d(x, 2)), x, scale.alpha)
        return x, self._condition[row].to(self._device)


def upsample(x: Tensor) -> Tensor:
    """Nearest-neighbour doubling."""
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")
