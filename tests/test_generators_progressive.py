"""Networks and losses of the progressive GAN against hand values and independent formulas."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from augbench.generators.pggan import PGGAN
from augbench.generators.pggan.augment import Augment
from augbench.generators.pggan.losses import Average, discriminator_loss, generator_loss, gradient_penalty, r1_penalty
from augbench.generators.pggan.networks import (
    EqualConv,
    EqualLinear,
    NoisyActivation,
    ProgressiveDiscriminator,
    ProgressiveGenerator,
    minibatch_std,
    pixel_norm,
    upsample,
)
from augbench.generators.pggan.trainer import Phase, growth

CHANNELS = (8, 6, 4)
ALLOWED = torch.tensor([[True, True, True], [True, False, True]])


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def generator(*, noise: bool) -> ProgressiveGenerator:
    return ProgressiveGenerator(CHANNELS, 5, ALLOWED, noise=noise, rng=rng())


def test_equalised_learning_rate_scales_by_gain_over_root_fan_in() -> None:
    layer = EqualConv(2, 1, 3, rng())
    nn.init.ones_(layer.weight)
    # Nine ones of two channels times sqrt(2) / sqrt(18).
    assert layer(torch.ones(1, 2, 3, 3))[0, 0, 1, 1].item() == pytest.approx(18 * math.sqrt(2) / math.sqrt(18))
    dense = EqualLinear(16, 1, rng(), gain=1.0)
    nn.init.ones_(dense.weight)
    assert dense(torch.ones(1, 16)).item() == pytest.approx(16 / 4)


def test_equalised_weights_start_with_unit_variance_and_keep_that_of_the_signal() -> None:
    layer = EqualConv(64, 64, 3, rng())
    assert layer.weight.std().item() == pytest.approx(1.0, abs=0.01)
    y = functional.leaky_relu(layer(torch.randn(4, 64, 16, 16, generator=rng(1))), 0.0)
    assert y[:, :, 1:-1, 1:-1].square().mean().item() == pytest.approx(1.0, abs=0.1)


def test_strided_kernels_equal_resampling_and_convolving() -> None:
    x = torch.randn(2, 3, 8, 8, generator=rng())
    up = EqualConv(3, 5, 3, rng(), resample="up")
    nn.init.normal_(up.bias, generator=rng(1))
    # A transposed convolution stores its kernel mirrored and with the channels swapped.
    kernel = up.weight.transpose(0, 1).flip(2, 3) * up.scale
    expected = functional.conv2d(functional.interpolate(x, scale_factor=2), kernel, up.bias, padding=1)
    torch.testing.assert_close(up(x), expected, atol=1e-5, rtol=1e-5)
    down = EqualConv(3, 5, 3, rng(), resample="down")
    expected = functional.avg_pool2d(functional.conv2d(x, down.weight * down.scale, down.bias, padding=1), 2)
    torch.testing.assert_close(down(x), expected, atol=1e-5, rtol=1e-5)


def test_pixel_norm_by_hand() -> None:
    x = torch.tensor([3.0, 4.0]).view(1, 2, 1, 1)
    # Root mean square of 3 and 4 is sqrt(12.5); a norm over the batch or the pixels would not give this.
    expected = torch.tensor([3.0, 4.0]).view(1, 2, 1, 1) / math.sqrt(12.5)
    torch.testing.assert_close(pixel_norm(x.expand(1, 2, 3, 3)), expected.expand(1, 2, 3, 3))


@pytest.mark.parametrize("noisy", [True, False])
def test_fused_activation_equals_its_parts(noisy: bool) -> None:
    x = torch.randn(2, 3, 4, 5, generator=rng(), dtype=torch.float64).requires_grad_()
    strength = torch.randn(3, generator=rng(1), dtype=torch.float64).requires_grad_()
    noise = torch.randn(2, 4, 5, generator=rng(2), dtype=torch.float64)

    def fused(x: Tensor, strength: Tensor) -> Tensor:
        out: Tensor = NoisyActivation.apply(x, strength if noisy else None, noise if noisy else None)
        return out

    shifted = x + strength[:, None, None] * noise[:, None] if noisy else x
    torch.testing.assert_close(fused(x, strength), pixel_norm(functional.leaky_relu(shifted, 0.2)))
    assert torch.autograd.gradcheck(fused, (x, strength))


def test_minibatch_std_by_hand() -> None:
    x = torch.zeros(8, 2, 1, 1)
    x[1, 0], x[3, 0] = 4.0, 4.0  # first group, first feature: 0 4 0 4 has sd 2; all else has sd 0
    out = minibatch_std(x)
    assert out.shape == (8, 3, 1, 1)
    torch.testing.assert_close(out[:4, 2].flatten(), torch.full((4,), 1.0), atol=1e-3, rtol=0)
    torch.testing.assert_close(out[4:, 2].flatten(), torch.zeros(4), atol=1e-3, rtol=0)


def test_minibatch_std_refuses_an_incomplete_batch_and_has_finite_gradients_at_zero() -> None:
    with pytest.raises(ValueError, match="multiple of 4"):
        minibatch_std(torch.zeros(6, 2, 4, 4))
    x = torch.zeros(4, 2, 4, 4, requires_grad=True)
    minibatch_std(x).sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()


@pytest.mark.parametrize("noise", [True, False])
def test_generator_output_is_an_image_and_probabilities(noise: bool) -> None:
    network = generator(noise=noise)
    view = torch.tensor([0, 1, 1, 0])
    for stage in range(3):
        code = torch.randn(4, network.code_size(stage), generator=rng(stage))
        out = network(code, view, stage)
        assert out.shape == (4, 4, 4 << stage, 4 << stage)
        torch.testing.assert_close(out[:, 1:].sum(1), torch.ones_like(out[:, 0]))
        assert (out[:, 1:] >= 0).all()
        # Class 1 does not exist in view 1.
        assert out[1:3, 2].max() == 0
        assert out[[0, 3], 2].min() > 0


def test_fade_in_starts_at_the_previous_stage_upsampled_and_ends_at_the_new_one() -> None:
    network = generator(noise=False)
    code, view = torch.randn(4, network.code_size(2), generator=rng()), torch.tensor([0, 1, 0, 1])
    before = network(code, view, 1)
    torch.testing.assert_close(network(code, view, 2, 0.0), upsample(before))
    near = network(code, view, 2, 1.0 - 1e-6)
    torch.testing.assert_close(near, network(code, view, 2, 1.0), atol=1e-4, rtol=1e-4)


def test_discriminator_fade_in_starts_at_the_previous_stage_of_the_averaged_frame() -> None:
    network = ProgressiveDiscriminator(CHANNELS, 3, 2, rng=rng())
    x, view = torch.randn(4, 4, 16, 16, generator=rng(1)), torch.tensor([0, 1, 0, 1])
    before = network(functional.avg_pool2d(x, 2), view, 1)
    torch.testing.assert_close(network(x, view, 2, 0.0), before)
    assert (network(x, view, 2, 0.5) != before).all()


def test_discriminator_score_depends_on_the_view() -> None:
    network = ProgressiveDiscriminator(CHANNELS, 3, 2, rng=rng())
    x = torch.randn(4, 4, 16, 16, generator=rng(1))
    assert (network(x, torch.zeros(4, dtype=torch.int64), 2) != network(x, torch.ones(4, dtype=torch.int64), 2)).all()


def test_noise_reaches_the_image_and_follows_the_code() -> None:
    network = generator(noise=True)
    code, view = torch.randn(1, network.code_size(2), generator=rng()), torch.tensor([0])
    other = code.clone()
    other[:, -256:] = 0  # the map of the image's own noise
    # Untrained, noise has strength 0: it must not drown the image before its strength is learnt.
    torch.testing.assert_close(network(code, view, 2), network(other, view, 2))
    nn.init.ones_(network.get_parameter("heads.2.weight")[-1:])
    assert (network(code, view, 2)[:, 0] != network(other, view, 2)[:, 0]).any()
    torch.testing.assert_close(network(code, view, 2)[:, 1:], network(other, view, 2)[:, 1:])


def test_paper_scale_has_about_twenty_million_weights_a_side() -> None:
    channels = (512, 512, 512, 512, 256, 128, 64)
    sides = (
        ProgressiveGenerator(channels, 512, ALLOWED, noise=True, rng=rng()),
        ProgressiveDiscriminator(channels, 3, 2, rng=rng()),
    )
    for network in sides:
        assert 18e6 < sum(weight.numel() for weight in network.parameters()) < 28e6


def test_growth_schedule() -> None:
    params = PGGAN(total_kimg=12.0, start_size=8, growth_fraction=0.25, fade_fraction=0.5)
    # 3 kimg of growth to 64 pixels in 3 parts of 1 kimg, the first half of each a fade-in; the last fades after them.
    assert growth(params, 0, 4) == Phase(1, 1.0)
    assert growth(params, 999, 4) == Phase(1, 1.0)
    assert growth(params, 1000, 4) == Phase(2, 0.0)
    assert growth(params, 1250, 4) == Phase(2, 0.5)
    assert growth(params, 1500, 4) == Phase(2, 1.0)
    assert growth(params, 3000, 4) == Phase(4, 0.0)
    assert growth(params, 3500, 4) == growth(params, 11999, 4) == Phase(4, 1.0)
    # Frames of the starting size need no growth; neither does a run that is told to have none.
    assert growth(params, 0, 1) == Phase(1, 1.0)
    assert growth(PGGAN(growth_fraction=0.0), 0, 4).stage == 4


def test_logistic_losses_by_hand() -> None:
    zero = torch.zeros(2)
    assert discriminator_loss(zero, zero, wasserstein=False).item() == pytest.approx(2 * math.log(2))
    assert generator_loss(zero, wasserstein=False).item() == pytest.approx(math.log(2))
    # A discriminator that is sure and right has no loss; swapped arguments would give 40.
    assert discriminator_loss(torch.tensor([20.0]), torch.tensor([-20.0]), wasserstein=False).item() < 1e-6


def test_wasserstein_losses_by_hand() -> None:
    real, synthetic = torch.tensor([3.0, 1.0]), torch.tensor([-1.0, 0.0])
    assert discriminator_loss(real, synthetic, wasserstein=True).item() == pytest.approx(-2.5 + 0.001 * 5.0)
    assert generator_loss(synthetic, wasserstein=True).item() == pytest.approx(0.5)


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


def test_augmentation_treats_both_sides_alike_and_can_be_differentiated() -> None:
    augment = Augment(0.1, 0.25, 0.5, rng())
    x = torch.rand(4, 3, 8, 8, generator=rng(1)).requires_grad_()
    augment.redraw(x.shape, x.device)
    torch.testing.assert_close(augment(x), augment(x))
    augment(x).sum().backward()
    assert x.grad is not None
    assert set(x.grad.unique().tolist()) <= {0.0, 1.0}


def test_augmentation_off_changes_nothing_and_mask_noise_leaves_the_image() -> None:
    x = torch.rand(4, 3, 8, 8, generator=rng(1))
    for mask_noise in (0.0, 0.1):
        augment = Augment(mask_noise, 0.0, 0.0, rng())
        augment.redraw(x.shape, x.device)
        torch.testing.assert_close(augment(x)[:, :1], x[:, :1])
        deviation = (augment(x) - x)[:, 1:].std().item()
        assert deviation == pytest.approx(mask_noise, rel=0.2)


def test_augmentation_shifts_image_and_mask_together() -> None:
    x = torch.rand(4, 1, 8, 8, generator=rng(1)).expand(4, 2, 8, 8)
    augment = Augment(0.0, 0.25, 0.0, rng(3))
    augment.redraw(x.shape, x.device)
    torch.testing.assert_close(augment(x)[:, 0], augment(x)[:, 1])
    assert (augment(x) != x).any()
