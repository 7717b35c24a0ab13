"""Sampling to disk against the bare generator, and memory against the number of frames.

    python benchmarks/sampling.py [--threads 1] [--frames 2048] [--many 100000]

Targets: 0.9 of the throughput of the network alone, and peak memory of 100 000 frames within 10 % of that of 1 000.
The throughput is that of the default network at 64x64; the memory is that of a small one at 32x32, because it is the
number of frames that matters there. Each memory figure is the peak of a process of its own.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from augbench.core.params import Sampling, read_params
from augbench.core.shards import write_shards
from augbench.core.types import LabelScheme
from augbench.generators.adversarial.fitted import FittedAdversarial
from augbench.generators.adversarial.frame_spec import FrameSpec, Scale
from augbench.generators.pggan import PGGAN
from augbench.stages.sample import frame_table

_TARGET_THROUGHPUT, _TARGET_MEMORY = 0.9, 1.1
_VIEWS = ("4ch", "2ch", "sax")
_SCHEME = LabelScheme(("LV", "MYO", "RV", "RA", "LA"), dict.fromkeys(_VIEWS, ("LV", "MYO", "RV", "RA", "LA")))
_BLOCK = 256
_STUDY = Path(__file__).parent.parent / "studies" / "smoke" / "params.yaml"


def generator(channels: list[int]) -> FittedAdversarial:
    """A generator with random weights."""
    model = PGGAN(channels=channels)
    spec = FrameSpec(2 << len(channels), _VIEWS, ((True,) * _SCHEME.classes,) * len(_VIEWS))
    network = model.generator_network(spec, torch.Generator().manual_seed(0))
    params = model.model_dump(mode="json")
    return FittedAdversarial(network, {"params": params, "image_size": spec.image_size, "conditions": list(_VIEWS)})


def sample_to_disk(fitted: FittedAdversarial, frames: int, folder: Path) -> None:
    """What the sampling stage does: the table, then blocks of frames into shards, with their checksums."""
    params = read_params(_STUDY).model_copy(update={"sampling": Sampling(frames=frames)})
    table = frame_table(params, "pggan", 0, pd.DataFrame({"view": _VIEWS, "spacing_mm": 2.0}))
    views, seeds = table["view"].to_list(), table["frame_seed"].to_numpy(np.int64)
    starts = range(0, frames, _BLOCK)
    blocks = (fitted.sample(views[at : at + _BLOCK], seeds[at : at + _BLOCK]) for at in starts)
    write_shards(folder, blocks, table, _SCHEME)


def bare_forward(fitted: FittedAdversarial, frames: int, batch: int = 32) -> None:
    """The network alone, on the same noise again and again."""
    scale = Scale(fitted.config["image_size"])
    code = torch.randn(batch, fitted.network.code_size(scale))
    view = torch.zeros(batch, dtype=torch.int64)
    with torch.inference_mode():
        for _ in range(0, frames, batch):
            fitted.network(code, view, scale)


def throughput(frames: int, rounds: int = 4) -> tuple[float, float]:
    """Frames a second to disk and of the bare network, best of alternating rounds."""
    fitted = generator([96, 96, 64, 32, 16])
    bare_forward(fitted, 256)
    to_disk, bare = [], []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(rounds):
            start = time.perf_counter()
            sample_to_disk(fitted, frames, Path(folder) / "shards")
            to_disk.append(time.perf_counter() - start)
            start = time.perf_counter()
            bare_forward(fitted, frames)
            bare.append(time.perf_counter() - start)
    return frames / min(to_disk), frames / min(bare)


def peak_mib(frames: int, threads: int) -> float:
    """Peak resident memory of a fresh process that samples `frames` to disk, in MiB."""
    command = [sys.executable, __file__, "--threads", str(threads), "--child", str(frames)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def child(frames: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        sample_to_disk(generator([16, 16, 8, 4]), frames, Path(folder) / "shards")
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--frames", type=int, default=2048)
    parser.add_argument("--many", type=int, default=100_000)
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.child is not None:
        child(arguments.child)
        return

    to_disk, bare = throughput(arguments.frames)
    few, many = peak_mib(1000, arguments.threads), peak_mib(arguments.many, arguments.threads)
    print("| what | measured | against | ratio | target | |")
    print("|---|---:|---:|---:|---:|---|")
    share, growth = to_disk / bare, many / few
    verdict = "reached" if share >= _TARGET_THROUGHPUT else "missed"
    print(
        f"| frames/s to disk; of the bare network | {to_disk:.0f} | {bare:.0f} "
        f"| {share:.2f} | >= {_TARGET_THROUGHPUT} | {verdict} |"
    )
    verdict = "reached" if growth <= _TARGET_MEMORY else "missed"
    print(
        f"| peak MiB of {arguments.many} frames; of 1000 | {many:.0f} | {few:.0f} "
        f"| {growth:.2f} | <= {_TARGET_MEMORY} | {verdict} |"
    )


if __name__ == "__main__":
    main()
