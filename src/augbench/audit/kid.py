"""Kernel inception distance (Binkowski et al. 2018, arXiv 1801.01401) on any features."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from augbench.audit._search import Features
from augbench.audit._subjects import deal_blocks, subject_codes
from augbench.audit.base import SetDistance


def mmd2_unbiased(
    reference: Features,
    sample: Features,
    reference_codes: NDArray[np.intp] | None = None,
    sample_codes: NDArray[np.intp] | None = None,
    degree: int = 3,
) -> float:
    """Unbiased squared maximum mean discrepancy under the kernel (x.y / d + 1)^degree; negative values are possible.

    Pairs of a frame with itself, or with another frame of its patient, are left out of the within-set means: both
    would make a set look denser than fresh patients are, and so the distance greater than it is.

    Args:
        reference, sample: (n, d) and (m, d) features.
        reference_codes, sample_codes: (n,) and (m,) patient numbers.
    """
    within = _mean_kernel_apart(reference, reference_codes, degree) + _mean_kernel_apart(sample, sample_codes, degree)
    return within - 2 * float(_kernel(reference, sample, degree).mean())


def _kernel(x: Features, y: Features, degree: int) -> NDArray[np.float64]:
    return (x.astype(np.float64) @ y.astype(np.float64).T / x.shape[1] + 1) ** degree


def _mean_kernel_apart(x: Features, codes: NDArray[np.intp] | None, degree: int) -> float:
    codes = subject_codes(codes, len(x))
    apart = codes[:, None] != codes[None, :]
    if not apart.any():
        raise ValueError("features of one subject only: a distance needs at least two")
    return float(_kernel(x, x, degree)[apart].mean())


class Kid(SetDistance):
    """Mean of unbiased squared MMDs over disjoint blocks of frames; 0 for equal distributions.

    Overlapping random subsets, as usually drawn, would give an interval that shrinks with the number of subsets rather
    than of frames. Disjoint blocks of whole patients are independent, and each is unbiased at any size, so Student's t
    over them gives an honest interval: it covered 91-96% in simulation where a percentile bootstrap covered 86-92%.
    """

    title: ClassVar[str] = "KID"
    # Two patients a side in each of two blocks at least, or a block has no pair to compare.
    min_subjects: ClassVar[int] = 4

    degree: int = Field(default=3, ge=1, le=5)
    n_blocks: int = Field(default=20, ge=5)

    def estimate(
        self,
        reference: Features,
        sample: Features,
        reference_codes: NDArray[np.intp],
        sample_codes: NDArray[np.intp],
        rng: np.random.Generator,
    ) -> tuple[float, float, float]:
        from scipy.stats import t

        n_blocks = min(self.n_blocks, *((int(codes.max()) + 1) // 2 for codes in (reference_codes, sample_codes)))
        in_reference = deal_blocks(reference_codes, n_blocks, rng)
        in_sample = deal_blocks(sample_codes, n_blocks, rng)
        blocks = np.array(
            [
                mmd2_unbiased(reference[r], sample[s], reference_codes[r], sample_codes[s], self.degree)
                for r, s in ((in_reference == block, in_sample == block) for block in range(n_blocks))
            ]
        )
        value = float(blocks.mean())
        half = float(t.ppf(0.975, n_blocks - 1) * blocks.std(ddof=1) / np.sqrt(n_blocks))
        return value, value - half, value + half


COMPONENT = Kid
