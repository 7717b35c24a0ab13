"""The installed version, as a file on which the stages of a study without a checkout depend."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, entry_points, version
from pathlib import Path

from augbench.core.artifacts import read_bytes
from augbench.core.errors import UserError

VERSION_FILE = Path("augbench.version")
_GROUPS = "augbench."


def augbench_version() -> str:
    """As pip knows it."""
    try:
        return version("augbench")
    except PackageNotFoundError:
        return "unknown (not installed)"


def version_text() -> str:
    """augbench and every installed package that adds components to it, a line each: `augbench 0.1.0`."""
    added = {
        (entry.dist.name, entry.dist.version)
        for group in entry_points().groups
        if group.startswith(_GROUPS)
        for entry in entry_points(group=group)
        if entry.dist is not None
    }
    lines = [f"augbench {augbench_version()}", *(f"{name} {number}" for name, number in sorted(added))]
    return "\n".join(lines) + "\n"


def require_recorded_version() -> None:
    """In a study that names the version it was made with, no other one may run a stage.

    Raises:
        UserError: another version is installed.
    """
    if not VERSION_FILE.is_file():
        return
    recorded, installed = read_bytes(VERSION_FILE).decode(errors="replace"), version_text()
    if recorded != installed:
        pins = " ".join("==".join(line.split()) for line in recorded.splitlines())
        raise UserError(
            "this study was made with another version of augbench",
            got=f"installed: {', '.join(installed.splitlines())}",
            expected=", ".join(recorded.splitlines()),
            remedy=f"install that version (`pip install {pins}`), or make a study for the installed one with "
            "`augbench new OTHER --like THIS`",
            file=VERSION_FILE,
        )
