"""The run of a training: curve, checkpoints, and the rescue of a training that diverged (docs/watchdog.md)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from torch import Tensor

from augbench.core.seeding import child_seed
from augbench.generators.adversarial.frame_spec import TrainingSet
from augbench.generators.adversarial.networks import GeneratorNetwork
from augbench.generators.adversarial.trainer import Trainer, keep_freed_memory
from augbench.generators.adversarial.watchdog import ROLLED_BACK, Probe, Watchdog
from augbench.generators.base import FitContext, TrainingDiverged

if TYPE_CHECKING:
    from augbench.generators.adversarial.model import AdversarialGenerator

_CURVE_IMAGES = 250
#: Rescues of one training; the next fault ends it.
MOST_RESCUES = 3


def train(model: AdversarialGenerator, examples: TrainingSet, context: FitContext) -> GeneratorNetwork:
    """Train both networks for `model.total_images`; the generator with its averaged weights is returned.

    Raises:
        TrainingDiverged: a loss or weight became NaN or infinite once more than MOST_RESCUES times.
    """
    keep_freed_memory()
    trainer = Trainer(model, examples, context)
    guard = Guard(trainer, context)
    with context.bars(f"train {model.seed_name}", model.total_images, "img") as bar:
        bar.advance(trainer.images)
        while trainer.images < model.total_images:
            before = trainer.images
            guard.step()
            bar.advance(trainer.images - before, note=guard.note)
    return trainer.averaged()


class Guard:
    """A trainer with its curve, its watchdog and its last good state.

    A good state is taken at every row of the curve, at the same images in every run. It alone is what a checkpoint
    holds and what a rescue goes back to: neither depends on when the clock or a signal asked for a checkpoint.
    """

    def __init__(self, trainer: Trainer, context: FitContext) -> None:
        self.trainer, self.curve, self.checkpoints = trainer, context.curve, context.checkpoints
        self.watchdog, self.note = Watchdog(trainer.objective.won_below), ""
        self.probe = Probe(trainer, child_seed(context.seed, trainer.model.seed_name, "watchdog"))
        found = self.checkpoints.latest() if self.checkpoints else None
        if found:
            self._load(found.tensors, found.state)
        self._good = self._state()

    def step(self) -> None:
        """One step; where a row ends, the row and a new good state, or a rescue if a number was not finite."""
        model, images = self.trainer.model, self.trainer.images
        after = images + model.batch_size * model.discriminator_steps
        row_ends = after // _CURVE_IMAGES > images // _CURVE_IMAGES or after == model.total_images
        self.trainer.step(measure=row_ends)
        if row_ends:
            self._end_row()
        if self.checkpoints and self.checkpoints.due():
            tensors, state = self._good
            self.checkpoints.save(state["trainer"]["steps"], tensors, state)

    def _end_row(self) -> None:
        means = self.trainer.means()
        gradients = {name: means.pop(name) for name in ("gradient_d", "gradient_g")}
        wrong = next((name for name, value in (means | gradients).items() if not math.isfinite(value)), None)
        if wrong is None and not self.trainer.finite():
            wrong = "weights"
        if wrong:
            self._rescue(wrong)
            return
        trainer, scale = self.trainer, self.trainer.scale
        row: dict[str, Any] = {"kimg": trainer.images / 1000, **means, "resolution": scale.side, "alpha": scale.alpha}
        # Without a choice, DVC draws the last column: it is a number.
        row |= {**gradients, "event": "", "diversity": self.probe.diversity()}
        events = self.watchdog.observe(row)
        row["event"] = "; ".join(events)
        self.curve.append(row)
        self.note = " ".join([*(f"{name} {value:.3g}" for name, value in means.items()), *events])
        self._good = self._state()

    def _rescue(self, wrong: str) -> None:
        """Back to the last good state with a lower learning rate, but on with the random streams.

        Rolled back too, they would bring the same batch again.
        """
        trainer = self.trainer
        images, streams = trainer.images, {f"rng.{name}": rng.get_state() for name, rng in trainer.rngs.items()}
        tensors, state = self._good
        self._load(tensors, state)
        if trainer.rescues == MOST_RESCUES:
            trainer.averaged()
            raise TrainingDiverged(
                f"training of {trainer.model.seed_name} diverged {MOST_RESCUES + 1} times",
                got=f"{wrong} not finite by {images / 1000:g} kimg, with the learning rate at {trainer.rate:g}",
                expected="finite losses and weights",
                remedy="lower 'learning_rate' of this generator in params.yaml or raise the weight of its penalty",
                pairs=self.probe.pairs(),
            )
        trainer.load(tensors | streams, state["trainer"])
        trainer.rescues += 1
        trainer.set_rate()
        self.watchdog.note(ROLLED_BACK)
        self.note = f"{wrong} not finite, {ROLLED_BACK}"
        self._good = self._state()

    def _state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        tensors, state = self.trainer.state()
        return tensors, {"trainer": state, "watchdog": self.watchdog.state(), "curve": list(self.curve)}

    def _load(self, tensors: dict[str, Tensor], state: dict[str, Any]) -> None:
        self.trainer.load(tensors, state["trainer"])
        self.watchdog.load(state["watchdog"])
        self.curve[:] = state["curve"]
