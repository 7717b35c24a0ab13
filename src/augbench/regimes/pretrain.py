"""Generated pairs first, real patients afterwards: pre-training and fine-tuning."""

from __future__ import annotations

from pydantic import Field

from augbench.regimes.base import Regime, Span, require_frames


class Pretrain(Regime):
    """Every synthetic frame for the first `fraction` of the steps, then every real one."""

    needs_synthetic = True

    fraction: float = Field(gt=0, lt=1, description="share of the steps spent on synthetic frames")

    def spans(self, real: int, synthetic: int) -> list[Span]:
        require_frames(1, synthetic)
        return [Span(self.fraction, 0, synthetic), Span(1.0, real, 0)]


COMPONENT = Pretrain
