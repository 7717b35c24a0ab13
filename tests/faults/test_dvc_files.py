"""DVC writes its own files in place: what a kill leaves of them must not stop the next run."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from dvc.schema import COMPILED_LOCKFILE_SCHEMA

from augbench.core.leftovers import keep_lock, repair_dvc


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
