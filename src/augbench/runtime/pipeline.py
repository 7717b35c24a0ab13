"""dvc.yaml as a stage reads it about itself: dependencies and parameters, without importing DVC.

What makes DVC run a stage again makes its checkpoints and finished parts useless, so the two read the same lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from augbench.core.params import Params

PIPELINE = Path("dvc.yaml")
_REFERENCE = re.compile(r"\$\{\s*([^}]+?)\s*\}")


class Stage(NamedTuple):
    """One stage with its entry filled in.

    Attributes:
        name: as DVC calls it: `train_generator@pggan`.
        deps: files and folders it reads.
        params: keys of params.yaml that it depends on.
    """

    name: str
    deps: list[str]
    params: list[str]


def stages(params: Params) -> Iterator[Stage]:
    """Every stage of dvc.yaml in the current folder; none if there is no such file."""
    if not PIPELINE.is_file():
        return
    content = yaml.safe_load(PIPELINE.read_text(encoding="utf-8"))
    values = params.model_dump(mode="json")
    for family, definition in content["stages"].items():
        if "foreach" not in definition:
            yield _stage(family, definition, values)
            continue
        entries = _fill(definition["foreach"], values)
        named = entries.items() if isinstance(entries, dict) else ((entry, entry) for entry in entries)
        for key, item in named:
            yield _stage(f"{family}@{key}", definition["do"], values | {"key": key, "item": item})


def stage_named(params: Params, name: str) -> Stage | None:
    """The stage of this name; None where dvc.yaml has none."""
    return next((stage for stage in stages(params) if stage.name == name), None)


def value_of(params: Params, key: str) -> Any:
    """The value of `generators.pggan` and the like."""
    return _look_up(key, params.model_dump(mode="json"))


def _stage(name: str, definition: dict[str, Any], scope: dict[str, Any]) -> Stage:
    deps, params = ([str(_fill(entry, scope)) for entry in definition.get(key, [])] for key in ("deps", "params"))
    return Stage(name, [Path(dep).as_posix() for dep in deps], params)


def _fill(value: Any, scope: dict[str, Any]) -> Any:
    """`${a.b}` in a text; a text that is nothing else becomes the value itself."""
    if not isinstance(value, str):
        return value
    if whole := _REFERENCE.fullmatch(value):
        return _look_up(whole[1], scope)
    return _REFERENCE.sub(lambda found: str(_look_up(found[1], scope)), value)


def _look_up(key: str, scope: dict[str, Any]) -> Any:
    found: Any = scope
    parts = key.split(".")
    while parts:
        # A name may hold dots: the longest that is there is meant.
        for length in range(len(parts), 0, -1):
            name = ".".join(parts[:length])
            if name in found:
                found, parts = found[name], parts[length:]
                break
        else:
            raise KeyError(key)
    return found
