"""The reports of one revision: from git objects, without a checkout and without data, or from the working tree."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from augbench.comparison.unit import PER_PATIENT_TEXT, require_per_patient
from augbench.core import layout
from augbench.core.artifacts import parse_yaml, read_bytes
from augbench.core.errors import UserError
from augbench.core.params import PARAMS_FILE
from augbench.core.reports import parse_report_table, schema_of
from augbench.core.tables import PER_PATIENT_COLUMNS
from augbench.revisions import git
from augbench.revisions.declared import Declared, declared
from augbench.revisions.lock import Lock

WORKSPACE = "workspace"
VERDICT_COLUMNS = ("view", "structure", "metric", "arm", "verdict")
#: Scores of frames, which reports of schema 1 held.
_OLDER = layout.REPORTS / "per_case.csv"


@dataclass(frozen=True)
class RevisionReports:
    """What one revision says of itself; paths and parameters are those of that revision.

    Attributes:
        label: as printed: `main (2341268)`, `working tree`.
        commit: full hash; of the working tree the commit it is on, None before the first one.
        per_patient: scores with `core.tables.PER_PATIENT_COLUMNS`.
        comparison: reports/comparison.csv, every arm against the reference arm; None where the revision has none.
        params: params.yaml as it is, not validated: it may be of another version.
        declared: what of it both revisions of a comparison must have.
        files: paths of all files in reports/, sorted.
        lock: what dvc.lock says of the run that made the reports.
        notes: sentences on doubts about this revision: uncommitted reports, parameters edited after the run.
    """

    label: str
    commit: str | None
    per_patient: pd.DataFrame
    comparison: pd.DataFrame | None
    params: dict[str, Any]
    declared: Declared
    files: tuple[str, ...]
    lock: Lock
    notes: tuple[str, ...]


class NoReports(UserError):
    """A revision that exists, without scores: to `augbench gate` a failure and not bad input."""


def read_revision(name: str | None) -> RevisionReports:
    """The reports of a branch, tag or commit; of the working tree for None or `workspace`.

    The study is the current folder, anywhere in the repository.

    Raises:
        UserError: no repository, no such revision, no reports in it, or reports of another schema.
    """
    if name is None or name == WORKSPACE:
        return _working_tree()
    commit = git.resolve(name)
    label = name if commit.startswith(name) else f"{name} ({commit[:7]})"
    return _reports(label, commit, lambda path: git.read(commit, path), git.files(commit, layout.REPORTS), name)


def _working_tree() -> RevisionReports:
    git.require_repository()
    files = tuple(sorted(path.as_posix() for path in layout.REPORTS.rglob("*") if path.is_file()))
    changed = git.modified(layout.PER_PATIENT, layout.LOCK, PARAMS_FILE)
    scores = "not committed" if layout.PER_PATIENT.as_posix() in changed else "those of the last commit"
    notes = [f"the working tree is compared; its scores are {scores}"]
    others = [path for path in changed if path != layout.PER_PATIENT.as_posix()]
    if others:
        notes.append(f"changed in the working tree and not committed: {', '.join(others)}")

    def content(path: Path) -> bytes | None:
        return read_bytes(path) if path.is_file() else None

    return _reports("working tree", git.head(), content, files, None, notes)


def _reports(
    label: str,
    commit: str | None,
    content: Callable[[Path], bytes | None],
    files: tuple[str, ...],
    name: str | None,
    notes: Sequence[str] = (),
) -> RevisionReports:
    """`content` gives a file of the revision, None where it has none; `name` is None for the working tree."""
    where = " in the working tree" if name is None else f" at '{name}'"
    per_patient = content(layout.PER_PATIENT)
    if per_patient is None:
        raise _older_reports(name, where) if _OLDER.as_posix() in files else _no_reports(name, files)
    scores = _table(per_patient, layout.PER_PATIENT, PER_PATIENT_COLUMNS, where, PER_PATIENT_TEXT)
    params_file, lock_file, comparison = content(PARAMS_FILE), content(layout.LOCK), content(layout.COMPARISON)
    params = {} if params_file is None else parse_yaml(params_file, f"{PARAMS_FILE}{where}")
    lock = Lock({} if lock_file is None else parse_yaml(lock_file, f"{layout.LOCK}{where}"))
    doubts = _doubts(label, params, lock, hashlib.md5(per_patient, usedforsecurity=False).hexdigest())
    return RevisionReports(
        label=label,
        commit=commit,
        per_patient=require_per_patient(scores),
        comparison=None if comparison is None else _table(comparison, layout.COMPARISON, VERDICT_COLUMNS, where),
        params=params,
        declared=declared(params, where),
        files=files,
        lock=lock,
        notes=(*notes, *doubts),
    )


def _table(content: bytes, path: Path, columns: Sequence[str], where: str, text: Sequence[str] = ()) -> pd.DataFrame:
    return parse_report_table(content, columns, text=text, file=path, where=where)


def _doubts(label: str, params: dict[str, Any], lock: Lock, per_patient_md5: str) -> list[str]:
    """Signs that the reports are not those of the parameters beside them; `dvc status` alone also looks at the code."""
    found = []
    recorded = lock.out_md5(layout.PER_PATIENT)
    if recorded is None:
        found.append(f"{label}: no dvc.lock says how its scores were made")
    elif recorded != per_patient_md5:
        found.append(f"{label}: {layout.PER_PATIENT} is not the file that its dvc.lock records")
    edited = lock.edited_since(params)
    if edited:
        found.append(f"{label}: params.yaml was edited after the run that made its scores: {', '.join(edited)}")
    return found


def _no_reports(name: str | None, files: tuple[str, ...]) -> NoReports:
    what = "the working tree" if name is None else f"revision '{name}'"
    there = "" if name is None else f" at '{name}' and commit reports/, dvc.lock and params.yaml"
    study = git.prefix()
    return NoReports(
        f"{what} has no {study}{layout.PER_PATIENT}" if files else f"{what} has no reports in {study or 'its root'}",
        got=f"{len(files)} files in {study}{layout.REPORTS}/" if files else f"no {study}{layout.REPORTS}/",
        expected=f"{study}{layout.PER_PATIENT}, written by `augbench evaluate`",
        remedy=f"run `augbench repro`{there}; run this command in the study's folder, or name it with --study",
    )


def _older_reports(name: str | None, where: str) -> UserError:
    another = "" if name is None else f", or compare with a revision that has {layout.PER_PATIENT}"
    return UserError(
        f"the report{where} was written by an older augbench",
        got=f"{_OLDER}, of schema 1",
        expected=f"{layout.PER_PATIENT}, of schema {schema_of(layout.PER_PATIENT)}",
        remedy=f"run `augbench repro` with today's augbench{where}, and commit reports/ and dvc.lock{another}",
        file=f"{git.prefix()}{_OLDER}",
    )
