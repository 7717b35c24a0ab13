"""Classical augmentation of whole batches, on in every arm: synthetic data has to beat it, not an empty opponent.

A frame's augmentation follows from the training's seed and the frame's place alone, whatever batch it is in. No library
does that for a batch: kornia draws from torch's global generator, torchvision draws once for all frames of a batch, and
MONAI works frame by frame, which took a fifth of the training (docs/decisions/0015-arms-at-their-plateau.md).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from augbench.core.params import Augmentation
from augbench.core.types import Pairs

#: Uniform numbers drawn for a frame, more than are used: a further transform leaves those before it as they were.
_NUMBERS = 64
#: Taps of the Gaussian on each side: three sigma of 2 pixels.
_RADIUS = 6


class Draws:
    """Random numbers of a batch, one row a frame; each frame's come from a counter-based generator of its own."""

    def __init__(self, seed: int, places: Sequence[int], noise: tuple[int, ...]) -> None:
        """
        Args:
            seed: key of the generator, below 2**64.
            places: a frame's place in the training.
            noise: shape of each frame's standard normal numbers, without the batch.
        """
        numbers = np.empty((len(places), _NUMBERS))
        normal = np.empty((len(places), *noise), np.float32)
        for row, place in enumerate(places):
            rng = np.random.Generator(np.random.Philox(key=seed, counter=[0, 0, 0, place]))
            rng.random(out=numbers[row])
            rng.standard_normal(out=normal[row], dtype=np.float32)
        self._numbers, self._used = torch.from_numpy(numbers.astype(np.float32)), 0
        self.normal = torch.from_numpy(normal)

    def uniform(self, low: float, high: float) -> Tensor:
        """(n,) in [low, high]."""
        self._used += 1
        return low + (high - low) * self._numbers[:, self._used - 1]

    def chosen(self, probability: float) -> Tensor:
        """(n,) 1.0 with this probability, else 0.0."""
        return (self.uniform(0, 1) < probability).float()


def augment(
    images: Tensor, labels: Tensor, params: Augmentation, seed: int, places: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """Augmented frames, normalised.

    Args:
        images, labels: (n, 1, H, W) float32; images in [0, 1].
        seed: the augmentations' root, below 2**64.
        places: of each frame in the training.

    Returns:
        Images (n, 1, H, W) float32 with mean 0 and SD 1 each, and label maps (n, 1, H, W) int64 with no new value.
    """
    height, width = images.shape[-2:]
    draws = Draws(seed, places, (2, 1, height, width) if params.rician_noise else (0,))
    grid = _affine(draws, params, images.shape)
    # Beyond the edge: the edge's own value; a black border would be a cue that no test image has.
    image = functional.grid_sample(images, grid, "bilinear", "border", align_corners=False)
    label = functional.grid_sample(labels, grid, "nearest", "border", align_corners=False)
    image = _gamma(image, draws, params)
    if params.bias_field:
        image = image * _bias_field(draws, params, height, width)
    if params.blur_px:
        image = _blur(image, draws, params)
    if params.rician_noise:
        image = _rician_noise(image, draws, params)
    return standardise(image), label.long()


def _affine(draws: Draws, params: Augmentation, shape: torch.Size) -> Tensor:
    """Sampling grid (n, H, W, 2) of a rotation, zoom and shift of each frame."""
    on = draws.chosen(params.probability)
    angle = math.radians(params.rotation_deg) * draws.uniform(-1, 1) * on
    # Evenly in the logarithm: as often half as large as twice as large.
    zoom = torch.exp(math.log1p(params.scaling) * draws.uniform(-1, 1) * on)
    # The grid's unit is half an image.
    right, down = (2 * params.translation * draws.uniform(-1, 1) * on for _ in range(2))
    cosine, sine = torch.cos(angle) / zoom, torch.sin(angle) / zoom
    rows = [torch.stack([cosine, -sine, right], 1), torch.stack([sine, cosine, down], 1)]
    return functional.affine_grid(torch.stack(rows, 1), list(shape), align_corners=False)


def _gamma(images: Tensor, draws: Draws, params: Augmentation) -> Tensor:
    on = draws.chosen(params.probability)
    exponent = torch.exp(math.log(params.gamma) * draws.uniform(-1, 1) * on)
    return images.clamp(0, 1) ** _column(exponent)


def _bias_field(draws: Draws, params: Augmentation, height: int, width: int) -> Tensor:
    """exp of a polynomial of degree 2 over the image, coordinates in [-1, 1]: (n, 1, H, W)."""
    on = draws.chosen(params.probability)
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    exponent = torch.zeros(1)
    for term in (torch.ones_like(x), x, y, x * x, x * y, y * y):
        exponent = exponent + _column(params.bias_field * draws.uniform(-1, 1) * on) * term
    return torch.exp(exponent)


def _blur(images: Tensor, draws: Draws, params: Augmentation) -> Tensor:
    """Gaussian of each frame's own width."""
    on = draws.chosen(params.probability)
    # A sigma of a hundredth of a pixel is no blur at all, and no division by zero.
    sigma = (params.blur_px * draws.uniform(0, 1) * on).clamp(min=0.01)[:, None]
    taps = torch.exp(-(torch.arange(-_RADIUS, _RADIUS + 1) ** 2) / (2 * sigma**2))
    taps = taps / taps.sum(1, keepdim=True)
    count = len(images)
    # Frames as channels of one image, each with its own kernel.
    out = functional.pad(images.transpose(0, 1), [_RADIUS] * 4, mode="replicate")
    out = functional.conv2d(out, taps.view(count, 1, -1, 1), groups=count)
    return functional.conv2d(out, taps.view(count, 1, 1, -1), groups=count).transpose(0, 1)


def _rician_noise(images: Tensor, draws: Draws, params: Augmentation) -> Tensor:
    """Magnitude of the image with noise in both channels of the receiver (Gudbjartsson and Patz 1995)."""
    on = draws.chosen(params.probability)
    sd = _column(params.rician_noise * draws.uniform(0, 1) * on)
    return torch.hypot(images + sd * draws.normal[:, 0], sd * draws.normal[:, 1])


def _column(values: Tensor) -> Tensor:
    return values.view(-1, 1, 1, 1)


def standardise(images: Tensor) -> Tensor:
    """Each of (n, 1, H, W) with mean 0 and SD 1; a constant image is 0 everywhere."""
    mean = images.mean(dim=(2, 3), keepdim=True)
    sd = images.std(dim=(2, 3), keepdim=True, unbiased=False)
    return (images - mean) / torch.where(sd == 0, torch.ones_like(sd), sd)


def normalise(images: Pairs) -> Tensor:
    """8-bit images (n, H, W) as the network sees them without augmentation: (n, 1, H, W), each mean 0 and SD 1."""
    return standardise(torch.from_numpy(np.asarray(images, dtype=np.float32) / 255)[:, None])
