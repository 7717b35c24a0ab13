"""`augbench verdict`: anybody's scores, with the comparison's statistics."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_rel
from test_report import Page
from typer.testing import CliRunner

from augbench import verdict
from augbench.cli import app
from augbench.core.errors import UserError


def scores(shift: float = 0.0, *, runs: int = 1, cases: int = 15, seed: int = 0, noise: float = 0.01) -> pd.DataFrame:
    rng, level = np.random.default_rng(seed), np.random.default_rng(99).normal(0.88, 0.04, cases)
    rows = [
        (f"p{case:02d}", structure, str(run), level[case] + shift + rng.normal(0, noise))
        for run in range(runs)
        for case in range(cases)
        for structure in ("LV", "RV")
    ]
    return pd.DataFrame(rows, columns=["case", "structure", "segmenter_seed", "score"])


def nnunet(table: pd.DataFrame) -> dict[str, object]:
    """nnU-Net's summary.json of a table with one run."""
    cases = [
        {
            "prediction_file": f"/results/fold_0/{case}.nii.gz", "reference_file": f"/raw/{case}.nii.gz",
            "metrics": {row["structure"]: {"Dice": row["score"], "IoU": 0.5} for row in own.to_dict("records")},
        }
        for case, own in table.groupby("case")
    ]  # fmt: skip
    return {"metric_per_case": cases, "mean": {}, "foreground_mean": {}}


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    paths = tmp_path / "a.csv", tmp_path / "b.csv"
    for path, table in zip(paths, (scores(0.004, seed=1), scores(seed=2)), strict=True):
        table.to_csv(path, index=False)
    return paths


def test_one_run_a_side_is_a_paired_t_test_that_says_what_it_cannot_know(files: tuple[Path, Path]) -> None:
    found = verdict(*files, margin=0.01)
    means = [table.groupby("case")["score"].mean() for table in (scores(0.004, seed=1), scores(seed=2))]
    theirs = ttest_rel(*means)
    row = found.table.iloc[-1]
    assert (row["structure"], row["endpoint"], row["n_subjects"]) == ("mean", "primary", 15)
    assert row["p_value"] == pytest.approx(theirs.pvalue, rel=1e-5)
    low, high = theirs.confidence_interval()
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((low, high))
    assert "(seed variance unknown)" in found.sentences[0]
    assert "One seed of the segmenter was run" in found.sentences[-1]


def test_fifteen_patients_get_a_plain_sentence_on_what_they_could_have_seen() -> None:
    found = verdict(scores(0.005, seed=3, noise=0.04), scores(seed=4, noise=0.04), margin=0.01)
    assert found.word == "inconclusive"
    said = " ".join(found.sentences)
    assert "15 cases and 1 run of A and 1 run of B would find a true difference of" in said
    assert "They could not show a difference below 0.01" in said
    assert "of the variance is from cases" in said
    # That difference is found in about four studies of five.
    hits = []
    for seed in range(200):
        sides = [scores(shift, seed=1000 + 2 * seed + k, noise=0.04) for k, shift in enumerate((found.detectable, 0.0))]
        hits.append(verdict(*sides).table["p_value"].iloc[-1] < 0.05)
    assert 0.6 < np.mean(hits) < 0.97


def test_seeds_are_known_where_there_are_some() -> None:
    found = verdict(scores(0.03, runs=4, seed=1), scores(runs=4, seed=2), margin=0.01)
    assert found.word == "better"
    assert (found.table["seeds_unknown"] == "").all()
    assert verdict(scores(0.03, runs=4, seed=1), scores(runs=4, seed=2), lower_is_better=True).word == "worse"


def test_nnunet_summaries_and_folders_of_them_are_read(tmp_path: Path) -> None:
    for side, shift in (("a", 0.004), ("b", 0.0)):
        (tmp_path / side).mkdir()
        for run in range(3):
            table = scores(shift, seed=10 * run + (side == "a"))
            (tmp_path / side / f"run{run}.json").write_text(json.dumps(nnunet(table)), encoding="utf-8")
    one = verdict(tmp_path / "a/run0.json", tmp_path / "b/run0.json")
    assert one.table["mean_arm"].iloc[-1] == pytest.approx(scores(0.004, seed=1)["score"].mean())
    many = verdict(tmp_path / "a", tmp_path / "b")
    assert (many.table["seeds_unknown"] == "").all()
    assert verdict(tmp_path / "a/run0.json", tmp_path / "b/run0.json", metric="IoU").table["mean_arm"].iloc[-1] == 0.5


