"""The shared loop against the same training written out in plain torch: equal weights and frames, bit for bit.

The reference has no Fabric, parts, checkpoints or watchdog, and follows the loop that PG-GAN had of its own; when the
loops were exchanged, the sha256 of weights, frames and curve were compared too, and were equal. No such hash stands
here: the same code gives other last bits on another processor.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from test_generators import SCHEME, SEEDS, TINY, VIEWS, fit, toy_frames
from torch import Tensor
from torch.nn import functional

from augbench.core.seeding import child_seed
from augbench.generators.adversarial.frame_spec import FrameSpec
from augbench.generators.adversarial.networks import quantised
from augbench.generators.pggan import PGGAN, Scale
from augbench.generators.pggan.networks import ProgressiveDiscriminator, ProgressiveGenerator

SEED, SIDE = 3, 16
CHANGES = {"channels": [8, 8, 4], "total_kimg": 0.304, "augment_brightness": 0.2}
FRAMES = toy_frames(24, SIDE)


def rng(name: str) -> torch.Generator:
    return torch.Generator().manual_seed(child_seed(SEED, "pggan", name))


def real_batch(params: PGGAN, side: int, alpha: float, stream: torch.Generator) -> tuple[Tensor, Tensor]:
    view = torch.tensor([VIEW_NUMBER[name] for name in FRAMES.views])
    rows = []
    for anchor in torch.randint(len(FRAMES), (params.batch_size // 4,), generator=stream):
        members = torch.nonzero(view == view[anchor])[:, 0]
        rows.append(members[torch.randint(len(members), (4,), generator=stream)])
    row = torch.cat(rows)
    pairs = torch.from_numpy(FRAMES.pairs)[row]
    classes = functional.one_hot(pairs[:, 1].long(), SCHEME.classes).movedim(-1, 1)
    x = torch.cat([(pairs[:, :1].float() / 127.5 - 1), classes.float()], 1)
    x = functional.avg_pool2d(x.contiguous(memory_format=torch.channels_last), SIDE // side)
    below = functional.interpolate(functional.avg_pool2d(x, 2), scale_factor=2.0)
    return (x if alpha == 1.0 else torch.lerp(below, x, alpha)), view[row]


VIEW_NUMBER = {name: number for number, name in enumerate(SCHEME.views)}
SPEC = FrameSpec(
    SIDE,
    SCHEME.views,
    tuple((True, *(name in SCHEME.annotated[view] for name in SCHEME.structures)) for view in SCHEME.views),
)


def reference(params: PGGAN) -> ProgressiveGenerator:
    """The generator with averaged weights after a training of `params`."""
    generator = ProgressiveGenerator(SPEC, params.channels, params.latent_size, noise=True, rng=rng("generator"))
    discriminator = ProgressiveDiscriminator(SPEC, params.channels, rng=rng("discriminator"))
    adam_g, adam_d = (
        torch.optim.Adam(network.parameters(), params.learning_rate, betas=(0.0, 0.99), eps=1e-8, fused=True)
        for network in (generator, discriminator)
    )
    average = [weight.detach().clone() for weight in generator.parameters()]
    batches, noise, n = rng("batches"), rng("noise"), params.batch_size
    for step in range(round(params.total_kimg * 1000) // n):
        scale = params.schedule(step * n, SIDE)
        real, view = real_batch(params, *scale, batches)
        code = torch.randn(n, generator.code_size(scale), generator=noise)
        offset = torch.zeros(n, scale.side, scale.side, 1 + SCHEME.classes).normal_(
            0.0, params.mask_noise, generator=noise
        )
        offset[..., 0] = (torch.rand(n, 1, 1, generator=noise) * 2 - 1) * params.augment_brightness
        torch.randint(0, 1, (2, n), generator=noise)
        real = real + offset.permute(0, 3, 1, 2)
        synthetic = generator(code, view, scale) + offset.permute(0, 3, 1, 2)

        frozen = synthetic.detach()
        real.requires_grad_(params.loss == "nonsaturating-r1" and step % params.r1_interval == 0)
        score, score_synthetic = discriminator(real, view, scale), discriminator(frozen, view, scale)
        if params.loss == "wgan-gp":
            loss = (score_synthetic - score).mean() + 1e-3 * score.square().mean()
            between = torch.lerp(real, frozen, torch.rand(n, 1, 1, 1, generator=noise)).requires_grad_()
            (slope,) = torch.autograd.grad(discriminator(between, view, scale).sum(), between, create_graph=True)
            loss = loss + params.gp_weight * (slope.square().sum((1, 2, 3)).sqrt() - 1).square().mean()
        else:
            loss = functional.softplus(score_synthetic).mean() + functional.softplus(-score).mean()
            if real.requires_grad:
                (slope,) = torch.autograd.grad(score.sum(), real, create_graph=True)
                weight = params.r1_weight * params.r1_interval
                loss = loss + weight * (0.5 * slope.square().sum((1, 2, 3)).mean())
        loss.backward()
        adam_d.step()

        score = discriminator(synthetic, view, scale)
        (-score.mean() if params.loss == "wgan-gp" else functional.softplus(-score).mean()).backward()
        adam_g.step()
        adam_d.zero_grad()
        adam_g.zero_grad()
        with torch.no_grad():
            for mean, weight in zip(average, generator.parameters(), strict=True):
                mean.lerp_(weight, 1.0 - 0.5 ** (n / (1000 * params.ema_kimg)))
    with torch.no_grad():
        for mean, weight in zip(average, generator.parameters(), strict=True):
            weight.copy_(mean)
    return generator


@pytest.mark.parametrize("loss", ["nonsaturating-r1", "wgan-gp"])
def test_the_shared_loop_does_what_plain_torch_does(loss: str) -> None:
    expected = reference(PGGAN(**TINY["pggan"] | CHANGES, loss=loss))
    fitted, _ = fit("pggan", SEED, frames=FRAMES, **CHANGES, loss=loss)
    weights, _ = fitted.state()
    assert weights.keys() == expected.state_dict().keys()
    assert all(torch.equal(weights[name], weight) for name, weight in expected.state_dict().items())

    scale = Scale(SIDE)
    code = np.zeros((32, expected.code_size(scale)), np.float32)
    for row, seed in zip(code, SEEDS, strict=False):
        np.random.default_rng(int(seed)).standard_normal(out=row, dtype=np.float32)
    view = torch.zeros(32, dtype=torch.int64)
    view[: len(VIEWS)] = torch.tensor([VIEW_NUMBER[name] for name in VIEWS])
    with torch.no_grad():
        frames = quantised(expected(torch.from_numpy(code), view, scale))
    np.testing.assert_array_equal(fitted.sample(VIEWS, SEEDS), frames[: len(VIEWS)])
