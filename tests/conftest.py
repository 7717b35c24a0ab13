"""Fixtures that several test files share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from faults.harness import Watched
from workspace import Workspace, copy_checkout

from augbench.core.kernels import DEFAULT, choose
from augbench.core.params import Params, read_params

ROOT = Path(__file__).parent.parent
# Nothing above imports numpy or torch: what tests compute in this process is the same on every machine with AVX2.
choose(DEFAULT)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With `-n`, tests that share the smoke study's run stay in one process: it is run once."""
    if config.pluginmanager.hasplugin("xdist"):
        for item in items:
            if "reference" in getattr(item, "fixturenames", ()):
                item.add_marker(pytest.mark.xdist_group("smoke"))


@pytest.fixture
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture
def smoke() -> Params:
    """The smoke study's numbers, validated."""
    return read_params(ROOT / "studies/smoke/params.yaml")


@pytest.fixture
def real_data() -> Path:
    """The folder of real images; the test is skipped, with a reason, where there is none."""
    folder = Path(os.environ.get("AUGBENCH_REAL_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real images: set AUGBENCH_REAL_DATA ({folder} does not exist)")
    return folder


class Reference(NamedTuple):
    """The smoke study as it ends when nobody disturbs it."""

    workspace: Workspace
    #: dvc.lock as the run wrote it.
    stages: dict[str, dict[str, Any]]
    #: Wall time of each stage's process.
    seconds: dict[str, float]


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    """The smoke study, run once for all tests."""
    workspace = copy_checkout(tmp_path_factory.mktemp("smoke"))
    watched = Watched(workspace, tmp_path_factory.mktemp("watched") / "reference")
    done = watched.attempt("augbench repro --jobs 2", {}, {})
    assert done.code == 0, done.output[-6000:]
    return Reference(workspace, workspace.locked_stages(), done.spent)


@pytest.fixture
def finished(reference: Reference) -> Workspace:
    """Its workspace: a test that changes a file puts it back."""
    return reference.workspace
