"""One training loop for all arms: the same network, augmentation, optimiser, steps and model selection."""

from __future__ import annotations

import logging
import warnings
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from monai.losses.dice import DiceCELoss
from torch import Tensor, nn
from torch.utils.data import DataLoader

from augbench.core.params import Augmentation, Training
from augbench.core.progress import Progress, progress
from augbench.core.seeding import child_seed
from augbench.core.types import Frames, Pairs
from augbench.training.augment import normalise
from augbench.training.batches import AugmentedFrames


class SegmentationModule(pl.LightningModule):
    """Dice + cross-entropy, AdamW, one-cycle learning rate."""

    def __init__(self, network: nn.Module, params: Training) -> None:
        super().__init__()
        self.network = network
        self._params = params
        # Over the batch: a structure that a view does not show would otherwise give every such frame a Dice of its own.
        self._loss = DiceCELoss(softmax=True, to_onehot_y=True, batch=True, include_background=False)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        images, labels = batch
        return self._loss(self.network(images.contiguous(memory_format=torch.channels_last)), labels)

    def configure_optimizers(self) -> Any:
        optimiser = torch.optim.AdamW(
            self.parameters(), lr=self._params.learning_rate, weight_decay=self._params.weight_decay
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimiser, max_lr=self._params.learning_rate, total_steps=self._params.steps, pct_start=0.2
        )
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class _Selection(pl.Callback):
    """Scores the real validation patients now and then and keeps the weights to return; draws the progress."""

    def __init__(self, validation: Frames, params: Training, bar: Progress) -> None:
        self._validation, self._params, self._bar = validation, params, bar
        self.best: dict[str, Tensor] = {}
        self.best_dice = -1.0
        self.curve: list[dict[str, float]] = []

    def on_train_batch_end(self, trainer: pl.Trainer, module: Any, outputs: Any, *_: object) -> None:
        step = trainer.global_step
        self._bar.advance(1, note=f"loss {float(outputs['loss']):.3f}")
        if step % self._params.validate_every and step != self._params.steps:
            return
        row = {"step": step, "loss": float(outputs["loss"])}
        if self._params.selection == "best":
            row["validation_dice"] = dice = validation_dice(module.network, self._validation)
            if dice > self.best_dice:
                self.best_dice = dice
                self.best = {name: value.detach().clone() for name, value in module.network.state_dict().items()}
        self.curve.append(row)


def fit(
    network: nn.Module,
    pool: Pairs,
    validation: Frames,
    training: Training,
    augmentation: Augmentation,
    *,
    seed: int,
    accelerator: str,
    description: str,
) -> list[dict[str, float]]:
    """Train `network` in place on a pool of pairs (n, 2, H, W) uint8; returns its validation curve.

    Every arm takes exactly `training.steps` optimiser steps, however large its pool. With `selection: best` the weights
    with the highest Dice on the real validation patients remain, in synthetic arms too; with `last` the final ones.
    """
    _quiet()
    frames = AugmentedFrames(pool, training.steps * training.batch_size, augmentation, child_seed(seed, "draws"))
    # Workers on two cores cost more than they give for small images (measured), so frames are made in this process.
    loader = DataLoader(frames, batch_size=training.batch_size, shuffle=False, num_workers=0)
    module = SegmentationModule(network.to(memory_format=torch.channels_last), training)
    with progress(description, training.steps, "steps") as bar:
        selection = _Selection(validation, training, bar)
        trainer = pl.Trainer(
            max_steps=training.steps,
            max_epochs=1,
            accelerator=accelerator,
            devices=1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=[selection],
            deterministic=True,
        )
        trainer.fit(module, loader)
    if trainer.global_step != training.steps:
        raise RuntimeError(f"took {trainer.global_step} optimiser steps instead of {training.steps}")
    if selection.best:
        network.load_state_dict(selection.best)
    network.eval()
    return selection.curve


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
