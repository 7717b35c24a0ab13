"""What a stage cost and where it ran: kept out of every hashed file, so that results stay the same bytes."""

from __future__ import annotations

import os
import platform
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from augbench.core.artifacts import read_json, write_json
from augbench.core.kernels import in_force
from augbench.core.layout import STATE

_FOLDER = STATE / "provenance"
_PACKAGES = (
    "augbench", "torch", "pytorch-lightning", "monai", "segmentation-models-pytorch", "dvc", "numpy", "scipy",
    "pandas", "statsmodels",
)  # fmt: skip


#: Wall and processor seconds of what was recorded within the stages that are being recorded, the innermost last.
_within: list[tuple[float, float]] = []


@contextmanager
def recorded(stage: str) -> Iterator[None]:
    """Note the cost of one stage, or of one part of a stage, when it ends without an error.

    A stage's own row leaves out its parts: they have rows of their own, which stay when a later run keeps the part. So
    the rows of a study add up to what its results cost, whenever they were made. A part that was killed and resumed
    counts from its last start.
    """
    wall, processor = time.monotonic(), time.process_time()
    _within.append((0.0, 0.0))
    done = False
    try:
        yield
        done = True
    finally:
        inner_wall, inner_processor = _within.pop()
        wall, processor = time.monotonic() - wall, time.process_time() - processor
        if _within:
            _within[-1] = (_within[-1][0] + wall, _within[-1][1] + processor)
        if done:
            _write(stage, wall - inner_wall, processor - inner_processor)


def _write(stage: str, seconds: float, core_seconds: float) -> None:
    row = {
        "stage": stage,
        "seconds": round(seconds, 1),
        "core_seconds": round(core_seconds, 1),
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "ended": now(),
    }
    write_json(_FOLDER / f"{stage.replace('/', '-')}.json", row)


def now() -> str:
    """Date and time in UTC to the second, ISO 8601: `2026-11-25T02:03:47+00:00`."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def collect() -> dict[str, Any]:
    """Cost of every stage and of every part, each when it was last made; versions and hardware."""
    stages = [read_json(path) for path in sorted(_FOLDER.glob("*.json"))]
    return {"stages": stages, "versions": _versions(), "hardware": _hardware()}


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def _hardware() -> dict[str, str | int]:
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "system": platform.system(),
        "architecture": platform.machine(),
        "processors": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        "memory_gib": round(memory_gib),
        **in_force(),
    }
