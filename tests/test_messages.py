"""Messages name the user's own key, file and names, and say what to do."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from augbench import cli
from augbench.core.artifacts import parse_yaml
from augbench.core.component import create
from augbench.core.errors import UserError
from augbench.core.params import Params, parse_params
from augbench.core.study import Names, Study
from augbench.core.types import LabelScheme
from augbench.regimes.base import Regime
from augbench.report.since import Since
from augbench.report.since_text import markdown
from augbench.runtime.cases import checked, read_cases
from augbench.stages.check import _require_judgeable, _require_known_arms, check_components, require_known_names
from augbench.stages.report import in_order

SMOKE = Path(__file__).parent.parent / "studies/smoke"
STUDY = {"title": "a title", "question": "a question?", "modality": "an image"}


def content() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((SMOKE / "params.yaml").read_text(encoding="utf-8"))
    return found


def smoke(**sections: Any) -> Params:
    """The smoke study with some sections replaced."""
    return parse_params(content() | sections)


class TestKeyOfAnEntry:
    def test_options_are_named_where_the_user_wrote_them(self) -> None:
        with pytest.raises(
            UserError, match=r"parameter 'arms\.generated\.mine\.regime\.synthetic_per_real' is not valid"
        ):
            create(Regime, "mixed", {"synthetic_per_real": 0}, entry="arms.generated.mine.regime")

    def test_an_unknown_kind_is_told_with_its_entry(self) -> None:
        with pytest.raises(UserError, match=r"unknown kind 'mixt' among regimes, in 'arms\.generated\.mine\.regime'"):
            create(Regime, "mixt", {}, entry="arms.generated.mine.regime")

    @pytest.mark.parametrize(
        ("path", "value"),
        [
            (("dataset", "phase"), [0.0]),
            (("generators", "pggan", "total_kimgs"), 1),
            (("arms", "generated", "pggan-mixed-1", "regime", "dose"), 1),
            (("arms", "patients", "real", "segmenter", "feature"), 1),
            (("evaluation", "metrics", "dice", "tolerance"), 1),
        ],
    )
    def test_check_knows_every_entry(self, path: tuple[str, ...], value: object) -> None:
        changed = content()
        section = changed
        for name in path[:-1]:
            section[name] = dict(section[name])  # what an anchor shares is changed in one place alone
            section = section[name]
        section[path[-1]] = value
        with pytest.raises(UserError, match=f"unknown parameter '{'.'.join(path)}'"):
            check_components(parse_params(changed), build=False)


class TestNamesOfAStudy:
    @pytest.mark.parametrize(
        ("words", "key", "near"),
        [
            ({"names": {"views": {"saxx": "short-axis"}}}, "names.views", "sax"),
            ({"names": {"structures": {"MY": "myocardium"}}}, "names.structures", "MYO"),
            ({"names": {"arms": {"pggan-mixd-1": "mixed"}}}, "names.arms", "pggan-mixed-1"),
            ({"names": {"cohorts": {"extern": "elsewhere"}}}, "names.cohorts", "external"),
            ({"colours": {"MY": "#000000"}}, "colours", "MYO"),
        ],
    )
    def test_a_misspelt_key_is_an_error(self, words: dict[str, Any], key: str, near: str) -> None:
        with pytest.raises(UserError, match=rf"'{key}' names something[\s\S]*did you mean '{near}'.*\n.*study.yaml"):
            require_known_names(smoke(), Study(**STUDY, **words))

    def test_so_is_a_floor_that_would_never_be_looked_at(self) -> None:
        with pytest.raises(UserError, match=r"'gate.floors' names[\s\S]*did you mean 'MYO'.*\n.*params.yaml"):
            require_known_names(smoke(gate={"floors": {"MYOO": 0.5}}), Study(**STUDY))

    @pytest.mark.parametrize("folder", [SMOKE, SMOKE.parent / "quick", SMOKE.parent / "tof-paper", SMOKE.parent.parent])
    def test_our_own_studies_name_what_they_have(self, folder: Path) -> None:
        params = parse_params(yaml.safe_load((folder / "params.yaml").read_text(encoding="utf-8")))
        words = yaml.safe_load((folder / "study.yaml").read_text(encoding="utf-8"))
        require_known_names(params, Study(**words))

    def test_what_is_left_of_a_study_with_more_views_and_arms_does_no_harm(self) -> None:
        names = {"views": {"4ch": "4-chamber", "sax": "short-axis"}, "arms": {"of-another-study": "gone"}}
        require_known_names(smoke(views=["sax"]), Study(**STUDY, names=names))

    @pytest.mark.parametrize(
        ("target", "has"),
        [
            ({"kind": "flagged", "arm": "real"}, "no audit"),
            ({"kind": "interval", "arm": "pggan-synthetic", "at_least": 0.1}, "no width to miss"),
            ({"kind": "interval", "arm": "pggan-synthetic", "at_most": 0.0}, "no width to miss"),
            ({"kind": "ratio", "arm": "pggan-synthetic", "at_least": 0.0}, "a limit that every ratio keeps"),
        ],
    )
    def test_a_target_that_cannot_be_judged_or_missed_is_an_error(self, target: dict[str, Any], has: str) -> None:
        with pytest.raises(UserError, match=rf"target 't' has {has}") as caught:
            _require_judgeable(smoke(), Study(**STUDY, targets=[{"name": "t"} | target]).targets)
        assert_complete(caught.value)

    def test_arms_are_listed_in_order(self) -> None:
        target = {"name": "a target", "kind": "ratio", "arm": "nobody", "at_least": 1.0}
        with pytest.raises(UserError) as caught:
            _require_known_arms(smoke(), Study(**STUDY, targets=[target]).targets)
        listed = str(caught.value).partition("expected: ")[2].splitlines()[0].split(", ")
        assert listed == sorted(listed)
        assert len(listed) == 7


def assert_complete(error: UserError) -> None:
    assert all(f"\n  {part}" in str(error) for part in ("got:", "expected:", "remedy:", "file:"))


class TestRemedies:
    @pytest.mark.parametrize(
        ("text", "what"),
        [
            ("name,dice\na,0.5\n", "columns case and score are missing"),
            ("case,dice\na,0.5\n", "column score is missing"),
            ("case,score\n", "there are no scores"),
            ("case,score\na,high\n", "a score is not a number"),
            ("case,score\n,0.5\n", "a score has no case"),
            ("", "file holds no scores"),
        ],
    )
    def test_scores_of_cases(self, text: str, what: str, tmp_path: Path) -> None:
        path = tmp_path / "scores.csv"
        path.write_text(text, encoding="utf-8")
        with pytest.raises(UserError, match=what) as caught:
            read_cases(path, "Dice")
        assert_complete(caught.value)

    def test_a_table_without_rows_is_not_told_of_its_columns(self) -> None:
        with pytest.raises(UserError, match="add a row for each case"):
            checked(pd.DataFrame(columns=["case", "score"]), "a table")

    def test_a_folder_without_scores(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="the folder holds no scores") as caught:
            read_cases(tmp_path, "Dice")
        assert_complete(caught.value)

    def test_a_list_where_a_mapping_belongs(self) -> None:
        with pytest.raises(UserError, match="file holds no mapping") as caught:
            parse_yaml(b"- a\n", "a.yaml")
        assert_complete(caught.value)

    def test_an_unknown_structure_of_a_view(self) -> None:
        with pytest.raises(UserError, match="annotates unknown structures") as caught:
            LabelScheme(("LV",), {"sax": ("RV",)})
        assert_complete(caught.value)


class TestFileAsSeenByTheReader:
    def test_the_study_stands_before_the_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        study = tmp_path / "studies/broken"
        study.mkdir(parents=True)
        (study / "params.yaml").write_text("seed: 1\nsead: 2\n", encoding="utf-8")
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr("sys.argv", ["augbench", "check", "--study", "studies/broken"])
        with pytest.raises(SystemExit):
            cli.main()
        assert capsys.readouterr().err.splitlines()[-1] == "  file:     studies/broken/params.yaml"

    def test_words_and_whole_paths_stay(self, tmp_path: Path) -> None:
        for file in ("frames.csv of cohort 'a'", tmp_path / "a.csv"):
            error = UserError("what", file=file)
            assert error.seen_from(Path(os.sep)) == str(error)


def test_changed_verdicts_are_shown_by_name() -> None:
    table = pd.DataFrame(columns=["metric", "arm", "n_changed", "n_subjects", "overall"])
    names = Names(arms={"pggan": "PG-GAN alone"}, views={"sax": "short-axis"}, structures={"LV": "left ventricle"})
    moved = [("pggan", "all", "mean", "worse", "better"), ("pggan", "sax", "LV", "worse", "better")]
    shown = markdown(Since("a", "b", table, {}, {}, verdicts=moved, names=names))
    assert "| PG-GAN alone | mean of all | worse | better |" in shown
    assert "| PG-GAN alone | short-axis left ventricle | worse | better |" in shown


def test_costs_are_listed_in_the_order_of_the_pipeline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(SMOKE)
    names = ["all stages (wall time)", "compare", "prepare", "sample@pggan", "train_generator@pggan+0", "evaluate"]
    rows = in_order([{"stage": name} for name in names], smoke())
    assert [row["stage"] for row in rows] == [names[2], names[4], names[3], names[5], names[1], names[0]]
