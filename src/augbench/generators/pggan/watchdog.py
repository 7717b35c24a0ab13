"""Watches a run of the progressive GAN for the ways in which such training fails (docs/watchdog.md).

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
from augbench.generators.pggan.networks import GROUP, ProgressiveGenerator, quantised
from augbench.generators.pggan.trainer import Batches, Phase

ROLLED_BACK = "rolled back"
D_WON = "discriminator won"
COLLAPSED = "diversity collapsed"
EXPLODED = "gradients exploded"

#: Rows of the curve in succession before an event is logged: about 1 kimg, so that one odd batch is none.
PATIENCE = 4
#: Logistic loss of a discriminator that gives the right answer a probability of 95 % on either side (chance: 1.39).
WON_LOSS_D = 0.1
#: Spread of synthetic frames as a share of that of real ones.
LEAST_DIVERSITY = 0.1
#: A gradient norm so many times the median of the last rows, or above the absolute limit, has exploded.
GRADIENT_RATIO, GRADIENT_ROWS, GRADIENT_LIMIT = 100.0, 16, 1e4
#: Real frames per view that the spread is compared with; as many synthetic ones as share a minibatch statistic.
_REAL_FRAMES = 32
#: Frames are averaged to this side first: pixel noise is not diversity.
_SIDE = 16


class Watchdog:
    """Turns rows of the curve into events. An event is logged once, in the row in which it begins."""

    def __init__(self) -> None:
        self._streaks: dict[str, int] = {}
        self._gradients: dict[str, list[float]] = {"gradient_d": [], "gradient_g": []}
        self._pending: list[str] = []

    def note(self, event: str) -> None:
        """Log an event with the next row."""
        self._pending.append(event)

    def observe(self, row: Mapping[str, float], *, wasserstein: bool) -> list[str]:
        """Events that begin with this row of `loss_d`, `gradient_d`, `gradient_g` and `diversity`."""
        seen = {
            # The Wasserstein loss has no level at which the critic has won.
            D_WON: not wasserstein and row["loss_d"] < WON_LOSS_D,
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
    """The same latents at every look, GROUP frames of each view, beside fixed real frames.

    Args:
        batches: the training frames.
        views: number of views.
        seed: of the latents; the noise maps of a resolution follow from it too.
    """

    def __init__(self, batches: Batches, views: int, seed: int) -> None:
        self._batches, self._views, self._seed = batches, views, seed
        self._real = batches.of_each_view(_REAL_FRAMES)
        self._spread_of_real: tuple[Phase, float] | None = None

    def frames(self, network: ProgressiveGenerator, phase: Phase) -> Tensor:
        """(views * GROUP, 1 + classes, side, side) of `network` in `phase`."""
        count, device = self._views * GROUP, network.view_code.device
        rng = torch.Generator().manual_seed(self._seed)
        # The latents are drawn first, so that they stay the same while the network grows.
        latent = torch.randn(count, network.latent_size, generator=rng)
        maps = torch.randn(count, network.code_size(phase.stage) - network.latent_size, generator=rng)
        view = torch.arange(self._views).repeat_interleave(GROUP)
        with torch.no_grad():
            out: Tensor = network(torch.cat([latent, maps], 1).to(device), view.to(device), *phase)
        return out

    def diversity(self, network: ProgressiveGenerator, phase: Phase) -> float:
        """Mean distance of two synthetic frames of a view as a share of that of two real ones: about 1 is right."""
        # The same at every look but for growth.
        if self._spread_of_real is None or self._spread_of_real[0] != phase:
            self._spread_of_real = phase, _spread(self._batches.take(self._real, phase)[0], self._views)
        return _spread(self.frames(network, phase), self._views) / max(self._spread_of_real[1], 1e-12)

    def pairs(self, network: ProgressiveGenerator, phase: Phase, side: int) -> Pairs:
        """The frames as (n, 2, side, side) uint8, to be looked at."""
        out = self.frames(network, phase)
        return quantised(functional.interpolate(out, size=(side, side), mode="nearest"))


def _spread(frames: Tensor, views: int) -> float:
    """Mean Euclidean distance of the pairs of frames within a view, which lie one after the other."""
    small = functional.avg_pool2d(frames, max(frames.shape[-1] // _SIDE, 1)).flatten(1)
    return float(torch.stack([torch.pdist(part).mean() for part in small.chunk(views)]).mean())
