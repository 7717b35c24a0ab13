"""The key of a task: one hash each of its parameters, input data, code and library versions.

What they are is read from dvc.yaml: what makes DVC run a stage again makes its checkpoints useless.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import python_version

from augbench.core.params import Params
from augbench.runtime.checkpoints import Checkpoints
from augbench.runtime.pipeline import Stage, stage_that_makes, value_of

#: Libraries whose version may change a result's last bits.
_LIBRARIES = ("torch", "numpy", "scipy", "pandas", "monai", "pytorch-lightning", "segmentation-models-pytorch")
_DIGITS = 16


def checkpoints_of(params: Params, out: Path, part: str = "") -> AbstractContextManager[Checkpoints | None]:
    """Where the stage that makes `out` keeps its checkpoints; gives None where dvc.yaml has no such stage.

    Args:
        part: name of one of several tasks of the stage.
    """
    stage = stage_that_makes(out, params)
    if stage is None:
        return nullcontext()
    task = f"{stage.name}+{part}" if part else stage.name
    return Checkpoints(task, key_of(stage, params), every_seconds=params.compute.checkpoint_seconds)


def key_of(stage: Stage, params: Params) -> str:
    """Four hashes joined by `-`, in the order of `checkpoints.KEY_PARTS`.

    Shard folders are known by their manifest, which holds the sha256 of every shard, and their table.
    """
    values = {name: value_of(params, name) for name in stage.params}
    code = [Path(dep) for dep in stage.deps if dep.startswith("src/")]
    data = [Path(dep) for dep in stage.deps if not dep.startswith("src/")]
    parts = (json.dumps(values, sort_keys=True), _content(data), _content(code), json.dumps(_versions()))
    return "-".join(hashlib.sha256(part.encode()).hexdigest()[:_DIGITS] for part in parts)


def _content(paths: list[Path]) -> str:
    """sha256 and name of every file, a line each."""
    lines = []
    for path in sorted(file for given in paths for file in _files(given)):
        with path.open("rb") as stream:
            lines.append(f"{hashlib.file_digest(stream, 'sha256').hexdigest()} {path.as_posix()}")
    return "\n".join(lines)


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    elif (path / "manifest.json").is_file():
        yield from (path / "manifest.json", path / "frames.csv")
    else:
        # What .dvcignore leaves out is no part of a dependency.
        yield from (
            file
            for file in path.rglob("*")
            if file.is_file()
            and file.suffix != ".pyc"
            and not any(name.endswith(".tmp") for name in file.relative_to(path).parts)
        )


def _versions() -> dict[str, str]:
    found = {"python": python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = ""
    return found
