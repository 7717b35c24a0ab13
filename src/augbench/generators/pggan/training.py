"""The training loop of the progressive GAN: growth, batches, steps, and the curve."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from augbench.core.errors import UserError
from augbench.core.progress import progress
from augbench.core.seeding import child_seed
from augbench.core.types import Frames
from augbench.generators.base import FitContext
from augbench.generators.pggan.augment import Augment
from augbench.generators.pggan.losses import Average, discriminator_loss, generator_loss, gradient_penalty, r1_penalty
from augbench.generators.pggan.networks import GROUP, ProgressiveDiscriminator, ProgressiveGenerator, upsample

if TYPE_CHECKING:
    from augbench.generators.pggan import PGGAN

_CURVE_IMAGES = 250


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
        row = torch.cat(rows)
        pairs = self._pairs[row].to(self._device)
        pixels = functional.embedding(pairs[:, 1].int(), self._one_hot)
        pixels[..., 0] = pairs[:, 0].float().div_(127.5).sub_(1.0)
        x = pixels.permute(0, 3, 1, 2)
        x = functional.avg_pool2d(x, x.shape[-1] // (4 << phase.stage))
        if phase.alpha < 1.0:
            x = torch.lerp(upsample(functional.avg_pool2d(x, 2)), x, phase.alpha)
        return x, self._view[row].to(self._device)


def train(
    params: PGGAN,
    frames: Frames,
    views: tuple[str, ...],
    context: FitContext,
    build: Callable[[torch.Generator], ProgressiveGenerator],
) -> ProgressiveGenerator:
    """Train both networks for `params.total_kimg`; the generator's averaged weights are returned.

    Raises:
        UserError: a loss became NaN or infinite.
    """
    keep_freed_memory()
    trainer = Trainer(params, frames, views, context, build)
    total = math.ceil(params.total_kimg * 1000 / params.batch_size) * params.batch_size
    with progress("train pggan", total, "img") as bar:
        sums: dict[str, float] = {}
        counts: dict[str, int] = {}
        while trainer.images < total:
            before = trainer.images // _CURVE_IMAGES
            for name, value in trainer.step().items():
                sums[name] = sums.get(name, 0.0) + value
                counts[name] = counts.get(name, 0) + 1
            bar.advance(params.batch_size)
            if trainer.images // _CURVE_IMAGES > before or trainer.images == total:
                means = {name: value / counts[name] for name, value in sums.items()}
                row = {"kimg": trainer.images / 1000, **means, "resolution": 4 << trainer.phase.stage}
                context.curve.append({**row, "alpha": trainer.phase.alpha})
                bar.advance(0, note=" ".join(f"{name} {value:.3g}" for name, value in means.items()))
                sums, counts = {}, {}
    return trainer.averaged()


def keep_freed_memory() -> None:
    """Let glibc reuse freed blocks below 32 MB, as it does once it has seen one freed.

    Otherwise every feature map is returned to the system and faulted in again: 14 000 page faults and a tenth of the
    time of a step at 64x64.
    """
    torch.empty(31 << 20, dtype=torch.uint8)


class Trainer:
    """Both networks, their optimisers and all random streams between two steps."""

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

        self.params, self.images, self.steps = params, 0, 0
        self.device = torch.device("cuda" if context.accelerator == "gpu" else "cpu")
        self.generator = build(rng("generator")).to(self.device)
        self.last_stage = len(self.generator.heads) - 1
        channels = list(params.channels[: self.last_stage + 1])
        self.discriminator = ProgressiveDiscriminator(
            channels, frames.scheme.classes, len(views), rng=rng("discriminator")
        ).to(self.device)
        self.average = Average(self.generator, params.ema_kimg)
        self.batches = Batches(frames, views, params.batch_size, rng("batches"), self.device)
        self.rng = rng("noise")
        self.augment = Augment(params.mask_noise, params.augment_translation, params.augment_brightness, self.rng)
        self.optimisers = [
            torch.optim.Adam(network.parameters(), params.learning_rate, betas=(0.0, 0.99), eps=1e-8, fused=True)
            for network in (self.generator, self.discriminator)
        ]

    @property
    def phase(self) -> Phase:
        return growth(self.params, self.images, self.last_stage)

    def step(self) -> dict[str, float]:
        """One update of the discriminator and one of the generator on the same synthetic batch; the losses."""
        phase = self.phase
        real, view = self.batches.draw(phase)
        code = torch.randn(len(real), self.generator.code_size(phase.stage), generator=self.rng)
        self.augment.redraw(real.shape, self.device)
        synthetic = self.augment(self.generator(code.to(self.device), view, *phase))
        losses = self._step_discriminator(self.augment(real), synthetic.detach(), view, phase)

        # The discriminator's own gradients are not needed here: leaving them out saves a third of its backward pass.
        self.discriminator.requires_grad_(False)
        score = self.discriminator(synthetic, view, *phase)
        loss = generator_loss(score, wasserstein=self.params.loss == "wgan-gp")
        loss.backward()
        self.discriminator.requires_grad_(True)
        self._update(self.optimisers[0])
        self.images += len(real)
        self.steps += 1
        self.average.update(len(real))
        losses["loss_g"] = loss.item()
        self._require_finite(losses)
        return losses

    def _step_discriminator(self, real: Tensor, synthetic: Tensor, view: Tensor, phase: Phase) -> dict[str, float]:
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
        self._update(self.optimisers[1])
        return {"loss_d": loss.item(), **losses}

    @staticmethod
    def _update(optimiser: torch.optim.Optimizer) -> None:
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)

    def _require_finite(self, losses: dict[str, float]) -> None:
        for name, value in losses.items():
            if not math.isfinite(value):
                raise UserError(
                    "training of pggan diverged",
                    got=f"{name} = {value} after {self.images / 1000:g} kimg",
                    expected="finite losses",
                    remedy="lower 'generators.pggan.learning_rate' or raise its penalty weight",
                    file="params.yaml",
                )

    def averaged(self) -> ProgressiveGenerator:
        """The generator with its averaged weights."""
        self.generator.load_state_dict(self.average.weights)
        return self.generator
