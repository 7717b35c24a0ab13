"""Part of several stages: an arm's network, untrained or trained."""

from __future__ import annotations

from typing import Any

from augbench.core import layout
from augbench.core.arms import Arm, Run
from augbench.core.artifacts import load_weights
from augbench.core.component import create
from augbench.segmenters.base import Segmenter

#: Tensors of a trained network with its configuration, in its folder.
WEIGHTS = "network.safetensors"


def load_network(arm: Arm, run: Run) -> tuple[Any, list[str]]:
    """A trained network, ready to predict, and the structures of its classes 1, 2, ..."""
    tensors, config = load_weights(layout.model(run) / WEIGHTS)
    network = segmenter_of(arm).build(len(config["structures"]) + 1, config["image_size"])
    network.load_state_dict(tensors)
    return network.eval(), config["structures"]


def segmenter_of(arm: Arm) -> Segmenter:
    """The component of the arm's `segmenter`."""
    return create(Segmenter, arm.segmenter, arm.segmenter_options, entry=f"{arm.entry}.segmenter")
