"""Reports out of git: what is read, what is refused and in which words, and the forms of `augbench diff`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from revision_factory import changed, commit, git, scores, write_project

from augbench.core.errors import UserError
from augbench.core.params import PARAMS_FILE
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
    assert main.files == ("reports/per_case.csv",)
    assert main.per_case["value"].mean() > here.per_case["value"].mean()
    assert main.notes == ()
    assert here.notes == ("the working tree is compared; its scores are those of the last commit",)
    assert (git(project, "status", "--porcelain"), git(project, "rev-parse", "HEAD")) == before


def test_a_project_in_a_sub_folder_of_a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(tmp_path, "init", "--quiet")
    inner = tmp_path / "heart" / "tof"
    inner.mkdir(parents=True)
    commit(inner, scores())
    monkeypatch.chdir(inner)
    assert read_revision("main").files == ("reports/per_case.csv",)
    assert read_revision(None).notes == ("the working tree is compared; its scores are those of the last commit",)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="revision 'main' has no reports") as raised:
        read_revision("main")
    assert "folder that holds dvc.yaml" in str(raised.value)


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
    table = project / "reports" / "per_case.csv"
    table.write_text(table.read_text().replace("0.85", "0.95", 1))
    assert "working tree: reports/per_case.csv is not the file that its dvc.lock records" in read_revision(None).notes


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
        table = project / "reports" / "per_case.csv"
        head, *rows = table.read_text().splitlines()
        cut = [row.partition(",")[2] for row in (head, *rows)]
        if schema:
            cut = ["schema," + cut[0], *(f"{schema},{row}" for row in cut[1:])]
        table.write_text("\n".join(cut))
        git(project, "commit", "--quiet", "--all", "--message", "other")
        found = self.refused("main")
        assert f"the report at 'main' was written by {word} augbench" in found
        assert ("augbench repro" in found) == (schema == "")


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
        table["frame_id"] = table["frame_id"].str.replace("e3-4ch", "e3-4ch-ES")
        assert "1 frame in base alone, such as 'e3-4ch'" in self.refused(project, table)

    def test_other_structures(self, project: Path) -> None:
        found = self.refused(project, scores(places=(("4ch", "LV"), ("4ch", "RV"))))
        assert "1 structure in base alone, such as 'sax RV'; 1 structure in head alone, such as '4ch RV'" in found

    def test_another_definition_of_a_metric(self, project: Path) -> None:
        params = changed(evaluation={"metrics": {"dice": {}, "nsd": {"tolerance_mm": 3.0}}})
        found = self.refused(project, scores(), params)
        assert "metric nsd is defined otherwise" in found
        assert "evaluation.metrics.nsd.tolerance_mm 2.0 -> 3.0" in found

    def test_other_images_under_the_same_names(self, project: Path) -> None:
        found = self.refused(project, scores(), changed(seed=2), external_md5="cc.dir")
        assert "the same names but other images" in found
        assert "md5 aa.dir against cc.dir; seed 1 -> 2" in found

    def test_what_is_named_and_not_refused(self, project: Path) -> None:
        params = changed(segmenter_seeds=[0, 1, 2], sampling={"frames": 60}, training={"steps": 30})
        branch(project, scores(segmenter_seeds=(0, 1, 2), generators=("", "fastgan")), params)
        base, head = read_revision("main"), read_revision("change")
        found = changes(base, head)
        require_comparable(found, base, head)
        assert notes(found, base, head) == [
            f"arm only in {base.label}, not compared: pggan/synthetic",
            f"arm only in {head.label}, not compared: fastgan/synthetic",
            "changed seeds or sampling: sampling.frames 50 -> 60, segmenter_seeds [0, 1] -> [0, 1, 2]",
            "other changed parameters: training.steps 300 -> 30",
        ]


class TestForms:
    def test_a_branch_against_itself(self, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
        shown = diff(capsys, head="main")
        assert "No patient's score changed in: real, pggan/synthetic." in " ".join(shown.split())

    def test_terminal_and_markdown_say_the_same(self, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
        branch(project, scores(shift=-0.05))
        shown, text = diff(capsys), diff(capsys, markdown=True)
        for word in ("worse", "unchanged", "−0.0500"):
            assert word in shown
            assert word in text
        assert text.startswith("### Change (")
        assert text.index("| pggan/synthetic |") < text.index("<details>") < text.index("| 4-chamber LV |")

    def test_json_holds_every_row(self, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
        branch(project, scores(shift=-0.05), changed(training={"steps": 30}))
        found = json.loads(diff(capsys, as_json=True))
        assert found["schema"] == 1
        assert found["head"]["commit"] == git(project, "rev-parse", "change")
        assert found["params"] == [{"key": "training.steps", "base": 300, "head": 30}]
        overall = {row["arm"]: row for row in found["rows"] if row["view"] == "all"}
        assert overall["pggan/synthetic"]["verdict"] == "worse"
        assert overall["pggan/synthetic"]["mean_difference"] == pytest.approx(-0.05)
        assert overall["real"]["ci_low"] == overall["real"]["ci_high"] == 0
        # Two views of two arms and an overall row each; nsd has no margin.
        assert len(found["rows"]) == 6

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
