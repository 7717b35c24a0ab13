"""augbench new and the throw-away studies of `augbench repro --set`."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from bad_input import ROOT, listing, refused, run
from hypothesis import given, settings
from hypothesis import strategies as st
from workspace import Workspace, copy_checkout

from augbench.core.errors import UserError
from augbench.core.params import read_params
from augbench.core.study import read_study
from augbench.stages import installed, new
from augbench.stages.settings import Setting, apply_settings, parse_settings


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of this checkout, with git."""
    return copy_checkout(tmp_path_factory.mktemp("checkout")).root


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """A git repository without anything, as of someone who installed the package with pip."""
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    return tmp_path


def test_a_study_in_a_checkout_has_its_pipeline(checkout: Path) -> None:
    code, shown, message = run(checkout, "new", "like-smoke", "--like", "smoke", "--set", "training.steps=7")
    assert code == 0, message
    folder = checkout / "studies/like-smoke"
    assert "augbench repro --study studies/like-smoke" in shown
    # DVC does not follow links inside a git revision.
    assert not (folder / "dvc.yaml").is_symlink()
    assert (folder / "dvc.yaml").read_bytes() == (checkout / "dvc.yaml").read_bytes()
    params = read_params(folder / "params.yaml")
    assert (params.code, params.training.steps) == ("../..", 7)
    assert read_study(folder / "study.yaml") == read_study(checkout / "studies/smoke/study.yaml")
    assert not (folder / "augbench.version").exists()
    assert subprocess.run(["git", "check-ignore", "dvc.yaml"], cwd=folder, check=False).returncode == 1


def test_one_value_changes_and_every_other_byte_stays(checkout: Path) -> None:
    assert run(checkout, "new", "bytes", "--like", ".", "--set", "training.steps=7")[0] == 0
    before = (checkout / "params.yaml").read_text(encoding="utf-8").splitlines()
    after = (checkout / "studies/bytes/params.yaml").read_text(encoding="utf-8").splitlines()
    assert after[0] == '# Made by: augbench new bytes --like . --set "training.steps=7"'
    changed = [(old, now) for old, now in zip(before, after[1:], strict=True) if old != now]
    # A new study has no results yet that native kernels made.
    assert [now.split(" #")[0].rstrip() for _, now in changed] == ["code: ../..", "  steps: 7", "  kernels: portable"]


def test_from_within_a_study_the_new_one_lies_beside_it(checkout: Path) -> None:
    assert run(checkout / "studies/smoke", "new", "beside", "--like", "quick")[0] == 0
    assert (checkout / "studies/beside/params.yaml").is_file()


def test_a_study_with_a_pipeline_of_its_own_passes_it_on(checkout: Path) -> None:
    assert run(checkout, "new", "shaped", "--like", "smoke")[0] == 0
    pipeline = checkout / "studies/shaped/dvc.yaml"
    pipeline.unlink()
    pipeline.write_text("stages: {}\n", encoding="utf-8")
    assert run(checkout, "new", "same-shape", "--like", "shaped")[0] == 0
    assert (checkout / "studies/same-shape/dvc.yaml").read_text(encoding="utf-8") == "stages: {}\n"


@pytest.mark.parametrize("like", ["tof", "smoke", "quick", "acdc", "tof-paper"])
def test_an_empty_repository_gets_a_complete_pipeline(like: str, empty: Path) -> None:
    code, shown, message = run(empty, "new", "mine", "--like", like)
    assert code == 0, message
    folder = empty / "studies/mine"
    pipeline = yaml.safe_load((folder / "dvc.yaml").read_text(encoding="utf-8"))
    deps = {name: stage.get("do", stage)["deps"] for name, stage in pipeline["stages"].items()}
    assert len(deps) >= 9
    for name, of_stage in deps.items():
        assert of_stage.count("augbench.version") == 1, name
        assert not [dep for dep in of_stage if "src/" in str(dep)], name
    assert (folder / "augbench.version").read_text(encoding="utf-8") == installed.version_text()
    assert (empty / ".dvc").is_dir()
    assert "commit .dvc" in shown
    written = {path.name for path in (empty / ".dvc/plots").iterdir()}
    assert written == {path.name for path in (ROOT / ".dvc/plots").iterdir()}
    for path in folder.rglob("*"):
        if path.is_file():
            assert str(empty) not in path.read_text(encoding="utf-8"), path


