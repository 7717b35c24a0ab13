"""Networks of the progressive GAN (Karras, Aila, Laine and Lehtinen, ICLR 2018), conditional on the view.

Every frame is one code: the latent, followed by the pixel noise of each layer, so that a frame follows from one stream
of normal numbers. Tensors are channels_last throughout: 3x3 convolutions run twice as fast that way on CPUs.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from augbench.generators.adversarial.batches import upsample
from augbench.generators.adversarial.frame_spec import GROUP, FrameSpec, Scale
from augbench.generators.adversarial.networks import DiscriminatorNetwork, GeneratorNetwork, MaskHead

SLOPE = 0.2
_GAIN = math.sqrt(2.0)
_EPSILON = 1e-8


class EqualConv(nn.Module):
    """Convolution with equalised learning rate: weights are N(0, 1) and scaled by gain / sqrt(fan_in) when used.

    `resample` of "up" is nearest-neighbour doubling before, "down" is 2x2 averaging after the convolution. Both are
    done by one strided 4x4 kernel, the sum or mean of four shifted 3x3 kernels: the same with 4/9 of the arithmetic.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: int,
        rng: torch.Generator,
        *,
        resample: str = "",
        gain: float = _GAIN,
    ) -> None:
        super().__init__()
        shape = (channels_in, channels_out) if resample == "up" else (channels_out, channels_in)
        weight = torch.randn(*shape, kernel, kernel, generator=rng)
        self.weight = nn.Parameter(weight.contiguous(memory_format=torch.channels_last))
        self.bias = nn.Parameter(torch.zeros(channels_out))
        self.scale = gain / math.sqrt(channels_in * kernel * kernel)
        self.padding, self.resample = kernel // 2, resample

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels_in, h, w) -> (n, channels_out, h', w') with h' = h, 2h or h/2."""
        weight = self.weight * self.scale
        if not self.padding:
            # A 1x1 kernel is a matrix product over pixels; as a convolution it leaves the fast path on one thread.
            return functional.linear(x.permute(0, 2, 3, 1), weight[:, :, 0, 0], self.bias).permute(0, 3, 1, 2)
        if not self.resample:
            return functional.conv2d(x, weight, self.bias, padding=self.padding)
        weight = functional.avg_pool2d(functional.pad(weight, (1, 1, 1, 1)), 2, stride=1)
        if self.resample == "down":
            return functional.conv2d(x, weight, self.bias, stride=2, padding=1)
        return functional.conv_transpose2d(x, weight * 4, self.bias, stride=2, padding=1)


class EqualLinear(nn.Module):
    """Dense layer with equalised learning rate."""

    def __init__(self, features_in: int, features_out: int, rng: torch.Generator, *, gain: float = _GAIN) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(features_out, features_in, generator=rng))
        self.bias = nn.Parameter(torch.zeros(features_out))
        self.scale = gain / math.sqrt(features_in)

    def forward(self, x: Tensor) -> Tensor:
        """(n, features_in) -> (n, features_out)."""
        return functional.linear(x, self.weight * self.scale, self.bias)


def pixel_norm(x: Tensor) -> Tensor:
    """Scale every pixel's feature vector (dimension 1) to unit root mean square."""
    return x * torch.rsqrt(x.square().mean(1, keepdim=True) + _EPSILON)


