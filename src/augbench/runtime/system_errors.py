"""Errors of the file system that a user can mend, as one message: a full disk, missing permissions, a broken drive."""

from __future__ import annotations

import errno
import os

from augbench.core.errors import UserError

_AGAIN = "then run the same command again: finished work is kept"
_FREE_SPACE = (
    f"free space on that drive or raise the quota or file size limit (`df -h`, `quota`, `ulimit -f`), {_AGAIN}"
)
_PERMISSIONS = f"let your user write there (`ls -ld` shows who may; `mount` shows read-only drives), {_AGAIN}"
_REMEDIES = {
    errno.ENOSPC: _FREE_SPACE,
    errno.EDQUOT: _FREE_SPACE,
    errno.EFBIG: _FREE_SPACE,
    errno.EACCES: _PERMISSIONS,
    errno.EPERM: _PERMISSIONS,
    errno.EROFS: _PERMISSIONS,
    errno.EIO: f"check the drive and its connection (`dmesg`), {_AGAIN}",
    errno.ESTALE: f"mount the network drive again, {_AGAIN}",
    errno.EMFILE: f"raise the number of open files (`ulimit -n`), {_AGAIN}",
}


def explained(error: OSError) -> UserError | None:
    """The message for a user; None for an error that is none of the system's, whose traceback is needed."""
    number = error.errno or 0
    if number not in _REMEDIES:
        return None
    return UserError(
        "a file could not be read or written",
        got=f"{os.strerror(number)} ({errno.errorcode[number]})",
        expected="a drive with room and permission",
        remedy=_REMEDIES[number],
        file=error.filename or "unknown; the last one named above",
    )
