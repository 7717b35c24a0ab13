"""What synthetic frames are audited on.

Numbers from different extractors are different numbers: the extractor's name goes with each.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from augbench.core.component import Component
from augbench.core.types import Pairs

if TYPE_CHECKING:
    import torch
    from torch import Tensor

#: Images that go through a network at a time.
_BATCH = 64

#: The deepest features (n, d) that a trained network has of 8-bit images (n, H, W).
Encode = Callable[[Pairs], NDArray[np.float32]]


class FeatureExtractor(Component):
    """A feature space. Its fields are its section `audit.features.<name>` of params.yaml.

    Attributes:
        needs_network: whether `extract` asks the study's network, so that `audit.network` must name one.
    """

    family: ClassVar[str] = "audit.features"
    needs_network: ClassVar[bool]

    @abstractmethod
    def extract(self, images: Pairs, encode: Encode | None) -> NDArray[np.float64]:
        """Features (n, d) of 8-bit images (n, H, W).

        Args:
            encode: features of the study's network; None only where `needs_network` is False.
        """

    def targets(self, images: Pairs, encode: Encode | None) -> NDArray[np.floating]:
        """(n, e) of real images (n, H, W), as neighbours are looked for among them; e need not be d of `extract`."""
        return self.extract(images, encode)

    def queries(self, images: Pairs, encode: Encode | None) -> Iterator[NDArray[np.floating]]:
        """(n, e) of generated images (n, H, W) under one transform after the other that may hide a copy.

        Features of a network are averaged over space and its input over grey levels, so shifts and brightness move
        them little; flips do, and are undone here.
        """
        for flipped in flips(images):
            yield self.extract(flipped, encode)


def flips(images: Pairs) -> Iterator[Pairs]:
    """Images (n, H, W) as they are, left to right, upside down, and both."""
    for rows in (slice(None), slice(None, None, -1)):
        for columns in (slice(None), slice(None, None, -1)):
            yield np.ascontiguousarray(images[:, rows, columns])


class NetworkEncoder:
    """What a trained network sees in images, as an `Encode`; in batches, on one device.

    Args:
        network: is moved to the device and out of training mode.
        encode: network and images (n, 1, H, W) -> its features (n, d); both on the device.
        normalise: 8-bit images (n, H, W) -> what the network takes, (n, 1, H, W).
        device: where it runs.
    """

    def __init__(
        self,
        network: Any,
        encode: Callable[[Any, Tensor], Tensor],
        normalise: Callable[[Pairs], Tensor],
        device: torch.device,
    ) -> None:
        self._network = network.to(device).eval()
        self._encode, self._normalise, self._device = encode, normalise, device

    def __call__(self, images: Pairs) -> NDArray[np.float32]:
        """Features (n, d), back in the computer's memory, of 8-bit images (n, H, W)."""
        import torch

        batches = (self._normalise(images[at : at + _BATCH]) for at in range(0, len(images), _BATCH))
        with torch.inference_mode():
            parts = [self._encode(self._network, batch.to(self._device)).cpu() for batch in batches]
            features: NDArray[np.float32] = torch.cat(parts).numpy()
        return features
