"""Real patients with generated pairs added."""

from __future__ import annotations

from pydantic import Field

from augbench.regimes.base import Regime, Span, require_frames


class Mixed(Regime):
    """Every real frame and `synthetic_per_real` synthetic frames for each, or every synthetic frame there is.

    At an equal number of steps a larger dose shows every real frame less often. With `real_share` the real part of each
    batch stays the same while the number of different synthetic frames grows: a dose without that dilution.
    """

    needs_synthetic = True

    synthetic_per_real: float | None = Field(
        default=None, gt=0, le=1e6, description="the dose; null: every synthetic frame there is"
    )
    real_share: float | None = Field(
        default=None, gt=0, lt=1, description="share of real frames in every batch; null: as in the pool"
    )

    def spans(self, real: int, synthetic: int) -> list[Span]:
        wanted = synthetic if self.synthetic_per_real is None else round(real * self.synthetic_per_real)
        require_frames(max(wanted, 1), synthetic)
        return [Span(1.0, real, wanted, self.real_share)]


COMPONENT = Mixed
