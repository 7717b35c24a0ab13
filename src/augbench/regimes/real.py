"""Real patients alone: the reference arm."""

from __future__ import annotations

from augbench.regimes.base import Pool, Regime


class Real(Regime):
    """Every real training frame, no synthetic one."""

    def pool(self, real: int, synthetic: int) -> Pool:
        return Pool(real, 0)


COMPONENT = Real
