"""The same picture under two patient ids is one person: found by the pixels, because names cannot show it."""

from __future__ import annotations

from collections.abc import Sequence

from augbench.core.errors import UserError
from augbench.datasets.nnunet.source import Imported


def same_persons(subjects: Sequence[str], digests: Sequence[str]) -> dict[str, str]:
    """Every subject that shares a picture with another -> the first id (by alphabet) of that person."""
    person = {subject: subject for subject in subjects}

    def first(subject: str) -> str:
        while person[subject] != subject:
            subject = person[subject]
        return subject

    owner: dict[str, str] = {}
    for subject, digest in zip(subjects, digests, strict=True):
        low, high = sorted((first(subject), first(owner.setdefault(digest, subject))))
        person[high] = low
    return {subject: first(subject) for subject in sorted(person) if first(subject) != subject}


def merge_persons(imported: Imported, *, refuse: bool) -> dict[str, str]:
    """Give each person one id and keep one frame of each picture that stood under two.

    Returns:
        id that is gone -> id that stands for it.

    Raises:
        UserError: there is such a pair and `refuse` is set.
    """
    subjects = imported.table["subject_id"].tolist()
    merged = same_persons(subjects, imported.digests)
    if not merged:
        return {}
    if refuse:
        gone, kept = next(iter(merged.items()))
        raise UserError(
            "two subjects have the same pictures",
            got=f"{gone} and {kept}",
            expected="one id a person: two would put one person on both sides of a split",
            remedy="remove one of them, or set datasets.nnunet.same_images to merge",
            file=imported.source.folder,
        )
    owner: dict[str, str] = {}
    keep = [
        owner.setdefault(digest, subject) == subject for subject, digest in zip(subjects, imported.digests, strict=True)
    ]
    table = imported.table.assign(subject_id=[merged.get(subject, subject) for subject in subjects])
    # A merged person keeps one pathology, that of the id which stays.
    pathology = dict(zip(imported.table["subject_id"], imported.table["pathology"], strict=True))
    table["pathology"] = table["subject_id"].map(pathology)
    imported.table = table[keep].reset_index(drop=True)
    imported.pairs = imported.pairs[keep]
    imported.digests = [digest for digest, kept_ in zip(imported.digests, keep, strict=True) if kept_]
    imported.files = [file for file, kept_ in zip(imported.files, keep, strict=True) if kept_]
    return merged


def require_different_people(one: Imported, other: Imported) -> None:
    """No subject id and no picture may be in two datasets.

    Raises:
        UserError: names both places.
    """
    names = (one.source.folder.name, other.source.folder.name)
    shared = sorted(set(one.table["subject_id"]) & set(other.table["subject_id"]))
    if shared:
        raise UserError(
            f"subject '{shared[0]}' is in two splits",
            got=f"{len(shared)} subjects of {names[0]} are in {names[1]} too",
            expected="every subject in exactly one cohort and split",
            remedy="remove the subject from one dataset, or, if they are two people, rename one in cases.csv",
            file=other.source.folder,
        )
    held = dict(zip(one.digests, one.files, strict=True))
    for digest, file in zip(other.digests, other.files, strict=True):
        if digest in held:
            raise UserError(
                "the same image is in two datasets",
                got=f"{held[digest]} and {file} show the same pixels",
                expected="different people: the external set must not hold a training patient under another id",
                remedy="remove the patient from one of the datasets",
                file=file,
            )
