"""What is installed: the wheel and the source distribution hold the studies as files, not as links."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from workspace import copy_checkout

ROOT = Path(__file__).parent.parent
CARRIED = {
    f"studies/{name}/{file}": (ROOT if name == "tof" else ROOT / "studies" / name) / file
    for name in ("tof", "smoke", "quick", "acdc", "tof-paper")
    for file in ("params.yaml", "study.yaml")
} | {"pipeline.yaml": ROOT / "dvc.yaml"}
CARRIED |= {f"plots/{path.name}": path for path in (ROOT / ".dvc/plots").iterdir()}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both, built from a copy of this checkout."""
    checkout = copy_checkout(tmp_path_factory.mktemp("checkout")).root
    folder = tmp_path_factory.mktemp("built")
    build = (
        f"from setuptools import build_meta; build_meta.build_wheel({str(folder)!r}); "
        f"build_meta.build_sdist({str(folder)!r})"
    )
    done = subprocess.run([sys.executable, "-c", build], cwd=checkout, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def test_the_wheel_holds_every_study_and_the_pipeline(built: Path) -> None:
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        for name, source in CARRIED.items():
            info = wheel.getinfo(f"augbench/templates/{name}")
            assert wheel.read(info) == source.read_bytes(), name
            assert (info.external_attr >> 16) & 0o170000 in (0, 0o100000), f"{name} is no plain file"
        assert "augbench/__main__.py" in wheel.namelist()
        assert "augbench/cli/__init__.py" in wheel.namelist()


def test_the_source_distribution_holds_them_too(built: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        members = {member.name.partition("/")[2]: member for member in archive.getmembers()}
        for name, source in CARRIED.items():
            member = members[f"src/augbench/templates/{name}"]
            assert member.isfile(), f"{name} is no plain file"
            stream = archive.extractfile(member)
            assert stream is not None
            assert stream.read() == source.read_bytes()


def test_what_the_wheel_installs_makes_a_study_without_the_checkout(built: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        wheel.extractall(tmp_path / "site")
    repository = tmp_path / "repository"
    subprocess.run(["git", "init", "-q", str(repository)], check=True)
    done = subprocess.run(
        [sys.executable, "-m", "augbench", "new", "mine", "--like", "tof", "--set", "sampling.frames=30"],
        cwd=repository, env={"PYTHONPATH": str(tmp_path / "site"), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    text = (repository / "studies/mine/params.yaml").read_text(encoding="utf-8")
    assert "  frames: 30\n" in text
    assert str(tmp_path) not in text + (repository / "studies/mine/dvc.yaml").read_text(encoding="utf-8")
