"""Progress on long work: a bar with throughput and remaining time on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

_SECONDS_BETWEEN_LINES = 15.0


class Progress:
    """Counts finished units of one task; `advance` may be called as often as one likes."""

    def __init__(self, description: str, total: int, unit: str) -> None:
        self.description, self.total, self.unit = description, total, unit
        self.done = 0
        self.note = ""
        self._start = self._said = time.monotonic()

    def advance(self, units: int = 1, note: str | None = None) -> None:
        """Count `units` more; `note` (a loss, a phase) stands behind the counts."""
        self.done += units
        self.note = self.note if note is None else note
        now = time.monotonic()
        if now - self._said >= _SECONDS_BETWEEN_LINES:
            self._said = now
            self._print(now)

    def finish(self) -> None:
        """Show the final counts."""
        self._print(time.monotonic())

    def _print(self, now: float) -> None:
        print(self.line(now), file=sys.stderr, flush=True)

    def line(self, now: float) -> str:
        """`train pggan 12.0k/48.0k img (25%), 41 img/s, 14:40 left, note`."""
        rate = self.done / max(now - self._start, 1e-9)
        left = (self.total - self.done) / rate if rate > 0 else 0.0
        text = (
            f"{self.description} {self.done}/{self.total} {self.unit} ({100 * self.done // max(self.total, 1)}%), "
            f"{rate:.3g} {self.unit}/s, {int(left) // 60}:{int(left) % 60:02d} left"
        )
        return f"{text}, {self.note}" if self.note else text


class _TerminalProgress(Progress):
    """The same counts drawn in place by rich."""

    def __init__(self, description: str, total: int, unit: str) -> None:
        super().__init__(description, total, unit)
        from rich.console import Console
        from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        self._rich = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=Console(stderr=True),
        )
        self._task = self._rich.add_task(description, total=total, rate="", note="")
        self._rich.start()

    def advance(self, units: int = 1, note: str | None = None) -> None:
        self.done += units
        self.note = self.note if note is None else note
        rate = self.done / max(time.monotonic() - self._start, 1e-9)
        self._rich.update(self._task, completed=self.done, rate=f"{rate:.3g} {self.unit}/s", note=self.note)

    def finish(self) -> None:
        self._rich.stop()


@contextmanager
def progress(description: str, total: int, unit: str = "frames") -> Iterator[Progress]:
    """`with progress("sample pggan", 5000) as bar: bar.advance(64)`."""
    bar = (_TerminalProgress if sys.stderr.isatty() else Progress)(description, total, unit)
    try:
        yield bar
    finally:
        bar.finish()
