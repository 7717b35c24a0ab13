"""params.yaml: complete, validated, and every mistake is one message."""

from __future__ import annotations

import contextlib
import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from augbench.core.errors import UserError
from augbench.core.params import parse_params, read_params
from augbench.core.runs import all_runs
from augbench.stages.check import check_components

ROOT = Path(__file__).parent.parent
PRESETS = sorted((ROOT / "presets").glob("*.yaml"))
DEFAULT: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", [ROOT / "params.yaml", *PRESETS], ids=lambda path: path.stem)
def test_every_preset_is_valid_down_to_its_components(path: Path) -> None:
    check_components(read_params(path))


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_every_preset_has_the_keys_of_the_default(path: Path) -> None:
    preset = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert list(preset) == list(DEFAULT)


def test_paper_presets_are_the_papers_study() -> None:
    paper = read_params(ROOT / "presets/paper.yaml")
    phantom = paper.datasets["phantom"]
    assert (phantom["generator_subjects"], phantom["segmenter_subjects"], phantom["external_subjects"]) == (303, 42, 50)
    assert (paper.image_size, paper.sampling.frames, paper.generator_cohort) == (256, 100_000, "generator")
    equal = read_params(ROOT / "presets/paper-equal.yaml")
    assert equal.generator_cohort == "segmenter"
    assert equal.model_copy(update={"generator_cohort": "generator"}) == paper


def test_runs_cover_every_arm_with_every_seed(smoke: Any) -> None:
    params = read_params(ROOT / "params.yaml")
    runs = all_runs(params)
    assert len({run.name for run in runs}) == len(runs)
    doses = len(params.regimes.mixed.synthetic_per_real)
    seeds = len(params.segmenter_seeds)
    pairs = seeds * len(params.generator_seeds)
    assert len(runs) == seeds + len(params.compared) * (1 + doses) * pairs + len(params.controls) * seeds
    assert [run.arm for run in runs][:seeds] == ["real"] * seeds
    assert "pggan/mixed-1" in {run.arm for run in runs}


def _edited(path: str, value: Any) -> dict[str, Any]:
    content = copy.deepcopy(DEFAULT)
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
    ("training.selection", "worst", r"'training.selection' is not valid[\s\S]*'best' or 'last'"),
    ("seed", -1, r"'seed' is not valid"),
    ("views", [], r"'views' is not valid"),
    ("views", ["sax", "sax"], r"views lists a value twice"),
    ("segmenter_seeds", [0, 0], r"segmenter_seeds lists a value twice"),
    ("compared", ["pggann"], r"do not name every generator[\s\S]*remedy:"),
    ("dataset", "fantom", r"dataset 'fantom' has no section"),
    ("comparison.margins.dice", -0.01, r"'comparison.margins.dice' is not valid"),
    ("regimes.mixed.synthetic_per_real", [0], r"'regimes.mixed.synthetic_per_real"),
    ("label_source", "data/models/real-0", r"does not fit labelling 'joint'[\s\S]*data/labels"),
    ("labelling", "pseudo", r"does not fit labelling 'pseudo'[\s\S]*data/models/real-0 or data/models/real-1"),
    ("compute.accelerator", "tpu", r"'cpu' or 'gpu'"),
]


@pytest.mark.parametrize(("path", "value", "message"), MISTAKES, ids=lambda value: str(value)[:30])
def test_every_mistake_is_one_clear_message(path: str, value: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse_params(_edited(path, value))


@pytest.mark.parametrize("folder", ["data/models/real-0", "data/synthetic", "reports/mine"])
def test_annotations_may_not_lie_where_a_stage_would_delete_them(folder: str) -> None:
    with pytest.raises(UserError, match="a folder that no stage writes"):
        parse_params({**DEFAULT, "labelling": "manual", "label_source": folder})


def test_a_misspelt_key_is_named_before_the_key_it_leaves_missing() -> None:
    content = {("sead" if key == "seed" else key): value for key, value in DEFAULT.items()}
    with pytest.raises(UserError, match=r"unknown parameter 'sead'[\s\S]*did you mean 'seed'"):
        parse_params(content)
    del content["sead"]
    with pytest.raises(UserError, match=r"parameter 'seed' is missing[\s\S]*presets/"):
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
