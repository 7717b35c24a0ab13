"""Imports point one way, files stay short, and only those that may open files do."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "src" / "augbench"
FILES = sorted(PACKAGE.rglob("*.py"))
FAMILIES = {
    "audit", "comparison", "datasets", "generators", "labelling", "regimes", "report", "scores", "segmenters",
    "training",
}  # fmt: skip
MAY_IMPORT = {"core": {"core"}, "stages": FAMILIES | {"core", "revisions", "runtime", "stages"}}
MAY_IMPORT |= {name: {name, "core"} for name in FAMILIES}
# Reads reports out of git for the user's commands, and compares them.
MAY_IMPORT["revisions"] = {"revisions", "comparison", "core"}
# Decides no byte, and is a dependency of no stage: a family gets what it needs of it handed in.
MAY_IMPORT["runtime"] = {"runtime", "core"}
OPENS_FILES = {"open", "read_text", "write_text", "read_bytes", "write_bytes", "read_csv", "to_csv", "safe_load"}
MAY_OPEN = {"core", "datasets", "runtime"}


def _layer(path: Path) -> str:
    parts = path.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else "cli"


def _imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path: Path) -> None:
    allowed = MAY_IMPORT.get(_layer(path))
    if allowed is None:
        return
    layers = {name.split(".")[1] for name in _imports(path) if name.startswith("augbench.")}
    assert layers <= allowed, f"{path.name} of layer {_layer(path)} imports {sorted(layers - allowed)}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_fit_on_a_few_screens(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


@pytest.mark.parametrize("layer", ["scores", "audit", "comparison"])
def test_numbers_know_no_torch_paths_or_params(layer: str) -> None:
    # The audit's feature extractors alone may run a network.
    for path in set((PACKAGE / layer).rglob("*.py")) - set((PACKAGE / "audit/features").rglob("*.py")):
        names = {name.split(".")[0] for name in _imports(path)}
        assert not names & {"torch", "pathlib"}, path
        assert "augbench.core.params" not in _imports(path), path


def test_only_core_and_datasets_open_files() -> None:
    # Text of the command line is no file; an encoder's own weights are the user's, and no stage passes them on.
    exempt = {"stages/settings.py", "segmenters/smp_unet.py"}
    for path in FILES:
        if _layer(path) in MAY_OPEN or str(path.relative_to(PACKAGE)) in exempt:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "attr", getattr(node.func, "id", ""))
                owner = getattr(getattr(node.func, "value", None), "id", "")
                if name in OPENS_FILES and owner not in ("artifacts", ""):
                    raise AssertionError(f"{path.relative_to(PACKAGE)}:{node.lineno} calls {owner}.{name}")


def test_no_pickle_is_ever_loaded() -> None:
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        assert "pickle" not in {name.split(".")[0] for name in _imports(path)}, path
        assert "torch.load(" not in text, path
        assert "allow_pickle=True" not in text, path


WORDS_OF_ONE_STUDY = (
    "heart", "cardiac", "ventric", "atri", "tetralogy", "diller", "pggan", "oracle", "memoriser", "4ch", "2ch", "sax",
)  # fmt: skip


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_what_a_study_says_is_data(path: Path) -> None:
    """No module but a dataset or a generator names a heart, a view or a generator; docstrings may, as examples."""
    if _layer(path) in ("datasets", "generators"):
        return
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documented = [node for node in ast.walk(tree) if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))]
    docstrings = {id(node.body[0].value) for node in documented if node.body and isinstance(node.body[0], ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            said = [word for word in WORDS_OF_ONE_STUDY if word in node.value.lower()]
            assert not said, f"{path.relative_to(PACKAGE)}:{node.lineno} says {said}"


def test_a_public_class_has_a_name_of_its_own() -> None:
    """Except a protocol, which shares it with what fulfils it."""
    owners: dict[str, set[str]] = {}
    for path in FILES:
        classes = [node for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.ClassDef)]
        for node in classes:
            if not node.name.startswith("_") and "Protocol" not in {getattr(base, "id", "") for base in node.bases}:
                owners.setdefault(node.name, set()).add(str(path.relative_to(PACKAGE)))
    twice = {name: sorted(places) for name, places in owners.items() if len(places) > 1}
    assert not twice
