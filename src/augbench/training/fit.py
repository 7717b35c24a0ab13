"""One training loop for all arms: the same network, augmentation, optimiser, steps and model selection."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from monai.losses.dice import DiceCELoss
from torch import Tensor, nn
from torch.utils.data import DataLoader, Subset

from augbench.core.bars import Bar, Bars, no_bar
from augbench.core.checkpoint import (
    Checkpoint,
    Checkpoints,
    optimiser_state,
    random_state,
    restore_optimiser,
    set_random_state,
    with_prefix,
)
from augbench.core.device import torch_device
from augbench.core.errors import UserError
from augbench.core.params import Augmentation, Compute, Training
from augbench.core.seeding import child_seed
from augbench.core.types import Frames, Pairs
from augbench.training.augment import normalise
from augbench.training.batches import AugmentedBatches, Rows, Span, draw_order
from augbench.training.muon import Muon


class SegmentationModule(pl.LightningModule):
    """Dice + cross-entropy, one-cycle learning rate; from `start` on where one is given."""

    def __init__(self, network: nn.Module, params: Training, start: Checkpoint | None = None) -> None:
        super().__init__()
        self.network = network
        self._params, self._start = params, start
        # Over the batch: a structure that a view does not show would otherwise give every such frame a Dice of its own.
        self._loss = DiceCELoss(softmax=True, to_onehot_y=True, batch=True, include_background=False)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Loss of one batch of images (n, 1, H, W) and label maps (n, 1, H, W)."""
        images, labels = batch
        return self._loss(self.network(images.contiguous(memory_format=torch.channels_last)), labels)

    def configure_optimizers(self) -> Any:
        """The optimiser and its one-cycle schedule, as of the checkpoint where there is one."""
        params = self._params
        optimiser: torch.optim.Optimizer
        if params.optimiser == "muon":
            optimiser = Muon(self.network, params.learning_rate, params.weight_decay)
        else:
            optimiser = torch.optim.AdamW(
                self.network.parameters(), lr=params.learning_rate, weight_decay=params.weight_decay, fused=True
            )
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimiser,
            max_lr=[group["lr"] for group in optimiser.param_groups],
            total_steps=params.steps,
            pct_start=0.2,
            cycle_momentum=params.optimiser == "adamw",
        )
        if self._start is not None:
            restore_optimiser(optimiser, "optimiser", self._start.tensors, self._start.state["optimiser"])
            schedule.load_state_dict(self._start.state["schedule"])
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


@dataclass(frozen=True)
class Pool:
    """What batches are drawn from.

    Attributes:
        real, synthetic: frames (2, H, W) uint8 by number.
        spans: how much of each at which step.
    """

    real: Rows
    synthetic: Rows
    spans: Sequence[Span]


class _Selection(pl.Callback):
    """Keeps the weights to return and the curve, draws the progress, saves."""

    def __init__(
        self,
        validation: Frames,
        params: Training,
        bar: Bar,
        checkpoints: Checkpoints | None,
        start: Checkpoint | None,
        on_start: Callable[[], None],
    ) -> None:
        self._on_start = on_start
        self._validation, self._params, self._bar = validation, params, bar
        self._checkpoints, self._start = checkpoints, start
        self.step = 0
        self.best: dict[str, Tensor] = {}
        self.best_dice = -1.0
        self.curve: list[dict[str, float]] = []
        if start is not None:
            self.step = start.step
            self.best = with_prefix(start.tensors, "best.")
            self.best_dice, self.curve = start.state["best_dice"], start.state["curve"]

    def on_train_start(self, trainer: pl.Trainer, module: Any) -> None:
        # Lightning's own handler of signals ends the training loop in another way.
        self._on_start()

    def on_train_batch_start(self, trainer: pl.Trainer, module: Any, *_: object) -> None:
        # Not earlier: the data loader draws a number when it starts, which it had drawn before the checkpoint, too.
        if self._start is not None:
            set_random_state(with_prefix(self._start.tensors, "random."))
            self._start = None

    def on_train_batch_end(self, trainer: pl.Trainer, module: Any, outputs: Any, *_: object) -> None:
        self.step += 1
        step, last = self.step, self.step == self._params.steps
        if step % self._params.validate_every == 0 or last:
            self._end_row(module, float(outputs["loss"]))
        else:
            # The loss is read where a row ends: reading it at every step would make the device wait for it.
            self._bar.advance(1)
        if self._checkpoints is not None and (last or self._checkpoints.due()):
            self._save(self._checkpoints, trainer, module)

    def _end_row(self, module: Any, loss: float) -> None:
        row = {"step": self.step, "loss": loss}
        if self._params.selection == "best":
            row["validation_dice"] = dice = validation_dice(module.network, self._validation)
            if dice > self.best_dice:
                self.best_dice = dice
                self.best = {name: value.detach().clone() for name, value in module.network.state_dict().items()}
        self.curve.append(row)
        self._bar.advance(1, note=f"loss {loss:.3f}")

    def _save(self, checkpoints: Checkpoints, trainer: pl.Trainer, module: Any) -> None:
        tensors, optimiser = optimiser_state(trainer.optimizers[0], "optimiser")
        tensors |= {f"network.{name}": value for name, value in module.network.state_dict().items()}
        tensors |= {f"best.{name}": value for name, value in self.best.items()}
        tensors |= {f"random.{name}": value for name, value in random_state().items()}
        schedule = trainer.lr_scheduler_configs[0].scheduler.state_dict()
        state = {"optimiser": optimiser, "schedule": schedule, "best_dice": self.best_dice, "curve": self.curve}
        checkpoints.save(self.step, tensors, state)


