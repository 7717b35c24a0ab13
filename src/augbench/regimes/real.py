"""Real patients alone: the reference arm."""

from __future__ import annotations

from augbench.regimes.base import Phase, Regime


class Real(Regime):
    """Every real training frame, no synthetic one."""

    needs_synthetic = False

    def phases(self, real: int, synthetic: int) -> list[Phase]:
        return [Phase(1.0, real, 0)]


COMPONENT = Real
