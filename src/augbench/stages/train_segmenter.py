"""train_segmenter: real and synthetic frames -> a trained U-Net. A stage per arm and seeds, one loop for all."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from augbench.core import layout
from augbench.core.artifacts import atomic_folder, load_weights, save_weights, write_csv
from augbench.core.component import create
from augbench.core.params import Params
from augbench.core.runs import Run
from augbench.core.seeding import child_seed
from augbench.core.shards import read_frames
from augbench.core.types import Frames, Pairs
from augbench.runtime.fingerprint import checkpoints_of


def run(params: Params, task: Run) -> None:
    import torch

    from augbench.training.fit import fit

    cohort = read_frames(layout.cohort("segmenter"))
    validation = cohort.where(split="validation")
    pairs = pool_pairs(params, task, cohort.where(split="train"))
    seed = child_seed(params.seed, "train_segmenter", task.name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(child_seed(seed, "weights"))
        network = _segmenter(params).build(cohort.scheme.classes, params.image_size)
    with checkpoints_of(params, layout.model(task)) as checkpoints:
        curve = fit(
            network,
            pairs,
            validation,
            params.training,
            params.augmentation,
            seed=seed,
            accelerator=params.compute.accelerator,
            deterministic=params.compute.deterministic,
            description=f"train {task.name}",
            checkpoints=checkpoints,
        )
    with atomic_folder(layout.model(task)) as folder:
        config = {"segmenter": params.segmenter, "image_size": params.image_size, "arm": task.arm}
        structures = list(cohort.scheme.structures)
        save_weights(folder / "network.safetensors", network.state_dict(), config | {"structures": structures})
        write_csv(folder / "curve.csv", pd.DataFrame(curve))


def pool_pairs(params: Params, task: Run, real: Frames) -> Pairs:
    """The frames that the run draws its batches from, (n, 2, H, W) uint8: real ones first."""
    synthetic = None
    if task.generator is not None and task.generator_seed is not None:
        synthetic = read_frames(layout.synthetic(task.generator, task.generator_seed))
    options = {} if task.synthetic_per_real is None else {"synthetic_per_real": task.synthetic_per_real}
    pool = create("regimes", task.regime, options).pool(len(real), 0 if synthetic is None else len(synthetic))
    parts = [real.pairs[: pool.real]]
    if synthetic is not None:
        parts.append(synthetic.pairs[: pool.synthetic])
    return np.concatenate(parts)


def load_network(params: Params, task: Run) -> tuple[Any, list[str]]:
    """A trained network and the structures of its classes 1, 2, ..."""
    tensors, config = load_weights(layout.model(task) / "network.safetensors")
    network = _segmenter(params).build(len(config["structures"]) + 1, config["image_size"])
    network.load_state_dict(tensors)
    return network.eval(), config["structures"]


def _segmenter(params: Params) -> Any:
    return create("segmenters", params.segmenter, params.segmenters[params.segmenter])
