"""One run at a time in a workspace."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from augbench.core.errors import UserError
from augbench.core.layout import STATE


@contextmanager
def only_run() -> Iterator[None]:
    """Hold the workspace for one `augbench repro`; the system lets go of it when the process ends, however it ends.

    Raises:
        UserError: another one holds it.
    """
    STATE.mkdir(exist_ok=True)
    path = STATE / "repro.lock"
    with path.open("a+") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            stream.seek(0)
            raise in_use(f"`augbench repro` with process id {stream.read().strip()} is running", path) from error
        stream.truncate(0)
        print(os.getpid(), file=stream, flush=True)
        yield


@contextmanager
def dvc_at_rest() -> Iterator[None]:
    """Hold DVC's own lock, which it has whenever it writes: what is half-written within was left by a kill.

    Raises:
        UserError: a `dvc` command holds it.
    """
    from dvc.lock import LockError
    from dvc.repo import Repo

    with Repo() as repo:
        try:
            repo.lock.lock()
        except LockError as error:
            raise in_use(error, ".dvc/tmp/lock") from error
        try:
            yield
        finally:
            repo.lock.unlock()


def in_use(got: object, file: Path | str) -> UserError:
    """The message of a run that would disturb another one."""
    return UserError(
        "this workspace is in use",
        got=got,
        expected="one run at a time in a workspace",
        remedy="wait until it has ended, or stop it; or work in another clone",
        file=file,
    )
