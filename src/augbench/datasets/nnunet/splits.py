"""Patients to cohorts: stratified by pathology, and a patient in one place only."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from augbench.core.errors import UserError
from augbench.core.seeding import Rng

#: A whole number of patients, or a fraction of all patients of the dataset.
Share = int | float


def stratified_order(pathology: Mapping[str, str], rng: Rng) -> list[str]:
    """Patients in random order, the pathologies spread evenly over it.

    Any run of the order then holds each pathology in its proportion, within a patient or so: cutting the order into
    pieces is a stratified split.

    Args:
        pathology: patient -> pathology; unknown ones share the empty name.
    """
    strata: dict[str, list[str]] = {}
    for subject in sorted(pathology):
        strata.setdefault(pathology[subject], []).append(subject)
    placed: list[tuple[float, str, str]] = []
    for name in sorted(strata):
        members = [strata[name][at] for at in rng.permutation(len(strata[name]))]
        placed += [((at + 0.5) / len(members), name, subject) for at, subject in enumerate(members)]
    return [subject for _, _, subject in sorted(placed)]


def cohort_sizes(
    total: int, wanted: Mapping[str, Share | None], minimum: Mapping[str, int], file: Path
) -> dict[str, int]:
    """Number of patients in each cohort.

    Args:
        total: patients of the dataset.
        wanted: cohort -> a number; a fraction of `total`, rounded down; or None for all that the others leave.
        minimum: cohort -> the fewest patients it works with; a fraction never gives fewer.

    Raises:
        UserError: there are not enough patients.
    """
    sizes = {role: _size(share, total, minimum[role]) for role, share in wanted.items() if share is not None}
    rest = [role for role, share in wanted.items() if share is None]
    left = total - sum(sizes.values())
    if left < sum(minimum[role] for role in rest):
        raise UserError(
            "not enough patients for the cohorts",
            got=f"{total} patients",
            expected=", ".join(f"{role} {_text(wanted[role], minimum[role])}" for role in wanted),
            remedy="lower the <cohort>_subjects of datasets.nnunet, add patients, or, if patients were told from "
            "case names, correct subject_pattern",
            file=file,
        )
    return {role: sizes.get(role, left) for role in wanted}


def _size(share: Share, total: int, minimum: int) -> int:
    # The small addition keeps 0.29 * 100 from rounding down to 28.
    return share if isinstance(share, int) else max(minimum, math.floor(share * total + 1e-9))


def cut(order: Sequence[str], sizes: Mapping[str, int]) -> dict[str, list[str]]:
    """Consecutive pieces of `order`, one a cohort."""
    pieces, start = {}, 0
    for role, size in sizes.items():
        pieces[role] = list(order[start : start + size])
        start += size
    return pieces


def validation_subjects(subjects: Mapping[str, str], fraction: float, rng: Rng) -> set[str]:
    """A stratified part of the patients (given with their pathology): at least one, never all."""
    count = min(max(1, round(fraction * len(subjects))), len(subjects) - 1)
    return set(stratified_order(subjects, rng)[:count])


def _text(share: Share | None, minimum: int) -> str:
    if share is None:
        return f"all others (at least {minimum})"
    return f"{share:.4g} of all (at least {minimum})" if isinstance(share, float) else f"{share}"