def test_dvc_reads_the_pipeline_of_an_empty_repository_and_locks_no_absolute_path(empty: Path) -> None:
    assert run(empty, "new", "mine", "--like", "smoke", "--set", "dataset.phases=[0.0]")[0] == 0
    workspace = Workspace(ROOT)
    workspace.folder = empty / "studies/mine"
    binary = empty / "bin"
    binary.mkdir()
    (binary / "augbench").write_text(
        f'#!/bin/sh\nexec "{os.sys.executable}" -m augbench "$@"\n',
        encoding="utf-8",  # type: ignore[attr-defined]
    )
    (binary / "augbench").chmod(0o755)
    workspace.environment |= {"PATH": f"{binary}:{os.environ['PATH']}"}
    done = workspace.dvc("repro", "prepare")
    assert done.returncode == 0, done.stderr[-3000:]
    locked = workspace.locked_stages()["prepare"]
    paths = [entry["path"] for entry in (*locked["deps"], *locked["outs"])]
    assert "augbench.version" in paths
    assert not [path for path in paths if path.startswith(("/", ".."))]
    assert str(empty) not in (workspace.folder / "dvc.lock").read_text(encoding="utf-8")
    assert "prepare" not in workspace.changed_stages()
    ignored = subprocess.run(["git", "status", "--porcelain", "-uall"], cwd=empty, capture_output=True, text=True)
    assert "data/cohort" not in ignored.stdout
    (workspace.folder / "augbench.version").write_text("augbench 99\n", encoding="utf-8")
    assert "prepare" in workspace.changed_stages()


def test_what_is_there_stays(empty: Path) -> None:
    (empty / ".dvc/plots").mkdir(parents=True)
    (empty / ".dvc/plots/dose_response.json").write_text("mine", encoding="utf-8")
    (empty / ".gitignore").write_text("mine\n", encoding="utf-8")
    before = listing(empty)
    assert run(empty, "new", "mine", "--like", "smoke")[0] == 0
    after = listing(empty)
    assert {name: after[name] for name in before} == before


def test_a_refused_study_leaves_nothing(empty: Path) -> None:
    message = refused(empty, "new", "mine", "--like", "smoke", "--set", "training.steps=none")
    assert "'training.steps' is not valid" in message
    assert not (empty / "studies").exists()
    assert not (empty / ".dvc").exists()


def test_outside_a_git_repository_it_says_so(tmp_path: Path) -> None:
    assert "no git repository" in refused(tmp_path, "new", "mine", "--like", "smoke")


