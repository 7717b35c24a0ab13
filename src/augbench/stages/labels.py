"""Part of sample: the chosen labelling with what it needs, as one object that labels blocks of frames."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from augbench.core import layout
from augbench.core.arms import arm_named, mask_source
from augbench.core.component import create
from augbench.core.device import torch_device
from augbench.core.params import Params
from augbench.core.types import LabelScheme, Pairs
from augbench.labelling.base import LabelContext, Labelling

if TYPE_CHECKING:
    from torch import Tensor


class Labeller:
    """Gives generated pairs their final masks.

    Args:
        name, seed: whose frames.
        table: a row a frame, with `frame_id` and `view`.

    Raises:
        UserError: some frame of `table` cannot be labelled.
    """

    def __init__(self, params: Params, name: str, seed: int, table: pd.DataFrame, scheme: LabelScheme) -> None:
        self._params, self._table = params, table
        # People annotate no control: the masks of its frames are references already, and stay.
        self._labelling = create(Labelling, mask_source(params, name))
        self._context = LabelContext(scheme, layout.annotated(params.label_source, name, seed), self._logits)
        self._labelling.require(table, self._context)

    def __call__(self, pairs: Pairs, rows: slice) -> Pairs:
        """The pairs (n, 2, H, W) uint8 of these rows of the table, with their final masks."""
        return self._labelling.label(pairs, self._table[rows], self._context)

    @cached_property
    def _network(self) -> Any:
        from augbench.stages.networks import load_network

        arm = arm_named(self._params, Path(self._params.label_source).name)
        return load_network(arm, arm.runs[0])[0].to(torch_device(self._params.compute.accelerator))

    def _logits(self, images: Pairs) -> Tensor:
        from augbench.training.augment import normalise

        device = torch_device(self._params.compute.accelerator)
        import torch

        found: Tensor = self._network(normalise(images).to(device, memory_format=torch.channels_last))
        return found
