"""Muon (Jordan 2024, https://kellerjordan.github.io/posts/muon/): momentum made orthogonal, for convolutions.

The plateau takes less than half of AdamW's steps (docs/decisions/0015-arms-at-their-plateau.md). torch's own Muon takes
two-dimensional parameters alone, and both it and timm's compute in bfloat16, which most CPUs only emulate and whose
rounding differs between them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

#: Below this a side is too short for orthogonality to mean anything: the first and the last layer, norms, biases.
_SHORTEST_SIDE = 16
#: Learning rate of AdamW, which has all other parameters, as a share of Muon's.
_ADAMW_SHARE = 0.2
_MOMENTUM = 0.95
#: Odd polynomial that moves singular values towards 1, tuned by Jordan for a steep slope at 0.
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5


class Muon(torch.optim.Optimizer):
    """Muon for the weights of inner layers, AdamW for everything else, both with decoupled weight decay.

    Attributes:
        param_groups: two: Muon's parameters and AdamW's, each with its `lr`.
    """

    def __init__(self, network: nn.Module, learning_rate: float, weight_decay: float) -> None:
        """`learning_rate` is Muon's; AdamW's is a fifth of it."""
        own = [one for one in network.parameters() if _is_matrix(one)]
        rest = [one for one in network.parameters() if not _is_matrix(one)]
        groups = [{"params": own, "lr": learning_rate}, {"params": rest, "lr": _ADAMW_SHARE * learning_rate}]
        super().__init__([group for group in groups if group["params"]], {"weight_decay": weight_decay})
        self._adamw = torch.optim.AdamW(self.param_groups[-1:], fused=True) if rest else None

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            if _is_matrix(group["params"][0]):
                self._step_matrices(group)
        if self._adamw is not None:
            # Shared at every step: loading a state puts new ones in the place of both.
            self._adamw.param_groups, self._adamw.state = self.param_groups[-1:], self.state
            self._adamw.step()
        return loss

    def _step_matrices(self, group: dict[str, Any]) -> None:
        for weight in group["params"]:
            if weight.grad is None:
                continue
            state = self.state[weight]
            if not state:
                state["momentum"] = torch.zeros_like(weight)
            momentum = state["momentum"].lerp_(weight.grad, 1 - _MOMENTUM)
            # Nesterov: the gradient once more, ahead of the momentum.
            matrix = weight.grad.lerp(momentum, _MOMENTUM).flatten(1)
            rows, columns = matrix.shape
            scale = max(1.0, rows / columns) ** 0.5
            weight.mul_(1 - group["lr"] * group["weight_decay"])
            weight.add_(orthogonal(matrix).view(weight.shape), alpha=-group["lr"] * scale)


def orthogonal(matrix: Tensor) -> Tensor:
    """The nearest matrix whose singular values are all about 1 (0.7 to 1.2), by Newton-Schulz iterations."""
    wide = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    wide = wide / wide.norm().clamp(min=1e-7)
    linear, cubic, quintic = _COEFFICIENTS
    for _ in range(_ITERATIONS):
        gram = wide @ wide.T
        wide = torch.addmm(wide, torch.addmm(gram, gram, gram, beta=cubic, alpha=quintic), wide, beta=linear)
    return (wide.T if matrix.shape[0] > matrix.shape[1] else wide).contiguous()


def _is_matrix(parameter: Tensor) -> bool:
    return parameter.ndim >= 2 and min(parameter.shape[0], parameter[0].numel()) >= _SHORTEST_SIDE
