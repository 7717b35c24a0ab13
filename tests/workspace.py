"""A scratch copy of this checkout in which a study runs with the copy's own code."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent


class Workspace:
    """A copy of the checkout, seen from the folder of one study.

    Attributes:
        root: of the repository.
        folder: of the study, where every command runs.
    """

    def __init__(self, root: Path, study: str = "studies/smoke") -> None:
        self.root, self.folder = root, root / study
        self.environment = os.environ | {"PYTHONPATH": str(root / "src"), "OMP_NUM_THREADS": "1"}

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, cwd=self.folder, env=self.environment, capture_output=True, text=True)

    def augbench(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run(*augbench_command(*arguments))

    def dvc(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run(*dvc_command(*arguments))

    def changed_stages(self) -> set[str]:
        """Stages that DVC would run because of their own deps, params or outs."""
        return set(json.loads(self.dvc("status", "--json", "dvc.yaml").stdout))

    def locked_stages(self) -> dict[str, dict[str, Any]]:
        """dvc.lock: command, deps, params and outs of every stage with their checksums."""
        stages: dict[str, dict[str, Any]] = yaml.safe_load((self.folder / "dvc.lock").read_text(encoding="utf-8"))[
            "stages"
        ]
        return stages

    def hashes(self) -> dict[str, dict[str, str]]:
        """Outputs of every stage with their checksums, from dvc.lock."""
        return {
            name: {out["path"]: out["md5"] for out in stage.get("outs", [])}
            for name, stage in self.locked_stages().items()
        }


def augbench_command(*arguments: str) -> list[str]:
    return [sys.executable, "-c", "from augbench.cli import main; main()", *arguments]


def dvc_command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "dvc", *arguments]


def copy_checkout(folder: Path) -> Workspace:
    """Every file that git tracks or would track, without results, as a new repository; its smoke study."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in listed.stdout.splitlines():
        path = Path(name)
        if "reports" in path.parts[:3] or path.name == "dvc.lock" or not (ROOT / name).exists():
            continue
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name, follow_symlinks=False)
    workspace = Workspace(folder)
    assert workspace.run("git", "init", "-q", str(folder)).returncode == 0
    return workspace
