"""The CI script on a small study with three branches: it passes what is harmless and fails a real regression."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from workspace import Workspace, copy_checkout

pytestmark = pytest.mark.pipeline
PASS, FAIL, INCONCLUSIVE = 0, 1, 3
#: Sections that an edit gives whole.
REPLACED = ("arms", "dataset", "generators")
IDENTITY = ("-c", "user.name=test", "-c", "user.email=test@localhost")


def _edit_params(folder: Path, edit: dict[str, Any]) -> None:
    """Set top-level keys; a mapping is merged into the section that it names."""
    path = folder / "params.yaml"
    params = yaml.safe_load(path.read_text(encoding="utf-8"))
    for key, value in edit.items():
        params[key] = params[key] | value if isinstance(value, dict) and key not in REPLACED else value
    path.write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")


def _script(workspace: Workspace, function: str) -> subprocess.CompletedProcess[str]:
    return workspace.run(
        "env", "BASE=main", "STUDY=studies/smoke", "bash", str(workspace.root / "ci/dice-gate.sh"), function
    )


def _run(workspace: Workspace, *functions: str) -> None:
    for function in functions:
        done = _script(workspace, function)
        assert done.returncode == 0, (function, done.stdout[-2000:], done.stderr[-3000:])


def _commit(workspace: Workspace, message: str) -> None:
    assert workspace.run("git", "add", "--all", str(workspace.root)).returncode == 0
    assert workspace.run("git", *IDENTITY, "commit", "--quiet", "--message", message).returncode == 0


def _arms(seeds: list[int]) -> dict[str, Any]:
    """Real frames, fresh ones, and both, with these seeds of the segmenter."""
    unet = {"kind": "monai_unet", "features": [8, 8, 16, 16, 32, 8]}
    arm = {"cohort": "segmenter", "segmenter": unet, "seeds": seeds}
    made = arm | {"role": "studied", "synthetic": "fresh"}
    return {
        "patients": {"real": arm | {"role": "reference", "regime": {"kind": "real"}}},
        "generated": {
            "fresh-synthetic": made | {"regime": {"kind": "synthetic"}},
            "fresh-mixed": made | {"regime": {"kind": "mixed", "synthetic_per_real": 1}},
        },
    }


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """No GAN, one view, two seeds, results committed on `main`; the branches share its DVC cache."""
    workspace = copy_checkout(tmp_path_factory.mktemp("gate"))
    subjects = {"generator": 6, "segmenter": 8, "internal": 4, "development": 4, "external": 24}
    sites = {"development": "development", "external": "external"}
    cohorts = {name: {"site": sites.get(name, "main"), "subjects": count} for name, count in subjects.items()}
    small = {
        "dataset": {"kind": "tof_phantom", "cohorts": cohorts},
        "views": ["sax"],
        "generators": {"fresh": {"kind": "oracle", "cohort": "generator", "seeds": [0]}},
        "arms": _arms([0, 1]),
        "sampling": {"frames": 64},
        "training": {"steps": 60},
        "audit": {"frames": 20, "features": {"pixels": {"size": 16}}},
        "comparison": {"primary": {"metric": "dice", "arm": "fresh-synthetic"}},
    }
    _edit_params(workspace.folder, small)
    _run(workspace, "pull", "reproduce")
    assert workspace.run("git", "branch", "-M", "main").returncode == 0
    _commit(workspace, "base")
    return workspace


def _on_branch(study: Workspace, name: str) -> None:
    assert study.run("git", "checkout", "--quiet", "--force", "-b", name, "main").returncode == 0
    assert study.dvc("checkout", "--quiet", "--force", "dvc.yaml").returncode == 0


def test_a_harmless_refactor_passes(study: Workspace) -> None:
    _on_branch(study, "refactor")
    source = study.root / "src/augbench/generators/oracle/__init__.py"
    source.write_text(source.read_text(encoding="utf-8") + "# refactored\n", encoding="utf-8")
    _run(study, "pull", "reproduce")
    done = _script(study, "gate")
    assert done.returncode == PASS, done.stdout + done.stderr
    _run(study, "comment")
    comment = (study.folder / ".augbench/dice-gate/comment.md").read_text(encoding="utf-8")
    assert "![sheet-patients-generator.png](sheet-patients-generator.png)" in comment
    assert "![forest-0.svg](forest-0.svg)" in comment


def test_training_cut_to_a_fraction_fails(study: Workspace) -> None:
    _on_branch(study, "cut")
    _edit_params(study.folder, {"training": {"steps": 8}})
    _run(study, "reproduce")
    done = _script(study, "gate")
    assert done.returncode == FAIL, done.stdout + done.stderr
    _run(study, "comment")
    assert (study.folder / ".augbench/dice-gate/comment.md").stat().st_size > 0


def test_another_seed_does_not_fail(study: Workspace) -> None:
    _on_branch(study, "seed")
    _edit_params(study.folder, {"arms": _arms([1, 2])})
    _run(study, "reproduce")
    done = _script(study, "gate")
    assert done.returncode in (PASS, INCONCLUSIVE), done.stdout + done.stderr