def test_an_undefined_score_is_counted_and_makes_no_pair() -> None:
    a, b = scores(seed=1), scores(seed=2)
    a.loc[0, "score"] = np.nan
    table = verdict(a, b).table.set_index("structure")
    assert (table.loc["LV", "n_subjects"], table.loc["LV", "n_undefined"]) == (14, 1)


def test_five_cases_give_no_verdict() -> None:
    found = verdict(scores(cases=5, seed=1), scores(cases=5, seed=2))
    assert found.sentences == ("No verdict: 5 cases have a score on both sides; six are the least for an interval.",)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t[t["case"] != "p03"], "B has no score of case 'p03', structure 'LV'"),
        (lambda t: t.drop(columns="score"), "column score is missing"),
        (lambda t: t.assign(score="high"), "a score is not a number"),
        (lambda t: pd.concat([t, t]), "case 'p00' has two scores of structure 'LV' in one run"),
        (lambda t: t.iloc[:0], "there are no scores"),
    ],
)
def test_what_cannot_be_compared_is_refused(change: object, message: str, tmp_path: Path) -> None:
    changed: pd.DataFrame = change(scores(seed=2))  # type: ignore[operator]
    with pytest.raises(UserError, match=message):
        verdict(scores(seed=1), changed)
    path = tmp_path / "b.csv"
    changed.to_csv(path, index=False)
    with pytest.raises(UserError, match=message):
        verdict(scores(seed=1), path)


@pytest.mark.parametrize(("name", "content"), [("x.json", "{}"), ("x.json", "no json"), ("x.csv", ""), ("y.csv", None)])
def test_a_file_of_another_form_is_refused(tmp_path: Path, name: str, content: str | None) -> None:
    if content is not None:
        (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(UserError):
        verdict(scores(), tmp_path / name)


def test_the_command(files: tuple[Path, Path]) -> None:
    arguments = ["verdict", *map(str, files), "--margin", "0.01"]
    shown = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    assert "over 15 cases A has" in shown.output
    document = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).output)
    assert document["verdict"] == verdict(*files, margin=0.01).word
    assert [row["structure"] for row in document["rows"]] == ["LV", "RV", "mean"]


def test_the_page_holds_verdict_figure_table_and_limits(files: tuple[Path, Path], tmp_path: Path) -> None:
    target = tmp_path / "page.html"
    shown = CliRunner().invoke(app, ["verdict", *map(str, files), "--margin", "0.01", "--html", str(target)])
    assert shown.exit_code == 0
    assert f"wrote {target}" in " ".join(shown.output.split())
    html = target.read_text(encoding="utf-8")
    found = Page(html)
    assert not {"script", "link", "iframe", "object"} & set(found.tags)
    assert found.loads == []
    for sentence in verdict(*files, margin=0.01).sentences:
        assert sentence in found.text
    assert found.tags.count("svg") == 1
    assert {"LV", "RV", "mean"} <= set(re.findall(r'<th scope="row" class="w">(\w+)</th>', html))
    assert "margin fixed in advance: ±0.01" in found.text
    # As `diff --html` does, it replaces what is there; and the same scores give the same bytes.
    CliRunner().invoke(app, ["verdict", *map(str, files), "--margin", "0.01", "--html", str(target)])
    assert target.read_text(encoding="utf-8") == html


def test_a_page_of_summaries_names_their_folders_and_the_metric(tmp_path: Path) -> None:
    for side, shift in (("<b>ours", 0.004), ("theirs", 0.0)):
        (tmp_path / side).mkdir()
        table = scores(shift, seed=len(side))
        (tmp_path / side / "summary.json").write_text(json.dumps(nnunet(table)), encoding="utf-8")
    paths = [str(tmp_path / side / "summary.json") for side in ("<b>ours", "theirs")]
    target = tmp_path / "page.html"
    assert CliRunner().invoke(app, ["verdict", *paths, "--html", str(target)]).exit_code == 0
    html = target.read_text(encoding="utf-8")
    assert "&lt;b&gt;ours/summary against theirs/summary" in html
    assert "Dice: higher is better" in Page(html).text
    assert "no margin given" in Page(html).text


def test_a_page_without_intervals_has_no_figure(tmp_path: Path) -> None:
    for side in ("a", "b"):
        scores(cases=5, seed=ord(side)).to_csv(tmp_path / f"{side}.csv", index=False)
    target = tmp_path / "page.html"
    arguments = ["verdict", str(tmp_path / "a.csv"), str(tmp_path / "b.csv"), "--html", str(target)]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    found = Page(target.read_text(encoding="utf-8"))
    assert "No verdict: 5 cases have a score on both sides" in found.text
    assert "svg" not in found.tags
