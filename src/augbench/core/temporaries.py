"""Unfinished files and folders of this process: whoever ends it early removes them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: A signal handler has no other place to find them.
UNFINISHED: set[Path] = set()


@contextmanager
def temporary(path: Path) -> Iterator[None]:
    """Within, `path` is an unfinished file or folder that nobody must find."""
    UNFINISHED.add(path)
    try:
        yield
    finally:
        UNFINISHED.discard(path)
