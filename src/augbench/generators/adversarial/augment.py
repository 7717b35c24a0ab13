"""What real and synthetic frames pass through before the discriminator sees them (DiffAugment, Zhao et al. 2020).

Differentiable and the same for both sides, so the generator does not learn to make augmented frames.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class AugmentationDraw(NamedTuple):
    """One draw for n frames: noise on the class maps, shifts of the whole frame, brightness of the image.

    Attributes:
        offset: (n, 1 + classes, h, w), added.
        row, column: (n, h, 1) and (n, 1, w), where each pixel comes from; None: no shift.
    """

    offset: Tensor
    row: Tensor | None
    column: Tensor | None

    def __call__(self, x: Tensor) -> Tensor:
        """(n, 1 + classes, h, w) -> the same shape; a new tensor."""
        return self._shifted(x) + self.offset

    def parts(self, count: int) -> list[AugmentationDraw]:
        """The same numbers, for `count` equal parts of the n frames."""
        split = [[None] * count if field is None else field.chunk(count) for field in self]
        return [AugmentationDraw(*fields) for fields in zip(*split, strict=True)]

    def _shifted(self, x: Tensor) -> Tensor:
        if self.row is None or self.column is None:
            return x
        # Pixels that come from outside are 0 in every channel, which no frame contains: it serves both sides alike.
        h, w = x.shape[2:]
        inside = (self.row >= 0) & (self.row < h) & (self.column >= 0) & (self.column < w)
        frame = torch.arange(len(x), device=x.device)[:, None, None]
        picked = x[frame, :, self.row.clamp(0, h - 1), self.column.clamp(0, w - 1)]
        return (picked * inside[..., None]).permute(0, 3, 1, 2)


def augmentation(
    shape: torch.Size, mask_noise: float, translation: float, brightness: float, rng: torch.Generator
) -> AugmentationDraw:
    """Random numbers for a step's batches of `shape` (n, 1 + classes, h, w), real and synthetic alike.

    Args:
        shape: of the batches.
        mask_noise: sd of the noise on the class maps.
        translation: greatest shift as a share of the side.
        brightness: greatest change of the image, in units of [-1, 1].
        rng: of the device on which the frames are.
    """
    n, channels, h, w = shape
    offset = torch.zeros(n, h, w, channels, device=rng.device)
    if mask_noise:
        offset.normal_(0.0, mask_noise, generator=rng)
    offset[..., 0] = (torch.rand(n, 1, 1, generator=rng, device=rng.device) * 2 - 1) * brightness
    offset = offset.permute(0, 3, 1, 2)
    most = round(translation * h)
    # Drawn in any case: an option must not change the random numbers of what follows.
    dy, dx = torch.randint(-most, most + 1, (2, n), generator=rng, device=rng.device)
    if not translation:
        return AugmentationDraw(offset, None, None)
    row = torch.arange(h, device=rng.device)[None, :, None] + dy[:, None, None]
    column = torch.arange(w, device=rng.device)[None, None, :] + dx[:, None, None]
    return AugmentationDraw(offset, row, column)
