"""A U-Net with one convolution where others have two: more training steps in the same time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from augbench.segmenters.base import Segmenter, require_size

if TYPE_CHECKING:
    from torch import Tensor, nn

Channels = Annotated[int, Field(ge=1, le=4096)]


class LightUnet(Segmenter):
    """U-Net (Ronneberger et al. 2015) of any depth, with one 3x3 convolution on the way down and one on the way up.

    Attributes:
        features: channels of the levels, from full resolution down; each has half the resolution of the one before.
    """

    features: tuple[Channels, ...] = Field(default=(16, 16, 32, 64, 128), min_length=2, max_length=8)

    def build(self, classes: int, image_size: int) -> nn.Module:
        from torch import nn

        require_size(image_size, 2 ** (len(self.features) - 1), "light_unet")
        return nn.Sequential(_level(1, self.features), nn.Conv2d(self.features[0], classes, 1))

    def encode(self, network: Any, images: Tensor) -> Tensor:
        deep, level = images, network[0]
        for _ in self.features[1:]:
            convolution, skip, _ = level
            pool, level, _ = skip.submodule
            deep = pool(convolution(deep))
        return level(deep).mean(dim=(2, 3))


def _level(channels: int, features: tuple[int, ...]) -> nn.Module:
    """A level and all below it: (n, channels, h, w) -> (n, features[0], h, w)."""
    from monai.networks.layers.simplelayers import SkipConnection
    from torch import nn

    own = features[0]
    if len(features) == 1:
        return _convolution(channels, own)
    # Transposed convolutions have a deterministic backward pass on every device; bilinear upsampling has not.
    below = nn.Sequential(nn.MaxPool2d(2), _level(own, features[1:]), nn.ConvTranspose2d(features[1], own, 2, stride=2))
    return nn.Sequential(_convolution(channels, own), SkipConnection(below), _convolution(2 * own, own))


def _convolution(channels: int, features: int) -> nn.Module:
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(channels, features, 3, padding=1, bias=False),
        nn.BatchNorm2d(features),
        nn.LeakyReLU(0.1, inplace=True),
    )


COMPONENT = LightUnet
