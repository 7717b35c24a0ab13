"""The run of the progressive GAN: curve, checkpoints, and the rescue of a run that diverged."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from torch import Tensor

from augbench.core.seeding import child_seed
from augbench.core.types import Frames
from augbench.generators.base import FitContext, TrainingDiverged
from augbench.generators.pggan.networks import ProgressiveGenerator
from augbench.generators.pggan.trainer import Trainer, keep_freed_memory
from augbench.generators.pggan.watchdog import ROLLED_BACK, Probe, Watchdog

if TYPE_CHECKING:
    import torch

    from augbench.generators.pggan import PGGAN

_CURVE_IMAGES = 250
#: Rescues of one run; the next fault ends it.
MOST_RESCUES = 3


def train(
    params: PGGAN,
    frames: Frames,
    views: tuple[str, ...],
    context: FitContext,
    build: Callable[[torch.Generator], ProgressiveGenerator],
) -> ProgressiveGenerator:
    """Train both networks for `params.total_kimg`; the generator's averaged weights are returned.

    Raises:
        TrainingDiverged: a loss or weight became NaN or infinite once more than MOST_RESCUES times.
    """
    keep_freed_memory()
    run = Run(Trainer(params, frames, views, context, build), context, len(views), frames.image_size)
    with context.bars("train pggan", run.total, "img") as bar:
        bar.advance(run.trainer.images)
        while run.trainer.images < run.total:
            before = run.trainer.images
            run.step()
            bar.advance(run.trainer.images - before, note=run.note)
    return run.trainer.averaged()


class Run:
    """A trainer with its curve, its watchdog and its last good state.

    A good state is taken at every row of the curve, at the same images in every run. It alone is what a checkpoint
    holds and what a rescue goes back to: neither depends on when the clock or a signal asked for a checkpoint.
    """

    def __init__(self, trainer: Trainer, context: FitContext, views: int, image_size: int) -> None:
        self.trainer, self.curve, self.checkpoints = trainer, context.curve, context.checkpoints
        self.watchdog, self.note = Watchdog(), ""
        self.probe = Probe(trainer.batches, views, child_seed(context.seed, "pggan", "watchdog"))
        self._image_size = image_size
        batch = trainer.params.batch_size
        self.total = math.ceil(trainer.params.total_kimg * 1000 / batch) * batch
        self._sums: dict[str, float] = {}
        self._counts: dict[str, int] = {}
        found = self.checkpoints.latest() if self.checkpoints else None
        if found:
            self._load(found.tensors, found.state)
        self._good = self._state()

    def step(self) -> None:
        """One step; where a row ends, the row and a new good state; a rescue where a number is not finite."""
        images = self.trainer.images + self.trainer.params.batch_size
        row_ends = images // _CURVE_IMAGES > self.trainer.images // _CURVE_IMAGES or images == self.total
        losses = self.trainer.step(gradients=row_ends)
        wrong = next((name for name, value in losses.items() if not math.isfinite(value)), None)
        if wrong is None and row_ends and not self.trainer.finite():
            wrong = "weights"
        if wrong:
            self._rescue(wrong)
        else:
            for name, value in losses.items():
                self._sums[name] = self._sums.get(name, 0.0) + value
                self._counts[name] = self._counts.get(name, 0) + 1
            if row_ends:
                self._end_row()
        if self.checkpoints and self.checkpoints.due():
            tensors, state = self._good
            self.checkpoints.save(state["trainer"]["steps"], tensors, state)

    def _end_row(self) -> None:
        trainer, phase = self.trainer, self.trainer.phase
        means = {name: value / self._counts[name] for name, value in self._sums.items()}
        gradients = {name: means.pop(name) for name in ("gradient_d", "gradient_g")}
        row: dict[str, Any] = {"kimg": trainer.images / 1000, **means, "resolution": 4 << phase.stage}
        row |= {"alpha": phase.alpha, **gradients, "event": ""}
        # Without a choice, DVC draws the last column: it is a number.
        row["diversity"] = self.probe.diversity(trainer.generator, phase)
        events = self.watchdog.observe(row, wasserstein=trainer.params.loss == "wgan-gp")
        row["event"] = "; ".join(events)
        self.curve.append(row)
        self.note = " ".join([*(f"{name} {value:.3g}" for name, value in means.items()), *events])
        self._sums, self._counts = {}, {}
        self._good = self._state()

    def _rescue(self, wrong: str) -> None:
        """Back to the last good state with a lower learning rate, but on with the random streams.

        Rolled back too, they would bring the same batch again.
        """
        trainer = self.trainer
        images, streams = trainer.images, {name: rng.get_state() for name, rng in trainer.rngs.items()}
        tensors, state = self._good
        self._load(tensors, state)
        if trainer.rescues == MOST_RESCUES:
            raise TrainingDiverged(
                f"training of pggan diverged {MOST_RESCUES + 1} times",
                got=f"{wrong} not finite after {images / 1000:g} kimg, with the learning rate at {trainer.rate:g}",
                expected="finite losses and weights",
                remedy="lower 'generators.pggan.learning_rate' in params.yaml or raise its penalty weight",
                pairs=self.probe.pairs(trainer.averaged(), trainer.phase, self._image_size),
            )
        trainer.load(tensors | {f"rng.{name}": stream for name, stream in streams.items()}, state["trainer"])
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
        self._sums, self._counts = {}, {}
