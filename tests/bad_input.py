"""One runner for all tables of bad input: the real command line, in this process; the workspace must not change."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import io
import json
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import yaml
from nnunet_folder import COHORTS, make_pair

from augbench import cli

ROOT = Path(__file__).parent.parent
TRAINING, EXTERNAL = Path("raw/Dataset001_Main"), Path("raw/Dataset002_Other")
IMAGE, MASK = Path("imagesTr/p000_ED_0000.png"), Path("labelsTr/p000_ED.png")
_LOCKS = (".augbench/running", ".augbench/repro.lock")
#: Spoils a workspace: its folder, and what will be written to params.yaml.
Spoil = Callable[[Path, dict[str, Any]], object]


@dataclass(frozen=True)
class Bad:
    """One bad input.

    Attributes:
        spoil: what is done to a good training folder (or, in other tables, to the workspace).
        says, also: patterns that the message must match.
        fields: fields of the section `dataset` that differ.
    """

    spoil: Callable[..., object]
    says: str
    also: str = ""
    fields: dict[str, object] = field(default_factory=dict)
    views: tuple[str, ...] = ("sax",)
    image_size: int = 16


def imported(folder: Path, **fields: object) -> dict[str, Any]:
    """The smoke study on two tiny nnU-Net folders, which are made in `folder`/raw."""
    content: dict[str, Any] = yaml.safe_load((ROOT / "studies/smoke/params.yaml").read_text(encoding="utf-8"))
    make_pair(folder / "raw", subjects=6)
    content |= {"code": ".", "raw_data": "raw", "views": ["sax"], "image_size": 16}
    content["dataset"] = {"kind": "nnunet", "root": "raw", "cohorts": copy.deepcopy(COHORTS), **fields}
    for name in ("pggan", "pggan-equal"):
        content["generators"][name]["channels"] = [16, 16, 16]
    del content["generators"]["oracle"], content["arms"]["generated"]["oracle"]
    # Every alias becomes a value of its own: a test that spoils one place leaves the others.
    return json.loads(json.dumps(content))  # type: ignore[no-any-return]


def write_params(folder: Path, content: dict[str, Any]) -> None:
    (folder / "params.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")


def earlier_results(folder: Path) -> None:
    """Outputs of a run before: what goes wrong now must leave them."""
    for name in ("data/cohort/external/frames.csv", "data/cohort/segmenter/manifest.json", "reports/report.html"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("an earlier result\n", encoding="utf-8")


def edit(path: str, value: object) -> Spoil:
    """Sets one parameter, given with dots between the sections."""

    def spoil(_: Path, content: dict[str, Any]) -> None:
        *parents, last = path.split(".")
        section = content
        for key in parents:
            section = section[key]
        section[last] = value

    return spoil


def run(folder: Path, *command: str) -> tuple[object, str, str]:
    """Exit code, standard output and standard error of `augbench COMMAND` in `folder`."""
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(folder),
        mock.patch.object(sys, "argv", ["augbench", *command]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            cli.main()
            code: object = 0
        except SystemExit as stop:
            code = stop.code
    return code, out.getvalue(), err.getvalue()


def refused(folder: Path, *command: str) -> str:
    """Run a command that must fail as bad input does; its message."""
    (folder / ".augbench").mkdir(exist_ok=True)
    before = listing(folder)
    code, _, message = run(folder, *command)
    require_refusal(code, message)
    assert listing(folder) == before, "an earlier output was changed, or a half one left behind"
    return message


def require_refusal(code: object, message: str) -> None:
    """Exit code 2 and exactly one message with all its parts."""
    assert code == 2, message
    assert "Traceback" not in message
    assert len(re.findall(r"^augbench: ", message, flags=re.MULTILINE)) == 1, message
    for part in ("got:", "expected:", "remedy:", "file:"):
        assert len(re.findall(rf"^  {part} +\S", message, flags=re.MULTILINE)) == 1, f"not one {part}\n{message}"


def listing(folder: Path) -> dict[str, str]:
    """Every entry below `folder`, with the checksum of files and the target of links.

    Locks in .augbench are left out: a command holds one while it runs, whether it is refused or not.
    """
    found = {}
    for top, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(top) / name
            if path.relative_to(folder).as_posix().startswith(_LOCKS):
                continue
            if path.is_symlink():
                found[str(path)] = f"-> {path.readlink()}"
            else:
                found[str(path)] = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "no plain file"
    return found
