"""Code that a stage runs is among its dependencies in dvc.yaml: an edit that could change its bytes makes it stale."""

from __future__ import annotations

import ast
import re
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


def _closure(path: Path) -> set[Path]:
    found, left = set(), [path]
    while left:
        file = left.pop()
        if file not in found and not _exempt(file, path.stem):
            found.add(file)
            left += _imported(file)
    return found


def _exempt(file: Path, stage: str) -> bool:
    place = file.relative_to(SOURCE).as_posix()
    return any(place.startswith(part) and whose in ("*", stage) for part, whose in NO_BYTES.items())


def _module(stage: str) -> Path:
    return SOURCE / "augbench/stages" / f"{stage.removesuffix('_generated')}.py"


@pytest.mark.parametrize("stage", STAGES)
def test_the_code_of_a_stage_is_declared(stage: str) -> None:
    definition = STAGES[stage]
    deps = definition.get("do", definition)["deps"]
    code = [dep.removeprefix("${code}/") for dep in deps if dep.startswith("${code}/")]
    # A kind that params.yaml names stands for any: what is imported by name is a base or a part of this kind.
    allowed = [re.sub(r"\\\$\\\{[^}]*\\\}", "[^/]+", re.escape(dep)) for dep in code]
    undeclared = [
        file.relative_to(ROOT).as_posix()
        for file in sorted(_closure(_module(stage)))
        if not any(re.match(f"{pattern}(/|$)", file.relative_to(ROOT).as_posix()) for pattern in allowed)
    ]
    assert undeclared == []


@pytest.mark.parametrize("stage", STAGES)
def test_declared_code_exists(stage: str) -> None:
    definition = STAGES[stage]
    for dep in definition.get("do", definition)["deps"]:
        if dep.startswith("${code}/") and "${" not in dep.removeprefix("${code}/"):
            assert (ROOT / dep.removeprefix("${code}/")).exists(), dep
