"""Checkpoints of long tasks: a killed and resumed task ends in the same bytes as one that was not killed.

They lie in the git-ignored `.augbench/checkpoints/<task>/<key>/` as safetensors with a JSON state in the header; the
sha256 of the whole file is part of its name. No pickle. See docs/resume.md.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from augbench.core.artifacts import read_json, write_bytes, write_json
from augbench.core.checkpoint import Checkpoint
from augbench.core.layout import STATE
from augbench.runtime import interrupt
from augbench.runtime.fingerprint import WHOLE, Inputs

if TYPE_CHECKING:
    from torch import Tensor

FOLDER = STATE / "checkpoints"
#: What the parts of a key (`runtime.fingerprint`) stand for.
KEY_PARTS = ("parameters", "input data", "code", "library versions")
_KEPT = 2
_INPUTS = "inputs.json"


class Checkpoints:
    """The checkpoints of one task in .augbench/checkpoints/<task>/<key>/; the last two are kept.

    `with checkpoints:` around the task: from its first `latest()` to the block's end a request to stop (SIGTERM,
    SIGUSR1) waits for the next `save`, which then ends the process with `interrupt.EXIT_STOPPED`.

    Args:
        task: name of the DVC stage.
        key: of everything that decides the task's bytes, as `runtime.fingerprint` makes it. If only other keys are
            found, it says on stderr that the task starts afresh, and what changed.
        every_seconds: time between two checkpoints.
        inputs: what the key was made from, noted for whoever asks later whether it still holds.
    """

    def __init__(self, task: str, key: str, *, every_seconds: float, inputs: Inputs = WHOLE) -> None:
        self._inputs = inputs
        self.folder = FOLDER / task / key
        self._task, self._every = task, every_seconds
        self._saved = time.monotonic()
        self._deferring = False
        self._compare_keys()

    def __enter__(self) -> Checkpoints:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._deferring:
            self._deferring = False
            interrupt.defer(False)
        if kind is None and interrupt.requested():
            interrupt.leave()

    def latest(self) -> Checkpoint | None:
        """The newest whose checksum is right; a damaged one is named and removed, and the one before is used."""
        if not self._deferring:
            self._deferring = True
            interrupt.defer(True)
        files = _files(self.folder)
        for path in reversed(files):
            found = _read(path)
            if found is not None:
                self._say(f"resumes from its checkpoint at step {found.step}")
                return found
            self._say(f"checkpoint {path} is damaged (another checksum than in its name) and was removed")
            path.unlink(missing_ok=True)
        if files:
            self._say("no sound checkpoint is left: it starts afresh")
        return None

    def due(self) -> bool:
        """Whether the interval is over or a stop was requested: time to `save`."""
        return interrupt.requested() or time.monotonic() - self._saved >= self._every

    def save(self, step: int, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Write a checkpoint, atomically and through to the disk; then leave the process if a stop was requested.

        Args:
            step: steps done; not less than in an earlier checkpoint.
            tensors: of any device and memory format; they are copied.
            state: JSON.
        """
        import torch
        from safetensors.torch import save

        # A copy each: safetensors refuses tensors that share memory.
        copies = {
            name: value.detach().cpu().clone(memory_format=torch.contiguous_format) for name, value in tensors.items()
        }
        content = save(copies, {"step": str(step), "state": json.dumps(dict(state))})
        path = self.folder / f"{step:012d}-{hashlib.sha256(content).hexdigest()}.safetensors"
        write_json(self.folder / _INPUTS, asdict(self._inputs))
        write_bytes(path, content)
        for old in [other for other in _files(self.folder) if other != path][: 1 - _KEPT]:
            old.unlink(missing_ok=True)
        self._saved = time.monotonic()
        if interrupt.requested():
            self._say(f"saved at step {step}; start it again to go on")
            interrupt.leave()

    def drop(self) -> None:
        """Remove every checkpoint of this task and key."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _compare_keys(self) -> None:
        if _files(self.folder) or not self.folder.parent.is_dir():
            return
        others = [folder for folder in self.folder.parent.iterdir() if _files(folder)]
        if not others:
            return
        newest = max(others, key=lambda folder: folder.stat().st_mtime)
        pairs = zip(KEY_PARTS, self.folder.name.split("-"), newest.name.split("-"), strict=False)
        changed = [name for name, now, then in pairs if now != then] or ["key"]
        self._say(f"the {' and '.join(changed)} changed since its last checkpoint: it starts afresh")

    def _say(self, text: str) -> None:
        print(f"{self._task}: {text}", file=sys.stderr, flush=True)


def inputs_of(folder: Path) -> Inputs:
    """What the key of a folder of checkpoints was made from."""
    path = folder / _INPUTS
    return Inputs(**read_json(path)) if path.is_file() else WHOLE


def _files(folder: Path) -> list[Path]:
    """From the oldest to the newest."""
    return sorted(folder.glob("*.safetensors"))


def _read(path: Path) -> Checkpoint | None:
    """None if the content is not what the name says."""
    from safetensors import safe_open

    content_hash = path.stem.partition("-")[2]
    with path.open("rb") as stream:
        if hashlib.file_digest(stream, "sha256").hexdigest() != content_hash:
            return None
    with safe_open(path, framework="pt") as held:
        header = held.metadata()
        tensors = {name: held.get_tensor(name) for name in held.keys()}  # noqa: SIM118
    return Checkpoint(int(header["step"]), tensors, json.loads(header["state"]))
