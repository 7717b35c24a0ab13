"""What real and synthetic frames pass through before the discriminator sees them (DiffAugment, Zhao et al. 2020).

Differentiable and the same for both sides, so the generator does not learn to make augmented frames.
"""

from __future__ import annotations

import torch
from torch import Tensor


class Augment:
    """Random noise on the class maps, shifts of the whole frame, brightness of the image.

    Args:
        mask_noise: sd of the noise on the class maps.
        translation: greatest shift as a share of the side.
        brightness: greatest change of the image, in units of [-1, 1].
        rng: all random numbers.
    """

    def __init__(self, mask_noise: float, translation: float, brightness: float, rng: torch.Generator) -> None:
        self.mask_noise, self.translation, self.brightness, self.rng = mask_noise, translation, brightness, rng

    def redraw(self, shape: torch.Size, device: torch.device) -> None:
        """New random numbers for a step's batches of `shape` (n, 1 + classes, h, w), real and synthetic alike."""
        n, channels, h, w = shape
        offset = torch.zeros(n, h, w, channels)
        if self.mask_noise:
            offset.normal_(0.0, self.mask_noise, generator=self.rng)
        offset[..., 0] = (torch.rand(n, 1, 1, generator=self.rng) * 2 - 1) * self.brightness
        self._offset = offset.to(device).permute(0, 3, 1, 2)
        most = round(self.translation * h)
        dy, dx = torch.randint(-most, most + 1, (2, n), generator=self.rng)
        self._row = (torch.arange(h)[None, :, None] + dy[:, None, None]).to(device)
        self._column = (torch.arange(w)[None, None, :] + dx[:, None, None]).to(device)

    def __call__(self, x: Tensor) -> Tensor:
        """(n, 1 + classes, h, w) -> the same shape; a new tensor."""
        return (self._shifted(x) if self.translation else x) + self._offset

    def _shifted(self, x: Tensor) -> Tensor:
        # Pixels that come from outside are 0 in every channel, which no frame contains: it serves both sides alike.
        h, w = x.shape[2:]
        inside = (self._row >= 0) & (self._row < h) & (self._column >= 0) & (self._column < w)
        frame = torch.arange(len(x), device=x.device)[:, None, None]
        picked = x[frame, :, self._row.clamp(0, h - 1), self._column.clamp(0, w - 1)]
        return (picked * inside[..., None]).permute(0, 3, 1, 2)
