"""DVC writes its own files in place: what a kill leaves of them must not stop the next run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml
from dvc.schema import COMPILED_LOCKFILE_SCHEMA

from augbench.runtime.leftovers import keep_lock, remove_temporaries, repair_dvc


def test_dvc_can_read_its_lock_again_wherever_it_was_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    entry = {"path": "data", "hash": "md5", "md5": "0" * 32, "size": 1}
    stage = {"cmd": "augbench prepare", "deps": [entry], "params": {"params.yaml": {"seed": 1}}, "outs": [entry]}
    whole = yaml.safe_dump({"schema": "2.0", "stages": {"prepare": stage, "report": stage}}, sort_keys=False)
    path = tmp_path / "dvc.lock"
    path.write_text(whole, encoding="utf-8")
    keep_lock()
    for size in range(len(whole)):
        path.write_text(whole[:size], encoding="utf-8")
        repair_dvc()
        COMPILED_LOCKFILE_SCHEMA(yaml.safe_load(path.read_text(encoding="utf-8")))


def test_an_unfinished_folder_of_an_earlier_container_with_our_number_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ours, alive = (tmp_path / f"data/models/.real-0.{number}.tmp" for number in (os.getpid(), os.getppid()))
    for folder in (ours, alive):
        folder.mkdir(parents=True)
    remove_temporaries()
    assert not ours.exists()
    assert alive.exists()
