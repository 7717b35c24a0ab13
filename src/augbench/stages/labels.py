"""Part of sample: the chosen labelling with what it needs, as one function of a block of frames."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from augbench.core import layout
from augbench.core.component import create
from augbench.core.device import torch_device
from augbench.core.params import Params
from augbench.core.runs import Run
from augbench.core.types import LabelScheme, Pairs
from augbench.labelling.base import LabelContext

if TYPE_CHECKING:
    from torch import Tensor


def labeller(
    params: Params, name: str, seed: int, table: pd.DataFrame, scheme: LabelScheme
) -> Callable[[Pairs, slice], Pairs]:
    """A function of generated pairs and their rows in `table` that returns the pairs with their final masks.

    Raises:
        UserError: some frame of `table` cannot be labelled.
    """
    labelling = create("labelling", params.labelling)

    @cache
    def network() -> Any:
        from augbench.stages.train_segmenter import load_network

        source = (Run("real", number) for number in params.segmenter_seeds)
        run = next(run for run in source if layout.model(run) == Path(params.label_source))
        return load_network(params, run)[0].to(torch_device(params.compute.accelerator))

    def logits(images: Pairs) -> Tensor:
        import torch

        from augbench.training.augment import normalise

        batch = normalise(images).to(torch_device(params.compute.accelerator), memory_format=torch.channels_last)
        found: Tensor = network()(batch)
        return found

    context = LabelContext(scheme, layout.annotated(params.label_source, name, seed), name in params.controls, logits)
    labelling.require(table, context)

    def label(pairs: Pairs, rows: slice) -> Pairs:
        labelled: Pairs = labelling.label(pairs, table[rows], context)
        return labelled

    return label
