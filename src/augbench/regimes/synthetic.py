"""Generated pairs alone: the paper's arm."""

from __future__ import annotations

from augbench.regimes.base import Pool, Regime, require_frames


class Synthetic(Regime):
    """Every synthetic frame, no real one."""

    def pool(self, real: int, synthetic: int) -> Pool:
        require_frames(1, synthetic)
        return Pool(0, synthetic)


COMPONENT = Synthetic
