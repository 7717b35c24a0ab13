"""Frames of the phantom and a few training steps of a segmenter and of a GAN: prints a JSON of their digests.

Run as a script, by test_kernels.py, in processes whose libraries choose their kernels differently.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from augbench.core.component import create
from augbench.datasets.base import Dataset
from augbench.generators.adversarial.frame_spec import TrainingSet
from augbench.generators.adversarial.trainer import Trainer
from augbench.generators.base import FitContext
from augbench.generators.pggan import PGGAN
from augbench.segmenters.base import Segmenter
from augbench.training.muon import Muon

_STEPS, _SIDE = 3, 32


def frames() -> NDArray[np.uint8]:
    """(6, 2, 32, 32) uint8."""
    phantom = create(
        Dataset, "tof_phantom", {"phases": [0.0, 1.0], "cohorts": {"one": {"site": "main", "subjects": 1}}}
    )
    return phantom.draw(["4ch", "2ch", "sax"] * 2, np.arange(6), _SIDE)


def segmenter() -> Iterable[Any]:
    """Weights after a few steps of the default study's network and optimiser."""
    torch.manual_seed(0)
    network: Any = create(Segmenter, "light_unet", {"features": [16, 16, 32]}).build(6, _SIDE)
    optimiser = Muon(network, 0.05, 1e-4)
    pairs = torch.from_numpy(frames()).to(memory_format=torch.channels_last)
    for _ in range(_STEPS):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(network(pairs[:, :1] / 255), pairs[:, 1].long()).backward()
        optimiser.step()
    return network.state_dict().values()


def generator() -> Iterable[Any]:
    """Weights of both networks after a few steps."""
    model = PGGAN(channels=(16, 16, 16, 8), batch_size=4, growth_fraction=0.0, start_size=4)
    trainer = Trainer(model, TrainingSet.random(_SIDE, 6, conditions=1), FitContext(0))
    for _ in range(_STEPS):
        trainer.step()
    return [value for _, value in sorted(trainer.state()[0].items())]


def digest(arrays: Iterable[Any]) -> str:
    found = hashlib.sha256()
    for array in arrays:
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


def main() -> None:
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    made: dict[str, Callable[[], Iterable[Any]]] = {"phantom": frames, "segmenter": segmenter, "generator": generator}
    print(json.dumps({name: digest(make()) for name, make in made.items()}))


if __name__ == "__main__":
    main()
