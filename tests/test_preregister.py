"""`augbench preregister`: what is fixed, when it is refused, and what the report says of it."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from bad_input import ROOT, run
from figures_factory import per_patient_table, report_data
from test_report import Page

from augbench.core import layout
from augbench.core.artifacts import write_json
from augbench.core.errors import UserError
from augbench.core.params import read_params
from augbench.report.data import ReportData
from augbench.report.registration import Registration, sentences
from augbench.report.report import render
from augbench.stages.preregister import REGISTRATION, changed_keys, content, digest, registration


def page_data(**changes: Any) -> ReportData:
    return report_data(per_patient=per_patient_table({"sax": ("LV",)}, subjects=8), **changes)


FACTS: dict[str, Any] = {"stages": [{"stage": "evaluate", "seconds": 3.0, "ended": "2126-11-25T02:03:47+00:00"}]}


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("params.yaml", "study.yaml"):
        shutil.copy(ROOT / "studies/smoke" / name, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def change(file: str, **values: Any) -> None:
    found = yaml.safe_load(Path(file).read_text(encoding="utf-8"))
    for key, value in values.items():
        node, parts = found, key.split("__")
        for part in parts[:-1]:
            node = node[part]
        node[parts[-1]] = value
    Path(file).write_text(yaml.safe_dump(found, sort_keys=False), encoding="utf-8")


def test_what_is_registered_is_hashed_and_can_be_checked_by_anybody(study: Path) -> None:
    code, shown, message = run(study, "preregister")
    assert code == 0, message
    found = json.loads(REGISTRATION.read_text(encoding="utf-8"))
    text = json.dumps(found["content"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert hashlib.sha256(text.encode("utf-8")).hexdigest() == found["sha256"]
    assert found["sha256"] in shown
    assert "Commit the file now" in shown
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", found["registered"])
    assert found["revision"] is None
    fixed = found["content"]
    assert fixed["comparison"]["primary"] == {"metric": "dice", "arm": "pggan-synthetic"}
    assert fixed["comparison"]["margins"] == {"dice": 0.01}
    assert fixed["seed"] == read_params().seed
    assert fixed["dataset"]["cohorts"]["external"]
    assert fixed["targets"]


def test_the_revision_is_named_where_there_is_one(study: Path) -> None:
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
        subprocess.run(["git", "-c", "user.name=x", "-c", "user.email=x@x", *command], check=True)
    assert run(study, "preregister")[0] == 0
    head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    assert json.loads(REGISTRATION.read_text(encoding="utf-8"))["revision"] == head


@pytest.mark.parametrize(
    ("file", "key", "value", "named"),
    [
        ("params.yaml", "comparison__margins__dice", 0.02, "comparison.margins.dice"),
        ("params.yaml", "comparison__alpha", 0.1, "comparison.alpha"),
        ("params.yaml", "seed", 7, "seed"),
        ("params.yaml", "generators__pggan__seeds", [0, 1, 2], "generators.pggan.seeds"),
        ("params.yaml", "arms__patients__real__seeds", [0, 1, 2, 3], "arms.patients.real.seeds"),
        ("params.yaml", "dataset__cohorts__external__subjects", 77, "dataset.cohorts.external.subjects"),
        ("params.yaml", "training__steps", 7, "training.steps"),
        ("study.yaml", "targets", [], "target '"),
    ],
)
def test_another_content_is_refused_and_named(study: Path, file: str, key: str, value: Any, named: str) -> None:
    run(study, "preregister")
    before = REGISTRATION.read_bytes()
    change(file, **{key: value})
    code, _, message = run(study, "preregister")
    assert code == 2
    assert "another content was registered before" in message
    assert named in message
    assert REGISTRATION.read_bytes() == before
    shown = registration(read_params(), FACTS)
    assert shown is not None
    assert any(named in key for key in shown.changed)


@pytest.mark.parametrize(
    ("file", "key", "value"),
    [
        ("params.yaml", "compute__threads", 2),
        ("params.yaml", "gate__margin", 0.5),
        ("params.yaml", "audit__frames", 30),
        ("study.yaml", "title", "Another title"),
    ],
)
def test_what_decides_no_conclusion_is_free(study: Path, file: str, key: str, value: Any) -> None:
    run(study, "preregister")
    before = REGISTRATION.read_bytes()
    change(file, **{key: value})
    code, shown, _ = run(study, "preregister")
    assert code == 0
    assert "nothing has changed" in shown
    assert REGISTRATION.read_bytes() == before


@pytest.mark.parametrize("path", [layout.PER_PATIENT, layout.PER_FRAME])
def test_scored_patients_cannot_be_registered(study: Path, path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(b"")
    code, _, message = run(study, "preregister")
    assert code == 2
    assert "the external patients have been scored already" in message
    assert not REGISTRATION.exists()


class TestAnotherDraw:
    """A phantom's patients are new with another seed; old scores say nothing of them."""

    @pytest.fixture
    def scored(self, study: Path) -> Path:
        layout.REPORTS.mkdir()
        layout.PER_PATIENT.write_bytes(b"")
        params = read_params().model_dump(mode="json")
        write_json(layout.PROVENANCE, {"stages": FACTS["stages"], "params": params})
        return study

    def test_old_scores_of_the_same_draw_forbid_it(self, scored: Path) -> None:
        assert run(scored, "preregister")[0] == 2

    def test_more_patients_of_the_same_draw_are_no_new_ones(self, scored: Path) -> None:
        change("params.yaml", dataset__cohorts__external__subjects=77)
        assert run(scored, "preregister")[0] == 2

    def test_another_seed_allows_it(self, scored: Path) -> None:
        change("params.yaml", seed=99)
        assert run(scored, "preregister")[0] == 0

    def test_until_it_is_scored(self, scored: Path) -> None:
        change("params.yaml", seed=99)
        again = {"stage": "evaluate", "seconds": 4.0, "ended": "2126-11-26T02:03:47+00:00"}
        write_json(layout.STATE / "provenance/evaluate.json", again)
        assert run(scored, "preregister")[0] == 2


