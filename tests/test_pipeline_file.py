"""What a stage reads about itself in dvc.yaml is what DVC reads there."""

from __future__ import annotations

from pathlib import Path

import pytest
from dvc.repo import Repo

from augbench.core.params import read_params
from augbench.runtime.pipeline import stage_that_makes, stages

ROOT = Path(__file__).parent.parent


def test_names_deps_params_and_outs_are_those_of_dvc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    params = read_params()
    ours = {stage.name: stage for stage in stages(params)}
    with Repo(str(ROOT)) as repo:
        theirs = {stage.addressing: stage for stage in repo.index.stages}
        assert set(ours) == set(theirs)
        for name, stage in theirs.items():
            files = {Path(dep.fs_path).relative_to(ROOT).as_posix() for dep in stage.deps if dep.protocol == "local"
                     and not hasattr(dep, "params")}  # fmt: skip
            keys = {key for dep in stage.deps if hasattr(dep, "params") for key in dep.params}
            assert set(ours[name].deps) == files, name
            assert set(ours[name].params) == keys, name
            assert {Path(out).as_posix() for out in ours[name].outs} == {out.def_path for out in stage.outs}, name


def test_a_stage_is_found_by_what_it_makes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    found = stage_that_makes(Path("data/models/pggan-mixed-8-1-2"), read_params())
    assert found is not None
    assert found.name == "train_segmenter_mixed@pggan-8-1-2"
    assert stage_that_makes(Path("data/models/nobody"), read_params()) is None
