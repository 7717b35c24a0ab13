"""Networks of the progressive GAN (Karras, Aila, Laine and Lehtinen, ICLR 2018), conditional on the view.

Every frame is one code: the latent, followed by the pixel noise of each layer, so that a frame follows from one stream
of normal numbers. Tensors are channels_last throughout: 3x3 convolutions run twice as fast that way on CPUs.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from augbench.core.types import Pairs

#: Frames that share one minibatch statistic; they are of one view, or the statistic would measure the mix of views.
GROUP = 4
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

    (n, c, h, w) -> (n, c + 1, h, w); n is a multiple of GROUP, an incomplete batch has no statistic and is refused.
    """
    n, _, h, w = x.shape
    if n % GROUP:
        raise ValueError(f"batch of {n} frames is not a multiple of {GROUP}")
    deviation = (x.unflatten(0, (n // GROUP, GROUP)).var(1, unbiased=False) + _EPSILON).sqrt().mean((1, 2, 3))
    return torch.cat([x, deviation.repeat_interleave(GROUP)[:, None, None, None].expand(n, 1, h, w)], 1)


def upsample(x: Tensor) -> Tensor:
    """Nearest-neighbour doubling."""
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")


def quantised(out: Tensor) -> Pairs:
    """Output of the generator (n, 1 + classes, h, w) as stored pairs (n, 2, h, w) uint8."""
    pairs = np.empty((len(out), 2, *out.shape[2:]), np.uint8)
    pairs[:, 0] = ((out[:, 0] + 1) * 127.5).round_().clamp_(0, 255).byte().cpu().numpy()
    pairs[:, 1] = out[:, 1:].max(1).indices.byte().cpu().numpy()
    return pairs


def stages(image_size: int) -> int:
    """Number of resolutions from 4x4 to `image_size`."""
    return int(math.log2(image_size)) - 1


class ProgressiveGenerator(nn.Module):
    """Code and view to image and class probabilities.

    Args:
        channels: features of the layers at 4x4, 8x8, ...; as many as there are resolutions.
        latent_size: length of the latent.
        allowed: (views, classes) bool, the classes a view can show; others get probability 0.
        noise: add pixel noise with a learned strength at every resolution, and with a predicted one to the image.
        rng: initial weights.
    """

    def __init__(
        self, channels: Sequence[int], latent_size: int, allowed: Tensor, *, noise: bool, rng: torch.Generator
    ) -> None:
        super().__init__()
        views, self.classes = allowed.shape
        self.latent_size, self.noise = latent_size, noise
        self.register_buffer("forbidden", torch.where(allowed, 0.0, -1e4)[:, :, None, None], persistent=False)
        self.forbidden: Tensor
        self.view_code = nn.Parameter(torch.randn(views, latent_size, generator=rng))
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

    def code_size(self, stage: int) -> int:
        """Normal numbers that make one frame at `stage`: the latent, a noise map a resolution, one for the image."""
        maps = sum((4 << s) ** 2 for s in range(stage + 1)) + (4 << stage) ** 2
        return self.latent_size + (maps if self.noise else 0)

    def forward(self, code: Tensor, view: Tensor, stage: int, alpha: float = 1.0) -> Tensor:
        """Image in [-1, 1] (unclipped) and class probabilities.

        Args:
            code: (n, code_size(stage)) standard normal.
            view: (n,) int64.
            stage: 0 is 4x4, 1 is 8x8, ...
            alpha: fade-in in [0, 1]; 0 is the previous stage, upsampled.

        Returns:
            (n, 1 + classes, 4 << stage, 4 << stage).
        """
        latent, maps = code[:, : self.latent_size], code[:, self.latent_size :]
        x = self.dense(torch.cat([pixel_norm(latent), pixel_norm(self.view_code)[view]], 1))
        x = x.view(len(code), -1, 4, 4).contiguous(memory_format=torch.channels_last)
        below = x
        for s in range(stage + 1):
            side = 4 << s
            if s:
                below = x
                x = self.first[s - 1](x)
            if self.noise:
                noise = maps[:, : side * side].reshape(-1, side, side)
                maps = maps[:, side * side :]
                x = NoisyActivation.apply(x, self.strength[s], noise)
            else:
                x = NoisyActivation.apply(x, None, None)
            x = NoisyActivation.apply(self.second[s](x), None, None)
        out = self.heads[stage](x)
        if alpha < 1.0 and stage:
            out = torch.lerp(upsample(self.heads[stage - 1](below)), out, alpha)
        image, logits = out[:, :1], out[:, 1 : 1 + self.classes]
        if self.noise:
            image = image + out[:, -1:] * maps.reshape(image.shape)
        parts = [image, torch.softmax(logits + self.forbidden[view], 1)]
        # Joined with the channels in the last dimension: joined in the second, they would lose their memory format.
        return torch.cat([part.permute(0, 2, 3, 1) for part in parts], -1).permute(0, 3, 1, 2)


class ProgressiveDiscriminator(nn.Module):
    """Image and class probabilities to a score, conditional on the view by projection (Miyato and Koyama, ICLR 2018).

    Args:
        channels: as of the generator.
        classes: number of classes with background.
        views: number of views.
        rng: initial weights.
    """

    def __init__(self, channels: Sequence[int], classes: int, views: int, *, rng: torch.Generator) -> None:
        super().__init__()
        self.stems = nn.ModuleList([EqualConv(1 + classes, here, 1, rng) for here in channels])
        self.first = nn.ModuleList([EqualConv(channels[0] + 1, channels[0], 3, rng)])
        self.second = nn.ModuleList()
        for below, here in itertools.pairwise(channels):
            self.first.append(EqualConv(here, here, 3, rng))
            self.second.append(EqualConv(here, below, 3, rng, resample="down"))
        self.dense = EqualLinear(channels[0] * 16, channels[0], rng)
        self.score = EqualLinear(channels[0], 1, rng, gain=1.0)
        self.view_score = EqualLinear(channels[0], views, rng, gain=1.0)

    def forward(self, x: Tensor, view: Tensor, stage: int, alpha: float = 1.0) -> Tensor:
        """(n, 1 + classes, 4 << stage, 4 << stage), (n,) -> (n,) scores; high is real."""
        features = _lrelu(self.stems[stage](x))
        for s in range(stage, 0, -1):
            features = _lrelu(self.second[s - 1](_lrelu(self.first[s](features))))
            if s == stage and alpha < 1.0:
                features = torch.lerp(_lrelu(self.stems[s - 1](functional.avg_pool2d(x, 2))), features, alpha)
        features = _lrelu(self.first[0](minibatch_std(features)))
        features = _lrelu(self.dense(features.flatten(1)))
        return self.score(features)[:, 0] + self.view_score(features).gather(1, view[:, None])[:, 0]


def _lrelu(x: Tensor) -> Tensor:
    return functional.leaky_relu_(x, SLOPE)