@pytest.mark.parametrize("command", [["prepare"], ["repro"]])
def test_another_version_runs_no_stage(command: list[str], empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(empty, "new", "mine", "--like", "smoke")[0] == 0
    monkeypatch.setattr(installed, "augbench_version", lambda: "99.0")
    message = refused(empty / "studies/mine", *command)
    assert "made with another version" in message
    assert re.search(r"pip install augbench==\d[\s\S]*augbench new OTHER --like THIS", message)
    # What the remedy says, works: the same study for the installed version.
    assert run(empty, "new", "other", "--like", "mine")[0] == 0
    assert (empty / "studies/other/augbench.version").read_text(encoding="utf-8").startswith("augbench 99.0\n")


def test_packages_that_add_components_are_part_of_the_version(monkeypatch: pytest.MonkeyPatch) -> None:
    class Entry:
        group = "augbench.generators"

        class dist:
            name, version = "augbench-fastgan", "0.3"

    class Entries(list):  # type: ignore[type-arg]
        groups = frozenset({"augbench.generators", "console_scripts"})

    monkeypatch.setattr(
        installed, "entry_points", lambda **group: Entries([Entry] if group.get("group") == Entry.group else [])
    )
    assert installed.version_text().splitlines()[1:] == ["augbench-fastgan 0.3"]


def test_a_try_is_found_again_by_its_settings(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(checkout / "studies/smoke")
    first = new.write_try(["training.steps=9", "seed=4"])
    assert re.fullmatch(r"try-smoke-[0-9a-f]{8}", first.folder.name)
    assert read_params(first.folder / "params.yaml").training.steps == 9
    again = new.write_try(["seed=4", "training.steps=9"])
    assert again.folder == first.folder
    assert "begun before" in again.notes[0]
    assert new.write_try(["training.steps=10"]).folder != first.folder
    assert read_params(Path("params.yaml")).training.steps == 60


def test_images_of_the_other_study_are_read_where_they_are(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    by_people = "{by-people: {images: data/synthetic/pggan, kind: manual, source: data/labels}}"
    text = (checkout / "params.yaml").read_text(encoding="utf-8")
    (checkout / "params.yaml").write_text(text.replace("labelling: {}", f"labelling: {by_people}"), encoding="utf-8")
    for folder in ("raw", "labels"):
        (checkout / "data" / folder).mkdir(exist_ok=True)
        (checkout / "data" / folder / "image.png").write_bytes(b"image")
    monkeypatch.chdir(checkout)
    made, tried = new.write_study("seeing", ".", []).folder, new.write_try(["seed=5"]).folder
    assert (made / "data/raw").readlink() == Path("../../../data/raw")
    assert (made / "data/raw/image.png").read_bytes() == b"image"
    assert (made / "data/labels/README.md").is_file()
    assert not (made / "data/labels/image.png").exists(), "annotations belong to one study's frames"
    assert (tried / "data/labels/image.png").is_file()


def test_a_try_that_was_edited_is_not_taken_for_its_settings(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(checkout)
    folder = new.write_try(["seed=77"]).folder
    assert folder.name.startswith("try-root-")
    params = folder / "params.yaml"
    params.write_text(params.read_text(encoding="utf-8").replace("total_kimg: 48", "total_kimg: 12"), encoding="utf-8")
    with pytest.raises(UserError, match=r"was edited[\s\S]*rename the folder"):
        new.write_try(["seed=77"])


def test_repro_with_settings_runs_in_the_try(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from augbench.stages import repro

    seen: list[object] = []
    monkeypatch.setattr(repro, "run", lambda targets, jobs: seen.extend([Path.cwd().name, targets, jobs]))
    command = ("repro", "prepare", "--study", "studies/smoke", "--jobs", "3", "--set", "training.steps=1000")
    code, shown, message = run(checkout, *command)
    assert code == 0, message
    assert str(seen[0]).startswith("try-smoke-")
    assert seen[1:] == [["prepare"], 3]
    assert f"studies/{seen[0]}" in shown or f"../{seen[0]}" in shown


TEXT = """\
# first
a: &anchor
  b: 1     # of b
  c: [x, y]
d: *anchor
e: {<<: *anchor, b: 2}
f:
  <<: *anchor   # merged
  g: "quoted"
h: |
  several
  lines
names.with.dots: {i: 1}
j:
- 1
- 2
# last
"""


@pytest.mark.parametrize(
    ("setting", "old", "now"),
    [
        ("a.b=5", "  b: 1     # of b", "  b: 5     # of b"),
        ("a.c=[]", "  c: [x, y]", "  c: []"),
        ("e.b=null", "e: {<<: *anchor, b: 2}", "e: {<<: *anchor, b: null}"),
        ("e.c=0.5", "e: {<<: *anchor, b: 2}", "e: {<<: *anchor, c: 0.5, b: 2}"),
        ("f.g=a: b", '  g: "quoted"', "  g: {a: b}"),
        ("f.c=true", "  <<: *anchor   # merged\n", "  <<: *anchor   # merged\n  c: true\n"),
        ("d={b: 3}", "d: *anchor", "d: {b: 3}"),
        ("h=line", "h: |\n  several\n  lines\n", "h: line\n"),
        ("names.with.dots.i=2", "{i: 1}", "{i: 2}"),
        ("j=[3]", "j:\n- 1\n- 2\n", "j:\n  [3]\n"),
    ],
)
def test_settings_are_written_into_the_text(setting: str, old: str, now: str) -> None:
    assert old in TEXT
    assert apply_settings(TEXT, parse_settings([setting])) == TEXT.replace(old, now, 1)


@pytest.mark.parametrize("key", ["d.b", "f.c.x", "a.x", "z", "a.b.c"])
def test_settings_of_what_is_not_there_or_shared_are_refused(key: str) -> None:
    with pytest.raises(UserError, match="remedy"):
        apply_settings(TEXT, [Setting(key, 1)])


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(value=_VALUES)
def test_any_value_is_read_back_as_it_was_given(value: object) -> None:
    edited = apply_settings(TEXT, [Setting("a.c", value)])
    assert yaml.safe_load(edited)["a"]["c"] == value
    assert json.dumps(yaml.safe_load(edited)["j"]) == "[1, 2]"
