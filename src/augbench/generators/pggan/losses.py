"""Losses of the two players, gradient penalties, and the average of the generator's weights."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

Score = Callable[[Tensor], Tensor]

#: Weight of the squared score that keeps a Wasserstein critic near zero (Karras et al. 2018, appendix A.1).
_DRIFT = 1e-3


def discriminator_loss(real: Tensor, synthetic: Tensor, *, wasserstein: bool) -> Tensor:
    """Mean loss of the discriminator from its scores (n,): Wasserstein with drift, or logistic."""
    if wasserstein:
        return (synthetic - real).mean() + _DRIFT * real.square().mean()
    return functional.softplus(synthetic).mean() + functional.softplus(-real).mean()


def generator_loss(synthetic: Tensor, *, wasserstein: bool) -> Tensor:
    """Mean loss of the generator: Wasserstein, or non-saturating (Goodfellow et al. 2014)."""
    return -synthetic.mean() if wasserstein else functional.softplus(-synthetic).mean()


def r1_penalty(score: Tensor, real: Tensor) -> Tensor:
    """Half the squared gradient norm at real frames, averaged over frames (Mescheder et al., ICML 2018).

    Args:
        score: (n,) discriminator scores of `real`.
        real: (n, c, h, w) with requires_grad.
    """
    (gradient,) = torch.autograd.grad(score.sum(), real, create_graph=True)
    return 0.5 * gradient.square().sum((1, 2, 3)).mean()


def gradient_penalty(score: Score, real: Tensor, synthetic: Tensor, rng: torch.Generator) -> Tensor:
    """Squared distance of the gradient norm from 1 between real and synthetic frames (Gulrajani et al., NIPS 2017)."""
    weight = torch.rand(len(real), 1, 1, 1, generator=rng).to(real.device)
    between = torch.lerp(real, synthetic, weight).requires_grad_()
    (gradient,) = torch.autograd.grad(score(between).sum(), between, create_graph=True)
    return (gradient.square().sum((1, 2, 3)).sqrt() - 1.0).square().mean()


class Average:
    """Exponential moving average of a network's weights; the old ones count half after `half_life_kimg`."""

    def __init__(self, network: nn.Module, half_life_kimg: float) -> None:
        self.half_life_kimg = half_life_kimg
        self._source = list(network.state_dict(keep_vars=True).items())
        self.weights = {name: tensor.detach().clone() for name, tensor in self._source}

    def update(self, images: int) -> None:
        """Move towards the present weights by what `images` frames are worth."""
        decay = 0.5 ** (images / (1000.0 * self.half_life_kimg))
        present = [tensor.detach() for _, tensor in self._source]
        torch._foreach_lerp_(list(self.weights.values()), present, 1.0 - decay)
