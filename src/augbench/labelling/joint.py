"""The generator made image and mask together; its mask stands."""

from __future__ import annotations

from augbench.core.types import Pairs
from augbench.labelling.base import Labelling


class Joint(Labelling):
    """Keep the generator's own masks."""

    def label(self, pairs: Pairs) -> Pairs:
        return pairs


COMPONENT = Joint
