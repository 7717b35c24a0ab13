"""Frechet distance of two Gaussians fitted to features (Dowson and Landau 1982; FID: Heusel et al. 2017)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from augbench.audit._search import Features
from augbench.audit._subjects import deal_blocks
from augbench.audit.base import SetDistance


def frechet_distance(reference: Features, sample: Features) -> float:
    """|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)) of (n, d) and (m, d) features, >= 0; biased upwards at small n.

    No matrix square root is taken: with S = R'R, tr (S1 S2)^(1/2) is the sum of singular values of R1 R2'. That is
    exact for singular covariances (n < d), where `sqrtm` turns complex or needs a ridge that alters the value.
    """
    mean_gap = float(((reference.mean(axis=0) - sample.mean(axis=0)) ** 2).sum())
    first, second = _root(reference), _root(sample)
    cross = float(np.linalg.svd(first @ second.T, compute_uv=False).sum())
    # Rounding may leave -1e-12 for equal sets.
    return max(0.0, mean_gap + float((first**2).sum() + (second**2).sum()) - 2 * cross)


def _root(features: Features) -> NDArray[np.float64]:
    """R of shape (min(n, d), d) with R'R the unbiased covariance."""
    centred = features.astype(np.float64) - features.mean(axis=0, dtype=np.float64)
    return np.asarray(np.linalg.qr(centred / np.sqrt(len(features) - 1), mode="r"))


class Frechet(SetDistance):
    """Frechet distance with a delete-a-block jackknife interval.

    The bias depends on n, so compare values at one n and read them against the real-versus-real floor at that n. The
    interval is about the value at this n. A bootstrap repeats frames, which adds that bias a second time and can leave
    its whole interval above the estimate; a jackknife does not.
    """

    title: ClassVar[str] = "Fréchet distance"
    min_subjects: ClassVar[int] = 3

    n_blocks: int = Field(default=20, ge=5)

    def estimate(
        self,
        reference: Features,
        sample: Features,
        reference_codes: NDArray[np.intp],
        sample_codes: NDArray[np.intp],
        rng: np.random.Generator,
    ) -> tuple[float, float, float]:
        value = frechet_distance(reference, sample)
        variance = self._jackknife_variance(reference, sample, reference_codes, rng)
        variance += self._jackknife_variance(sample, reference, sample_codes, rng)
        half = 1.96 * float(np.sqrt(variance))
        return value, max(0.0, value - half), value + half

    def _jackknife_variance(
        self,
        dealt: Features,
        fixed: Features,
        codes: NDArray[np.intp],
        rng: np.random.Generator,
    ) -> float:
        """Variance of the distance from drawing the patients of `dealt`, the other set held."""
        n_blocks = min(self.n_blocks, int(codes.max()) + 1)
        block = deal_blocks(codes, n_blocks, rng)
        left_out = np.array([frechet_distance(dealt[block != index], fixed) for index in range(n_blocks)])
        return float((n_blocks - 1) * left_out.var())


COMPONENT = Frechet