class TestReport:
    def made(self, **changes: Any) -> Registration:
        found = Registration(
            "ab" * 32, "2126-11-24T09:00:00+00:00", "2126-11-25T02:03:47+00:00", (), True, "0123456789abcdef", "0.1.0"
        )
        return replace(found, **changes)

    def test_a_study_without_registration_says_so_in_one_sentence(self) -> None:
        html = render(page_data())
        text = Page(html).text
        assert len(sentences(None)) == 1
        assert sentences(None)[0] in text
        assert "Not pre-registered" in text

    def test_hash_and_both_dates_are_shown(self) -> None:
        text = Page(render(page_data(registration=self.made()))).text
        for said in ("ab" * 32, "2126-11-24, 09:00 UTC", "2126-11-25, 02:03 UTC", "at commit 0123456789ab",
                     "Nothing of it has changed since."):  # fmt: skip
            assert said in text
        assert "Not pre-registered" not in text

    def test_what_changed_is_named(self) -> None:
        said = " ".join(sentences(self.made(changed=("comparison.alpha", "seed"))))
        assert "Changed since: comparison.alpha and seed." in said
        many = " ".join(sentences(self.made(changed=tuple(f"key{number}" for number in range(40)))))
        assert "key11 and 28 more" in many

    def test_what_fixes_nothing_is_no_registration(self) -> None:
        late = self.made(scored="2126-11-01T00:00:00+00:00")
        edited = self.made(intact=False)
        for found, said in ((late, "it fixed nothing in advance"), (edited, "The file was edited")):
            text = Page(render(page_data(registration=found))).text
            assert said in text
            assert "Not pre-registered" in text

    def test_an_unknown_date_of_scoring_is_said(self) -> None:
        assert "was not recorded" in " ".join(sentences(self.made(scored="")))

    def test_it_reads_the_file_and_the_time_of_evaluate(self, study: Path) -> None:
        assert registration(read_params(), FACTS) is None
        run(study, "preregister")
        found = registration(read_params(), FACTS)
        assert found is not None
        assert (found.holds, list(found.changed)) == (True, [])
        assert found.scored == FACTS["stages"][0]["ended"]
        document = json.loads(REGISTRATION.read_text(encoding="utf-8"))
        document["content"]["comparison"]["alpha"] = 0.2
        write_json(REGISTRATION, document)
        edited = registration(read_params(), FACTS)
        assert edited is not None
        assert not edited.holds

    def test_a_damaged_file_is_a_message(self, study: Path) -> None:
        write_json(REGISTRATION, {"schema": 2})
        with pytest.raises(UserError, match="the registration is damaged"):
            registration(read_params(), FACTS)


def test_the_hash_does_not_depend_on_the_order_of_keys(study: Path) -> None:
    fixed = content(read_params())
    turned = dict(reversed(list(fixed.items())))
    assert digest(fixed) == digest(turned)
    assert changed_keys(fixed, turned) == []
