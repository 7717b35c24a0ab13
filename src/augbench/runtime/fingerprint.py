"""The key of a task: one hash each of its parameters, input data, code and library versions.

What they are is read from dvc.yaml: what makes DVC run a stage again makes its checkpoints and finished parts useless.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import python_version
from typing import Any

from augbench.core.params import Params
from augbench.runtime.pipeline import Stage, value_of

#: Libraries whose version may change a result's last bits.
_LIBRARIES = ("torch", "numpy", "scipy", "pandas", "monai", "pytorch-lightning", "segmentation-models-pytorch")
_DIGITS = 16
_CODE, _VERSION_FILE = "src/augbench/", "augbench.version"
_DATASETS = f"{_CODE}datasets/"


@dataclass(frozen=True)
class Inputs:
    """What of a stage's inputs one part of it reads.

    Attributes:
        narrowed: dependency -> the part of it that is read, such as the folder of one seed.
        dataset: whether the dataset's own code and parameters decide the part's bytes.
    """

    narrowed: Mapping[str, str] = field(default_factory=dict)
    dataset: bool = True


WHOLE = Inputs()


def key_of(stage: Stage, params: Params, inputs: Inputs = WHOLE) -> str:
    """Four hashes joined by `-`, in the order of `checkpoints.KEY_PARTS`.

    Seeds that an entry lists are no part of it: a part is of one seed, and another beside it changes nothing. Shard
    folders are known by their manifest, which holds the sha256 of every shard, and their table.
    """
    names = [name for name in stage.params if inputs.dataset or name != "dataset"]
    values = {name: _without_seeds(value_of(params, name)) for name in names}
    deps = [inputs.narrowed.get(dep, dep) for dep in stage.deps if inputs.dataset or _DATASETS not in dep]
    code = [Path(dep) for dep in deps if _is_code(dep)]
    data = [Path(dep) for dep in deps if not _is_code(dep)]
    parts = (json.dumps(values, sort_keys=True), _content(data), _content(code), json.dumps(_versions()))
    return "-".join(hashlib.sha256(part.encode()).hexdigest()[:_DIGITS] for part in parts)


def _is_code(dep: str) -> bool:
    return _CODE in dep or dep == _VERSION_FILE


def _without_seeds(value: Any) -> Any:
    return {name: part for name, part in value.items() if name != "seeds"} if isinstance(value, dict) else value


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
