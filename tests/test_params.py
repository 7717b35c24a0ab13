"""params.yaml: complete, validated, and every mistake is one message."""

from __future__ import annotations

import contextlib
import copy
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
    expected += sum(len(e.seeds) * len(params.generators[e.synthetic].seeds) for e in params.arms.generated.values())
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
    ("arms.generated.oracle.synthetic", "oracl", r"names something that is not there[\s\S]*did you mean 'oracle'"),
    ("arms.generated.oracle.generator", "oracle", r"has another name now[\s\S]*'generator' to 'synthetic'"),
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
    ("label_source", "data/labels", r"no longer one word[\s\S]*labelling: \{\}"),
    ("labelling", "joint", r"no longer one word[\s\S]*remove label_source"),
    ("arms.patients.real.cohort", "development", r"arms.patients.real.cohort uses a cohort on which choices are made"),
    ("arms.patients.real.against", "real", r"names an arm that it is compared with"),
    ("arms.generated.pggan-synthetic.against", "real", r"names an arm that it is compared with"),
    ("arms.generated.oracle.against", "memoriser", r"names something that is not there[\s\S]*an arm of arms.patients"),
    ("arms.generated.oracle.against", "real-al", r"names something that is not there[\s\S]*did you mean 'real'"),
    ("compute.accelerator", "tpu", r"'cpu' or 'gpu'"),
    ("compute.accelerator", "cuda", r"did you mean 'gpu'"),
]


