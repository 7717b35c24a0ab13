"""Everything public says what it is: of its own, or by what it overrides."""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "src" / "augbench"
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__main__.py" and path.stat().st_size)


def _public(body: list[ast.stmt], names: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Names of public classes, functions and methods, from the outside in."""
    for node in body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and not node.name.startswith("_"):
            yield (*names, node.name)
            if isinstance(node, ast.ClassDef):
                yield from _public(node.body, (*names, node.name))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_everything_public_has_a_docstring(path: Path) -> None:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    module = importlib.import_module(".".join(part for part in parts if part != "__init__"))
    assert inspect.getdoc(module), path
    for names in _public(ast.parse(path.read_text(encoding="utf-8")).body):
        found = module
        for name in names:
            found = inspect.getattr_static(found, name)
        text = inspect.getdoc(found)
        if not text and len(names) == 2:  # a method: what it overrides may say it
            owner = getattr(module, names[0])
            text = inspect.getdoc(getattr(owner, names[1]))
        assert text, f"{path.relative_to(PACKAGE)}: {'.'.join(names)} has no docstring"
