"""What the two players minimise: the interface of an objective, and the objectives that several models share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from augbench.generators.adversarial.frame_spec import Scale

Score = Callable[[Tensor], Tensor]
#: The loss to minimise, and the numbers that stand in the curve under their names.
Losses = tuple[Tensor, dict[str, Tensor]]

#: Weight of the squared score that keeps a Wasserstein critic near zero (Karras et al. 2018, appendix A.1).
_DRIFT = 1e-3


class Match(NamedTuple):
    """What an objective is given in one step.

    Attributes:
        real, synthetic: (n, 1 + classes, side, side) as the discriminator sees them, augmented alike. For the
            discriminator, `synthetic` has no graph.
        condition: (n,) int64.
        score: the discriminator at this condition and scale: frames -> (n,) scores.
        scale: of the frames.
        step: steps done before.
        rng: for random numbers of the objective; of the frames' device.
    """

    real: Tensor
    synthetic: Tensor
    condition: Tensor
    score: Score
    scale: Scale
    step: int
    rng: torch.Generator


class Objective(ABC):
    """Losses of both players. The curve shows the discriminator's as `loss_d`, the generator's as `loss_g`.

    Attributes:
        won_below: `loss_d` below which the discriminator has won (docs/watchdog.md); None: there is no such level.
    """

    won_below: ClassVar[float | None] = None

    @abstractmethod
    def discriminator(self, match: Match) -> Losses:
        """Loss of the discriminator, penalties in it, and what the curve shows of it: `loss_d` among others."""

    @abstractmethod
    def generator(self, match: Match) -> Losses:
        """Loss of the generator, and what the curve shows of it: `loss_g` among others."""


class NonSaturatingR1(Objective):
    """Logistic loss (Goodfellow et al. 2014) with the R1 penalty (Mescheder et al., ICML 2018) now and then.

    Args:
        weight: of the penalty; 0 for none.
        interval: steps between two penalties, which are weighted up to make up for it.
    """

    #: A discriminator that gives the right answer a probability of 95 % on either side; chance is 1.39.
    won_below = 0.1

    def __init__(self, weight: float, interval: int) -> None:
        self.weight, self.interval = weight, interval

    def discriminator(self, match: Match) -> Losses:
        with_r1 = self.weight > 0 and match.step % self.interval == 0
        real = match.real.detach().requires_grad_(with_r1)
        # Two passes of n frames are faster than one of 2n: their maps stay below the size at which memory is
        # returned to the system and faulted in again at every allocation.
        score_real, score_synthetic = match.score(real), match.score(match.synthetic)
        loss = logistic_d(score_real, score_synthetic)
        if not with_r1:
            return loss, {"loss_d": loss}
        penalty = r1_penalty(score_real, real)
        return loss + self.weight * self.interval * penalty, {"loss_d": loss, "r1": penalty}

    def generator(self, match: Match) -> Losses:
        loss = logistic_g(match.score(match.synthetic))
        return loss, {"loss_g": loss}


class WassersteinGP(Objective):
    """Wasserstein loss with drift, and the gradient penalty at every step (Gulrajani et al., NIPS 2017).

    Args:
        weight: of the penalty.
    """

    def __init__(self, weight: float) -> None:
        self.weight = weight

    def discriminator(self, match: Match) -> Losses:
        loss = wasserstein_d(match.score(match.real), match.score(match.synthetic))
        penalty = gradient_penalty(match.score, match.real, match.synthetic, match.rng)
        return loss + self.weight * penalty, {"loss_d": loss, "gp": penalty}

    def generator(self, match: Match) -> Losses:
        loss = -match.score(match.synthetic).mean()
        return loss, {"loss_g": loss}


def logistic_d(real: Tensor, synthetic: Tensor) -> Tensor:
    """Mean logistic loss of the discriminator from its scores (n,)."""
    return functional.softplus(synthetic).mean() + functional.softplus(-real).mean()


def logistic_g(synthetic: Tensor) -> Tensor:
    """Mean non-saturating loss of the generator from the scores (n,) of its frames."""
    return functional.softplus(-synthetic).mean()


def wasserstein_d(real: Tensor, synthetic: Tensor) -> Tensor:
    """Mean Wasserstein loss of the critic from its scores (n,), with drift."""
    return (synthetic - real).mean() + _DRIFT * real.square().mean()


def r1_penalty(score: Tensor, real: Tensor) -> Tensor:
    """Half the squared gradient norm at real frames, averaged over frames.

    Args:
        score: (n,) discriminator scores of `real`.
        real: (n, c, h, w) with requires_grad.
    """
    (gradient,) = torch.autograd.grad(score.sum(), real, create_graph=True)
    return 0.5 * gradient.square().sum((1, 2, 3)).mean()


def gradient_penalty(score: Score, real: Tensor, synthetic: Tensor, rng: torch.Generator) -> Tensor:
    """Squared distance of the gradient norm from 1 between real and synthetic frames (n, c, h, w)."""
    weight = torch.rand(len(real), 1, 1, 1, generator=rng, device=rng.device)
    between = torch.lerp(real, synthetic, weight).requires_grad_()
    (gradient,) = torch.autograd.grad(score(between).sum(), between, create_graph=True)
    return (gradient.square().sum((1, 2, 3)).sqrt() - 1.0).square().mean()
