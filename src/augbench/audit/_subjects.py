"""Frames dealt into blocks by patient, so that blocks are independent and an interval over them is honest."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from augbench.core.errors import UserError


def subject_codes(subjects: NDArray[np.generic] | None, n_frames: int) -> NDArray[np.intp]:
    """(n,) patient number of each frame, 0 to the number of patients - 1; each frame its own when None.

    Raises:
        ValueError: not one subject a frame.
    """
    if subjects is None:
        return np.arange(n_frames)
    if len(subjects) != n_frames:
        raise ValueError(f"{n_frames} frames but {len(subjects)} subjects")
    return np.unique(np.asarray(subjects), return_inverse=True)[1]


def deal_blocks(codes: NDArray[np.intp], n_blocks: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """(n,) block of each frame: patients in random order, dealt in turn, never split over two blocks."""
    n_subjects = int(codes.max()) + 1
    block_of_subject = np.empty(n_subjects, dtype=np.intp)
    block_of_subject[rng.permutation(n_subjects)] = np.arange(n_subjects) % n_blocks
    return block_of_subject[codes]


def require_features(**arrays: NDArray[np.floating]) -> None:
    """Arrays must be (n, d) with n >= 1, one d, finite.

    Raises:
        ValueError: names the array.
    """
    widths = set()
    for name, array in arrays.items():
        if array.ndim != 2 or len(array) == 0:
            raise ValueError(f"{name} features must be (n, d) with n >= 1, got {array.shape}")
        if not np.isfinite(array).all():
            raise ValueError(f"{name} features must be finite")
        widths.add(array.shape[1])
    if len(widths) > 1:
        raise ValueError(f"features must have one width d, got {sorted(widths)}")


def too_few_subjects(what: str, at_least: int) -> UserError:
    """The message of a cohort that is too small for an interval."""
    return UserError(
        f"too few subjects for {what}",
        expected=f"frames of at least {at_least} subjects in every set that is compared",
        remedy="use a larger cohort, or sample more frames",
    )
