"""How a family reports progress: through a bar that it is given, so that it knows no terminal.

`runtime.progress.progress` draws bars; `no_bar` draws nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Bar(Protocol):
    """Counts finished units of one task."""

    def advance(self, units: int = 1, note: str | None = None) -> None:
        """Count `units` more; `note` (a loss, a phase) stands behind the counts."""


#: Makes the bar of a task from its description, number of units and unit: `with bars("sample", 5000, "frames") as bar`.
Bars = Callable[[str, int, str], AbstractContextManager[Bar]]


class _Silent:
    def advance(self, units: int = 1, note: str | None = None) -> None:
        pass


@contextmanager
def no_bar(description: str, total: int, unit: str = "frames") -> Iterator[Bar]:
    """A bar that shows nothing."""
    yield _Silent()
