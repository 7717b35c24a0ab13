"""Presets: complete params.yaml files in presets/, each with a first comment line that says what it is."""

from __future__ import annotations

import difflib
import json
import re
from pathlib import Path

from augbench.core.artifacts import write_text
from augbench.core.errors import UserError

PRESETS = Path("presets")
#: The value of the top-level key, after an anchor if there is one; JSON text is also YAML text.
_RAW_DATA = re.compile(r"^(raw_data:\s+(?:&\w+\s+)?)\S+", flags=re.MULTILINE)


def list_presets() -> list[tuple[str, str]]:
    """(name, first comment line) of every preset."""
    return [(path.stem, path.read_text(encoding="utf-8").splitlines()[0].lstrip("# ")) for path in _files()]


def write_preset(name: str, output: Path, raw_data: Path | None = None) -> None:
    """Copy a preset over `output`, with its `raw_data` folder replaced where one is given.

    Raises:
        UserError: no such preset, or no such folder.
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
    text = files[name].read_text(encoding="utf-8")
    if raw_data is not None:
        if not raw_data.is_dir():
            raise UserError(
                "folder of raw data is missing",
                got=raw_data,
                expected="a folder that holds nnU-Net raw datasets",
                remedy="correct --raw-data",
                file=raw_data,
            )
        text = _RAW_DATA.sub(lambda found: found[1] + json.dumps(str(raw_data), ensure_ascii=False), text)
    write_text(output, text)


def _files() -> list[Path]:
    return sorted(PRESETS.glob("*.yaml"))
