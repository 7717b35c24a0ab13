"""Patients to cohorts: one id a person, stratified by pathology, and nobody in two places."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import Field, model_validator

from augbench.core.errors import UserError
from augbench.core.seeding import Rng, child_rng
from augbench.datasets.base import Cohort
from augbench.datasets.nnunet.source import Imported


class FolderCohort(Cohort):
    """Patients of one dataset folder: a fraction, a number, or (with neither) all that its other cohorts leave."""

    dataset: str = Field(pattern=r"^[^/\\]*[^/\\.][^/\\]*$", description="name of a folder inside `root`")
    share: float | None = Field(default=None, gt=0, le=1, description="fraction of the folder's patients, rounded down")
    subjects: int | None = Field(default=None, ge=1, description="number of patients, instead of `share`")

    @model_validator(mode="after")
    def _one_size(self) -> FolderCohort:
        if self.share is not None and self.subjects is not None:
            raise ValueError("either share or subjects")
        if self.subjects is not None and self.subjects < self.fewest:
            raise ValueError("2 subjects or more where validation_fraction is not 0: one trains and one validates")
        return self

    @property
    def takes_the_rest(self) -> bool:
        """Whether it takes all patients that the others of its folder leave."""
        return self.share is None and self.subjects is None

    @property
    def fewest(self) -> int:
        """Patients without which the cohort is no use: one for each of its splits."""
        return 2 if self.validation_fraction else 1

    def size(self, total: int) -> int | None:
        """Patients out of `total`; None for all that the others leave."""
        if self.share is None:
            return self.subjects
        # The small addition keeps 0.29 * 100 from rounding down to 28.
        return max(self.fewest, math.floor(self.share * total + 1e-9))

    def __str__(self) -> str:
        if self.subjects is not None:
            return str(self.subjects)
        part = "all others" if self.share is None else f"{self.share:.4g} of all"
        return f"{part} (at least {self.fewest})"


def require_room(cohorts: Mapping[str, FolderCohort]) -> None:
    """What is declared fits into each folder, as far as that can be told without opening it.

    Raises:
        UserError: two cohorts of one folder take the rest, or shares sum to more than 1 or leave no rest.
    """
    for folder in {cohort.dataset for cohort in cohorts.values()}:
        own = {name: cohort for name, cohort in cohorts.items() if cohort.dataset == folder}
        rest = [name for name, cohort in own.items() if cohort.takes_the_rest]
        total = sum(cohort.share or 0.0 for cohort in own.values())
        if len(rest) > 1 or total > 1 + 1e-9 or (rest and total > 1 - 1e-9):
            raise UserError(
                f"cohorts do not share out the patients of {folder}",
                got=", ".join(f"{name} {cohort}" for name, cohort in own.items()),
                expected="shares that sum to at most 1, and one cohort at most without share: it takes what is left",
                remedy="state share or subjects of these cohorts in dataset.cohorts",
                file="params.yaml",
            )


def cohort_sizes(total: int, cohorts: Mapping[str, FolderCohort], file: Path) -> dict[str, int]:
    """Number of patients in each cohort of one folder; who they are depends on the seed, how many does not.

    Args:
        total: patients of the folder.
        file: the folder, for messages.

    Raises:
        UserError: there are not enough patients.
    """
    known = {name: size for name, cohort in cohorts.items() if (size := cohort.size(total)) is not None}
    left = total - sum(known.values())
    if left < sum(cohort.fewest for cohort in cohorts.values() if cohort.takes_the_rest):
        raise UserError(
            "not enough patients for the cohorts",
            got=f"{total} patients",
            expected=", ".join(f"{name} {cohort}" for name, cohort in cohorts.items()),
            remedy="lower share or subjects in dataset.cohorts, add patients, or, if patients were told from case "
            "names, correct subject_pattern",
            file=file,
        )
    return {name: known.get(name, left) for name in cohorts}


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


def deal(
    pathology: Mapping[str, str], cohorts: Mapping[str, FolderCohort], seed: int, folder: Path
) -> dict[str, dict[str, str]]:
    """Cohort -> its patients -> `train` or `validation`, for all cohorts of one folder.

    Args:
        pathology: patient of the folder -> pathology.
        seed: root seed; the folder's name decides who goes where, the cohort's name who validates.

    Raises:
        UserError: there are fewer patients than asked for.
    """
    order = stratified_order(pathology, child_rng(seed, "nnunet", "split", folder.name))
    dealt: dict[str, dict[str, str]] = {}
    start = 0
    for name, size in cohort_sizes(len(order), cohorts, folder).items():
        members = {subject: pathology[subject] for subject in order[start : start + size]}
        start += size
        rng = child_rng(seed, "nnunet", "validation", name)
        held = _validating(members, cohorts[name].validation_fraction, rng)
        dealt[name] = {subject: "validation" if subject in held else "train" for subject in members}
    return dealt


def _validating(pathology: Mapping[str, str], fraction: float, rng: Rng) -> set[str]:
    """A stratified part of the patients; unless `fraction` is 0 at least one, and never all."""
    count = min(max(1, round(fraction * len(pathology))), len(pathology) - 1) if fraction else 0
    return set(stratified_order(pathology, rng)[:count])


def same_persons(subjects: Sequence[str], digests: Sequence[str]) -> dict[str, str]:
    """Every subject that shares a picture with another -> the first id (by alphabet) of that person.

    Args:
        subjects, digests: patient and pixels of each frame, (n,) each.
    """
    person = {subject: subject for subject in subjects}
    owner: dict[str, str] = {}
    for subject, digest in zip(subjects, digests, strict=True):
        low, high = sorted((person[subject], person[owner.setdefault(digest, subject)]))
        if low != high:
            person = {one: low if first == high else first for one, first in person.items()}
    return {subject: first for subject, first in sorted(person.items()) if first != subject}


def merge_persons(imported: Imported, *, refuse: bool) -> dict[str, str]:
    """Give each person one id and keep one frame of each picture that stood under two.

    The pixels show it, because names cannot.

    Returns:
        id that is gone -> id that stands for it.

    Raises:
        UserError: there is such a pair and `refuse` is set.
    """
    table = imported.table
    merged = same_persons(table["subject_id"].tolist(), table["digest"].tolist())
    if merged and refuse:
        gone, kept = next(iter(merged.items()))
        raise UserError(
            "two subjects have the same pictures",
            got=f"{gone} and {kept}",
            expected="one id a person: two would put one person on both sides of a split",
            remedy="remove one of them, or set dataset.same_images to merge",
            file=imported.folder.path,
        )
    if not merged:
        return {}
    first = table.groupby("digest")["subject_id"].transform("first")
    keep = (table["subject_id"] == first).to_numpy()
    # A merged person keeps one pathology, that of the id which stays.
    persons = table["subject_id"].replace(merged)
    table = table.assign(subject_id=persons, pathology=persons.map(imported.pathology))
    imported.table, imported.pairs = table[keep].reset_index(drop=True), imported.pairs[keep]
    return merged


def require_different_people(one: Imported, other: Imported) -> None:
    """No subject id and no picture may be in two folders.

    Raises:
        UserError: names both places.
    """
    names = (one.folder.path.name, other.folder.path.name)
    shared = sorted(set(one.table["subject_id"]) & set(other.table["subject_id"]))
    if shared:
        raise UserError(
            f"subject '{shared[0]}' is in two splits",
            got=f"{len(shared)} subjects of {names[0]} are in {names[1]} too",
            expected="every subject in exactly one cohort and split",
            remedy="remove the subject from one dataset, or, if they are two people, rename one in cases.csv",
            file=other.folder.path,
        )
    held = dict(zip(one.table["digest"], one.table["file"], strict=True))
    for digest, file in zip(other.table["digest"], other.table["file"], strict=True):
        if digest in held:
            raise UserError(
                "the same image is in two datasets",
                got=f"{held[digest]} and {file} show the same pixels",
                expected="different people: the external set must not hold a training patient under another id",
                remedy="remove the patient from one of the datasets",
                file=file,
            )
