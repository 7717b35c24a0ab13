"""Networks and losses of the progressive GAN against hand values and independent formulas."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from augbench.generators.adversarial.batches import upsample
from augbench.generators.adversarial.frame_spec import FrameSpec, Scale
from augbench.generators.pggan import PGGAN
from augbench.generators.pggan.networks import (
    EqualConv,
    EqualLinear,
    NoisyActivation,
    ProgressiveDiscriminator,
    ProgressiveGenerator,
    level,
    minibatch_std,
    pixel_norm,
)

CHANNELS = (8, 6, 4)
SPEC = FrameSpec(16, ("one", "two"), ((True, True, True), (True, False, True)))


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def generator(*, noise: bool) -> ProgressiveGenerator:
    return ProgressiveGenerator(SPEC, CHANNELS, 5, noise=noise, rng=rng())


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
    for scale in (Scale(4), Scale(8), Scale(16)):
        code = torch.randn(4, network.code_size(scale), generator=rng(scale.side))
        out = network(code, view, scale)
        assert out.shape == (4, 4, scale.side, scale.side)
        torch.testing.assert_close(out[:, 1:].sum(1), torch.ones_like(out[:, 0]))
        assert (out[:, 1:] >= 0).all()
        # Class 1 does not exist in view 1.
        assert out[1:3, 2].max() == 0
        assert out[[0, 3], 2].min() > 0


def test_fade_in_starts_at_the_previous_stage_upsampled_and_ends_at_the_new_one() -> None:
    network = generator(noise=False)
    code, view = torch.randn(4, network.code_size(Scale(16)), generator=rng()), torch.tensor([0, 1, 0, 1])
    before = network(code, view, Scale(8))
    torch.testing.assert_close(network(code, view, Scale(16, 0.0)), upsample(before))
    near = network(code, view, Scale(16, 1.0 - 1e-6))
    torch.testing.assert_close(near, network(code, view, Scale(16)), atol=1e-4, rtol=1e-4)


def test_discriminator_fade_in_starts_at_the_previous_stage_of_the_averaged_frame() -> None:
    network = ProgressiveDiscriminator(SPEC, CHANNELS, rng=rng())
    x, view = torch.randn(4, 4, 16, 16, generator=rng(1)), torch.tensor([0, 1, 0, 1])
    before = network(functional.avg_pool2d(x, 2), view, Scale(8))
    torch.testing.assert_close(network(x, view, Scale(16, 0.0)), before)
    assert (network(x, view, Scale(16, 0.5)) != before).all()


def test_discriminator_score_depends_on_the_view() -> None:
    network = ProgressiveDiscriminator(SPEC, CHANNELS, rng=rng())
    x = torch.randn(4, 4, 16, 16, generator=rng(1))
    one, two = (torch.full((4,), number) for number in (0, 1))
    assert (network(x, one, Scale(16)) != network(x, two, Scale(16))).all()


def test_noise_reaches_the_image_and_follows_the_code() -> None:
    network = generator(noise=True)
    scale = Scale(16)
    code, view = torch.randn(1, network.code_size(scale), generator=rng()), torch.tensor([0])
    other = code.clone()
    other[:, -256:] = 0  # the map of the image's own noise
    # Untrained, noise has strength 0: it must not drown the image before its strength is learnt.
    torch.testing.assert_close(network(code, view, scale), network(other, view, scale))
    nn.init.ones_(network.get_parameter("heads.2.weight")[-1:])
    assert (network(code, view, scale)[:, 0] != network(other, view, scale)[:, 0]).any()
    torch.testing.assert_close(network(code, view, scale)[:, 1:], network(other, view, scale)[:, 1:])


def test_paper_scale_has_about_twenty_million_weights_a_side() -> None:
    channels = (512, 512, 512, 512, 256, 128, 64)
    sides = (
        ProgressiveGenerator(SPEC, channels, 512, noise=True, rng=rng()),
        ProgressiveDiscriminator(SPEC, channels, rng=rng()),
    )
    for network in sides:
        assert 18e6 < sum(weight.numel() for weight in network.parameters()) < 28e6


def test_growth_schedule() -> None:
    params = PGGAN(total_kimg=12.0, start_size=8, growth_fraction=0.25, fade_fraction=0.5)
    # 3 kimg of growth to 64 pixels in 3 parts of 1 kimg, the first half of each a fade-in; the last fades after them.
    expected = {0: Scale(8), 999: Scale(8), 1000: Scale(16, 0.0), 1250: Scale(16, 0.5), 1500: Scale(16)}
    expected |= {3000: Scale(64, 0.0), 3500: Scale(64), 11999: Scale(64)}
    assert {images: params.schedule(images, 64) for images in expected} == expected
    # Frames of the starting size need no growth; neither does a run that is told to have none.
    assert params.schedule(0, 8) == Scale(8)
    assert PGGAN(growth_fraction=0.0).schedule(0, 64).side == 64


def test_levels_count_resolutions_from_four_pixels() -> None:
    assert [level(side) for side in (4, 8, 16, 256)] == [0, 1, 2, 6]
