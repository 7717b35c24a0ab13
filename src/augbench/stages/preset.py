"""Presets: complete params.yaml files in presets/, each with a first comment line that says what it is."""

from __future__ import annotations

import difflib
from pathlib import Path

from augbench.core.artifacts import write_text
from augbench.core.errors import UserError

PRESETS = Path("presets")


def list_presets() -> list[tuple[str, str]]:
    """(name, first comment line) of every preset."""
    return [(path.stem, path.read_text(encoding="utf-8").splitlines()[0].lstrip("# ")) for path in _files()]


def write_preset(name: str, output: Path) -> None:
    """Copy a preset over `output`.

    Raises:
        UserError: no such preset.
    """
    files = {path.stem: path for path in _files()}
    if name not in files:
        near = difflib.get_close_matches(name, files, n=1)
        raise UserError(
            f"unknown preset '{name}'",
            got=name,
            expected=", ".join(files) or "none found",
            remedy=f"did you mean '{near[0]}'?" if near else "run from the project's root and use an expected name",
            file=PRESETS,
        )
    write_text(output, files[name].read_text(encoding="utf-8"))


def _files() -> list[Path]:
    return sorted(PRESETS.glob("*.yaml"))
