"""Generated pairs alone: the arm of Diller et al. 2020."""

from __future__ import annotations

from augbench.regimes.base import Regime, Span, require_frames


class Synthetic(Regime):
    """Every synthetic frame, no real one."""

    needs_synthetic = True

    def spans(self, real: int, synthetic: int) -> list[Span]:
        require_frames(1, synthetic)
        return [Span(1.0, 0, synthetic)]


COMPONENT = Synthetic
