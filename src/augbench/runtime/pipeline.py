"""dvc.yaml as a stage reads it about itself: name, dependencies and parameters, without importing DVC.

Checkpoints are keyed by the same dependencies that make DVC run the stage again, so the two never differ.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from augbench.core.params import Params

PIPELINE = Path("dvc.yaml")
_REFERENCE = re.compile(r"\$\{\s*([^}]+?)\s*\}")


class Stage(NamedTuple):
    """One stage with its matrix and parameters filled in.

    Attributes:
        name: as DVC calls it: `train_segmenter_mixed@pggan-1-0-2`.
        deps: files and folders it reads.
        params: keys of params.yaml that it depends on.
        outs: files and folders it makes.
    """

    name: str
    deps: list[str]
    params: list[str]
    outs: list[str]


def stages(params: Params) -> Iterator[Stage]:
    """Every stage of dvc.yaml in the current folder; none if there is no such file."""
    if not PIPELINE.is_file():
        return
    content = yaml.safe_load(PIPELINE.read_text(encoding="utf-8"))
    values = params.model_dump(mode="json")
    for name, stage in content["stages"].items():
        for suffix, item in _items(stage.get("matrix", {}), values):
            scope = values | {"item": item}

            def resolved(key: str, stage: Any = stage, scope: dict[str, Any] = scope) -> list[str]:
                entries = (next(iter(entry)) if isinstance(entry, dict) else entry for entry in stage.get(key, []))
                return [str(_fill(entry, scope)) for entry in entries]

            outs = [*resolved("outs"), *resolved("metrics"), *resolved("plots")]
            yield Stage(name + suffix, resolved("deps"), resolved("params"), outs)


def stage_that_makes(out: Path, params: Params) -> Stage | None:
    """The stage with this output; None where dvc.yaml has none."""
    return next((stage for stage in stages(params) if out.as_posix() in stage.outs), None)


def value_of(params: Params, key: str) -> Any:
    """The value of `generators.pggan` and the like."""
    return _look_up(key, params.model_dump(mode="json"))


def _items(matrix: dict[str, Any], values: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    if not matrix:
        yield "", {}
        return
    axes = []
    for given in matrix.values():
        axis = _fill(given, values)
        axes.append([_fill(value, values) for value in axis])
    for combination in itertools.product(*axes):
        yield "@" + "-".join(map(str, combination)), dict(zip(matrix, combination, strict=True))


def _fill(value: Any, scope: dict[str, Any]) -> Any:
    """`${a.b[0]}` in a text; a text that is nothing else becomes the value itself."""
    if not isinstance(value, str):
        return value
    if whole := _REFERENCE.fullmatch(value):
        return _look_up(whole[1], scope)
    return _REFERENCE.sub(lambda found: str(_look_up(found[1], scope)), value)


def _look_up(key: str, scope: dict[str, Any]) -> Any:
    found: Any = scope
    for part in re.findall(r"[^.\[\]]+", key):
        found = found[int(part)] if isinstance(found, list) else found[part]
    return found
