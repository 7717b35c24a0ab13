"""`dvc metrics|params|plots diff` answer from git alone: a repository with results but neither data nor cache."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import vl_convert

from augbench.stages.summary import summary_text

ROOT = Path(__file__).parent.parent
FILES = ("dvc.yaml", "dvc.lock", "params.yaml", ".dvc/config", ".dvc/plots", "reports/metrics.json", "reports/curves")
TABLES = ("reports/comparison.csv", "reports/dose_response.csv")


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The committed results; in the working tree one arm lost Dice and a parameter moved."""
    folder = tmp_path_factory.mktemp("clone")
    for name in FILES + TABLES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    for command in (["init", "-q"], ["add", "-A"], ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "a"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    metrics = json.loads((folder / "reports/metrics.json").read_text(encoding="utf-8"))
    metrics["dice"] = 0.5
    (folder / "reports/metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
    for name in (*TABLES, "reports/curves/pggan.csv"):
        first, *rows = (folder / name).read_text(encoding="utf-8").splitlines()
        (folder / name).write_text("\n".join([first, *rows[: len(rows) // 2], ""]), encoding="utf-8")
    params = (folder / "params.yaml").read_text(encoding="utf-8")
    assert "  steps: 2000\n" in params
    (folder / "params.yaml").write_text(params.replace("  steps: 2000\n", "  steps: 30\n"), encoding="utf-8")
    return folder


def _dvc(folder: Path, *arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "dvc", *arguments, "--json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    content = json.loads(done.stdout)
    assert isinstance(content, dict)
    return content


def test_metrics_diff_shows_the_primary_endpoint(clone: Path) -> None:
    found = _dvc(clone, "metrics", "diff", "HEAD")["reports/metrics.json"]
    assert list(found) == ["dice"]
    assert found["dice"]["new"] == 0.5


@pytest.mark.parametrize("page", ["README.md", "docs/statistics.md"])
def test_a_page_shows_what_dvc_prints_of_the_committed_results(page: str) -> None:
    command = [sys.executable, "-m", "dvc", "metrics", "show", "reports/metrics.json"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    text = (ROOT / page).read_text(encoding="utf-8")
    assert [line for line in map(str.rstrip, printed.splitlines()) if line not in text] == []


def test_the_readme_has_the_tables_of_the_summary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    found = (
        (ROOT / "README.md").read_text(encoding="utf-8").partition("<!-- results -->")[2].partition("<!-- /results")[0]
    )
    rows = [line for line in found.splitlines() if line.startswith("|")]
    assert len(rows) > 15
    assert [row for row in rows if row not in summary_text().splitlines()] == []


def test_params_diff_names_the_parameter(clone: Path) -> None:
    found = _dvc(clone, "params", "diff", "HEAD")
    assert found == {"params.yaml": {"training.steps": {"old": 2000, "new": 30, "diff": -1970}}}


def test_plots_overlay_the_revisions(clone: Path) -> None:
    plots = _dvc(clone, "plots", "diff", "HEAD")["data"]
    words = {
        "reports/comparison.csv": ("pggan-synthetic", "pggan-mixed-1", "4ch LV", "sax RV"),
        "reports/dose_response.csv": ("external", "pggan"),
        "reports/curves/pggan.csv": ("discriminator", "generator", "pggan"),
    }
    for name, expected in words.items():
        content = plots[name][0]["content"]
        svg = vl_convert.vegalite_to_svg(content)
        for word in (*expected, "HEAD", "workspace"):
            assert f">{word}<" in svg, (name, word)
