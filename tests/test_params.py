"""params.yaml: complete, validated, and every mistake is one message."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from augbench.core.arms import arms_of
from augbench.core.component import create
from augbench.core.errors import UserError
from augbench.core.params import parse_params, read_params
from augbench.core.study import read_study
from augbench.datasets.base import Dataset
from augbench.stages.check import check_components

ROOT = Path(__file__).parent.parent
STUDIES = [ROOT, *sorted(path.parent for path in (ROOT / "studies").glob("*/params.yaml"))]
DEFAULT: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("folder", STUDIES, ids=lambda path: path.name)
def test_every_study_is_valid_down_to_its_components(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    params = read_params()
    # Images of patients are not in the repository.
    check_components(params, build=create(Dataset, params.dataset.kind, params.dataset.options).can_draw)


@pytest.mark.parametrize("folder", STUDIES, ids=lambda path: path.name)
def test_the_words_of_every_study_speak_of_what_is_there(folder: Path) -> None:
    params, words = read_params(folder / "params.yaml"), read_study(folder / "study.yaml")
    arms = {arm.name for arm in arms_of(params)}
    named = {name for target in words.targets for name in (target.arm, *target.others)}
    if words.published:
        named |= {words.published.arm, words.published.reference}
    assert named | set(words.names.arms) <= arms
    assert set(words.names.views) <= set(params.views)
    assert set(words.names.cohorts) <= set(params.dataset.cohorts)


@pytest.mark.parametrize("folder", STUDIES, ids=lambda path: path.name)
def test_every_study_has_the_sections_of_the_default_and_says_what_it_is(folder: Path) -> None:
    text = (folder / "params.yaml").read_text(encoding="utf-8")
    assert list(yaml.safe_load(text)) == list(DEFAULT)
    assert text.startswith("# ")
    assert not (folder / "dvc.yaml").is_symlink(), "DVC does not follow links inside a git revision"


def test_runs_cover_every_arm_with_every_seed() -> None:
    params = read_params(ROOT / "params.yaml")
    arms = arms_of(params)
    assert [arm.role for arm in arms].index("reference") == 0
    runs = [run for arm in arms for run in arm.runs]
    assert len(set(runs)) == len(runs)
    expected = sum(len(entry.seeds) for entry in params.arms.patients.values())
    expected += sum(len(e.seeds) * len(params.generators[e.generator].seeds) for e in params.arms.generated.values())
    assert len(runs) == expected
    assert {run.name for run in arms[0].runs} == {"0", "1", "2"}
    assert "1-2" in {run.name for run in arms[1].runs}


def _edited(path: str, value: Any) -> dict[str, Any]:
    content = json.loads(json.dumps(DEFAULT))  # aliases become values of their own
    *parents, last = path.split(".")
    section = content
    for key in parents:
        section = section[key]
    section[last] = value
    return content


MISTAKES = [
    ("sed", 1, r"unknown parameter 'sed'[\s\S]*did you mean 'seed'"),
    ("training.step", 5, r"unknown parameter 'training.step'[\s\S]*did you mean 'steps'"),
    ("training.steps", "many", r"'training.steps' is not valid[\s\S]*got:      'many'[\s\S]*integer"),
    ("training.steps", 0, r"'training.steps' is not valid[\s\S]*greater than or equal to 1"),
    ("training.selection", "worst", r"'training.selection' is not valid[\s\S]*'last' or 'best'"),
    ("seed", -1, r"'seed' is not valid"),
    ("views", [], r"'views' is not valid"),
    ("views", ["sax", "sax"], r"views lists a value twice"),
    ("views", ["sax", "Sax"], r"two views differ in upper and lower case alone"),
    ("arms.patients.real.seeds", [0, 0], r"arms.patients.real.seeds lists a value twice"),
    ("arms.generated.oracle.generator", "oracl", r"names something that is not there[\s\S]*did you mean 'oracle'"),
    ("arms.generated.oracle.role", "control", r"'arms.generated.oracle.role' is not valid[\s\S]*negative control"),
    ("arms.patients.real.role", "studied", r"one reference arm[\s\S]*0 arms"),
    ("arms.patients.real.generator", "oracle", r"unknown parameter 'arms.patients.real.generator'"),
    ("arms.patients.real.regme", {}, r"unknown parameter 'arms.patients.real.regme'[\s\S]*did you mean 'regime'"),
    ("generators.pggan.cohort", "patients", r"generators.pggan.cohort names something that is not there"),
    ("generators.pggan.cohort", "external", r"generators.pggan.cohort uses the external cohort"),
    ("audit.held_out", "generator", r"held-out patients are those that a generator learns from"),
    ("dataset.kind", 3, r"'dataset.kind' is not valid"),
    ("comparison.margins.dice", -0.01, r"'comparison.margins.dice' is not valid"),
    ("comparison.primary.arm", "real", r"compares the reference arm with itself"),
    ("label_source", "data/models/real", r"does not fit labelling 'joint'[\s\S]*data/labels"),
    ("labelling", "pseudo", r"does not fit labelling 'pseudo'[\s\S]*data/models/real"),
    ("compute.accelerator", "tpu", r"'cpu' or 'gpu'"),
    ("compute.accelerator", "cuda", r"did you mean 'gpu'"),
]


@pytest.mark.parametrize(("path", "value", "message"), MISTAKES, ids=lambda value: str(value)[:30])
def test_every_mistake_is_one_clear_message(path: str, value: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse_params(_edited(path, value))


@pytest.mark.parametrize("folder", ["data/models/real", "data/synthetic", "reports/mine"])
def test_annotations_may_not_lie_where_a_stage_would_delete_them(folder: str) -> None:
    with pytest.raises(UserError, match="a folder that no stage writes"):
        parse_params({**DEFAULT, "labelling": "manual", "label_source": folder})


def test_a_misspelt_key_is_named_before_the_key_it_leaves_missing() -> None:
    content = {("sead" if key == "seed" else key): value for key, value in DEFAULT.items()}
    with pytest.raises(UserError, match=r"unknown parameter 'sead'[\s\S]*did you mean 'seed'"):
        parse_params(content)
    del content["sead"]
    with pytest.raises(UserError, match=r"parameter 'seed' is missing[\s\S]*studies/smoke"):
        parse_params(content)


@pytest.mark.parametrize(
    ("text", "message"),
    [("a: [", "not valid YAML"), ("- 1", "holds no parameters"), ("", "holds no parameters"), ("1: 2", "must be text")],
)
def test_a_file_that_is_no_mapping_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=message):
        read_params(path)
    with pytest.raises(UserError, match="is missing"):
        read_params(tmp_path / "other.yaml")


_LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
_ANY = st.recursive(_LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner))


@settings(max_examples=150, deadline=None)
@given(key=st.sampled_from(sorted(DEFAULT)), value=_ANY)
def test_no_value_of_any_section_gives_another_error(key: str, value: Any) -> None:
    with contextlib.suppress(UserError):
        parse_params({**DEFAULT, key: value})
