"""Real patients alone: the reference arm."""

from __future__ import annotations

from augbench.regimes.base import Regime, Span


class Real(Regime):
    """Every real training frame, no synthetic one."""

    needs_synthetic = False

    def spans(self, real: int, synthetic: int) -> list[Span]:
        return [Span(1.0, real, 0)]


COMPONENT = Real
