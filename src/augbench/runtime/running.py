"""Which stages run in this workspace: each holds a lock, which the system releases however its process ends."""

from __future__ import annotations

import fcntl
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from augbench.core.layout import STATE

_FOLDER = STATE / "running"
#: Environment variable that tells a stage which `augbench repro` started it, by process id.
STARTED_BY = "AUGBENCH_REPRO"


@contextmanager
def registered(stage: str) -> Iterator[None]:
    """Within, this process runs `stage`; waits while another process of this workspace does.

    That is one which makes a part of the stage for the same run, or, if `dvc repro` was killed alone, the stage that
    goes on without it.
    """
    _FOLDER.mkdir(parents=True, exist_ok=True)
    with (_FOLDER / f"{stage.replace('/', '-')}.json").open("a+", encoding="utf-8") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.seek(0)
            print(
                f"{stage}: waits for the process that is at work on it: {stream.read().strip()}",
                file=sys.stderr,
                flush=True,
            )
            fcntl.flock(stream, fcntl.LOCK_EX)
        stream.truncate(0)
        json.dump({"pid": os.getpid(), "started_by": os.environ.get(STARTED_BY, "")}, stream)
        stream.flush()
        yield


def running_stages() -> list[tuple[str, int, str]]:
    """(stage, process id, who started it) of every running stage of this workspace."""
    found = []
    for path in sorted(_FOLDER.glob("*.json")):
        with path.open(encoding="utf-8") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                # Between the lock and the note of who holds it the file is empty or old.
                with suppress(json.JSONDecodeError):
                    note = json.load(stream)
                    found.append((path.stem, int(note["pid"]), str(note["started_by"])))
    return found
