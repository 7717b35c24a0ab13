"""What a process leaves behind when it is killed outright (SIGKILL, power cut), and how the next run gets past it."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import yaml

from augbench.core.artifacts import write_bytes
from augbench.core.layout import LOCK, REPORTS, STATE

_TEMPORARY = re.compile(r"\..+\.(\d+)\.tmp")
_FOLDERS = (Path("data"), REPORTS, STATE)
_LOCK_COPY = STATE / "dvc.lock"
#: Two threads would write the same temporary file: its name holds the process alone.
_copying = threading.Lock()


def remove_temporaries() -> None:
    """Remove unfinished files and folders of dead processes of this machine."""
    for path in list(_temporaries()):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def repair_dvc() -> None:
    """Put right what DVC cannot: it writes dvc.lock and its rwlock in place, so a kill can leave half of either.

    Its other locks are held by the system and end with their process; of dead processes in the rwlock it knows itself.
    """
    if LOCK.is_file() and not _is_lock(LOCK):
        damaged = STATE / "dvc.lock.damaged"
        damaged.parent.mkdir(parents=True, exist_ok=True)
        LOCK.replace(damaged)
        if _LOCK_COPY.is_file():
            write_bytes(LOCK, _LOCK_COPY.read_bytes())
        source = "the copy made when the last stage finished" if LOCK.is_file() else "nothing: its stages run again"
        _say(f"dvc.lock was cut short by a kill; replaced by {source} (the damaged one: {damaged})")
    rwlock = dvc_folder() / "tmp/rwlock"
    if rwlock.is_file():
        _repair_rwlock(rwlock)


def dvc_folder() -> Path:
    """The repository's `.dvc`: in the study's folder or above it."""
    here = Path.cwd()
    return next((folder / ".dvc" for folder in (here, *here.parents) if (folder / ".dvc").is_dir()), here / ".dvc")


def keep_lock() -> None:
    """Copy dvc.lock, if it is whole, for `repair_dvc`. Threads of one run do so one after another."""
    with _copying:
        if LOCK.is_file() and _is_lock(LOCK):
            write_bytes(_LOCK_COPY, LOCK.read_bytes())


def _temporaries() -> Iterator[Path]:
    for top in _FOLDERS:
        for folder, folders, files in os.walk(top):
            for name in [*folders, *files]:
                found = _TEMPORARY.fullmatch(name)
                # Ours before we wrote anything: a new container often starts with the same numbers.
                if found and (int(found[1]) == os.getpid() or not _is_alive(int(found[1]))):
                    yield Path(folder) / name


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _is_lock(path: Path) -> bool:
    """Whether DVC would read the file.

    One cut just behind a line may still look whole: it lacks stages, which DVC then takes from its cache or runs again.
    """
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA
    from voluptuous import Invalid

    text = path.read_bytes()
    if not text.endswith(b"\n"):
        return False
    try:
        content = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        # A cut behind `outs:` is YAML, but nothing that DVC accepts.
        return bool(content and COMPILED_LOCKFILE_SCHEMA(content).get("stages"))
    except (yaml.YAMLError, Invalid):
        return False


def _repair_rwlock(rwlock: Path) -> None:
    try:
        held = json.loads(rwlock.read_text(encoding="utf-8"))
    except ValueError:
        rwlock.unlink()
        _say(f"{rwlock} was cut short by a kill and was removed")
        return
    reused = {entry["pid"] for entries in held.get("read", {}).values() for entry in entries}
    reused |= {entry["pid"] for entry in held.get("write", {}).values()}
    reused = {process for process in reused if _is_alive(process) and not _is_dvc(process)}
    if not reused:
        return
    held["read"] = {
        path: [entry for entry in entries if entry["pid"] not in reused]
        for path, entries in held.get("read", {}).items()
    }
    held["write"] = {path: entry for path, entry in held.get("write", {}).items() if entry["pid"] not in reused}
    write_bytes(rwlock, json.dumps(held).encode())
    _say(f"{rwlock} named dead DVC processes whose numbers other programs have now ({reused}); they were removed")


def _is_dvc(process: int) -> bool:
    """Whether a living process is DVC; where the system does not tell, yes."""
    command = Path(f"/proc/{process}/cmdline")
    return not command.is_file() or b"dvc" in command.read_bytes()


def _say(text: str) -> None:
    print(f"augbench: {text}", file=sys.stderr, flush=True)
