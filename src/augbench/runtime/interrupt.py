"""SIGTERM and SIGUSR1 (a preempted cluster job): save, then leave with a code that says "start me again".

A stage without checkpoints leaves at once. One with checkpoints is left at its next save, so that no work is lost.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from types import FrameType

from augbench.core.temporaries import UNFINISHED

#: Exit code of a stage or run that was asked to stop and can be started again (EX_TEMPFAIL of sysexits.h).
EXIT_STOPPED = 75

SIGNALS = (signal.SIGTERM, signal.SIGUSR1)


class _State:
    """Of this process; a signal handler has no other place to find it."""

    installed = False
    requested = False
    deferred = 0


def install() -> None:
    """Let this process leave in order when it is asked to stop."""
    _State.installed = True
    for number in SIGNALS:
        signal.signal(number, _handle)


def install_again() -> None:
    """After a library replaced the handlers; nothing in a process that never called `install`."""
    if _State.installed:
        install()


def requested() -> bool:
    """Whether the process was asked to stop."""
    return _State.requested


def defer(on: bool) -> None:
    """Between `defer(True)` and `defer(False)` a request to stop only sets `requested`: the task saves and leaves."""
    _State.deferred += 1 if on else -1


def leave() -> None:
    """End the process with `EXIT_STOPPED`."""
    raise SystemExit(EXIT_STOPPED)


def _handle(number: int, frame: FrameType | None) -> None:
    _State.requested = True
    if _State.deferred:
        return
    for path in UNFINISHED:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    print(f"augbench: stopped by {signal.Signals(number).name}; start it again to go on", file=sys.stderr, flush=True)
    # Not an exception: it could be swallowed wherever the signal happens to arrive.
    os._exit(EXIT_STOPPED)
