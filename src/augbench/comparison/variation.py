"""The "percent variation" of Diller et al. 2020, Table 1."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def percent_variation(dice: NDArray[np.float64]) -> float:
    """Median over patients (n,) of 1 - Dice, as a fraction: 0.021 where the paper prints 0.021.

    The paper gives no definition. 1 - Dice is the area in which two outlines differ as a share of their summed area,
    and its median agrees with all ten entries of the table to the 0.001 they are printed to, while SD / mean (from the
    printed quartiles) is off by up to a factor of three. So it holds no information beyond the median Dice, and it is
    printed only to stand beside the paper's column. Not defined for other metrics.
    """
    return float(np.median(1 - dice))
