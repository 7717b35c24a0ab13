"""MONAI's BasicUNet: small and fast on a CPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from augbench.segmenters.base import Segmenter, require_size

if TYPE_CHECKING:
    from torch import Tensor, nn

Channels = Annotated[int, Field(ge=1, le=4096)]


class MonaiUnet(Segmenter):
    """U-Net of five levels with two convolutions each (Falk et al. 2019, doi 10.1038/s41592-018-0261-2).

    Attributes:
        features: channels of the five levels and of the last layer.
    """

    features: tuple[Channels, Channels, Channels, Channels, Channels, Channels] = (16, 16, 32, 64, 128, 16)

    def build(self, classes: int, image_size: int) -> nn.Module:
        from monai.networks.nets.basic_unet import BasicUNet

        require_size(image_size, 16, "monai_unet")
        return BasicUNet(
            spatial_dims=2,
            in_channels=1,
            out_channels=classes,
            features=self.features,
            norm="batch",
            # Transposed convolutions have a deterministic backward pass on every device; bilinear upsampling has not.
            upsample="deconv",
        )

    def encode(self, network: Any, images: Tensor) -> Tensor:
        deep = network.conv_0(images)
        for block in (network.down_1, network.down_2, network.down_3, network.down_4):
            deep = block(deep)
        return deep.mean(dim=(2, 3))


COMPONENT = MonaiUnet
