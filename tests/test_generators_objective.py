"""Losses, penalties, average and augmentation that adversarial models share, against hand values."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from augbench.generators.adversarial.augment import augmentation
from augbench.generators.adversarial.average import Average
from augbench.generators.adversarial.frame_spec import Scale
from augbench.generators.adversarial.objective import (
    Match,
    WassersteinGP,
    gradient_penalty,
    logistic_d,
    logistic_g,
    r1_penalty,
    wasserstein_d,
)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_logistic_losses_by_hand() -> None:
    zero = torch.zeros(2)
    assert logistic_d(zero, zero).item() == pytest.approx(2 * math.log(2))
    assert logistic_g(zero).item() == pytest.approx(math.log(2))
    # A discriminator that is sure and right has no loss; swapped arguments would give 40.
    assert logistic_d(torch.tensor([20.0]), torch.tensor([-20.0])).item() < 1e-6


def test_wasserstein_losses_by_hand() -> None:
    real, synthetic = torch.tensor([3.0, 1.0]), torch.tensor([-1.0, 0.0])
    assert wasserstein_d(real, synthetic).item() == pytest.approx(-2.5 + 0.001 * 5.0)
    # A frame is its own score here.
    match = Match(real, synthetic, real, lambda frames: frames, Scale(4), 0, rng())
    assert WassersteinGP(10.0).generator(match)[0].item() == pytest.approx(0.5)


def test_r1_of_a_linear_discriminator_is_half_its_squared_weights() -> None:
    weight = torch.randn(2, 3, 3, generator=rng())
    real = torch.randn(5, 2, 3, 3, generator=rng(1)).requires_grad_()
    penalty = r1_penalty((real * weight).sum((1, 2, 3)), real)
    torch.testing.assert_close(penalty, 0.5 * weight.square().sum())


def test_r1_is_differentiated_with_respect_to_the_weights() -> None:
    # Score w * x^2 / 2 has gradient w * x, so R1 is w^2 * mean(x^2) / 2 and its derivative w * mean(x^2).
    weight = torch.tensor(3.0, requires_grad=True)
    real = torch.tensor([1.0, 2.0]).view(2, 1, 1, 1).requires_grad_()
    r1_penalty((weight * real.square() / 2).flatten(), real).backward()
    assert weight.grad is not None
    assert weight.grad.item() == pytest.approx(3.0 * 2.5)


def test_gradient_penalty_of_a_linear_critic() -> None:
    weight = torch.full((1, 2, 2), 1.5)  # norm 3
    real, synthetic = torch.zeros(4, 1, 2, 2), torch.ones(4, 1, 2, 2)
    penalty = gradient_penalty(lambda x: (x * weight).sum((1, 2, 3)), real, synthetic, rng())
    assert penalty.item() == pytest.approx((3 - 1) ** 2)


def test_gradient_penalty_looks_between_real_and_synthetic_frames() -> None:
    seen: list[Tensor] = []

    def critic(x: Tensor) -> Tensor:
        seen.append(x)
        return x.sum((1, 2, 3))

    gradient_penalty(critic, torch.zeros(64, 1, 2, 2), torch.ones(64, 1, 2, 2), rng())
    (between,) = seen
    assert ((between >= 0) & (between <= 1)).all()
    assert between.flatten(1).std(1).max() == 0, "one weight a frame"
    assert between.mean().item() == pytest.approx(0.5, abs=0.15)


def test_average_forgets_half_after_its_half_life() -> None:
    network = nn.Linear(1, 1, bias=False)
    nn.init.ones_(network.weight)
    average = Average(network, half_life_kimg=0.5)
    nn.init.zeros_(network.weight)
    for _ in range(10):
        average.update(50)
    assert average.weights["weight"].item() == pytest.approx(0.5)
    average.update(1000)
    assert average.weights["weight"].item() == pytest.approx(0.125)


def test_buffers_are_copied_into_the_average() -> None:
    network = nn.BatchNorm1d(2)
    average = Average(network, half_life_kimg=0.5)
    network(torch.randn(8, 2, generator=rng()))
    average.update(1)
    assert torch.equal(average.weights["running_mean"], network.running_mean)
    assert average.weights["num_batches_tracked"] == 1
    assert average.weights["running_mean"] is not network.running_mean


def test_augmentation_treats_both_sides_alike_and_can_be_differentiated() -> None:
    x = torch.rand(4, 3, 8, 8, generator=rng(1)).requires_grad_()
    augment = augmentation(x.shape, 0.1, 0.25, 0.5, rng())
    torch.testing.assert_close(augment(x), augment(x))
    augment(x).sum().backward()
    assert x.grad is not None
    assert set(x.grad.unique().tolist()) <= {0.0, 1.0}


def test_augmentation_off_changes_nothing_and_mask_noise_leaves_the_image() -> None:
    x = torch.rand(4, 3, 8, 8, generator=rng(1))
    for mask_noise in (0.0, 0.1):
        augment = augmentation(x.shape, mask_noise, 0.0, 0.0, rng())
        torch.testing.assert_close(augment(x)[:, :1], x[:, :1])
        deviation = (augment(x) - x)[:, 1:].std().item()
        assert deviation == pytest.approx(mask_noise, rel=0.2)


def test_augmentation_shifts_image_and_mask_together() -> None:
    x = torch.rand(4, 1, 8, 8, generator=rng(1)).expand(4, 2, 8, 8)
    augment = augmentation(x.shape, 0.0, 0.25, 0.0, rng(3))
    torch.testing.assert_close(augment(x)[:, 0], augment(x)[:, 1])
    assert (augment(x) != x).any()


@pytest.mark.parametrize("translation", [0.0, 0.25])
def test_parts_of_an_augmentation_do_what_the_whole_does(translation: float) -> None:
    x = torch.rand(8, 3, 8, 8, generator=rng(1))
    augment = augmentation(x.shape, 0.1, translation, 0.5, rng())
    parts = [part(piece) for part, piece in zip(augment.parts(2), x.chunk(2), strict=True)]
    assert torch.equal(torch.cat(parts), augment(x))