def fit(
    network: nn.Module,
    pool: Pool,
    validation: Frames,
    training: Training,
    augmentation: Augmentation,
    compute: Compute,
    *,
    seed: int,
    description: str,
    checkpoints: Checkpoints | None = None,
    bars: Bars = no_bar,
    on_start: Callable[[], None] = lambda: None,
) -> list[dict[str, float]]:
    """Train `network` in place; returns its curve.

    Every arm takes exactly `training.steps` optimiser steps, however large its pool. With `selection: last` the final
    weights remain; with `best` those with the highest mean Dice of the real validation patients, whatever the study's
    primary metric is, in synthetic arms too. With `checkpoints` it goes on from the latest and ends in the same weights
    as one that was never stopped.

    Args:
        validation: read with `selection: best` alone.
        bars: draws the progress.
        on_start: called when the loop has started.

    Raises:
        UserError: there is no GPU for `accelerator: gpu`, or no validation patient for `selection: best`.
    """
    torch_device(compute.accelerator)
    _require_validation(validation, training)
    _quiet()
    start = None if checkpoints is None else checkpoints.latest()
    if start is not None:
        network.load_state_dict(with_prefix(start.tensors, "network."))
    draws = child_seed(seed, "draws")
    order = draw_order(pool.spans, training.steps, training.batch_size, len(pool.real), draws)
    batches = AugmentedBatches(pool.real, pool.synthetic, order, training.batch_size, augmentation, draws)
    module = SegmentationModule(network.to(memory_format=torch.channels_last), training, start)
    with bars(description, training.steps, "steps") as bar, torch.random.fork_rng():
        # Dropout, the one thing that draws from torch's own generator.
        torch.manual_seed(child_seed(seed, "dropout"))
        selection = _Selection(validation, training, bar, checkpoints, start, on_start)
        bar.advance(selection.step)
        left = training.steps - selection.step
        # A step's batch follows from (seed, step): a resumed training starts there, and Lightning's own loop counters,
        # which do not survive a restart within an epoch (Lightning issue 17543), are not needed.
        rest = Subset(batches, range(selection.step, training.steps))
        # Workers on two cores cost more than they give for small images (measured), so frames are made in this process.
        loader = DataLoader(rest, batch_size=None, shuffle=False, num_workers=0)
        trainer = pl.Trainer(
            max_steps=left,
            max_epochs=1,
            accelerator=compute.accelerator,
            devices=1,
            precision="bf16-mixed" if compute.precision == "bf16" else "32-true",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=[selection],
            deterministic=compute.deterministic,
        )
        if left:
            trainer.fit(module, loader)
    if selection.step != training.steps or trainer.global_step != left:
        raise RuntimeError(f"took {selection.step} optimiser steps instead of {training.steps}")
    if selection.best:
        network.load_state_dict(selection.best)
    network.eval()
    return selection.curve


def _require_validation(validation: Frames, training: Training) -> None:
    if training.selection == "best" and not len(validation):
        raise UserError(
            "selection 'best' has no validation patients",
            got="a cohort whose patients are all for training",
            expected="patients with split 'validation'",
            remedy="set training.selection to last, or give the cohort a validation_fraction above 0",
            file="params.yaml",
        )


def predict(network: nn.Module, images: Pairs, batch_size: int = 64) -> Pairs:
    """Label maps (n, H, W) uint8 for 8-bit images (n, H, W)."""
    network.eval()
    device = next(network.parameters()).device
    found: list[Pairs] = []
    with torch.inference_mode():
        for start in range(0, len(images), batch_size):
            batch = normalise(images[start : start + batch_size]).to(device, memory_format=torch.channels_last)
            found.append(network(batch).argmax(dim=1).to(torch.uint8).cpu().numpy())
    return np.concatenate(found) if found else np.empty((0, *images.shape[1:]), np.uint8)


def validation_dice(network: nn.Module, frames: Frames) -> float:
    """Dice pooled over all frames, averaged over the structures that occur; in [0, 1]."""
    predicted = predict(network, frames.images)
    network.train()
    scores = []
    for value in range(1, frames.scheme.classes):
        reference, prediction = frames.labels == value, predicted == value
        total = int(reference.sum()) + int(prediction.sum())
        if reference.any():
            scores.append(2 * int((reference & prediction).sum()) / total)
    return float(np.mean(scores))


def _quiet() -> None:
    """Lightning's hints about devices and workers are advice for other uses than a pipeline stage."""
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    warnings.filterwarnings("ignore", module="lightning_fabric")
