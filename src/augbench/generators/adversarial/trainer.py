"""One training step of an adversarial model, from top to bottom."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from augbench.core.checkpoint import optimiser_state, restore_optimiser, with_prefix
from augbench.core.device import torch_device
from augbench.core.seeding import child_seed
from augbench.generators.adversarial.augment import AugmentationDraw, augmentation
from augbench.generators.adversarial.average import Average
from augbench.generators.adversarial.batches import Batches
from augbench.generators.adversarial.frame_spec import Scale, TrainingSet
from augbench.generators.adversarial.networks import GeneratorNetwork
from augbench.generators.adversarial.objective import Match
from augbench.generators.base import FitContext

if TYPE_CHECKING:
    from augbench.generators.adversarial.model import AdversarialGenerator

#: Every rescue multiplies the learning rate by this.
RESCUE_FACTOR = 0.5
_PRECISIONS = {"fp32": "32-true", "bf16": "bf16-mixed"}


class MicroBatch(NamedTuple):
    """What a step, or a part of it whose gradients are added up, works on; (n, ...) tensors on the device."""

    real: Tensor
    condition: Tensor
    code: Tensor
    augment: AugmentationDraw


class Trainer:
    """Both networks, their optimisers and all random streams between two steps.

    Attributes:
        images, steps: how far training is; images are real frames shown to the discriminator.
        rescues: how often it was rolled back; each lowered the learning rate by RESCUE_FACTOR.
    """

    def __init__(self, model: AdversarialGenerator, examples: TrainingSet, context: FitContext) -> None:
        def rng(name: str, device: torch.device | str = "cpu") -> torch.Generator:
            return torch.Generator(device).manual_seed(child_seed(context.seed, model.seed_name, name))

        self.model, self.spec, self.images, self.steps, self.rescues = model, examples.spec, 0, 0, 0
        accelerator = torch_device(context.accelerator).type
        self.fabric = Fabric(accelerator=accelerator, devices=1, precision=_PRECISIONS[context.precision])  # type: ignore[arg-type]
        self.device = self.fabric.device
        self.generator = model.generator_network(self.spec, rng("generator")).to(self.device)
        self.discriminator = model.discriminator_network(self.spec, rng("discriminator")).to(self.device)
        self.objective = model.objective(self.generator, self.discriminator)
        self.optimisers = [self._adam(network) for network in (self.generator, self.discriminator)]
        self.average = Average(self.generator, model.ema_kimg)
        self.rngs = {"batches": rng("batches"), "noise": rng("noise", self.device)}
        self.batches = Batches(examples, model.batch_size, self.rngs["batches"], self.device)
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}

    @property
    def scale(self) -> Scale:
        """Where the schedule stands after the images shown so far."""
        return self.model.schedule(self.images, self.spec.image_size)

    def step(self, *, measure: bool = False) -> None:
        """`discriminator_steps` updates of the discriminator, then one of the generator on the last synthetic batch.

        Nothing is read back from the device: losses are summed there until `means` is asked. With `measure`, the norms
        of both gradients are among them.
        """
        model, scale, whole = self.model, self.scale, self.model.accumulation == 1
        for _ in range(model.discriminator_steps):
            matches = []
            parts = self._draw(scale)
            for part in parts:
                # In one piece, a batch and its graph serve both players; in parts, that would keep all their graphs.
                with torch.set_grad_enabled(whole):
                    synthetic = part.augment(self._run(self.generator, part.code, part.condition, scale))
                score = partial(self._score, part.condition, scale)
                match = Match(
                    part.real, synthetic.detach(), part.condition, score, scale, self.steps, self.rngs["noise"]
                )
                self._backward(*self.objective.discriminator(match))
                matches.append(match)
            self._update(self.optimisers[1], "gradient_d", measure)
            self.images += model.batch_size

        # The discriminator's own gradients are not needed here: leaving them out saves a third of its backward pass.
        self.discriminator.requires_grad_(False)
        for part, match in zip(parts, matches, strict=True):
            if not whole:
                synthetic = part.augment(self._run(self.generator, part.code, part.condition, scale))
            self._backward(*self.objective.generator(match._replace(synthetic=synthetic)))
        self.discriminator.requires_grad_(True)
        self._update(self.optimisers[0], "gradient_g", measure)
        self.average.update(model.batch_size * model.discriminator_steps)
        self.steps += 1

    def _draw(self, scale: Scale) -> list[MicroBatch]:
        """All random numbers of an update. They are drawn for the whole batch: its parts are the same in any number."""
        model, rng, count = self.model, self.rngs["noise"], self.model.accumulation
        real, condition = self.batches.draw(scale)
        code = torch.randn(len(real), self.generator.code_size(scale), generator=rng, device=self.device)
        augment = augmentation(real.shape, model.mask_noise, model.augment_translation, model.augment_brightness, rng)
        whole = augment(real), condition, code
        return [
            MicroBatch(*each) for each in zip(*(one.chunk(count) for one in whole), augment.parts(count), strict=True)
        ]

    def _run(self, network: nn.Module, *inputs: Tensor | Scale) -> Tensor:
        # Networks are not wrapped by Fabric: its wrapper refuses the gradients that penalties take of half precision.
        with self.fabric.autocast():
            out: Tensor = network(*inputs)
        return out.float()

    def _score(self, condition: Tensor, scale: Scale, x: Tensor) -> Tensor:
        return self._run(self.discriminator, x, condition, scale)

    def _backward(self, loss: Tensor, shown: Mapping[str, Tensor]) -> None:
        self.fabric.backward(loss if self.model.accumulation == 1 else loss / self.model.accumulation)
        for name, value in shown.items():
            self._record(name, value)

    def _update(self, optimiser: torch.optim.Optimizer, name: str, measure: bool) -> None:
        """Step and clear the gradients; their norm is recorded if it is asked for."""
        if measure:
            norms = torch._foreach_norm([weight.grad for weight in _weights(optimiser) if weight.grad is not None])
            self._record(name, torch.stack(norms).norm())
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)

    def _record(self, name: str, value: Tensor) -> None:
        if name not in self._sums:
            self._sums[name] = torch.zeros((), dtype=torch.float64, device=self.device)
        self._sums[name] += value.detach()
        self._counts[name] = self._counts.get(name, 0) + 1

    def means(self) -> dict[str, float]:
        """Mean of each loss over the steps since the last call. A loss that was not finite once is not finite here."""
        values = torch.stack(list(self._sums.values())).tolist()
        means = {name: value / self._counts[name] for name, value in zip(self._sums, values, strict=True)}
        self._sums, self._counts = {}, {}
        return means

    def finite(self) -> bool:
        """Whether every weight, averaged ones too, is finite."""
        weights = [tensor for tensor in self._weights_and_averages().values() if tensor.is_floating_point()]
        with torch.no_grad():
            return bool(torch.stack(torch._foreach_norm(weights, torch.inf)).isfinite().all())

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """A copy in main memory of all that the next steps depend on: tensors, and the rest as JSON."""
        tensors, groups = self._weights_and_averages(), []
        for side, optimiser in enumerate(self.optimisers):
            moments, group = optimiser_state(optimiser, f"optimiser.{side}")
            tensors |= moments
            groups.append(group)
        # Contiguous copies: a checkpoint's file knows no memory format.
        copies = {
            name: tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
            for name, tensor in tensors.items()
        }
        copies |= {f"rng.{name}": rng.get_state() for name, rng in self.rngs.items()}
        numbers = {"images": self.images, "steps": self.steps, "rescues": self.rescues}
        return copies, {**numbers, "optimisers": groups}

    def load(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Continue from what `state` gave. The next step then does bit by bit what it would have done."""
        self.images, self.steps, self.rescues = state["images"], state["steps"], state["rescues"]
        with torch.no_grad():
            for name, tensor in self._weights_and_averages().items():
                tensor.copy_(tensors[name])
        for side, (optimiser, group) in enumerate(zip(self.optimisers, state["optimisers"], strict=True)):
            restore_optimiser(optimiser, f"optimiser.{side}", tensors, group)
        for name, state_of_rng in with_prefix(tensors, "rng.").items():
            self.rngs[name].set_state(state_of_rng)
        self._sums, self._counts = {}, {}

    def _weights_and_averages(self) -> dict[str, Tensor]:
        groups = {
            "generator": self.generator.state_dict(),
            "discriminator": self.discriminator.state_dict(),
            "average": self.average.weights,
        }
        return {f"{group}.{name}": tensor for group, named in groups.items() for name, tensor in named.items()}

    @property
    def rate(self) -> float:
        """Learning rate after the rescues so far."""
        return self.model.learning_rate * RESCUE_FACTOR**self.rescues

    def set_rate(self) -> None:
        """Hand `rate` to the optimisers."""
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = self.rate

    def averaged(self) -> GeneratorNetwork:
        """The generator with its averaged weights."""
        self.generator.load_state_dict(self.average.weights)
        return self.generator

    def _adam(self, network: nn.Module) -> torch.optim.Optimizer:
        return _Adam(network.parameters(), self.model.learning_rate, betas=self.model.betas, eps=1e-8, fused=True)


