"""The base of every adversarial model: what they all have as parameters, and the three things that make a model."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import Field, model_validator

from augbench.core.device import torch_device
from augbench.core.types import Frames
from augbench.generators.adversarial.frame_spec import GROUP, FrameSpec, Scale, TrainingSet
from augbench.generators.base import Draw, FitContext, FittedGenerator, Generator

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from augbench.generators.adversarial.networks import DiscriminatorNetwork, GeneratorNetwork
    from augbench.generators.adversarial.objective import Objective


class AdversarialGenerator(Generator):
    """A model is its networks, its objective and its schedule; the loop in `trainer.py` is the same for all.

    Lengths of training are in kimg: thousands of real frames shown to the discriminator.
    """

    #: Updates of the discriminator for one of the generator.
    discriminator_steps: ClassVar[int] = 1
    #: Decay of Adam's moments.
    betas: ClassVar[tuple[float, float]] = (0.0, 0.99)

    condition: str = Field("view", description="column of the frames' table that frames are conditional on")
    total_kimg: float = Field(60.0, gt=0, description="frames shown in thousands; the only measure of training length")
    batch_size: int = Field(
        16, ge=GROUP, le=1024, multiple_of=GROUP, description="frames per step; groups of 4 share a condition"
    )
    accumulation: int = Field(
        1, ge=1, le=256, description="parts of a batch whose gradients are added up, to save memory"
    )
    learning_rate: float = Field(2e-3, gt=0, le=0.1)
    ema_kimg: float = Field(1.5, gt=0, description="half-life of the average of the generator's weights")
    mask_noise: float = Field(
        0.05, ge=0, le=1, description="sd of noise on the class maps D sees, so that it cannot win on one-hotness"
    )
    augment_translation: float = Field(0.0, ge=0, le=0.25, description="shifts before D, share of the side")
    augment_brightness: float = Field(0.0, ge=0, le=1, description="brightness changes before D, in units of [-1, 1]")

    @model_validator(mode="after")
    def _parts_are_whole_groups(self) -> Self:
        if self.batch_size % (GROUP * self.accumulation):
            raise ValueError(f"batch_size must be a multiple of {GROUP} times accumulation ({self.accumulation})")
        return self

    @abstractmethod
    def generator_network(self, spec: FrameSpec, rng: torch.Generator) -> GeneratorNetwork:
        """The generator with fresh weights from `rng`, on the CPU."""

    @abstractmethod
    def discriminator_network(self, spec: FrameSpec, rng: torch.Generator) -> DiscriminatorNetwork:
        """The discriminator with fresh weights from `rng`, on the CPU."""

    @abstractmethod
    def objective(self, generator: GeneratorNetwork, discriminator: DiscriminatorNetwork) -> Objective:
        """What either player minimises."""

    def schedule(self, images: int, image_size: int) -> Scale:
        """The scale at which networks work after `images` frames; full size from the start, if nothing else is said."""
        return Scale(image_size)

    @abstractmethod
    def memory_bytes(self, image_size: int, classes: int) -> int:
        """As of `Generator`: activations, weights and optimisers of both players."""

    @property
    def total_images(self) -> int:
        """Frames that a whole training shows: `total_kimg`, rounded up to whole steps."""
        step = self.batch_size * self.discriminator_steps
        return math.ceil(self.total_kimg * 1000 / step) * step

    @property
    def seed_name(self) -> str:
        """The model's kind: random streams of two kinds differ."""
        return type(self).__module__.rpartition(".")[2]

    def fit(self, frames: Frames, context: FitContext) -> FittedGenerator:
        """Train on image-mask pairs, (n, 2, H, H) uint8.

        Raises:
            UserError: frames do not fit the parameters, or training diverged (`TrainingDiverged`).
        """
        from augbench.generators.adversarial.fitted import FittedAdversarial
        from augbench.generators.adversarial.guard import train

        examples = TrainingSet.of(frames, self.condition)
        spec = examples.spec
        self.require(spec.image_size, spec.classes, len(spec.conditions))
        config = {
            "params": self.model_dump(mode="json"),
            "image_size": spec.image_size,
            "conditions": list(spec.conditions),
            "allowed": [list(classes) for classes in spec.allowed],
        }
        return FittedAdversarial(train(self, examples, context), config)

    def restore(
        self, tensors: dict[str, Tensor], config: dict[str, Any], *, accelerator: str = "cpu", draw: Draw | None = None
    ) -> FittedGenerator:
        import torch

        from augbench.generators.adversarial.fitted import FittedAdversarial

        allowed = tuple(tuple(classes) for classes in config["allowed"])
        spec = FrameSpec(config["image_size"], tuple(config["conditions"]), allowed)
        network = type(self)(**config["params"]).generator_network(spec, torch.Generator())
        network.load_state_dict(tensors)
        return FittedAdversarial(network.to(torch_device(accelerator)), config)

    def fit_seconds(
        self, image_size: int, classes: int, conditions: int, *, accelerator: str = "cpu", precision: str = "fp32"
    ) -> float:
        """As of `Generator`. A scale below full size is taken to cost its share of the pixels."""
        from augbench.generators.adversarial.trainer import seconds_per_image

        total, moments = self.total_images, 64
        sides = [self.schedule(total * moment // moments, image_size).side for moment in range(moments)]
        share = sum((side / image_size) ** 2 for side in sides) / moments
        examples = TrainingSet.random(image_size, classes, conditions)
        return share * total * seconds_per_image(self, examples, FitContext(0, accelerator, precision))
