"""A function in a forked child with its rights or its room taken away: the test process itself keeps both."""

from __future__ import annotations

import contextlib
import os
import resource
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

_NOBODY = 65534


def in_child(
    function: Callable[[], None], folder: Path, *, largest_file: int | None = None, unprivileged: bool = False
) -> tuple[int, str]:
    """Run `function` in `folder`; its exit code (0: returned, 1: traceback) and what it wrote to stderr.

    Args:
        largest_file: bytes after which a write fails with EFBIG, as it fails with ENOSPC on a full disk.
        unprivileged: as nobody when the tests run as root, who may write anywhere.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        os.dup2(writer, 2)
        sys.stderr = os.fdopen(2, "w", closefd=False)
        os._exit(_limited(function, folder, largest_file, unprivileged))
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        message = stream.read().decode()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), message


def _limited(function: Callable[[], None], folder: Path, largest_file: int | None, unprivileged: bool) -> int:
    try:
        os.chdir(folder)
        if unprivileged and os.geteuid() == 0:
            os.setgroups([])
            os.setgid(_NOBODY)
            os.setuid(_NOBODY)
        if largest_file is not None:
            # Python ignores SIGXFSZ, so a write over the limit is an error rather than the end of the process.
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
        function()
        return 0
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 1
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        with contextlib.suppress(OSError):
            sys.stderr.flush()
