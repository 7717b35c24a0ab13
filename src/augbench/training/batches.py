"""Which frame, augmented how, at every place of the training: place k follows from (seed, k) alone."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from augbench.core.params import Augmentation
from augbench.core.seeding import child_seed
from augbench.core.types import Pairs
from augbench.training.augment import augmentation, reseed


class AugmentedFrames(Dataset[tuple[Tensor, Tensor]]):
    """`steps x batch_size` augmented draws from a pool of frames, evenly: every epoch of the pool is a permutation.

    Args:
        pairs: pool (n, 2, H, W) uint8.
        length: number of draws, the same in every arm.
        params: augmentation.
        seed: the draws' and augmentations' root.
    """

    def __init__(self, pairs: Pairs, length: int, params: Augmentation, seed: int) -> None:
        self._pairs = pairs
        self._length = length
        self._seed = seed
        self._transforms = augmentation(params, pairs.shape[-1])
        rng = np.random.default_rng(child_seed(seed, "order"))
        epochs = -(-length // len(pairs))
        self._order = np.concatenate([rng.permutation(len(pairs)) for _ in range(epochs)])[:length]

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, place: int) -> tuple[Tensor, Tensor]:
        """Image (1, H, W) float32 with mean 0 and SD 1, label map (1, H, W) int64."""
        image, label = self._pairs[self._order[place]]
        reseed(self._transforms, child_seed(self._seed, "augment", place))
        frame = {
            "image": torch.from_numpy(image.astype(np.float32) / 255)[None],
            "label": torch.from_numpy(label.astype(np.float32))[None],
        }
        done = self._transforms(frame)
        return done["image"], done["label"].long()
