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
from augbench.core.layout import STATE
from augbench.runtime.parts import core_seconds

_FOLDER = STATE / "provenance"
_PACKAGES = (
    "augbench", "torch", "pytorch-lightning", "monai", "segmentation-models-pytorch", "dvc", "numpy", "scipy",
    "pandas", "statsmodels",
)  # fmt: skip


@contextmanager
def recorded(stage: str) -> Iterator[None]:
    """Note wall time, peak memory and the end of one stage when it ends without an error."""
    start = time.monotonic()
    yield
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    row = {
        "stage": stage,
        "seconds": round(time.monotonic() - start, 1),
        "peak_mib": round(peak_kib / 1024),
        "ended": now(),
    }
    write_json(_FOLDER / f"{stage.replace('/', '-')}.json", row)


def now() -> str:
    """Date and time in UTC to the second, ISO 8601: `2026-11-25T02:03:47+00:00`."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def collect() -> dict[str, Any]:
    """Cost of the last run of every stage and of every finished part, versions and hardware."""
    stages = [read_json(path) for path in sorted(_FOLDER.glob("*.json"))]
    return {"stages": stages, "core_seconds": core_seconds(), "versions": _versions(), "hardware": _hardware()}


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
    }
