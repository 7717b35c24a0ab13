"""segmentation-models-pytorch U-Net with any of its encoders."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from augbench.core.errors import UserError
from augbench.segmenters.base import Segmenter, require_size

if TYPE_CHECKING:
    from torch import Tensor, nn


class SmpUnet(Segmenter):
    """U-Net (Ronneberger et al. 2015) on an encoder of smp.

    Attributes:
        encoder: name of an smp encoder, such as resnet18 or mobilenet_v2.
        encoder_weights: null for random weights, or a local safetensors file; nothing is ever downloaded.
    """

    encoder: str = "resnet18"
    encoder_weights: Path | None = Field(default=None)

    def build(self, classes: int, image_size: int) -> nn.Module:
        import segmentation_models_pytorch as smp

        require_size(image_size, 32, "smp_unet")
        try:
            network = smp.Unet(self.encoder, encoder_weights=None, in_channels=1, classes=classes)
        except KeyError as error:
            raise UserError(
                f"unknown encoder '{self.encoder}'",
                got=self.encoder,
                expected="an encoder of segmentation-models-pytorch",
                remedy="see smp.encoders.get_encoder_names()",
                file="params.yaml",
            ) from error
        if self.encoder_weights is not None:
            _load_encoder(network, self.encoder_weights)
        return network

    def encode(self, network: Any, images: Tensor) -> Tensor:
        return network.encoder(images)[-1].mean(dim=(2, 3))


def _load_encoder(network: Any, path: Path) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        network.encoder.load_state_dict(load_file(path))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise UserError(
            "encoder weights cannot be used",
            got=str(error).splitlines()[0],
            expected="a safetensors file with this encoder's weights for one input channel",
            remedy="correct segmenters.smp_unet.encoder_weights or set it to null",
            file=path,
        ) from error


COMPONENT = SmpUnet
