"""The one exception a user is meant to read: what, got, expected, remedy, file."""

from __future__ import annotations

from pathlib import Path


class UserError(Exception):
    """Bad input. The command line prints it without a traceback and exits with code 2.

    Args:
        what: the problem, in a sentence without full stop.
        got: what was given.
        expected: what would have been accepted.
        remedy: what to do about it.
        file: the file that holds the problem.
    """

    def __init__(
        self,
        what: str,
        *,
        got: object = None,
        expected: object = None,
        remedy: str | None = None,
        file: str | Path | None = None,
    ) -> None:
        parts = [what]
        if got is not None:
            parts.append(f"  got:      {got}")
        if expected is not None:
            parts.append(f"  expected: {expected}")
        if remedy is not None:
            parts.append(f"  remedy:   {remedy}")
        if file is not None:
            parts.append(f"  file:     {file}")
        super().__init__("\n".join(parts))
        self.what = what
