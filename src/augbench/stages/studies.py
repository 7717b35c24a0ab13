"""studies: what every study of the repository asks, whether its results are up to date, and what it found."""

from __future__ import annotations

import json
from contextlib import chdir, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from augbench.core.arms import arms_of
from augbench.core.artifacts import read_json
from augbench.core.errors import UserError
from augbench.core.layout import LOCK, METRICS, PROVENANCE, STUDY
from augbench.core.params import PARAMS_FILE, Params, read_params
from augbench.core.study import read_study
from augbench.report import words
from augbench.report.run_tables import processor_seconds
from augbench.runtime.running import running_stages
from augbench.stages.places import PIPELINE, TRY_PREFIX, local_studies, repository
from augbench.stages.repro import WHOLE_RUN

NEVER_RUN, UP_TO_DATE, ABSENT = "never run", "up to date", "up to date, data not here"
RUNNING, STALE, BROKEN = "running", "stale", "broken"


@dataclass(frozen=True)
class StudyState:
    """One study.

    Attributes:
        name: folder in studies/, or `.` of the root's.
        is_try: made by `augbench repro --set`.
        dataset: kind.
        runs: trainings of a segmenter, over all arms.
        state: one of those above; with the problem's first line where the study cannot be read.
        core_seconds: processor time that its results cost; None if none was noted.
        verdict: of the primary endpoint; '' before there is one.
        difference: of its arm to the reference arm, with its interval; None before there is one.
    """

    name: str
    title: str
    is_try: bool
    dataset: str
    arms: int
    runs: int
    state: str
    core_seconds: float | None
    verdict: str
    difference: tuple[float, float, float] | None


def run(*, as_json: bool) -> None:
    """Print the table, or the same as JSON."""
    rows = survey(repository())
    if as_json:
        print(json.dumps([asdict(row) for row in rows], indent=2, ensure_ascii=False))
        return
    from rich.console import Console

    Console().print(_table(rows))


def survey(root: Path) -> list[StudyState]:
    """Every study of the repository."""
    studies = local_studies(root)
    states = _states(root, studies)
    return [_row(name, folder, states[name]) for name, folder in studies.items()]


def _row(name: str, folder: Path, state: str) -> StudyState:
    is_try = name.startswith(TRY_PREFIX)
    try:
        params, study = read_params(folder / PARAMS_FILE), read_study(folder / STUDY)
    except UserError as error:
        return StudyState(name, "", is_try, "", 0, 0, f"{BROKEN}: {error.what}", None, "", None)
    arms = arms_of(params)
    runs = sum(len(arm.runs) for arm in arms)
    verdict, difference = _headline(params, folder)
    kind, seconds = params.dataset.kind, _core_seconds(folder)
    return StudyState(name, study.title, is_try, kind, len(arms), runs, state, seconds, verdict, difference)


def _headline(params: Params, folder: Path) -> tuple[str, tuple[float, float, float] | None]:
    """Verdict and difference of the primary endpoint; reports of another form, arm or metric have neither."""
    found, primary = _json(folder / METRICS), params.comparison.primary
    if found.get("arm") != primary.arm or primary.metric not in found:
        return "", None
    numbers = [found.get(key) for key in ("difference", "ci_low", "ci_high")]
    whole = all(isinstance(number, (int, float)) for number in numbers)
    return str(found.get("verdict") or ""), (numbers[0], numbers[1], numbers[2]) if whole else None  # type: ignore[return-value]


def _core_seconds(folder: Path) -> float | None:
    """Of all stages and parts, each when it was last made; None where an older version noted nothing of some."""
    found = _json(folder / PROVENANCE)
    rows = [row for row in found.get("stages", []) if row["stage"] != WHOLE_RUN]
    return sum(map(processor_seconds, rows)) if rows and not found.get("parts_without_cost") else None


def _json(path: Path) -> dict[str, Any]:
    with suppress(UserError):
        found = read_json(path)
        return found if isinstance(found, dict) else {}
    return {}


def _states(root: Path, studies: dict[str, Path]) -> dict[str, str]:
    """Study -> state; DVC is opened once for all."""
    if not (root / ".dvc").is_dir():
        return dict.fromkeys(studies, NEVER_RUN)
    from dvc.repo import Repo

    with Repo(str(root)) as repo:
        return {name: _state(repo, folder) for name, folder in studies.items()}


def _state(repo: Any, folder: Path) -> str:
    """What DVC says of the stages in one dvc.yaml."""
    with chdir(folder):
        if busy := running_stages():  # asked now, DVC would hold files that they are about to write
            return f"{RUNNING}: {', '.join(name for name, _, _ in busy)}"
    if not (folder / PIPELINE).is_file() or not (folder / LOCK).is_file():
        return NEVER_RUN
    from dvc.exceptions import DvcException
    from dvc.lock import LockError
    from dvc.repo.index import Index

    try:
        stages = Index.from_file(repo, str(folder / PIPELINE)).stages
        with chdir(folder), repo.lock:
            changed = [entries for stage in stages for entries in stage.status().values()]
    except LockError:
        return RUNNING
    except DvcException as error:
        return f"{BROKEN}: {str(error).splitlines()[0]}"
    if not changed:
        return UP_TO_DATE
    # A clone has the reports of a study and its lock file, but no data: nothing else than their absence is said.
    if all(_only_absent(entry) for entries in changed for entry in entries):
        return ABSENT
    return f"{STALE}: {len(changed)} of {len(stages)} stages"


def _only_absent(entry: Any) -> bool:
    """Whether one entry of a stage's status says nothing but that files are not here."""
    if not isinstance(entry, dict):
        return False
    return all(
        isinstance(said, dict) and all(word in ("deleted", "not in cache") for word in said.values())
        for said in entry.values()
    )


def _table(rows: list[StudyState]) -> Any:
    """A block a study, which fits a terminal of any width: title, facts, result."""
    from rich.markup import escape
    from rich.table import Table

    table = Table.grid(padding=(0, 2, 1, 0))
    table.add_column(no_wrap=True)
    table.add_column()
    for row in rows:
        name = f"[bold]{escape(row.name)}[/bold]" + (" [dim](try)[/dim]" if row.is_try else "")
        sizes = f"{row.arms} arms, {row.runs} runs" if row.arms else ""
        facts = " · ".join(filter(None, (row.dataset, sizes, row.state, _time(row.core_seconds))))
        table.add_row(name, "\n".join(escape(line) for line in (row.title, facts, _result(row)) if line))
    return table


def _result(row: StudyState) -> str:
    if row.difference is None:
        return row.verdict
    difference, low, high = row.difference
    found = f"{words.difference(difference)} ({words.interval(low, high)})"
    return f"{row.verdict}: {found}".removeprefix(": ")


def _time(core_seconds: float | None) -> str:
    return "" if core_seconds is None else f"{words.duration(core_seconds)} of processor time"
