"""People annotate the exported frames; their masks are read back."""

from __future__ import annotations

import pandas as pd

from augbench.core.annotations import read_masks, require_masks
from augbench.core.types import Pairs
from augbench.labelling.base import LabelContext, Labelling


class Manual(Labelling):
    """Masks from `<source>/<entry>-<seed>/labelsTr`."""

    def require(self, frames: pd.DataFrame, context: LabelContext) -> None:
        require_masks(context.folder, list(frames["frame_id"]))

    def label(self, pairs: Pairs, frames: pd.DataFrame, context: LabelContext) -> Pairs:
        labelled = pairs.copy()
        labelled[:, 1] = read_masks(context.folder, frames, pairs[:, 0], context.scheme)
        return labelled


COMPONENT = Manual
