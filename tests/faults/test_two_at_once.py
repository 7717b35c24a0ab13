"""Two runs in one workspace: the second is refused with a reason, the first is not disturbed."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
from pathlib import Path

import pytest
from workspace import Workspace, augbench_command, dvc_command

ROOT = Path(__file__).parent.parent.parent
#: A pipeline of one stage that tells that it has begun, through a named pipe, and ends when told to.
STAGE = "stages:\n  work:\n    cmd: echo begun >begun && cat end >out.txt\n    outs: [out.txt]\n"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    workspace = Workspace(tmp_path, ".")
    workspace.environment |= {"PYTHONPATH": str(ROOT / "src")}
    assert workspace.run("git", "init", "-q").returncode == 0
    assert workspace.dvc("init", "-q").returncode == 0
    (tmp_path / "dvc.yaml").write_text(STAGE, encoding="utf-8")
    (tmp_path / "params.yaml").write_bytes((ROOT / "studies/smoke/params.yaml").read_bytes())
    os.mkfifo(tmp_path / "begun")
    os.mkfifo(tmp_path / "end")
    return workspace


AUGBENCH, DVC = augbench_command("repro", "--jobs", "2"), dvc_command("repro")
BUSY = r"is busy, it is being blocked by"
CASES = {
    "augbench, augbench": (AUGBENCH, AUGBENCH, r"this workspace is in use[\s\S]*process id \d+[\s\S]*wait until"),
    "dvc, augbench": (DVC, AUGBENCH, rf"this workspace is in use[\s\S]*{BUSY}[\s\S]*wait until"),
    "augbench, dvc": (AUGBENCH, DVC, BUSY),
}


def _wait_for(pipe: Path, running: subprocess.Popen[bytes]) -> None:
    """Until something is written into `pipe`; a run that ends without it is a failure, not a wait for ever."""
    stream = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
    try:
        while not select.select([stream], [], [], 1.0)[0]:
            assert running.poll() is None, "the first run ended before its stage began"
    finally:
        os.close(stream)


@pytest.mark.parametrize(("first", "second", "reason"), CASES.values(), ids=CASES)
def test_the_second_run_is_refused_and_the_first_finishes(
    workspace: Workspace, first: list[str], second: list[str], reason: str
) -> None:
    running = subprocess.Popen(first, cwd=workspace.folder, env=workspace.environment, start_new_session=True)
    try:
        _wait_for(workspace.folder / "begun", running)
        refused = workspace.run(*second)
        assert refused.returncode != 0
        assert re.search(reason, refused.stderr), refused.stderr
        assert "Traceback" not in refused.stderr
        (workspace.folder / "end").write_text("result", encoding="utf-8")
        assert running.wait() == 0
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()
    assert (workspace.folder / "out.txt").read_text(encoding="utf-8") == "result"
    assert workspace.changed_stages() == set()
