"""What every regime is: which frames a segmenter's batches are drawn from, with what weight, at which step."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from augbench.core.component import Component
from augbench.core.errors import UserError


@dataclass(frozen=True)
class Span:
    """A span of training steps in which batches are drawn in one way.

    Attributes:
        until: where it ends, as a share of all steps in (0, 1]; spans follow one another, the last ends at 1.
        real, synthetic: frames in the pool, from the front of each set.
        real_share: share of real frames in every batch, in [0, 1]; None: frames are drawn evenly from the whole pool.
    """

    until: float
    real: int
    synthetic: int
    real_share: float | None = None


class Regime(Component):
    """All regimes take the same number of steps with the same batch size; only what a batch holds differs."""

    family = "regimes"

    #: Which frames it needs; an arm without a generator has no synthetic ones.
    needs_synthetic: ClassVar[bool]

    @abstractmethod
    def spans(self, real: int, synthetic: int) -> list[Span]:
        """The training from its first to its last step.

        Args:
            real: real training frames there are.
            synthetic: synthetic frames there are.

        Raises:
            UserError: the regime asks for more frames than there are.
        """


def require_frames(wanted: int, sampled: int) -> None:
    """Raises UserError if a regime wants more synthetic frames than were sampled."""
    if wanted > sampled:
        raise UserError(
            "regime asks for more frames than were sampled",
            got=f"{sampled} synthetic frames",
            expected=f"at least {wanted}",
            remedy=f"raise sampling.frames to {wanted}, or let the arm's regime ask for fewer",
            file="params.yaml",
        )
