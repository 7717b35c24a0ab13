"""Which frame, augmented how, at every place of the training: place k follows from (seed, k) alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from augbench.core.params import Augmentation
from augbench.core.seeding import Rng, child_rng, child_seed
from augbench.core.types import Pairs
from augbench.training.augment import augment


class Span(Protocol):
    """A span of training steps, as `regimes.base.Span` states it."""

    @property
    def until(self) -> float:
        """Where it ends, as a share of all steps."""

    @property
    def real(self) -> int:
        """Real frames in the pool."""

    @property
    def synthetic(self) -> int:
        """Synthetic frames in the pool."""

    @property
    def real_share(self) -> float | None:
        """Share of real frames in every batch; None: drawn from the whole pool."""


class Rows(Protocol):
    """Frames by number, in memory or mapped: `rows[i]` is (2, H, W) uint8."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> Pairs: ...


def draw_order(spans: Sequence[Span], steps: int, batch_size: int, real: int, seed: int) -> NDArray[np.int64]:
    """Frame of every place of the training, (steps * batch_size,): real frames first, synthetic ones from `real` on.

    Within a span every frame of the pool is drawn once before any is drawn again. With a `real_share` that holds of
    real and of synthetic frames apart, and every batch has round(real_share * batch_size) real ones, at its front.
    """
    parts, start = [], 0
    for number, span in enumerate(spans):
        stop = round(span.until * steps)
        name = ("order",) if number == 0 else ("order", number)
        rng = child_rng(seed, *name)
        own, made = np.arange(span.real), real + np.arange(span.synthetic)
        if span.real_share is None:
            parts.append(_evenly(np.concatenate([own, made]), (stop - start) * batch_size, rng))
        else:
            share = round(span.real_share * batch_size)
            batches = [
                _evenly(pool, (stop - start) * count, rng).reshape(stop - start, count)
                for pool, count in ((own, share), (made, batch_size - share))
            ]
            parts.append(np.concatenate(batches, axis=1).ravel())
        start = stop
    return np.concatenate(parts)


def _evenly(pool: NDArray[np.int64], count: int, rng: Rng) -> NDArray[np.int64]:
    """`count` draws: permutation after permutation of the pool."""
    if count == 0:
        return pool[:0]
    epochs = -(-count // len(pool))
    return np.concatenate([pool[rng.permutation(len(pool))] for _ in range(epochs)])[:count]


class AugmentedBatches(Dataset[tuple[Tensor, Tensor]]):
    """The training's batches in their order, augmented: item i is what step i sees.

    Args:
        real, synthetic: the two sets; they are read where they lie, so a mapped one is never loaded as a whole.
        order: what `draw_order` gave.
        batch_size: frames a step; it divides the order.
        params: augmentation.
        seed: the augmentations' root.
    """

    def __init__(
        self, real: Rows, synthetic: Rows, order: NDArray[np.int64], batch_size: int, params: Augmentation, seed: int
    ) -> None:
        self._real, self._synthetic, self._order = real, synthetic, order
        self._batch_size, self._params, self._seed = batch_size, params, child_seed(seed, "augment")

    def __len__(self) -> int:
        return len(self._order) // self._batch_size

    def __getitem__(self, step: int) -> tuple[Tensor, Tensor]:
        """Images (n, 1, H, W) float32 with mean 0 and SD 1 each, label maps (n, 1, H, W) int64."""
        places = range(step * self._batch_size, (step + 1) * self._batch_size)
        pairs = torch.from_numpy(np.stack([self._frame(int(self._order[place])) for place in places])).float()
        return augment(pairs[:, :1] / 255, pairs[:, 1:], self._params, self._seed, places)

    def _frame(self, at: int) -> Pairs:
        return self._real[at] if at < len(self._real) else self._synthetic[at - len(self._real)]
