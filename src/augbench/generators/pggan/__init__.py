"""Progressive GAN (Karras et al., ICLR 2018) that makes image and mask together, one network for all views."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from augbench.core.device import torch_device
from augbench.core.errors import UserError
from augbench.core.types import Frames, Pairs
from augbench.generators.base import FitContext, FittedGenerator, Generator

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from augbench.generators.pggan.networks import ProgressiveGenerator

#: Frames per forward when sampling: fixed, the last batch padded, so that no frame depends on how many are asked for.
_SAMPLE_BATCH = 32


class PGGAN(Generator):
    """Hyper-parameters. Lengths of training are in kimg: thousands of real frames shown to the discriminator."""

    latent_size: int = Field(64, ge=1, le=1024, description="length of the latent")
    channels: tuple[int, ...] = Field(
        (96, 96, 64, 32, 16), min_length=2, description="features of the layers at 4x4, 8x8, ... up to the frames' size"
    )
    loss: Literal["nonsaturating-r1", "wgan-gp"] = "nonsaturating-r1"
    total_kimg: float = Field(60.0, gt=0, description="frames shown in thousands; the only measure of training length")
    start_size: int = Field(8, ge=4, le=64, description="side in pixels at which training starts")
    growth_fraction: float = Field(
        0.25, ge=0, lt=1, description="share of total_kimg spent below full size, equal parts"
    )
    fade_fraction: float = Field(0.5, ge=0, le=1, description="share of such a part in which a new resolution fades in")
    batch_size: int = Field(16, ge=4, le=1024, multiple_of=4, description="frames per step; groups of 4 share a view")
    learning_rate: float = Field(2e-3, gt=0, le=0.1)
    r1_weight: float = Field(1.0, ge=0, description="weight of the R1 penalty")
    r1_interval: int = Field(8, ge=1, description="steps between R1 penalties, which are weighted up to make up for it")
    gp_weight: float = Field(10.0, ge=0, description="weight of the WGAN-GP penalty, taken at every step")
    ema_kimg: float = Field(1.5, gt=0, description="half-life of the average of the generator's weights")
    noise_injection: bool = Field(True, description="learned pixel noise at every resolution and in the image")
    mask_noise: float = Field(
        0.05, ge=0, le=1, description="sd of noise on the class maps D sees, so that it cannot win on one-hotness"
    )
    augment_translation: float = Field(0.0, ge=0, le=0.25, description="shifts before D, share of the side")
    augment_brightness: float = Field(0.0, ge=0, le=1, description="brightness changes before D, in units of [-1, 1]")

    @model_validator(mode="after")
    def _check(self) -> PGGAN:
        if self.start_size & (self.start_size - 1):
            raise ValueError(f"start_size must be a power of two, got {self.start_size}")
        if min(self.channels) < 1:
            raise ValueError("channels must be positive")
        return self

    def fit(self, frames: Frames, context: FitContext) -> FittedGenerator:
        """Train on image-mask pairs, (n, 2, H, H) uint8 with H a power of two."""
        from augbench.generators.pggan.training import train

        views = tuple(view for view in frames.scheme.views if view in set(frames.views))
        annotated = [frames.scheme.annotated[view] for view in views]
        config = {
            "views": list(views),
            "allowed": [[True, *(name in names for name in frames.scheme.structures)] for names in annotated],
            "channels": list(self.channels[: self._resolutions(frames.image_size)]),
            "latent_size": self.latent_size,
            "noise_injection": self.noise_injection,
            "image_size": frames.image_size,
        }
        return FittedPGGAN(train(self, frames, views, context, lambda rng: build(config, rng)), config)

    def restore(self, tensors: dict[str, Tensor], config: dict[str, Any], accelerator: str = "cpu") -> FittedGenerator:
        import torch

        network = build(config, torch.Generator())
        network.load_state_dict(tensors)
        return FittedPGGAN(network.to(torch_device(accelerator)), config)

    def _resolutions(self, image_size: int) -> int:
        resolutions = int(math.log2(image_size)) - 1
        if image_size != 4 << (resolutions - 1) or image_size < max(8, self.start_size):
            raise UserError(
                "frames do not fit the progressive network",
                got=f"{image_size} pixels",
                expected=f"a power of two from {max(8, self.start_size)}",
                remedy="correct 'image_size' or 'generators.pggan.start_size'",
                file="params.yaml",
            )
        if len(self.channels) < resolutions:
            raise UserError(
                f"no channels given for frames of {image_size} pixels",
                got=f"{len(self.channels)} numbers, for sizes up to {4 << (len(self.channels) - 1)}",
                expected=f"{resolutions} numbers, for 4x4 to {image_size}x{image_size}",
                remedy="extend 'generators.pggan.channels'",
                file="params.yaml",
            )
        return resolutions


def build(config: dict[str, Any], rng: torch.Generator) -> ProgressiveGenerator:
    """The generator network with fresh weights from `rng`."""
    import torch

    from augbench.generators.pggan.networks import ProgressiveGenerator

    return ProgressiveGenerator(
        config["channels"],
        config["latent_size"],
        torch.tensor(config["allowed"]),
        noise=config["noise_injection"],
        rng=rng,
    )


class FittedPGGAN(FittedGenerator):
    """The averaged weights, ready to sample."""

    def __init__(self, network: ProgressiveGenerator, config: dict[str, Any]) -> None:
        self.network, self.config = network.eval().requires_grad_(False), config
        self._stage = len(config["channels"]) - 1

    def sample(self, views: list[str], seeds: NDArray[np.int64]) -> Pairs:
        import torch

        from augbench.generators.pggan.networks import quantised

        index = {view: number for number, view in enumerate(self.config["views"])}
        unknown = sorted(set(views) - set(index))
        if unknown:
            raise UserError(
                f"generator was not trained on view '{unknown[0]}'",
                got=unknown[0],
                expected=", ".join(index),
                remedy="ask for a view of the training frames",
                file="params.yaml",
            )
        side, device = self.config["image_size"], self.network.view_code.device
        pairs = np.empty((len(views), 2, side, side), np.uint8)
        code = np.zeros((_SAMPLE_BATCH, self.network.code_size(self._stage)), np.float32)
        view = torch.zeros(_SAMPLE_BATCH, dtype=torch.int64)
        for start in range(0, len(views), _SAMPLE_BATCH):
            count = min(_SAMPLE_BATCH, len(views) - start)
            for row in range(count):
                rng = np.random.default_rng(int(seeds[start + row]))
                rng.standard_normal(out=code[row], dtype=np.float32)
                view[row] = index[views[start + row]]
            with torch.inference_mode():
                out = self.network(torch.from_numpy(code).to(device), view.to(device), self._stage)
                pairs[start : start + count] = quantised(out[:count])
        return pairs

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        return dict(self.network.state_dict()), self.config


COMPONENT = PGGAN
