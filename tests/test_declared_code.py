"""Code that a stage runs is among its dependencies in dvc.yaml: an edit that could change its bytes makes it stale."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src"
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
#: Decide no byte of an output. `runtime`: progress, locks, provenance. `check` refuses bad parameters before anything
#: runs. What `train_generator` draws of a training that failed is no output.
NO_BYTES = {
    "augbench/runtime/": "*",
    "augbench/stages/check.py": "*",
    "augbench/report/sheets.py": "train_generator",
    "augbench/report/colours.py": "train_generator",
    # Changes the page alone, which holds clock times and is no output.
    "augbench/stages/preregister.py": "report",
}
#: Beside the kinds of a family, and no kinds.
NO_KINDS = {"base", "adversarial"}


@cache
def _imported(path: Path) -> frozenset[Path]:
    """Files of the package that this one imports, also within functions; not for the type checker alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    names = set()
    for node in ast.walk(tree):
        if node in typing:
            continue
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("augbench"):
            names |= {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names if alias.name.startswith("augbench")}
    candidates = {SOURCE / (name.replace(".", "/") + end) for name in names for end in (".py", "/__init__.py")}
    return frozenset(file for file in candidates if file.is_file() and file.stat().st_size)


def _closure(path: Path, stage: str) -> set[Path]:
    found, left = set(), [path]
    while left:
        file = left.pop()
        if file not in found and not _exempt(file, stage):
            found.add(file)
            left += _imported(file)
    return found


def _exempt(file: Path, stage: str) -> bool:
    place = file.relative_to(SOURCE).as_posix()
    return any(place.startswith(part) and whose in ("*", stage) for part, whose in NO_BYTES.items())


def _module(stage: str) -> Path:
    return SOURCE / "augbench/stages" / f"{stage.removesuffix('_generated')}.py"


def _paths(dep: str) -> list[Path]:
    """Files and folders that a dependency stands for: with a kind of params.yaml in it, those of every kind."""
    name = dep.removeprefix("${code}/")
    folder, _, rest = name.partition("${")
    if not rest:
        return [ROOT / name]
    end = rest.partition("}")[2]
    found = ROOT.joinpath(folder).glob(f"*{end}")
    return [path for path in found if not path.name.startswith("_") and path.stem not in NO_KINDS]


@pytest.mark.parametrize("stage", STAGES)
def test_the_code_of_a_stage_is_declared(stage: str) -> None:
    definition = STAGES[stage]
    deps = [dep for dep in definition.get("do", definition)["deps"] if dep.startswith("${code}/")]
    declared = [path for dep in deps for path in _paths(dep)]
    assert all(path.exists() for path in declared)
    # What a component imports is run as well as what the stage does.
    components = [path for dep in deps if "${" in dep.removeprefix("${code}/") for path in _paths(dep)]
    files = [file for path in components for file in (path.rglob("*.py") if path.is_dir() else [path])]
    starts = {_module(stage), *files}
    used = set().union(*(_closure(start, stage) for start in starts))
    undeclared = [file for file in sorted(used) if not any(file == path or path in file.parents for path in declared)]
    assert [file.relative_to(ROOT).as_posix() for file in undeclared] == []
