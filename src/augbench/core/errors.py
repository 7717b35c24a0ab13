"""The one exception a user is meant to read: what, got, expected, remedy, file."""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence
from pathlib import Path

#: Characters of one part of a message: enough to find the place, never a whole file.
_LONGEST = 500


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
        self.file = file
        parts = [_printable(what)]
        if got is not None:
            parts.append(f"  got:      {_printable(got)}")
        if expected is not None:
            parts.append(f"  expected: {_printable(expected)}")
        if remedy is not None:
            parts.append(f"  remedy:   {remedy}")
        if file is not None:
            parts.append(f"  file:     {_printable(file)}")
        super().__init__("\n".join(parts))
        self.what = what

    def seen_from(self, folder: Path) -> str:
        """The message for a reader in `folder`, who may have named a study that is now the present folder."""
        if self.file is None or Path(self.file).is_absolute() or not _is_path(self.file):
            return str(self)
        given, shown = _printable(self.file), _printable(os.path.relpath(self.file, folder))
        return str(self).removesuffix(given) + shown


def _is_path(file: str | Path) -> bool:
    """Not words such as `frames.csv of cohort 'external'`."""
    return isinstance(file, Path) or Path(file).exists()


def unknown_name(what: str, name: str, known: Sequence[str]) -> UserError:
    """The message of a name that params.yaml does not have; it proposes the nearest that it has."""
    near = difflib.get_close_matches(name, known, n=1)
    return UserError(
        f"params.yaml has no {what} '{name}'",
        got=name,
        expected=", ".join(known) or f"no {what} at all",
        remedy=f"did you mean '{near[0]}'?" if near else f"correct the name, or add the {what} to params.yaml",
        file="params.yaml",
    )


def _printable(part: object) -> str:
    """Text of a user's file as it may go to a terminal: escape sequences spelt out, cut where it is long."""
    text = str(part)
    text = text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ... ({len(text)} characters)"
    return "".join(sign if sign.isprintable() or sign in "\n\t" else repr(sign)[1:-1] for sign in text)