class NoisyActivation(torch.autograd.Function):
    """Noise, leaky ReLU and pixel norm in one pass over the pixels: 4 times as fast as one after the other.

    Differentiable once; the penalties that need a second derivative are taken of the discriminator alone.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, strength: Tensor | None, noise: Tensor | None) -> Tensor:
        """(n, c, h, w), (c,), (n, h, w) -> (n, c, h, w); no strength means no noise."""
        rows = x.permute(0, 2, 3, 1).reshape(-1, x.shape[1])
        column = None if noise is None else noise.reshape(-1, 1)
        if strength is not None and column is not None:
            rows = torch.addcmul(rows, column, strength)
        y = functional.leaky_relu(rows, SLOPE)
        # A product with a column of ones is the fastest sum over few channels.
        inverse_rms = (y.square() @ _mean_over(y)).add_(_EPSILON).rsqrt_()
        y.mul_(inverse_rms)
        ctx.save_for_backward(y, inverse_rms, column)
        return y.view(len(x), *x.shape[2:], -1).permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        y, inverse_rms, column = ctx.saved_tensors
        (upstream,) = gradients
        rows = upstream.permute(0, 2, 3, 1).reshape(y.shape)
        gradient = torch.addcmul(rows, y, (rows * y) @ _mean_over(y), value=-1).mul_(inverse_rms)
        # The sign of the result tells the side of the slope: the norm is positive.
        gradient = torch.ops.aten.leaky_relu_backward(gradient, y, SLOPE, True)
        strength = None if column is None else (column.T @ gradient)[0]
        n, c, h, w = upstream.shape
        return gradient.view(n, h, w, c).permute(0, 3, 1, 2), strength, None


def _mean_over(rows: Tensor) -> Tensor:
    return rows.new_full((rows.shape[1], 1), 1.0 / rows.shape[1])


def minibatch_std(x: Tensor) -> Tensor:
    """Append one map: the standard deviation within each group of GROUP frames, averaged over features and pixels.

    A group is of one condition, or the statistic would measure the mix of conditions.
    (n, c, h, w) -> (n, c + 1, h, w); n is a multiple of GROUP, an incomplete batch has no statistic and is refused.
    """
    n, _, h, w = x.shape
    if n % GROUP:
        raise ValueError(f"batch of {n} frames is not a multiple of {GROUP}")
    deviation = (x.float().unflatten(0, (n // GROUP, GROUP)).var(1, unbiased=False) + _EPSILON).sqrt().mean((1, 2, 3))
    return torch.cat([x, deviation.repeat_interleave(GROUP)[:, None, None, None].expand(n, 1, h, w)], 1)


def level(side: int) -> int:
    """Number of a resolution: 0 is 4x4, 1 is 8x8, ..."""
    return side.bit_length() - 3


class ProgressiveGenerator(GeneratorNetwork):
    """Code and condition to image and class probabilities.

    Args:
        spec: of the frames.
        channels: features of the layers at 4x4, 8x8, ...; as many as there are resolutions.
        latent_size: length of the latent.
        noise: add pixel noise with a learned strength at every resolution, and with a predicted one to the image.
        rng: initial weights.
    """

    def __init__(
        self, spec: FrameSpec, channels: Sequence[int], latent_size: int, *, noise: bool, rng: torch.Generator
    ) -> None:
        super().__init__()
        self.classes, self.latent_size, self.noise = spec.classes, latent_size, noise
        self.condition_code = nn.Parameter(torch.randn(len(spec.conditions), latent_size, generator=rng))
        self.dense = EqualLinear(2 * latent_size, channels[0] * 16, rng, gain=_GAIN / 4)
        self.first = nn.ModuleList()
        self.second = nn.ModuleList([EqualConv(channels[0], channels[0], 3, rng)])
        for below, here in itertools.pairwise(channels):
            self.first.append(EqualConv(below, here, 3, rng, resample="up"))
            self.second.append(EqualConv(here, here, 3, rng))
        heads = [EqualConv(here, 1 + self.classes + int(noise), 1, rng, gain=1.0) for here in channels]
        # Noise starts at strength 0, so that shapes come first; a gain from that has not been shown (decision 0007).
        for head in heads:
            nn.init.zeros_(head.weight[1 + self.classes :])
        self.heads = nn.ModuleList(heads)
        self.strength = nn.ParameterList([nn.Parameter(torch.zeros(here)) for here in channels] if noise else [])
        self.join = MaskHead(spec.allowed)

    def code_size(self, scale: Scale) -> int:
        """Normal numbers of one frame: the latent, a noise map a resolution up to `scale`, one for the image."""
        maps = sum((4 << s) ** 2 for s in range(level(scale.side) + 1)) + scale.side**2
        return self.latent_size + (maps if self.noise else 0)

    def forward(self, code: Tensor, condition: Tensor, scale: Scale) -> Tensor:
        """As of `GeneratorNetwork`; at alpha 0 the frame is that of half the side, upsampled."""
        here = level(scale.side)
        latent, maps = code[:, : self.latent_size], code[:, self.latent_size :]
        x = self.dense(torch.cat([pixel_norm(latent), pixel_norm(self.condition_code)[condition]], 1))
        x = x.view(len(code), -1, 4, 4).contiguous(memory_format=torch.channels_last)
        below = x
        for s in range(here + 1):
            side = 4 << s
            if s:
                below = x
                x = self.first[s - 1](x)
            if self.noise:
                noise = maps[:, : side * side].reshape(-1, side, side)
                maps = maps[:, side * side :]
                x = _activation(x, self.strength[s], noise)
            else:
                x = _activation(x)
            x = _activation(self.second[s](x))
        out = self.heads[here](x)
        if scale.alpha < 1.0 and here:
            out = torch.lerp(upsample(self.heads[here - 1](below)), out, scale.alpha)
        image, logits = out[:, :1], out[:, 1 : 1 + self.classes]
        if self.noise:
            image = image + out[:, -1:] * maps.reshape(image.shape)
        frame: Tensor = self.join(image, logits, condition)
        return frame


class ProgressiveDiscriminator(DiscriminatorNetwork):
    """Frame to a score, conditional by projection (Miyato and Koyama, ICLR 2018).

    Args:
        spec: of the frames.
        channels: as of the generator.
        rng: initial weights.
    """

    def __init__(self, spec: FrameSpec, channels: Sequence[int], *, rng: torch.Generator) -> None:
        super().__init__()
        self.stems = nn.ModuleList([EqualConv(1 + spec.classes, here, 1, rng) for here in channels])
        self.first = nn.ModuleList([EqualConv(channels[0] + 1, channels[0], 3, rng)])
        self.second = nn.ModuleList()
        for below, here in itertools.pairwise(channels):
            self.first.append(EqualConv(here, here, 3, rng))
            self.second.append(EqualConv(here, below, 3, rng, resample="down"))
        self.dense = EqualLinear(channels[0] * 16, channels[0], rng)
        self.score = EqualLinear(channels[0], 1, rng, gain=1.0)
        self.condition_score = EqualLinear(channels[0], len(spec.conditions), rng, gain=1.0)

    def forward(self, x: Tensor, condition: Tensor, scale: Scale) -> Tensor:
        """As of `DiscriminatorNetwork`; at alpha 0 the first layers see half the side, averaged."""
        here = level(scale.side)
        features = _lrelu(self.stems[here](x))
        for s in range(here, 0, -1):
            features = _lrelu(self.second[s - 1](_lrelu(self.first[s](features))))
            if s == here and scale.alpha < 1.0:
                features = torch.lerp(_lrelu(self.stems[s - 1](functional.avg_pool2d(x, 2))), features, scale.alpha)
        features = _lrelu(self.first[0](minibatch_std(features)))
        features = _lrelu(self.dense(features.flatten(1)))
        return self.score(features)[:, 0] + self.condition_score(features).gather(1, condition[:, None])[:, 0]


def _activation(x: Tensor, strength: Tensor | None = None, noise: Tensor | None = None) -> Tensor:
    if x.dtype == torch.float32:
        out: Tensor = NoisyActivation.apply(x, strength, noise)
        return out
    # A mean of squares needs more digits than bf16 has: half precision ends with the convolution.
    with torch.autocast(x.device.type, enabled=False):
        return _activation(x.float(), strength, noise)


def _lrelu(x: Tensor) -> Tensor:
    return functional.leaky_relu_(x, SLOPE)
