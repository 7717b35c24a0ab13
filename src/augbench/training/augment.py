"""Classical augmentation through MONAI, on in every arm: synthetic data has to beat it, not an empty opponent."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from monai.data.meta_obj import set_track_meta
from monai.transforms.compose import Compose
from monai.transforms.intensity.dictionary import (
    NormalizeIntensityd,
    RandAdjustContrastd,
    RandBiasFieldd,
    RandGaussianSmoothd,
    RandRicianNoised,
)
from monai.transforms.spatial.dictionary import RandAffined
from monai.transforms.transform import Randomizable
from torch import Tensor

from augbench.core.params import Augmentation

# Frames carry no file header, and MONAI's header tracking doubles the time of every transform.
set_track_meta(False)

_NORMALISE = NormalizeIntensityd(keys="image")


def augmentation(params: Augmentation, image_size: int) -> Compose:
    """MONAI transforms of `{"image": (1, H, W) in [0, 1], "label": (1, H, W)}`; the image leaves with mean 0, SD 1.

    Labels are resampled with nearest neighbours, so no new label value appears.
    """
    chance = params.probability
    shift = params.translation * image_size
    stages: list[Any] = [
        RandAffined(
            keys=("image", "label"),
            prob=chance,
            rotate_range=np.deg2rad(params.rotation_deg),
            scale_range=(-params.scaling, params.scaling),
            translate_range=(-shift, shift),
            mode=("bilinear", "nearest"),
            # Beyond the edge: the edge's own value; a black border would be a cue that no test image has.
            padding_mode="border",
        ),
        RandAdjustContrastd(keys="image", prob=chance, gamma=(1 / params.gamma, params.gamma)),
    ]
    if params.bias_field > 0:
        stages.append(
            RandBiasFieldd(keys="image", prob=chance, degree=2, coeff_range=(-params.bias_field, params.bias_field))
        )
    if params.blur_px > 0:
        sigma = (0.0, params.blur_px)
        stages.append(RandGaussianSmoothd(keys="image", prob=chance, sigma_x=sigma, sigma_y=sigma))
    if params.rician_noise > 0:
        stages.append(RandRicianNoised(keys="image", prob=chance, std=params.rician_noise, sample_std=True))
    return Compose([*stages, _NORMALISE])


def reseed(transforms: Compose, seed: int) -> None:
    """Give every random transform its own state: a frame's augmentation follows from `seed` alone."""
    for number, transform in enumerate(transforms.transforms):
        if isinstance(transform, Randomizable):
            transform.set_random_state(state=np.random.RandomState([seed & 0xFFFFFFFF, seed >> 32, number]))


def normalise(images: np.ndarray) -> Tensor:
    """8-bit images (n, H, W) as the network sees them without augmentation: (n, 1, H, W), each mean 0 and SD 1."""
    scaled = torch.from_numpy(np.asarray(images, dtype=np.float32) / 255)[:, None]
    mean = scaled.mean(dim=(2, 3), keepdim=True)
    sd = scaled.std(dim=(2, 3), keepdim=True, unbiased=False)
    return (scaled - mean) / torch.where(sd == 0, torch.ones_like(sd), sd)
