"""Bad surroundings: permissions, missing tools; and odd but good ones that must work."""

from __future__ import annotations

import errno
import json
import os
import sys
import tempfile
from pathlib import Path

import pytest
from bad_input import IMAGE, ROOT, TRAINING, earlier_results, imported, refused, require_refusal, run, write_params
from PIL import Image

from augbench.stages import repro


@pytest.mark.parametrize("entry", [IMAGE, Path("dataset.json"), Path("cases.csv"), Path("imagesTr")], ids=str)
def test_unreadable_entry(entry: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system says no, as it does for anyone but root."""
    write_params(tmp_path, imported(tmp_path))
    earlier_results(tmp_path)
    locked = (tmp_path / TRAINING / entry).resolve()

    def deny(event: str, arguments: tuple[object, ...]) -> None:
        if denied and event in ("open", "os.scandir", "os.listdir") and Path(str(arguments[0])).resolve() == locked:
            raise PermissionError(errno.EACCES, "Permission denied", str(arguments[0]))

    denied = True
    sys.addaudithook(deny)  # cannot be removed, hence the switch
    before = (tmp_path / "data/cohort/external/frames.csv").read_bytes()
    code, _, message = run(tmp_path, "prepare")
    denied = False
    require_refusal(code, message)
    assert entry.name in message
    assert "Permission denied" in message
    assert (tmp_path / "data/cohort/external/frames.csv").read_bytes() == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user; the test above covers the message")
def test_unreadable_image_of_another_user() -> None:
    """Root may read everything, so the command runs with another user's rights."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        write_params(folder, imported(folder))
        assert run(folder, "inspect")[0] == 0  # what is imported late is imported with root's rights
        (folder / TRAINING / IMAGE).chmod(0o000)
        os.seteuid(65534)
        try:
            code, _, message = run(folder, "inspect")
        finally:
            os.seteuid(0)
        require_refusal(code, message)
        assert "image cannot be read" in message
        assert "chmod u+r" in message


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_repro_without_the_command_that_runs_stages(jobs: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_params(tmp_path, imported(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    message = refused(tmp_path, "repro", "--jobs", jobs)
    assert "the command augbench cannot be found" in message
    assert "activate the environment" in message


def test_repro_without_dvc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_params(tmp_path, imported(tmp_path))
    monkeypatch.setattr(repro.shutil, "which", lambda _: "/bin/augbench")
    monkeypatch.setattr(repro, "find_spec", lambda _: None)
    assert "Python package dvc cannot be found" in refused(tmp_path, "repro")


def test_repro_outside_a_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_params(tmp_path, imported(tmp_path))
    monkeypatch.setattr(repro.shutil, "which", lambda _: "/bin/augbench")
    message = refused(tmp_path, "repro")
    assert "DVC cannot read this workspace" in message


@pytest.mark.parametrize("name", ["with a blank", "Gemälde-心臓", "it's a [test] #1 & 100%", "-dash"])
def test_odd_folder_names_work(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    folder.mkdir()
    content = imported(folder)
    (folder / "raw").rename(folder / f"raw {name}")
    content["dataset"]["root"] = content["raw_data"] = f"raw {name}"
    write_params(folder, content)
    code, _, message = run(folder, "prepare")
    assert code == 0, message
    assert (folder / "data/cohort/external/manifest.json").is_file()
    assert run(folder, "inspect")[0] == 0


def test_odd_case_names_work(tmp_path: Path) -> None:
    """Blanks, letters of any script and a leading dot-free dash are names like others."""
    write_params(tmp_path, imported(tmp_path))
    training = tmp_path / TRAINING
    odd = "p000_ED 心 ä'"
    (training / IMAGE).rename(training / f"imagesTr/{odd}_0000.png")
    (training / "labelsTr/p000_ED.png").rename(training / f"labelsTr/{odd}.png")
    table = (training / "cases.csv").read_text(encoding="utf-8")
    (training / "cases.csv").write_text(table.replace("p000_ED,", f"{odd},"), encoding="utf-8")
    code, _, message = run(tmp_path, "prepare")
    assert code == 0, message


def test_linked_data_work(tmp_path: Path) -> None:
    """Large data sets are often linked, file by file or as a folder, and DVC's own cache may be made of links."""
    write_params(tmp_path, imported(tmp_path))
    store = tmp_path / "store"
    store.mkdir()
    for path in (tmp_path / TRAINING / "imagesTr").iterdir():
        path.rename(store / path.name)
        path.symlink_to(store / path.name)
    (tmp_path / "raw").rename(tmp_path / "elsewhere")
    (tmp_path / "raw").symlink_to(tmp_path / "elsewhere")
    assert run(tmp_path, "prepare")[0] == 0


def test_16_bit_images_work(tmp_path: Path) -> None:
    write_params(tmp_path, imported(tmp_path))
    for path in (tmp_path / TRAINING / "imagesTr").iterdir():
        with Image.open(path) as picture:
            picture.convert("I").point(lambda value: value * 200).convert("I;16").save(path)
    assert run(tmp_path, "prepare")[0] == 0


def test_the_project_itself_is_good_input() -> None:
    code, shown, _ = run(ROOT, "studies", "--json")
    assert code == 0
    assert {".", "smoke", "quick", "acdc", "tof-paper"} <= {row["name"] for row in json.loads(shown)}
    assert "broken" not in shown
