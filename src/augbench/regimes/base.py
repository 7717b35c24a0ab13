"""What every regime is: which real and which synthetic frames a segmenter may draw its batches from."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

from augbench.core.component import Component
from augbench.core.errors import UserError


@dataclass(frozen=True)
class Pool:
    """Numbers of frames, taken from the front of each set; batches are drawn evenly from both together."""

    real: int
    synthetic: int


class Regime(Component):
    """All regimes draw the same number of batches; only the pool differs."""

    @abstractmethod
    def pool(self, real: int, synthetic: int) -> Pool:
        """Choose the pool.

        Args:
            real: real training frames there are.
            synthetic: synthetic frames there are.

        Raises:
            UserError: the regime asks for more synthetic frames than were sampled.
        """


def require_frames(wanted: int, sampled: int) -> None:
    if wanted > sampled:
        raise UserError(
            "regime asks for more frames than were sampled",
            got=f"{sampled} synthetic frames",
            expected=f"at least {wanted}",
            remedy=f"raise sampling.frames to {wanted} or lower regimes.mixed.synthetic_per_real",
            file="params.yaml",
        )