@pytest.mark.parametrize(("path", "value", "message"), MISTAKES, ids=lambda value: str(value)[:30])
def test_every_mistake_is_one_clear_message(path: str, value: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse_params(_edited(path, value))


def _labelling(**entry: str) -> dict[str, Any]:
    """The default study with a second real arm and a labelling of the images of pggan, by a teacher if not said."""
    content = copy.deepcopy(DEFAULT)
    arms = content["arms"]["patients"]
    arms["real-all"] = arms["real"] | {"role": "opponent", "cohort": "generator"}
    images = {"images": "data/synthetic/pggan", "kind": "teacher", "source": "data/models/real-all"}
    content["labelling"] = {"relabelled": images | entry}
    return content


def test_a_teacher_learnt_from_the_generators_patients_and_from_no_others() -> None:
    assert parse_params(_labelling()).labelling["relabelled"].network == "real-all"
    for source in ("data/models/real", "data/models/pggan-synthetic", "data/models", "data/labels"):
        with pytest.raises(UserError, match=r"learnt from other patients|trained on real frames alone"):
            parse_params(_labelling(source=source))
    # The equal-patient generator saw the 42 alone, so the network of the 42 is its teacher, and no other.
    equal = {"images": "data/synthetic/pggan-equal"}
    assert parse_params(_labelling(**equal, source="data/models/real"))
    with pytest.raises(UserError, match="a teacher knows nothing that the generator did not"):
        parse_params(_labelling(**equal))


def test_a_teacher_is_not_selected_by_patients_whom_the_generator_never_saw() -> None:
    content = _labelling()
    content["training"]["selection"] = "best"
    with pytest.raises(UserError, match="patients whom the generator never saw"):
        parse_params(content)
    content["labelling"]["relabelled"]["kind"] = "pseudo"
    assert parse_params(content)


def test_a_network_of_other_patients_may_label_but_is_no_teacher() -> None:
    assert parse_params(_labelling(kind="pseudo", source="data/models/real"))
    with pytest.raises(UserError, match="trained on real frames alone"):
        parse_params(_labelling(kind="pseudo", source="data/models/oracle"))


@pytest.mark.parametrize("kind", ["teacher", "manual"])
def test_patients_images_are_for_pseudo_labels_alone(kind: str) -> None:
    assert parse_params(_labelling(kind="pseudo", source="data/models/real", images="data/cohort/generator"))
    with pytest.raises(UserError, match="has patients' images"):
        parse_params(_labelling(kind=kind, images="data/cohort/generator", source="data/models/real"))


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ("data/cohort/external", "uses the external cohort"),
        ("data/cohort/development", "on which choices are made"),
        ("data/cohort/nobody", "names something that is not there"),
        ("data/synthetic/pgan", "did you mean 'pggan'"),
        ("data/models/real", "'labelling.relabelled.images' is not valid"),
    ],
)
def test_images_that_must_not_be_labelled_are_refused(images: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse_params(_labelling(kind="pseudo", source="data/models/real", images=images))


def test_a_name_is_no_generator_and_labelling_at_once() -> None:
    content = _labelling()
    content["labelling"]["pggan"] = content["labelling"].pop("relabelled")
    with pytest.raises(UserError, match="a generator and a labelling are both called 'pggan'"):
        parse_params(content)


@pytest.mark.parametrize("folder", ["data/models/real", "data/synthetic", "reports/mine"])
def test_annotations_may_not_lie_where_a_stage_would_delete_them(folder: str) -> None:
    with pytest.raises(UserError, match="a folder that no stage writes"):
        parse_params(_labelling(kind="manual", source=folder))


def test_another_network_is_compared_with_a_real_arm_of_its_own() -> None:
    content = copy.deepcopy(DEFAULT)
    arms, other = content["arms"], {"kind": "smp_unet"}
    # On the same frames the network is what is compared.
    arms["patients"]["real-smp"] = arms["patients"]["real"] | {"role": "opponent", "segmenter": other}
    arms["generated"]["oracle-smp"] = arms["generated"]["oracle"] | {"segmenter": other, "against": "real-smp"}
    params = parse_params(content)
    check_components(params, build=False)
    found = {arm.name: arm.against for arm in arms_of(params)}
    assert (found["real"], found["real-smp"], found["oracle"], found["oracle-smp"]) == ("", "real", "real", "real-smp")
    del arms["generated"]["oracle-smp"]["against"]
    with pytest.raises(UserError, match=r"'oracle-smp' differs from 'real'[\s\S]*arms.oracle-smp.against"):
        check_components(parse_params(content), build=False)
    # Without augmentation the frames are other frames, too.
    del arms["generated"]["oracle-smp"]
    arms["patients"]["real-smp"]["augmented"] = False
    with pytest.raises(UserError, match="in its network and in its frames"):
        check_components(parse_params(content), build=False)


def test_a_misspelt_key_is_named_before_the_key_it_leaves_missing() -> None:
    content = {("sead" if key == "seed" else key): value for key, value in DEFAULT.items()}
    with pytest.raises(UserError, match=r"unknown parameter 'sead'[\s\S]*did you mean 'seed'"):
        parse_params(content)
    del content["sead"]
    with pytest.raises(UserError, match=r"parameter 'seed' is missing[\s\S]*--like smoke"):
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


@pytest.mark.parametrize(
    ("target", "wanted"),
    [
        ({"kind": "ratio"}, "takes a limit"),
        ({"kind": "interval", "others": ["b"], "at_most": 0.1}, "takes no others"),
        ({"kind": "not below"}, "takes others"),
        ({"kind": "not below", "others": ["b"], "at_least": 0}, "takes no limit"),
        ({"kind": "flagged", "at_most": 1}, "takes no limit"),
    ],
)
def test_a_target_that_cannot_be_missed_is_refused(target: dict[str, Any], wanted: str, tmp_path: Path) -> None:
    words = {"title": "t", "question": "q", "modality": "m", "targets": [{"name": "t", "arm": "a"} | target]}
    (tmp_path / "study.yaml").write_text(json.dumps(words), encoding="utf-8")
    with pytest.raises(UserError, match=wanted):
        read_study(tmp_path / "study.yaml")


@pytest.mark.parametrize(
    "folder", [folder for folder in STUDIES if (folder / "reports").is_dir()], ids=lambda p: p.name
)
def test_what_git_holds_of_a_study_is_small(folder: Path) -> None:
    files = [path for path in (folder / "reports").rglob("*") if path.is_file()]
    tables = [path.stat().st_size for path in files if path.suffix in (".csv", ".json", ".gz")]
    pages = [path.stat().st_size for path in files if path.suffix in (".html", ".svg", ".png")]
    assert sum(tables) < 2e6
    assert sum(pages) < 3e6


@pytest.mark.parametrize("page", [*ROOT.glob("*.md"), *sorted((ROOT / "docs").rglob("*.md"))], ids=lambda p: p.name)
def test_lines_of_a_page_are_short(page: Path) -> None:
    """Tables apart: a row of a table is one line."""
    lines = [line for line in page.read_text(encoding="utf-8").splitlines() if not line.lstrip().startswith("|")]
    assert [line for line in lines if len(line) > 120] == []
