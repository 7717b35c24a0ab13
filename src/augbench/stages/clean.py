"""clean: which checkpoints are still needed, and the removal of those that are not."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

from augbench.core.params import Params
from augbench.runtime.checkpoints import FOLDER, inputs_of
from augbench.runtime.fingerprint import key_of
from augbench.runtime.graph import changed_stages
from augbench.runtime.pipeline import stages
from augbench.runtime.running import running_stages

FINISHED = "its stage is finished and recorded in dvc.lock"
CHANGED = "of other parameters, input or code"
NO_STAGE = "no such stage in dvc.yaml"


class TaskCheckpoints(NamedTuple):
    """The checkpoints of one task and key.

    Attributes:
        reason: why they are not needed; '' if they are.
    """

    task: str
    folder: Path
    size_bytes: int
    reason: str


def survey(params: Params) -> list[TaskCheckpoints]:
    """Every task with checkpoints. One whose stage runs, or whose input is not there to compare, counts as needed."""
    found = [folder for folder in sorted(FOLDER.glob("*/*")) if folder.is_dir()]
    if not found:
        return []
    known = {stage.name: stage for stage in stages(params)}
    stale, busy = changed_stages(), {name for name, _, _ in running_stages()}

    def reason(folder: Path) -> str:
        name = folder.parent.name.partition("+")[0]
        if name not in known:
            return NO_STAGE
        if busy:
            # A run that is under way may make any of them current again.
            return ""
        if name not in stale:
            return FINISHED
        if not all(Path(dep).exists() for dep in known[name].deps):
            return ""
        return "" if folder.name == key_of(known[name], params, inputs_of(folder)) else CHANGED

    return [TaskCheckpoints(folder.parent.name, folder, _size(folder), reason(folder)) for folder in found]


def table(entries: list[TaskCheckpoints]) -> str:
    """A line per task."""
    if not entries:
        return "no checkpoints"
    width = max(len(entry.task) for entry in entries)
    return "\n".join(
        f"{entry.task:<{width}}  {entry.size_bytes / 1e6:>9.1f} MB  "
        + (f"not needed: {entry.reason}" if entry.reason else "needed")
        for entry in entries
    )


def remove(entries: list[TaskCheckpoints]) -> None:
    """Remove these, and the folders of tasks that have no others."""
    for entry in entries:
        shutil.rmtree(entry.folder, ignore_errors=True)
        if not any(entry.folder.parent.iterdir()):
            entry.folder.parent.rmdir()


def remove_finished(params: Params) -> None:
    """Remove those whose stage is finished and recorded."""
    remove([entry for entry in survey(params) if entry.reason == FINISHED])


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
