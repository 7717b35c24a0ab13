"""Checkpoints: atomic, checked, keyed by what decides the bytes; and a process that is asked to stop."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from augbench.core.artifacts import write_json
from augbench.core.checkpoint import optimiser_state, random_state, restore_optimiser, set_random_state, with_prefix
from augbench.core.params import Params
from augbench.runtime.checkpoints import Checkpoints
from augbench.runtime.interrupt import EXIT_STOPPED
from augbench.runtime.leftovers import keep_lock, remove_temporaries, repair_dvc
from augbench.runtime.parts import checkpoints_of
from augbench.runtime.running import registered, running_stages
from augbench.stages import clean

ROOT = Path(__file__).parent.parent
PIPELINE = """
stages:
  train:
    cmd: train
    deps: [data/in, src/augbench/core]
    params: [seed, training, compute.threads]
    outs: [data/models/it]
"""


@pytest.fixture(autouse=True)
def _workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("dvc.yaml").write_text(PIPELINE, encoding="utf-8")
    for name in ("data/in/manifest.json", "data/in/frames.csv", "src/augbench/core/code.py"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text("as it was", encoding="utf-8")


def _checkpoints(smoke: Params) -> Checkpoints:
    with checkpoints_of(smoke, "train") as found:
        assert found is not None
        return found


def _flip_last_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def test_what_was_saved_comes_back_exactly(smoke: Params) -> None:
    network = torch.nn.Conv2d(2, 3, 3).to(memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(network.parameters(), 0.1)
    network(torch.ones(1, 2, 5, 5)).sum().backward()
    optimiser.step()
    tensors, content = optimiser_state(optimiser, "adam")
    random = {f"random.{name}": value for name, value in random_state().items()}
    state = {"optimiser": content, "pcg64": 2**127 + 1, "float": 0.1 + 0.2}
    checkpoints = _checkpoints(smoke)
    checkpoints.save(5, tensors | random, state)
    expected = torch.rand(3)
    found = checkpoints.latest()
    assert found is not None
    assert (found.step, found.state["pcg64"], found.state["float"]) == (5, 2**127 + 1, 0.1 + 0.2)
    set_random_state(with_prefix(found.tensors, "random."))
    assert torch.equal(torch.rand(3), expected)
    other = torch.optim.Adam(network.parameters(), 0.5)
    restore_optimiser(other, "adam", found.tensors, found.state["optimiser"])
    assert other.param_groups[0]["lr"] == 0.1
    for parameter in network.parameters():
        for name, value in optimiser.state[parameter].items():
            assert torch.equal(other.state[parameter][name], value)
            assert other.state[parameter][name].stride() == value.stride()


def test_the_last_two_are_kept_and_a_damaged_one_is_passed_over(
    smoke: Params, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoints = _checkpoints(smoke)
    for step in (1, 20, 300):
        checkpoints.save(step, {"x": torch.full((4,), float(step))}, {})
    older, newer = sorted(checkpoints.folder.glob("*.safetensors"))
    _flip_last_byte(newer)
    found = checkpoints.latest()
    assert found is not None
    assert (found.step, found.tensors["x"].tolist()) == (20, [20.0] * 4)
    assert newer.name in capsys.readouterr().err
    older.write_bytes(older.read_bytes()[:40])
    assert checkpoints.latest() is None
    assert "starts afresh" in capsys.readouterr().err
    checkpoints.save(1, {}, {})
    checkpoints.drop()
    assert not checkpoints.folder.exists()


def test_a_change_starts_afresh_and_says_what_changed(smoke: Params, capsys: pytest.CaptureFixture[str]) -> None:
    _checkpoints(smoke).save(1, {}, {})

    def said(params: Params) -> str:
        capsys.readouterr()
        checkpoints = _checkpoints(params)
        assert (checkpoints.latest() is None) == (params is not smoke or checkpoints.folder != original)
        return capsys.readouterr().err

    original = _checkpoints(smoke).folder
    interval = smoke.compute.model_copy(update={"checkpoint_seconds": 7})
    assert _checkpoints(smoke.model_copy(update={"compute": interval})).folder == original
    training = smoke.training.model_copy(update={"steps": 61})
    assert "the parameters changed" in said(smoke.model_copy(update={"training": training}))
    for name, what in (("data/in/manifest.json", "input data"), ("src/augbench/core/code.py", "code")):
        text = Path(name).read_text(encoding="utf-8")
        Path(name).write_text("other", encoding="utf-8")
        assert f"the {what} changed" in said(smoke)
        Path(name).write_text(text, encoding="utf-8")
    assert "resumes from its checkpoint at step 1" in said(smoke)


def _start(code: str) -> subprocess.Popen[str]:
    """A child that has said it is ready."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    child = subprocess.Popen(
        [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    return child


def test_a_task_that_is_asked_to_stop_saves_and_leaves_with_the_code() -> None:
    child = _start(
        "from augbench.runtime import interrupt\n"
        "from augbench.runtime.checkpoints import Checkpoints\n"
        "interrupt.install()\n"
        "with Checkpoints('train', 'key', every_seconds=1e9) as checkpoints:\n"
        "    checkpoints.latest()\n"
        "    print('ready', flush=True)\n"
        "    step = 0\n"
        "    while True:\n"
        "        step += 1\n"
        "        if checkpoints.due():\n"
        "            checkpoints.save(step, {}, {'step': step})\n"
    )
    child.send_signal(signal.SIGTERM)
    _, said = child.communicate()
    assert child.returncode == EXIT_STOPPED, said
    found = Checkpoints("train", "key", every_seconds=1).latest()
    assert found is not None
    assert found.state == {"step": found.step}
    assert f"saved at step {found.step}" in said


def test_a_task_without_checkpoints_leaves_at_once_and_no_half_file() -> None:
    child = _start(
        "import signal\n"
        "from pathlib import Path\n"
        "from augbench.runtime import interrupt\n"
        "from augbench.core.artifacts import atomic_file, atomic_folder\n"
        "interrupt.install()\n"
        "with atomic_folder(Path('out/folder')) as folder, atomic_file(Path('out/file')) as file:\n"
        "    (folder / 'half').write_text('half')\n"
        "    file.write_text('half')\n"
        "    print('ready', flush=True)\n"
        "    signal.pause()\n"
    )
    assert len(list(Path("out").iterdir())) == 2
    child.send_signal(signal.SIGUSR1)
    assert (child.wait(), list(Path("out").iterdir())) == (EXIT_STOPPED, [])


def test_leftovers_of_dead_processes_alone_are_removed() -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    half = Path(f"data/models/.real-0.{dead.pid}.tmp")
    half.mkdir(parents=True)
    (half / "network.safetensors").write_bytes(b"half")
    Path(f"data/models/.curve.csv.{dead.pid}.tmp").write_bytes(b"half")
    alive = Path(f"data/models/.real-1.{os.getppid()}.tmp")
    alive.write_bytes(b"half")
    remove_temporaries()
    assert list(Path("data/models").iterdir()) == [alive]


def test_stages_that_end_at_the_same_time_copy_the_lock_one_after_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "studies/smoke/dvc.lock", tmp_path)
    with ThreadPoolExecutor(8) as pool:
        done = [pool.submit(keep_lock) for _ in range(40)]
    assert [one.exception() for one in done if one.exception()] == []
    assert (tmp_path / ".augbench/dvc.lock").read_bytes() == (tmp_path / "dvc.lock").read_bytes()


