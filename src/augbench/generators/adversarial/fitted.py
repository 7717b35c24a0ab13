"""A trained generator network, ready to sample."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from augbench.core.types import Pairs
from augbench.generators.adversarial.frame_spec import Scale
from augbench.generators.adversarial.networks import GeneratorNetwork, quantised
from augbench.generators.base import FittedGenerator, require_known

#: Frames per forward: fixed, the last batch padded, so that no frame depends on how many are asked for.
_BATCH = 32


class FittedAdversarial(FittedGenerator):
    """The averaged weights.

    Args:
        network: with those weights, on the device that is to sample.
        config: `params` of the model, `image_size`, `conditions` and the classes `allowed` in each.
    """

    def __init__(self, network: GeneratorNetwork, config: dict[str, Any]) -> None:
        self.network, self.config = network.eval().requires_grad_(False), config
        self.condition = config["params"]["condition"]

    def sample(self, conditions: list[str], seeds: NDArray[np.int64]) -> Pairs:
        index = {name: number for number, name in enumerate(self.config["conditions"])}
        require_known(conditions, index)
        scale, device = Scale(self.config["image_size"]), next(self.network.parameters()).device
        pairs = np.empty((len(conditions), 2, scale.side, scale.side), np.uint8)
        code = np.zeros((_BATCH, self.network.code_size(scale)), np.float32)
        condition = torch.zeros(_BATCH, dtype=torch.int64)
        for start in range(0, len(conditions), _BATCH):
            count = min(_BATCH, len(conditions) - start)
            for row in range(count):
                rng = np.random.default_rng(int(seeds[start + row]))
                rng.standard_normal(out=code[row], dtype=np.float32)
                condition[row] = index[conditions[start + row]]
            with torch.inference_mode():
                out = self.network(torch.from_numpy(code).to(device), condition.to(device), scale)
                pairs[start : start + count] = quantised(out[:count])
        return pairs

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        return dict(self.network.state_dict()), self.config
