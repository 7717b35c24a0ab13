"""Reports out of git: what is read, what is refused and in which words, and the forms of `augbench diff`."""

from __future__ import annotations

import gzip
import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from revision_factory import ARMS, PARAMS, SCORES, changed, commit, git, scores, write_project

from augbench.core.errors import UserError
from augbench.core.params import PARAMS_FILE
from augbench.core.reports import write_report_table
from augbench.revisions.changes import changes, notes, require_comparable
from augbench.revisions.reader import read_revision
from augbench.stages.diff import run


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one commit on `main`, and the current folder in it."""
    commit(tmp_path, scores())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def branch(project: Path, *arguments: Any, **options: Any) -> None:
    commit(project, *arguments, branch="change", **options)


def diff(capsys: pytest.CaptureFixture[str], base: str = "main", head: str | None = "change", **options: Any) -> str:
    run(base, head, **({"markdown": False, "as_json": False, "html": None} | options))
    return capsys.readouterr().out


def test_a_revision_is_read_without_touching_the_working_tree(project: Path) -> None:
    branch(project, scores(shift=-0.05))
    before = git(project, "status", "--porcelain"), git(project, "rev-parse", "HEAD")
    main, here = read_revision("main"), read_revision(None)
    assert main.commit == git(project, "rev-parse", "main")
    assert main.label == f"main ({main.commit[:7]})"
    assert main.params["training"] == {"steps": 300}
    assert main.files == (SCORES,)
    assert main.per_patient["value"].mean() > here.per_patient["value"].mean()
    assert main.notes == ()
    assert here.notes == ("the working tree is compared; its scores are those of the last commit",)
    assert (git(project, "status", "--porcelain"), git(project, "rev-parse", "HEAD")) == before


def test_a_project_in_a_sub_folder_of_a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(tmp_path, "init", "--quiet")
    inner = tmp_path / "heart" / "tof"
    inner.mkdir(parents=True)
    commit(inner, scores())
    monkeypatch.chdir(inner)
    assert read_revision("main").files == (SCORES,)
    assert read_revision(None).notes == ("the working tree is compared; its scores are those of the last commit",)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="revision 'main' has no reports") as raised:
        read_revision("main")
    assert "name it with --study" in str(raised.value)


def test_each_study_of_a_repository_has_reports_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quick = tmp_path / "studies" / "quick"
    quick.mkdir(parents=True)
    commit(tmp_path, scores(12))
    commit(quick, scores(8), changed(code="../.."))
    monkeypatch.chdir(quick)
    here, before = read_revision("HEAD"), "HEAD~1"
    assert here.per_patient["subject_id"].nunique() == 8
    assert here.declared.code == "../.."
    with pytest.raises(UserError, match="'HEAD~1' has no reports in studies/quick/"):
        read_revision(before)
    (quick / SCORES).unlink()
    write_report_table(quick / "reports" / "arms.csv", pd.DataFrame({"arm": ["plain"]}))
    with pytest.raises(UserError, match=f"the working tree has no studies/quick/{SCORES}"):
        read_revision(None)
    monkeypatch.chdir(tmp_path)
    assert read_revision("HEAD").per_patient["subject_id"].nunique() == 12


def test_detached_head_and_hashes_are_revisions(project: Path) -> None:
    git(project, "checkout", "--quiet", "--detach")
    short = git(project, "rev-parse", "--short", "HEAD")
    assert read_revision("HEAD").commit == read_revision(short).commit
    assert read_revision(short).label == short


def test_a_dirty_tree_says_so(project: Path) -> None:
    write_project(project, scores(shift=-0.01))
    PARAMS_FILE.write_text(PARAMS_FILE.read_text().replace("steps: 300", "steps: 30"))
    first, *others = read_revision(None).notes
    assert first == "the working tree is compared; its scores are not committed"
    assert others == [
        "changed in the working tree and not committed: dvc.lock, params.yaml",
        "working tree: params.yaml was edited after the run that made its scores: training.steps",
    ]


def test_scores_that_the_lock_does_not_know_are_doubted(project: Path) -> None:
    write_report_table(project / SCORES, scores(runs_seed=9))
    assert f"working tree: {SCORES} is not the file that its dvc.lock records" in read_revision(None).notes


class TestRefusals:
    """Each is one sentence with a remedy."""

    def refused(self, name: str | None) -> str:
        with pytest.raises(UserError) as raised:
            read_revision(name)
        assert "remedy:" in str(raised.value)
        return str(raised.value)

    def test_no_repository(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
        for name in ("main", None):
            assert "this folder is in no git repository" in self.refused(name)

    def test_an_unknown_revision_and_its_near_names(self, project: Path) -> None:
        git(project, "branch", "baseline")
        assert "did you mean 'baseline'?" in self.refused("basline")
        git(project, "update-ref", "refs/remotes/origin/release", "HEAD")
        assert "did you mean 'origin/release'?" in self.refused("release")
        assert "unknown revision '--all'" in self.refused("--all")

    def test_a_shallow_clone(self, project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
        branch(project, scores(runs_seed=1))
        clone = tmp_path_factory.mktemp("clone")
        git(clone, "clone", "--quiet", "--depth=1", f"file://{project}", ".")
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(clone)
            found = self.refused("main")
        assert "unknown revision 'main' in a shallow clone" in found
        assert "fetch-depth: 0" in found

    def test_no_reports(self, project: Path) -> None:
        git(project, "rm", "--quiet", "-r", "reports")
        git(project, "commit", "--quiet", "--message", "none")
        assert "revision 'main' has no reports" in self.refused("main")
        assert "the working tree has no reports" in self.refused(None)

    @pytest.mark.parametrize(("schema", "word"), [("", "an older"), ("99", "a newer")])
    def test_another_schema(self, project: Path, schema: str, word: str) -> None:
        table = scores()
        if schema:
            table.insert(0, "schema", schema)
        (project / SCORES).write_bytes(gzip.compress(table.to_csv(index=False).encode()))
        git(project, "commit", "--quiet", "--all", "--message", "other")
        found = self.refused("main")
        assert f"the report at 'main' was written by {word} augbench" in found
        assert ("augbench repro" in found) == (schema == "")

    def test_reports_from_before_patients_were_written(self, project: Path) -> None:
        git(project, "rm", "--quiet", SCORES)
        (project / "reports").mkdir(exist_ok=True)
        (project / "reports" / "per_case.csv").write_text("schema,frame_id,value\n1,a,0.5\n")
        (project / "params.yaml").write_text("generator_seeds: [0, 1]\ncontrols: [oracle]\n")
        git(project, "add", "--all")
        git(project, "commit", "--quiet", "--message", "old")
        for name in ("main", None):
            found = self.refused(name)
            assert "was written by an older augbench" in found
            assert "reports/per_case.csv, of schema 1" in found
            assert f"expected: {SCORES}, of schema 2" in found
            assert "run `augbench repro` with today's augbench" in found

    @pytest.mark.parametrize(
        ("params", "got"),
        [
            ({key: value for key, value in PARAMS.items() if key != "arms"}, "arms: Field required"),
            (changed(arms=["plain"]), "arms: Input should be"),
            (changed(arms={"patients": {"plain": {"seeds": [0]}}}), "arms.patients.plain.role: Field required"),
            (changed(gate=3), "gate: Input should be"),
        ],
    )
    def test_parameters_of_another_form(self, project: Path, params: dict[str, Any], got: str) -> None:
        branch(project, scores(), params)
        found = self.refused("change")
        assert "params.yaml at 'change' is of another form" in found
        assert got in found

    def test_parameters_that_this_version_does_not_know_are_no_matter(self, project: Path) -> None:
        arms = {"patients": {"plain": {"role": "reference", "mood": 3}}, "generated": {}, "imagined": {}}
        branch(project, scores(), changed(arms=arms, weather={"rain": True}))
        assert read_revision("change").declared.roles == {"plain": "reference"}


class TestComparability:
    def refused(self, project: Path, *arguments: Any, **options: Any) -> str:
        branch(project, *arguments, **options)
        base, head = read_revision("main"), read_revision("change")
        with pytest.raises(UserError) as raised:
            require_comparable(changes(base, head), base, head)
        return str(raised.value)

    def test_other_patients(self, project: Path) -> None:
        found = self.refused(project, scores(10))
        assert "the scored patients differ" in found
        assert "2 patients in base alone, such as 'e10'" in found

    def test_other_frames_of_the_same_patients(self, project: Path) -> None:
        table = scores()
        table.loc[(table["subject_id"] == "e3") & (table["view"] == "4ch"), "n_frames"] = 2
        assert "patient 'e3' has 1 in base and 2 in head in view 4ch" in self.refused(project, table)

    def test_other_structures(self, project: Path) -> None:
        found = self.refused(project, scores(places=(("4ch", "LV"), ("4ch", "RV"))))
        assert "1 structure in base alone, such as 'sax RV'; 1 structure in head alone, such as '4ch RV'" in found

    def test_another_definition_of_a_metric(self, project: Path) -> None:
        metrics = {"dice": {}, "nsd": {"tolerance_mm": 3.0}}
        params = changed(evaluation={"external": "external", "metrics": metrics})
        found = self.refused(project, scores(), params)
        assert "metric nsd is defined otherwise" in found
        assert "evaluation.metrics.nsd.tolerance_mm 2.0 -> 3.0" in found

    def test_other_images_under_the_same_names(self, project: Path) -> None:
        found = self.refused(project, scores(), changed(seed=2), external_md5="cc.dir")
        assert "the same names but other images" in found
        assert "md5 aa.dir against cc.dir; seed 1 -> 2" in found

    def test_what_is_named_and_not_refused(self, project: Path) -> None:
        arms = {
            "patients": {"plain": {"role": "reference", "seeds": [0, 1, 2]}},
            "generated": {"other": {"role": "studied", "generator": "gan", "seeds": [0, 1, 2]}},
        }
        params = changed(arms=arms, sampling={"frames": 60}, training={"steps": 30})
        runs = {"plain": ARMS["plain"], "other": ARMS["synth"]}
        branch(project, scores(segmenter_seeds=(0, 1, 2), arms=runs), params)
        base, head = read_revision("main"), read_revision("change")
        found = changes(base, head)
        require_comparable(found, base, head)
        assert notes(found, base, head) == [
            f"arm only in {base.label}, not compared: synth",
            f"arm only in {head.label}, not compared: other",
            "changed seeds or sampling: arms.patients.plain.seeds [0, 1] -> [0, 1, 2], sampling.frames 50 -> 60",
            "other changed parameters: training.steps 300 -> 30",
        ]

    def test_a_changed_role_is_named(self, project: Path) -> None:
        arms = deepcopy(PARAMS["arms"])
        arms["generated"]["synth"]["role"] = "negative control"
        branch(project, scores(), changed(arms=arms))
        base, head = read_revision("main"), read_revision("change")
        found = changes(base, head)
        assert notes(found, base, head) == ["changed roles: synth studied -> negative control"]
        assert (base.declared.controls, head.declared.controls) == ([], ["synth"])

    def test_changed_code_of_the_scores_is_named(self, project: Path) -> None:
        branch(project, scores(), score_md5="dd.dir")
        base, head = read_revision("main"), read_revision("change")
        assert "the code of the scores changed" in notes(changes(base, head), base, head)[0]


class TestForms:
    def test_a_branch_against_itself(self, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
        shown = diff(capsys, head="main")
        assert "No patient's score changed in: plain, synth." in " ".join(shown.split())

    def test_terminal_and_markdown_say_the_same(self, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
        branch(project, scores(shift=-0.05))
        shown, text = diff(capsys), diff(capsys, markdown=True)
        for word in ("worse", "unchanged", "−0.0500"):
            assert word in shown
            assert word in text
        assert text.startswith("### Change (")
        assert text.index("| synth |") < text.index("<details>") < text.index("| 4ch LV |")

    def test_json_holds_every_row(self, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
        branch(project, scores(shift=-0.05), changed(training={"steps": 30}))
        found = json.loads(diff(capsys, as_json=True))
        assert found["schema"] == 3
        assert found["head"]["commit"] == git(project, "rev-parse", "change")
        assert found["params"] == [{"key": "training.steps", "base": 300, "head": 30}]
        overall = {row["arm"]: row for row in found["rows"] if row["overall"]}
        assert overall["synth"]["verdict"] == "worse"
        assert overall["synth"]["mean_difference"] == pytest.approx(-0.05)
        assert overall["plain"]["ci_low"] == overall["plain"]["ci_high"] == 0
        # Two views of two arms and an overall row each; nsd has no margin.
        assert len(found["rows"]) == 6

    def test_controls_are_tested_apart(self, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
        arms = deepcopy(PARAMS["arms"])
        branch(project, scores(shift=-0.004, runs_seed=3), changed(arms=arms))
        together = json.loads(diff(capsys, as_json=True))["rows"]
        arms["generated"]["synth"]["role"] = "positive control"
        branch(project, scores(shift=-0.004, runs_seed=3), changed(arms=arms))
        apart = json.loads(diff(capsys, as_json=True))["rows"]
        assert {row["endpoint"] for row in together} == {"primary", "secondary"}
        assert [row["endpoint"] for row in apart].count("control") == 3
        # The primary endpoint stands alone; a control is in a family of controls.
        for rows, factor in ((together, 5), (apart, 3)):
            raised = [row["p_adjusted"] / row["p_value"] for row in rows if row["p_adjusted"] < 1]
            assert max(raised) == pytest.approx(factor, rel=1e-4)

    def test_names_of_the_study_are_shown(self, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
        names = {"views": {"4ch": "4-chamber"}, "structures": {"LV": "left ventricle"}, "arms": {"synth": "GAN alone"}}
        study = {"title": "t", "question": "q", "modality": "m", "names": names}
        (project / "study.yaml").write_text(json.dumps(study), encoding="utf-8")
        branch(project, scores(shift=-0.05))
        text = diff(capsys, markdown=True)
        assert "| GAN alone |" in text
        assert "| 4-chamber left ventricle |" in text

    def test_the_page_loads_nothing(self, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
        branch(project, scores(shift=-0.05))
        diff(capsys, html=Path("out.html"))
        page = Path("out.html").read_text(encoding="utf-8")
        assert "<svg" in page
        assert "−0.0500" in page
        assert not any(word in page for word in ("<script", 'src="http', 'href="http', "<link"))

    def test_two_forms_at_once_are_refused(self, project: Path) -> None:
        with pytest.raises(UserError, match="exclude each other"):
            run("main", None, markdown=True, as_json=True, html=None)