class _Adam(torch.optim.Adam):
    def _accelerator_graph_capture_health_check(self) -> None:
        """Nothing is captured here; torch would load the driver's library at every step to ask whether it could be."""


def _weights(optimiser: torch.optim.Optimizer) -> list[Tensor]:
    return [weight for group in optimiser.param_groups for weight in group["params"]]


def keep_freed_memory() -> None:
    """Let glibc reuse freed blocks below 32 MB, as it does once it has seen one freed.

    Otherwise every feature map is returned to the system and faulted in again: 14 000 page faults and a tenth of the
    time of a step at 64x64.
    """
    torch.empty(31 << 20, dtype=torch.uint8)


def seconds_per_image(
    model: AdversarialGenerator, examples: TrainingSet, context: FitContext, *, seconds: float = 2.0
) -> float:
    """Measured cost of training at full size: steps after a first one until 8 are done or `seconds` are over."""
    keep_freed_memory()
    trainer = Trainer(model, examples, context)
    trainer.images = model.total_images  # where growth has ended
    trainer.step()
    trainer.means()  # waits for the device
    start, first = time.perf_counter(), trainer.images
    while trainer.steps < 9 and time.perf_counter() - start < seconds:
        trainer.step()
        trainer.means()
    return (time.perf_counter() - start) / (trainer.images - first)
