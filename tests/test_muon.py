"""Muon: matrices made orthogonal, the same steps as torch's own, AdamW for what is no matrix."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from augbench.training.muon import Muon, orthogonal


@pytest.mark.parametrize("shape", [(16, 16), (16, 144), (128, 32)])
def test_singular_values_become_one_and_directions_stay(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    made = left.T @ orthogonal(matrix) @ right.T
    well = values > 0.05 * values[0]  # the iteration leaves directions without a gradient where they were
    assert made.diagonal()[well].min() > 0.6
    assert made.diagonal().max() < 1.3
    assert (made - made.diagonal().diag()).abs().max() < 1e-3


def test_scale_of_the_gradient_does_not_matter() -> None:
    matrix = torch.randn(16, 40, generator=torch.Generator().manual_seed(2))
    assert torch.allclose(orthogonal(matrix), orthogonal(1e4 * matrix), atol=1e-5)
    assert torch.equal(orthogonal(torch.zeros(16, 40)), torch.zeros(16, 40))


@pytest.mark.parametrize("shape", [(16, 64), (64, 16)])
def test_steps_are_those_of_torch(shape: tuple[int, int]) -> None:
    """torch's Muon rounds to bfloat16, so the two agree to about a hundredth of a step."""
    rng = torch.Generator().manual_seed(3)
    layer = nn.Linear(shape[1], shape[0], bias=False)
    other = nn.Parameter(layer.weight.detach().clone())
    own, theirs = Muon(layer, 0.02, 0.1), torch.optim.Muon([other], lr=0.02, weight_decay=0.1, momentum=0.95)
    start = layer.weight.detach().clone()
    for _ in range(3):
        layer.weight.grad = torch.randn(shape, generator=rng)
        other.grad = layer.weight.grad.clone()
        own.step()
        theirs.step()
    moved = (layer.weight - start).norm()
    assert (layer.weight - other).norm() < 0.03 * moved


def test_what_is_no_matrix_moves_as_with_adamw_at_a_fifth_of_the_rate() -> None:
    def network() -> nn.Module:
        torch.manual_seed(4)
        return nn.Sequential(nn.Conv2d(1, 16, 3), nn.BatchNorm2d(16), nn.Conv2d(16, 16, 3), nn.Conv2d(16, 3, 1))

    first, second = network(), network()
    own, adamw = Muon(first, 0.05, 0.01), torch.optim.AdamW(second.parameters(), lr=0.01, weight_decay=0.01)
    for step in range(3):
        for one, optimiser in ((first, own), (second, adamw)):
            optimiser.zero_grad()
            one(torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(step))).square().mean().backward()
            if step == 0:
                optimiser.step()
    # After one step: the second convolution alone has gone another way.
    same = [torch.allclose(a, b, atol=1e-6) for a, b in zip(first.parameters(), second.parameters(), strict=True)]
    names = [name for name, _ in first.named_parameters()]
    assert [name for name, equal in zip(names, same, strict=True) if not equal] == ["2.weight"]
