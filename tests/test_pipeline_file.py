"""What a stage reads about itself in dvc.yaml is what DVC reads there; keys follow from it and from nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc.repo import Repo

from augbench.core.params import Params, parse_params, read_params
from augbench.runtime.fingerprint import Inputs, key_of
from augbench.runtime.pipeline import Stage, stage_named, stages

ROOT = Path(__file__).parent.parent


def test_names_deps_and_params_are_those_of_dvc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    params = read_params()
    ours = {stage.name: stage for stage in stages(params)}
    with Repo(str(ROOT)) as repo:
        theirs = {stage.addressing: stage for stage in repo.index.stages if Path(stage.path).parent == ROOT}
        assert set(ours) == set(theirs)
        for name, stage in theirs.items():
            files = {Path(dep.fs_path).relative_to(ROOT).as_posix() for dep in stage.deps if dep.protocol == "local"
                     and not hasattr(dep, "params")}  # fmt: skip
            keys = {key for dep in stage.deps if hasattr(dep, "params") for key in dep.params}
            assert set(ours[name].deps) == files, name
            assert set(ours[name].params) == keys, name


@pytest.mark.parametrize("study", sorted(path.parent.name for path in ROOT.glob("studies/*/params.yaml")))
def test_every_study_has_the_roots_pipeline(study: str) -> None:
    """Or one of its own shape, whose first line says so; a copy must not fall behind."""
    own = (ROOT / "studies" / study / "dvc.yaml").read_text(encoding="utf-8")
    assert own.startswith("# A pipeline of its own") or own == (ROOT / "dvc.yaml").read_text(encoding="utf-8"), (
        f"cp dvc.yaml studies/{study}/"
    )


def test_a_folder_without_a_pipeline_has_no_stages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    params = read_params(ROOT / "params.yaml")
    monkeypatch.chdir(tmp_path)
    assert list(stages(params)) == []
    assert stage_named(params, "prepare") is None


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """`sample@pggan` in a folder with the files that it depends on."""
    params = read_params(ROOT / "params.yaml")
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    found = stage_named(params, "sample@pggan")
    assert found is not None
    for dep in found.deps:
        Path(dep).parent.mkdir(parents=True, exist_ok=True)
        Path(dep).write_text(dep, encoding="utf-8") if dep.endswith(".py") else Path(dep).mkdir(exist_ok=True)
    for seed in (0, 1):
        folder = Path(f"data/generators/pggan/{seed}")
        folder.mkdir()
        (folder / "weights").write_text(str(seed), encoding="utf-8")
    Path("src/augbench/datasets/tof_phantom/render.py").write_text("draw", encoding="utf-8")
    return found


def _changed(**sections: Any) -> Params:
    content = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    return parse_params(content | sections)


def test_the_key_of_a_part_follows_from_what_the_part_reads_alone(stage: Stage) -> None:
    params = read_params(ROOT / "params.yaml")
    first = Inputs({"data/generators/pggan": "data/generators/pggan/0"}, dataset=False)
    key = key_of(stage, params, first)

    Path("data/generators/pggan/1/weights").write_text("another", encoding="utf-8")
    Path("src/augbench/datasets/tof_phantom/render.py").write_text("edited", encoding="utf-8")
    more = params.generators | {"pggan": params.generators["pggan"].model_copy(update={"seeds": [0, 1, 2]})}
    assert key_of(stage, params.model_copy(update={"generators": more}), first) == key
    assert key_of(stage, _changed(training={**params.training.model_dump(), "steps": 5}), first) == key

    assert key_of(stage, _changed(sampling={"frames": 7}), first) != key
    Path("data/generators/pggan/0/weights").write_text("another", encoding="utf-8")
    assert key_of(stage, params, first) != key


def test_a_generator_that_draws_follows_from_the_datasets_code(stage: Stage) -> None:
    params = read_params(ROOT / "params.yaml")
    key = key_of(stage, params, Inputs(dataset=True))
    Path("src/augbench/datasets/tof_phantom/render.py").write_text("edited", encoding="utf-8")
    assert key_of(stage, params, Inputs(dataset=True)) != key
