"""Watches a training for the ways in which adversarial training fails (docs/watchdog.md).

It only looks: its random numbers are its own, so a watched run ends in the bytes of one that is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from augbench.core.types import Pairs
from augbench.generators.adversarial.frame_spec import GROUP, Scale
from augbench.generators.adversarial.networks import quantised
from augbench.generators.adversarial.trainer import Trainer

ROLLED_BACK = "rolled back"
D_WON = "discriminator won"
COLLAPSED = "diversity collapsed"
EXPLODED = "gradients exploded"

#: Rows of the curve in succession before an event is logged: about 1 kimg, so that one odd batch is none.
PATIENCE = 4
#: Spread of synthetic frames as a share of that of real ones.
LEAST_DIVERSITY = 0.1
#: A gradient norm so many times the median of the last rows, or above the absolute limit, has exploded.
GRADIENT_RATIO, GRADIENT_ROWS, GRADIENT_LIMIT = 100.0, 16, 1e4
#: Real frames per condition that the spread is compared with; as many synthetic ones as share a minibatch statistic.
_REAL_FRAMES = 32
#: Frames are averaged to this side first: pixel noise is not diversity.
_SIDE = 16


class Watchdog:
    """Turns rows of the curve into events. An event is logged once, in the row in which it begins.

    Args:
        won_below: `loss_d` below which the discriminator has won; None: its loss has no such level.
    """

    def __init__(self, won_below: float | None) -> None:
        self._won_below = won_below
        self._streaks: dict[str, int] = {}
        self._gradients: dict[str, list[float]] = {"gradient_d": [], "gradient_g": []}
        self._pending: list[str] = []

    def note(self, event: str) -> None:
        """Log an event with the next row."""
        self._pending.append(event)

    def observe(self, row: Mapping[str, float]) -> list[str]:
        """Events that begin with this row of `loss_d`, `gradient_d`, `gradient_g` and `diversity`."""
        seen = {
            D_WON: self._won_below is not None and row["loss_d"] < self._won_below,
            COLLAPSED: row["diversity"] < LEAST_DIVERSITY,
        }
        events, self._pending = self._pending, []
        for event, present in seen.items():
            self._streaks[event] = self._streaks.get(event, 0) + 1 if present else 0
            if self._streaks[event] == PATIENCE:
                events.append(event)
        exploded = [self._exploded(row[name], past) for name, past in self._gradients.items()]
        self._streaks[EXPLODED] = self._streaks.get(EXPLODED, 0) + 1 if any(exploded) else 0
        if self._streaks[EXPLODED] == 1:
            events.append(EXPLODED)
        return events

    def state(self) -> dict[str, Any]:
        """JSON-ready."""
        past = {name: list(values) for name, values in self._gradients.items()}
        return {"streaks": dict(self._streaks), "gradients": past, "pending": list(self._pending)}

    def load(self, state: Mapping[str, Any]) -> None:
        """Continue from what `state` gave."""
        self._streaks, self._pending = dict(state["streaks"]), list(state["pending"])
        self._gradients = {name: list(values) for name, values in state["gradients"].items()}

    @staticmethod
    def _exploded(norm: float, past: list[float]) -> bool:
        limit = min(GRADIENT_LIMIT, GRADIENT_RATIO * median(past)) if len(past) >= PATIENCE else GRADIENT_LIMIT
        if not norm <= limit:  # also where it is NaN
            return True
        past.append(norm)
        del past[:-GRADIENT_ROWS]
        return False


class Probe:
    """Looks at the same latents every time, GROUP frames a condition, beside fixed real frames.

    Args:
        trainer: whose generator is looked at, at its present scale.
        seed: of the latents; the noise maps of a scale follow from it too.
    """

    def __init__(self, trainer: Trainer, seed: int) -> None:
        self._trainer, self._seed = trainer, seed
        self._conditions = len(trainer.spec.conditions)
        self._real = trainer.batches.of_each_condition(_REAL_FRAMES)
        self._spread_of_real: tuple[Scale, float] | None = None

    def frames(self) -> Tensor:
        """(conditions * GROUP, 1 + classes, side, side)."""
        trainer, count = self._trainer, self._conditions * GROUP
        network, scale, rng = trainer.generator, trainer.scale, torch.Generator().manual_seed(self._seed)
        # The latents are drawn first, so that they stay the same while the network grows.
        latent = torch.randn(count, network.latent_size, generator=rng)
        maps = torch.randn(count, network.code_size(scale) - network.latent_size, generator=rng)
        condition = torch.arange(self._conditions).repeat_interleave(GROUP)
        # Without its training mode, a look leaves running statistics as they are.
        network.eval()
        with torch.no_grad():
            out: Tensor = network(torch.cat([latent, maps], 1).to(trainer.device), condition.to(trainer.device), scale)
        network.train()
        return out

    def diversity(self) -> float:
        """Mean distance of two synthetic frames of a condition as a share of two real ones': about 1 is right."""
        scale = self._trainer.scale
        # The same at every look but for growth.
        if self._spread_of_real is None or self._spread_of_real[0] != scale:
            real, _ = self._trainer.batches.take(self._real, scale)
            self._spread_of_real = scale, _spread(real, self._conditions)
        return _spread(self.frames(), self._conditions) / max(self._spread_of_real[1], 1e-12)

    def pairs(self) -> Pairs:
        """The frames at full size, (n, 2, H, H) uint8, to be looked at."""
        side = self._trainer.spec.image_size
        return quantised(functional.interpolate(self.frames(), size=(side, side), mode="nearest"))


def _spread(frames: Tensor, conditions: int) -> float:
    """Mean Euclidean distance of the pairs of frames within a condition, which lie one after the other."""
    small = functional.avg_pool2d(frames, max(frames.shape[-1] // _SIDE, 1)).flatten(1)
    return float(torch.stack([torch.pdist(part).mean() for part in small.chunk(conditions)]).mean())
