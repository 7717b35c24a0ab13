"""The generator made image and mask together; its mask stands."""

from __future__ import annotations

import pandas as pd

from augbench.core.types import Pairs
from augbench.labelling.base import LabelContext, Labelling


class Joint(Labelling):
    """Keep the generator's own masks."""

    def label(self, pairs: Pairs, frames: pd.DataFrame, context: LabelContext) -> Pairs:
        return pairs


COMPONENT = Joint
