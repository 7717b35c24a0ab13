"""No room and no permission: one message with the file and the remedy, earlier results kept, no half file left."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from augbench import cli
from augbench.core.artifacts import save_weights, write_array, write_bytes, write_csv, write_json, write_text
from augbench.core.params import Params
from augbench.core.shards import write_shards
from augbench.core.types import SYNTHETIC_COLUMNS, LabelScheme
from augbench.runtime.checkpoints import Checkpoints
from augbench.stages.check import check_components
from faults.child import in_child

ROOT = Path(__file__).parent.parent.parent
SCHEME = LabelScheme(("LV",), {"sax": ("LV",)})
NOISE = np.random.default_rng(0).integers(0, 256, (32, 2, 16, 16), dtype=np.uint8)
TABLE = pd.DataFrame(0, index=range(32), columns=list(SYNTHETIC_COLUMNS))
WRITERS: dict[str, Callable[[Path], None]] = {
    "text": lambda path: write_text(path, "x" * 16384),
    "bytes": lambda path: write_bytes(path, bytes(16384)),
    "json": lambda path: write_json(path, list(range(16384))),
    "csv": lambda path: write_csv(path, pd.DataFrame({"value": range(16384)})),
    "array": lambda path: write_array(path, NOISE),
    "shards": lambda path: write_shards(path, [NOISE], TABLE, SCHEME),
    "weights": lambda path: save_weights(path, {"w": torch.zeros(4096)}, {}),
}


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user may enter; pytest's own is closed to all but the user who runs it."""
    path = Path(tempfile.mkdtemp(prefix="augbench-faults-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def _through_the_command_line(work: Callable[[], None]) -> Callable[[], None]:
    """`work` in place of a command, inside the one place that turns errors into messages."""

    def run() -> None:
        cli.app = work  # type: ignore[assignment]
        cli.main()

    return run


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_keeps_the_earlier_file_and_names_it(folder: Path, name: str) -> None:
    path = folder / "result"
    write = WRITERS[name]
    write(path)
    before = _files(folder)
    code, message = in_child(_through_the_command_line(lambda: write(path)), folder, largest_file=8192)
    assert code == 2, message
    assert "Traceback" not in message
    for part in ("EFBIG", "free space", "run the same command again", str(path)):
        assert part in message, message
    assert _files(folder) == before
    assert not list(folder.rglob("*.tmp"))


def test_a_full_disk_at_a_checkpoint_keeps_the_one_before(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    checkpoints = Checkpoints("train", "key", every_seconds=0.0)
    checkpoints.save(1, {"w": torch.zeros(8)}, {})
    before = _files(folder)
    work = _through_the_command_line(lambda: checkpoints.save(2, {"w": torch.zeros(4096)}, {}))
    code, message = in_child(work, folder, largest_file=8192)
    assert code == 2, message
    assert "Traceback" not in message
    assert "free space" in message
    assert str(checkpoints.folder) in message
    assert _files(folder) == before


@pytest.mark.parametrize("name", WRITERS)
def test_a_read_only_folder_keeps_the_earlier_file_and_names_it(folder: Path, name: str) -> None:
    inner = folder / "closed"
    inner.mkdir()
    write = WRITERS[name]
    write(inner / "result")
    before = _files(folder)
    inner.chmod(0o555)
    code, message = in_child(_through_the_command_line(lambda: write(inner / "result")), folder, unprivileged=True)
    assert code == 2, message
    assert "Traceback" not in message
    for part in ("EACCES", "let your user write there", str(inner)):
        assert part in message, message
    assert _files(folder) == before


def _augbench(*arguments: str) -> None:
    sys.argv = ["augbench", *arguments]
    cli.main()


@pytest.fixture
def tiny(folder: Path) -> Path:
    """A workspace with the smallest cohort there is."""
    content = yaml.safe_load((ROOT / "studies/smoke/params.yaml").read_text(encoding="utf-8"))
    for cohort in content["dataset"]["cohorts"].values():
        cohort["subjects"] = 2
    (folder / "params.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return folder


def test_a_stage_that_met_a_full_disk_goes_on_once_there_is_room(tiny: Path) -> None:
    code, message = in_child(lambda: _augbench("prepare"), tiny, largest_file=8192)
    assert code == 2, message
    assert "Traceback" not in message
    assert "free space" in message
    assert "data/cohort" in message
    assert not list(tiny.rglob("*.npy"))
    assert not list(tiny.rglob("*.tmp"))
    assert in_child(lambda: _augbench("prepare"), tiny)[0] == 0
    assert {path.name for path in (tiny / "data/cohort").iterdir()} == {
        "generator", "segmenter", "internal", "development", "external"
    }  # fmt: skip


def test_a_command_in_a_read_only_workspace_says_so(folder: Path, smoke: Params) -> None:
    check_components(smoke, build=False)  # what is imported late is imported with root's rights
    (folder / ".git").mkdir()
    shutil.copytree(ROOT / ".dvc/plots", folder / ".dvc/plots")
    folder.chmod(0o555)
    code, message = in_child(lambda: _augbench("new", "mine", "--like", "smoke"), folder, unprivileged=True)
    assert code == 2, message
    assert "Traceback" not in message
    assert "let your user write there" in message
    assert "studies" in message
    assert {path.name for path in folder.iterdir()} == {".git", ".dvc"}


def test_an_error_of_the_program_itself_keeps_its_traceback(folder: Path) -> None:
    code, message = in_child(_through_the_command_line((folder / "none").stat), folder)
    assert code == 1
    assert "FileNotFoundError" in message