@pytest.mark.parametrize("cut", [0, 20, 45])
def test_a_dvc_lock_cut_short_is_replaced_by_its_copy(cut: int, capsys: pytest.CaptureFixture[str]) -> None:
    whole = "schema: '2.0'\nstages:\n  train:\n    cmd: train\n    outs:\n    - path: data/models/it\n"
    lock = Path("dvc.lock")
    lock.write_text(whole, encoding="utf-8")
    keep_lock()
    lock.write_text(whole[:cut], encoding="utf-8")
    repair_dvc()
    assert lock.read_text(encoding="utf-8") == whole
    assert "dvc.lock was cut short" in capsys.readouterr().err
    repair_dvc()
    assert capsys.readouterr().err == ""


def test_a_damaged_rwlock_does_not_block(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    # The repository's, above the study's folder.
    path = Path(".dvc/tmp/rwlock").absolute()
    path.parent.mkdir(parents=True)
    Path("studies/one").mkdir(parents=True)
    monkeypatch.chdir("studies/one")
    path.write_text('{"write": {"/a"', encoding="utf-8")
    repair_dvc()
    assert not path.exists()
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    held = {"read": {"/a": [{"pid": other.pid, "cmd": "dvc repro"}]}, "write": {}}
    write_json(path, held)
    try:
        repair_dvc()
    finally:
        other.communicate(b"\n")
    assert json.loads(path.read_text(encoding="utf-8"))["read"] == {"/a": []}
    assert "other programs" in capsys.readouterr().err


def test_a_running_stage_is_known_while_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUGBENCH_REPRO", "42")
    with registered("train@real-0"):
        assert running_stages() == [("train@real-0", os.getpid(), "42")]
    assert running_stages() == []


@pytest.mark.parametrize(("stale", "left"), [({"train"}, "current"), (set(), None)])
def test_clean_removes_what_no_stage_needs_and_nothing_else(
    smoke: Params, monkeypatch: pytest.MonkeyPatch, stale: Iterable[str], left: str | None
) -> None:
    monkeypatch.setattr(clean, "changed_stages", lambda: set(stale))
    current = _checkpoints(smoke)
    current.save(1, {"x": torch.zeros(1000)}, {})
    Checkpoints("train", "0-1-2-3", every_seconds=1).save(1, {}, {})
    Checkpoints("gone@1", "0-1-2-3", every_seconds=1).save(1, {}, {})
    found = clean.survey(smoke)
    assert [bool(entry.reason) for entry in found if entry.folder == current.folder] == [left is None]
    shown = clean.table(found)
    assert shown.count("not needed") == len(found) - (left is not None)
    assert max(entry.size_bytes for entry in found) > 4000
    clean.remove([entry for entry in found if entry.reason])
    assert list(Path(".augbench/checkpoints").glob("*/*")) == ([current.folder] if left else [])
    assert not Path(".augbench/checkpoints/gone@1").exists()
