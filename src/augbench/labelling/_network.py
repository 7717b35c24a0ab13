"""A segmentation network labels images: the masks of `pseudo` and `teacher`, which differ in what it learnt from."""

from __future__ import annotations

import numpy as np
import pandas as pd

from augbench.core.types import Pairs
from augbench.labelling.base import LabelContext, Labelling

#: Frames per forward: fixed, the last batch padded, so that no mask depends on how many frames are asked for.
_BATCH = 32


class NetworkLabelling(Labelling):
    """The network's most likely class among those that the frame's view shows; the mask that was there is discarded."""

    needs_network = True

    def label(self, pairs: Pairs, frames: pd.DataFrame, context: LabelContext) -> Pairs:
        import torch

        scheme = context.scheme
        shown = {
            view: [True, *(name in names for name in scheme.structures)] for view, names in scheme.annotated.items()
        }
        impossible = ~torch.tensor([shown[view] for view in frames["view"]])[:, :, None, None]
        labelled = pairs.copy()
        with torch.inference_mode():
            for start in range(0, len(pairs), _BATCH):
                images = pairs[np.minimum(np.arange(start, start + _BATCH), len(pairs) - 1), 0]
                logits = context.logits(images).cpu()[: len(pairs) - start]
                chosen = logits.masked_fill(impossible[start : start + _BATCH], float("-inf")).argmax(dim=1)
                labelled[start : start + _BATCH, 1] = chosen.numpy()
        return labelled
