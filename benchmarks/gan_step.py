"""Cost of one training step of the progressive GAN, and its share of what 3x3 convolutions alone reach: target 60 %.

    python benchmarks/gan_step.py [--threads 2] [--rounds 3]

A step updates both networks once. Convolutions are counted as they are executed (two operations a multiply-add,
gradients that are not asked for left out); everything else is time without arithmetic. The ceiling is the fastest of
several 3x3 convolutions, forward and backward, measured between the steps of the same run. Times are the best of all
rounds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from augbench.generators.adversarial.frame_spec import TrainingSet
from augbench.generators.adversarial.trainer import Trainer, keep_freed_memory
from augbench.generators.base import FitContext
from augbench.generators.pggan import PGGAN

_TARGET_SHARE = 0.6
#: Background and five structures.
_CLASSES = 6
_CEILING_SHAPES = ((16, 64), (32, 64), (32, 32), (64, 32), (64, 16), (96, 16))  # channels, side in pixels
_VARIANTS: dict[str, Literal["nonsaturating-r1", "wgan-gp"]] = {
    "R1 every 8th step": "nonsaturating-r1",
    "WGAN-GP": "wgan-gp",
}
#: Frames per step, as in params.yaml.
_BATCH = 8
#: Steps timed together: one R1 penalty among them.
_STEPS = 8


def trainer(side: int, loss: Literal["nonsaturating-r1", "wgan-gp"]) -> Trainer:
    """The default network with all frames of `side` pixels, without growth."""
    model = PGGAN(loss=loss, batch_size=_BATCH, growth_fraction=0.0, start_size=4)
    return Trainer(model, TrainingSet.random(side, _CLASSES, conditions=1), FitContext(0))


class _ConvolutionCounter(TorchDispatchMode):
    # torch's own counter follows modules, which does not work with a gradient of a gradient.
    def __init__(self) -> None:
        super().__init__()
        self.flop = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if "convolution" in func.name():
            self.flop += flop_registry[func.overloadpacket](*args, **(kwargs or {}), out_val=out)
        return out


def conv_gflop(run: Callable[[], object]) -> float:
    """Convolution arithmetic of `run` in GFLOP."""
    with _ConvolutionCounter() as counter:
        run()
    return counter.flop / 1e9


def seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def convolution(channels: int, side: int) -> Callable[[], object]:
    """One 3x3 convolution of a batch, forward and backward."""
    x = torch.randn(_BATCH, channels, side, side).contiguous(memory_format=torch.channels_last).requires_grad_()
    weight = torch.randn(channels, channels, 3, 3).contiguous(memory_format=torch.channels_last).requires_grad_()
    upstream = torch.randn(_BATCH, channels, side, side).contiguous(memory_format=torch.channels_last)
    return lambda: torch.autograd.grad(functional.conv2d(x, weight, padding=1), (x, weight), upstream)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    keep_freed_memory()

    convolutions = {shape: convolution(*shape) for shape in _CEILING_SHAPES}
    work = {shape: conv_gflop(run) for shape, run in convolutions.items()}
    best = dict.fromkeys(_CEILING_SHAPES, float("inf"))
    rows = []
    for side in (8, 16, 32, 64):
        for name, loss in _VARIANTS.items():
            one = trainer(side, loss)

            def steps(one: Trainer = one) -> None:
                for _ in range(_STEPS):
                    one.step()

            gflop = conv_gflop(steps) / (_STEPS * _BATCH)
            fastest = float("inf")
            for _ in range(arguments.rounds):
                fastest = min(fastest, seconds(steps) / (_STEPS * _BATCH))
                for shape, run in convolutions.items():
                    best[shape] = min(best[shape], *(seconds(run) for _ in range(3)))
            rows.append((side, name, fastest, gflop))

    ceiling_shape = max(best, key=lambda shape: work[shape] / best[shape])
    ceiling = work[ceiling_shape] / best[ceiling_shape]
    print(f"3x3 convolution, forward and backward, {arguments.threads} threads, torch {torch.__version__}:")
    print("  " + ", ".join(f"{c} ch {s}x{s} {work[c, s] / best[c, s]:.0f} GFLOP/s" for c, s in best))
    print(f"\n| size | loss | ms/img | GFLOP/img | GFLOP/s | share of {ceiling:.0f} GFLOP/s |")
    print("|---:|---|---:|---:|---:|---:|")
    for side, name, fastest, gflop in rows:
        rate = gflop / fastest
        print(f"| {side} | {name} | {1e3 * fastest:.2f} | {gflop:.3f} | {rate:.0f} | {rate / ceiling:.0%} |")
    share = rows[-2][3] / rows[-2][2] / ceiling
    print(f"\ntarget {_TARGET_SHARE:.0%} at 64x64 with R1: {'reached' if share >= _TARGET_SHARE else 'missed'}")


if __name__ == "__main__":
    main()
