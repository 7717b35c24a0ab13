"""What happens in one training step of the progressive GAN: growth, batches, both updates, and the whole state."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from augbench.core.seeding import child_seed
from augbench.core.types import Frames
from augbench.generators.base import FitContext
from augbench.generators.pggan.augment import Augment
from augbench.generators.pggan.losses import Average, discriminator_loss, generator_loss, gradient_penalty, r1_penalty
from augbench.generators.pggan.networks import GROUP, ProgressiveDiscriminator, ProgressiveGenerator, upsample

if TYPE_CHECKING:
    from augbench.generators.pggan import PGGAN

#: Every rescue multiplies the learning rate by this.
RESCUE_FACTOR = 0.5


class Phase(NamedTuple):
    """Where growth stands: 0 is 4x4, 1 is 8x8, ...; `alpha` in [0, 1] is how far that resolution is faded in."""

    stage: int
    alpha: float


def growth(params: PGGAN, images: int, last_stage: int) -> Phase:
    """Phase after `images` frames: equal parts for every lower resolution, each new one faded in."""
    first = int(math.log2(params.start_size)) - 2
    steps = last_stage - first
    part = params.growth_fraction * params.total_kimg * 1000 / max(steps, 1)
    position = images / part if part else math.inf
    grown = int(min(position, steps))
    if not grown or not params.fade_fraction:
        return Phase(first + grown, 1.0)
    return Phase(first + grown, min((position - grown) / params.fade_fraction, 1.0))


class Batches:
    """Random training batches in groups of one view.

    Args:
        frames: uint8 pairs.
        views: the order of view numbers.
        batch_size: a multiple of GROUP.
        rng: which frames are drawn.
        device: where batches are made.
    """

    def __init__(
        self, frames: Frames, views: tuple[str, ...], batch_size: int, rng: torch.Generator, device: torch.device
    ) -> None:
        # Copied only if it is a read-only memory map, which torch cannot hold.
        self._pairs = torch.from_numpy(np.require(frames.pairs, requirements="W"))
        self._view = torch.tensor([views.index(view) for view in frames.views])
        self._members = [torch.nonzero(self._view == number)[:, 0] for number in range(len(views))]
        # Row k is one-hot of class k, behind an empty first column for the image.
        self._one_hot = functional.pad(torch.eye(frames.scheme.classes), (1, 0)).to(device)
        self._batch, self._rng, self._device = batch_size, rng, device

    def draw(self, phase: Phase) -> tuple[Tensor, Tensor]:
        """Frames (n, 1 + classes, side, side) as the discriminator sees them in `phase`, and their views (n,)."""
        anchors = torch.randint(len(self._view), (self._batch // GROUP,), generator=self._rng)
        rows = []
        for view in self._view[anchors].tolist():
            members = self._members[view]
            rows.append(members[torch.randint(len(members), (GROUP,), generator=self._rng)])
        return self.take(torch.cat(rows), phase)

    def of_each_view(self, count: int) -> Tensor:
        """Rows of the first `count` frames of every view, (views * count,); a view with fewer repeats them."""
        return torch.cat([members[torch.arange(count) % len(members)] for members in self._members])

    def take(self, row: Tensor, phase: Phase) -> tuple[Tensor, Tensor]:
        """The frames of the given rows, as `draw` gives them."""
        pairs = self._pairs[row].to(self._device)
        pixels = functional.embedding(pairs[:, 1].int(), self._one_hot)
        pixels[..., 0] = pairs[:, 0].float().div_(127.5).sub_(1.0)
        x = pixels.permute(0, 3, 1, 2)
        x = functional.avg_pool2d(x, x.shape[-1] // (4 << phase.stage))
        if phase.alpha < 1.0:
            x = torch.lerp(upsample(functional.avg_pool2d(x, 2)), x, phase.alpha)
        return x, self._view[row].to(self._device)


def keep_freed_memory() -> None:
    """Let glibc reuse freed blocks below 32 MB, as it does once it has seen one freed.

    Otherwise every feature map is returned to the system and faulted in again: 14 000 page faults and a tenth of the
    time of a step at 64x64.
    """
    torch.empty(31 << 20, dtype=torch.uint8)


class Trainer:
    """Both networks, their optimisers and all random streams between two steps.

    Attributes:
        images, steps: how far training is.
        rescues: how often it was rolled back; each lowered the learning rate by RESCUE_FACTOR.
    """

    def __init__(
        self,
        params: PGGAN,
        frames: Frames,
        views: tuple[str, ...],
        context: FitContext,
        build: Callable[[torch.Generator], ProgressiveGenerator],
    ) -> None:
        def rng(name: str) -> torch.Generator:
            return torch.Generator().manual_seed(child_seed(context.seed, "pggan", name))

        self.params, self.images, self.steps, self.rescues = params, 0, 0, 0
        self.device = torch.device("cuda" if context.accelerator == "gpu" else "cpu")
        self.generator = build(rng("generator")).to(self.device)
        self.last_stage = len(self.generator.heads) - 1
        channels = list(params.channels[: self.last_stage + 1])
        self.discriminator = ProgressiveDiscriminator(
            channels, frames.scheme.classes, len(views), rng=rng("discriminator")
        ).to(self.device)
        self.average = Average(self.generator, params.ema_kimg)
        self.rngs = {name: rng(name) for name in ("batches", "noise")}
        self.batches = Batches(frames, views, params.batch_size, self.rngs["batches"], self.device)
        self.rng = self.rngs["noise"]
        self.augment = Augment(params.mask_noise, params.augment_translation, params.augment_brightness, self.rng)
        self.optimisers = [
            torch.optim.Adam(network.parameters(), params.learning_rate, betas=(0.0, 0.99), eps=1e-8, fused=True)
            for network in (self.generator, self.discriminator)
        ]

    @property
    def phase(self) -> Phase:
        return growth(self.params, self.images, self.last_stage)

    def step(self, *, gradients: bool = False) -> dict[str, float]:
        """One update of the discriminator and one of the generator on the same synthetic batch; the losses.

        With `gradients`, also the norms of both gradients, `gradient_d` and `gradient_g`.
        """
        phase = self.phase
        real, view = self.batches.draw(phase)
        code = torch.randn(len(real), self.generator.code_size(phase.stage), generator=self.rng)
        self.augment.redraw(real.shape, self.device)
        synthetic = self.augment(self.generator(code.to(self.device), view, *phase))
        losses = self._step_discriminator(self.augment(real), synthetic.detach(), view, phase, gradients)

        # The discriminator's own gradients are not needed here: leaving them out saves a third of its backward pass.
        self.discriminator.requires_grad_(False)
        score = self.discriminator(synthetic, view, *phase)
        loss = generator_loss(score, wasserstein=self.params.loss == "wgan-gp")
        loss.backward()
        self.discriminator.requires_grad_(True)
        norm_g = self._update(self.optimisers[0], gradients)
        self.images += len(real)
        self.steps += 1
        self.average.update(len(real))
        return {**losses, "loss_g": loss.item(), **({"gradient_g": norm_g} if gradients else {})}

    def _step_discriminator(
        self, real: Tensor, synthetic: Tensor, view: Tensor, phase: Phase, gradients: bool
    ) -> dict[str, float]:
        params, wasserstein = self.params, self.params.loss == "wgan-gp"
        with_r1 = not wasserstein and self.steps % params.r1_interval == 0 and params.r1_weight > 0
        losses = {}
        # Two passes of n frames are faster than one of 2n: their maps stay below the size at which memory is
        # returned to the system and faulted in again at every allocation.
        score_real = self.discriminator(real.requires_grad_(with_r1), view, *phase)
        score_synthetic = self.discriminator(synthetic, view, *phase)
        loss = total = discriminator_loss(score_real, score_synthetic, wasserstein=wasserstein)
        if with_r1:
            penalty = r1_penalty(score_real, real)
            total = loss + params.r1_weight * params.r1_interval * penalty
            losses["r1"] = penalty.item()
        elif wasserstein:
            penalty = gradient_penalty(lambda x: self.discriminator(x, view, *phase), real, synthetic, self.rng)
            total = loss + params.gp_weight * penalty
            losses["gp"] = penalty.item()
        total.backward()
        norm = self._update(self.optimisers[1], gradients)
        return {"loss_d": loss.item(), **losses, **({"gradient_d": norm} if gradients else {})}

    @staticmethod
    def _update(optimiser: torch.optim.Optimizer, measure: bool) -> float:
        """Step and clear the gradients; their norm, if it is asked for."""
        norm = math.nan
        if measure:
            norms = torch._foreach_norm([weight.grad for weight in _weights(optimiser) if weight.grad is not None])
            norm = torch.stack(norms).norm().item()
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        return norm

    def finite(self) -> bool:
        """Whether every weight, averaged ones too, is finite."""
        weights = [*self.generator.parameters(), *self.discriminator.parameters(), *self.average.weights.values()]
        with torch.no_grad():
            return bool(torch.stack(torch._foreach_norm(weights, math.inf)).isfinite().all())

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """A copy in main memory of all that the next steps depend on: tensors, and the rest as JSON."""
        # Contiguous copies: a checkpoint's file knows no memory format.
        tensors = {
            name: tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
            for name, tensor in self._named_tensors()
        }
        tensors |= {f"rng.{name}": rng.get_state() for name, rng in self.rngs.items()}
        return tensors, {"images": self.images, "steps": self.steps, "rescues": self.rescues}

    def load(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Continue from what `state` gave. The next step then does bit by bit what it would have done."""
        self.images, self.steps, self.rescues = state["images"], state["steps"], state["rescues"]
        self.set_rate()
        for side, optimiser in enumerate(self.optimisers):
            optimiser.state.clear()
            for number, weight in enumerate(_weights(optimiser)):
                # A resolution that has not been trained has no moments yet.
                if f"optimiser.{side}.{number}.step" in tensors:
                    optimiser.state[weight] = {
                        "step": torch.zeros((), device=weight.device),
                        "exp_avg": torch.zeros_like(weight, memory_format=torch.preserve_format),
                        "exp_avg_sq": torch.zeros_like(weight, memory_format=torch.preserve_format),
                    }
        with torch.no_grad():
            for name, tensor in self._named_tensors():
                tensor.copy_(tensors[name])
        for name, rng in self.rngs.items():
            rng.set_state(tensors[f"rng.{name}"])

    @property
    def rate(self) -> float:
        """Learning rate after the rescues so far."""
        return self.params.learning_rate * RESCUE_FACTOR**self.rescues

    def set_rate(self) -> None:
        """Hand `rate` to the optimisers."""
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = self.rate

    def _named_tensors(self) -> Iterator[tuple[str, Tensor]]:
        for side, network in (("generator", self.generator), ("discriminator", self.discriminator)):
            for name, weight in network.named_parameters():
                yield f"{side}.{name}", weight
        for name, average in self.average.weights.items():
            yield f"average.{name}", average
        for side_number, optimiser in enumerate(self.optimisers):
            for number, parameter in enumerate(_weights(optimiser)):
                for name, tensor in optimiser.state.get(parameter, {}).items():
                    yield f"optimiser.{side_number}.{number}.{name}", tensor

    def averaged(self) -> ProgressiveGenerator:
        """The generator with its averaged weights."""
        self.generator.load_state_dict(self.average.weights)
        return self.generator


def _weights(optimiser: torch.optim.Optimizer) -> list[Tensor]:
    return [weight for group in optimiser.param_groups for weight in group["params"]]
