"""Progressive GAN (Karras et al., ICLR 2018) that makes image and mask together, one network for all conditions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from augbench.core.errors import UserError
from augbench.generators.adversarial.frame_spec import FrameSpec, Scale
from augbench.generators.adversarial.model import AdversarialGenerator

if TYPE_CHECKING:
    import torch

    from augbench.generators.adversarial.networks import DiscriminatorNetwork, GeneratorNetwork
    from augbench.generators.adversarial.objective import Objective

#: Measured: copies of all outputs of one layer a resolution that a step holds, and of the weights.
_COPIES, _WEIGHT_COPIES, _FLOAT_BYTES = 20, 5, 4


class PGGAN(AdversarialGenerator):
    """Hyper-parameters. Networks start at `start_size` and grow to the frames' size."""

    latent_size: int = Field(64, ge=1, le=1024, description="length of the latent")
    channels: tuple[int, ...] = Field(
        (96, 96, 64, 32, 16), min_length=2, description="features of the layers at 4x4, 8x8, ... up to the frames' size"
    )
    loss: Literal["nonsaturating-r1", "wgan-gp"] = "nonsaturating-r1"
    start_size: int = Field(8, ge=4, le=64, description="side in pixels at which training starts")
    growth_fraction: float = Field(
        0.25, ge=0, lt=1, description="share of total_kimg spent below full size, equal parts"
    )
    fade_fraction: float = Field(0.5, ge=0, le=1, description="share of such a part in which a new resolution fades in")
    r1_weight: float = Field(1.0, ge=0, description="weight of the R1 penalty")
    r1_interval: int = Field(8, ge=1, description="steps between R1 penalties, which are weighted up to make up for it")
    gp_weight: float = Field(10.0, ge=0, description="weight of the WGAN-GP penalty, taken at every step")
    noise_injection: bool = Field(True, description="learned pixel noise at every resolution and in the image")

    @model_validator(mode="after")
    def _check(self) -> PGGAN:
        if self.start_size & (self.start_size - 1):
            raise ValueError(f"start_size must be a power of two, got {self.start_size}")
        if min(self.channels) < 1:
            raise ValueError("channels must be positive")
        return self

    def generator_network(self, spec: FrameSpec, rng: torch.Generator) -> GeneratorNetwork:
        from augbench.generators.pggan.networks import ProgressiveGenerator

        channels = self._channels(spec.image_size)
        return ProgressiveGenerator(spec, channels, self.latent_size, noise=self.noise_injection, rng=rng)

    def discriminator_network(self, spec: FrameSpec, rng: torch.Generator) -> DiscriminatorNetwork:
        from augbench.generators.pggan.networks import ProgressiveDiscriminator

        return ProgressiveDiscriminator(spec, self._channels(spec.image_size), rng=rng)

    def objective(self, generator: GeneratorNetwork, discriminator: DiscriminatorNetwork) -> Objective:
        from augbench.generators.adversarial.objective import NonSaturatingR1, WassersteinGP

        if self.loss == "wgan-gp":
            return WassersteinGP(self.gp_weight)
        return NonSaturatingR1(self.r1_weight, self.r1_interval)

    def schedule(self, images: int, image_size: int) -> Scale:
        """Growth: equal parts for every lower resolution, each new one faded in."""
        doublings = int(math.log2(image_size / self.start_size))
        part = self.growth_fraction * self.total_kimg * 1000 / max(doublings, 1)
        position = images / part if part else math.inf
        grown = int(min(position, doublings))
        if not grown or not self.fade_fraction:
            return Scale(self.start_size << grown)
        return Scale(self.start_size << grown, min((position - grown) / self.fade_fraction, 1.0))

    def require(self, image_size: int, classes: int, conditions: int) -> None:
        """The side is a power of two from `start_size`, and each resolution has its channels."""
        least = max(8, self.start_size)
        if image_size < least or image_size & (image_size - 1):
            raise UserError(
                "frames do not fit the progressive network",
                got=f"{image_size} pixels",
                expected=f"a power of two from {least}",
                remedy="correct 'image_size', or 'start_size' of this generator",
                file="params.yaml",
            )
        needed = len(self._levels(image_size))
        if len(self.channels) < needed:
            raise UserError(
                f"no channels given for frames of {image_size} pixels",
                got=f"{len(self.channels)} numbers, for sizes up to {4 << (len(self.channels) - 1)}",
                expected=f"{needed} numbers, for 4x4 to {image_size}x{image_size}",
                remedy="extend 'channels' of this generator",
                file="params.yaml",
            )

    def memory_bytes(self, image_size: int, classes: int) -> int:
        """As of `Generator`; a model fitted to measured peaks, within 20%."""
        channels = self._channels(image_size)
        values = sum(count * 16 * 4**level for level, count in enumerate(channels))
        weights = 2 * 18 * sum(count**2 for count in channels)
        frames = self.batch_size // self.accumulation
        return _FLOAT_BYTES * (_COPIES * frames * values + _WEIGHT_COPIES * weights)

    def _channels(self, image_size: int) -> tuple[int, ...]:
        return self.channels[: len(self._levels(image_size))]

    @staticmethod
    def _levels(image_size: int) -> range:
        return range(int(math.log2(image_size)) - 1)


COMPONENT = PGGAN
