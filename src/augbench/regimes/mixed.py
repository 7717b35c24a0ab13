"""Real patients with generated pairs added."""

from __future__ import annotations

from pydantic import Field

from augbench.regimes.base import Pool, Regime, require_frames


class Mixed(Regime):
    """Every real frame and `synthetic_per_real` synthetic frames for each."""

    synthetic_per_real: float = Field(gt=0)

    def pool(self, real: int, synthetic: int) -> Pool:
        wanted = round(real * self.synthetic_per_real)
        require_frames(wanted, synthetic)
        return Pool(real, wanted)


COMPONENT = Mixed
