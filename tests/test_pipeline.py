"""The smoke study, end to end, in a scratch copy of this checkout; then what an edit or a mistake does to it."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from workspace import Workspace

pytestmark = pytest.mark.pipeline
COMPARISON_COLUMNS = [
    *("view", "structure", "metric", "arm", "reference_arm", "endpoint", "n_subjects", "mean_arm", "mean_reference"),
    *("mean_difference", "ci_low", "ci_high", "ci90_low", "ci90_high", "degrees", "p_value", "p_adjusted", "p_tost"),
    *("verdict", "seeds_unknown"),
]


def test_every_table_has_its_columns(finished: Workspace) -> None:
    reports = finished.folder / "reports"
    arms = pd.read_csv(reports / "arms.csv", keep_default_na=False)
    assert next(iter(arms["arm"])) == "real"
    assert set(arms["role"]) >= {"reference", "studied", "positive control", "negative control"}
    assert set(arms["labels"]) == {"joint", "reference"}
    comparison = pd.read_csv(reports / "comparison.csv")
    assert list(comparison.columns[: 1 + len(COMPARISON_COLUMNS)]) == ["schema", *COMPARISON_COLUMNS]
    assert set(comparison["arm"]) == set(arms["arm"]) - {"real"}
    assert set(comparison["reference_arm"]) == {"real"}
    per_frame = pd.read_csv(finished.folder / "data/scores/external.csv", keep_default_na=False)
    runs = per_frame.groupby(["arm", "generator_seed", "segmenter_seed"]).size()
    assert runs.nunique() == 1, "every run must have a score or a stated reason for every frame and structure"
    assert ((per_frame["value"] == "") == (per_frame["reason"] != "")).all()
    metrics = json.loads((reports / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["arm"] == "pggan-synthetic"
    assert 0 <= metrics["dice"] <= 1
    assert 0 <= metrics["reference"] <= 1

    for path in [*reports.rglob("*.csv"), *reports.rglob("*.json")]:
        text = path.read_text(encoding="utf-8")
        schema = json.loads(text)["schema"] if path.suffix == ".json" else text.partition(",")[0]
        assert schema in (2, 3, "schema"), path


def test_what_git_holds_of_a_study_is_small(finished: Workspace) -> None:
    tables = [path for path in (finished.folder / "reports").rglob("*") if path.suffix in (".csv", ".json", ".gz")]
    pages = [path for path in (finished.folder / "reports").rglob("*") if path.suffix in (".html", ".svg", ".png")]
    assert sum(path.stat().st_size for path in tables) < 2e6
    assert sum(path.stat().st_size for path in pages) < 3e6


def test_patients_scores_are_those_of_their_frames(finished: Workspace) -> None:
    """What git keeps of an arm is the mean of what DVC keeps."""
    per_frame = pd.read_csv(finished.folder / "data/scores/external.csv", dtype={"generator_seed": str})
    keys = ["view", "structure", "metric", "arm", "generator_seed", "segmenter_seed", "subject_id"]
    expected = per_frame.fillna({"generator_seed": ""}).groupby(keys)["value"].mean()
    table = pd.read_csv(finished.folder / "reports/per_patient.csv.gz", dtype={"generator_seed": str})
    found = table.fillna({"generator_seed": ""}).set_index(keys)["value"]
    pd.testing.assert_series_equal(found.sort_index(), expected.sort_index(), rtol=1e-5)


def test_the_memoriser_is_flagged_and_the_oracle_is_not(finished: Workspace) -> None:
    audits = {
        name: json.loads((finished.folder / f"reports/audit/{name}.json").read_text(encoding="utf-8"))
        for name in ("memoriser", "oracle")
    }
    assert audits["memoriser"]["seeds"]["0"]["neighbours"]["pixels"]["value"] > 0.9
    assert [audits[name]["privacy"]["flagged"] for name in ("memoriser", "oracle")] == [True, False]
    # So few frames and patients show single copies all the same.
    assert 0 < audits["oracle"]["privacy"]["detection_limits"]["verbatim"] <= 0.05


def test_the_nearest_pairs_are_kept_beside_the_sheets_and_not_in_reports(finished: Workspace) -> None:
    folder = finished.folder / "data/sheets/memoriser"
    pairs, images = pd.read_csv(folder / "pairs.csv"), np.load(folder / "pairs.npy")
    assert images.shape[:2] == (len(pairs), 3)
    pixels = (pairs["features"] == "pixels").to_numpy()
    assert (pairs["training_distance"] < pairs["held_out_distance"])[pixels].all()
    near = images[pixels].astype(float)
    assert np.abs(near[:, 0] - near[:, 1]).mean() < np.abs(near[:, 0] - near[:, 2]).mean()
    assert not list((finished.folder / "reports").rglob("pairs*"))


def test_cohorts_share_no_patient(finished: Workspace) -> None:
    seen: set[str] = set()
    for folder in sorted((finished.folder / "data/cohort").iterdir()):
        subjects = set(pd.read_csv(folder / "frames.csv")["subject_id"])
        assert not subjects & seen
        seen |= subjects


def test_the_report_is_one_file_that_opens_offline(finished: Workspace) -> None:
    page = (finished.folder / "reports/report.html").read_text(encoding="utf-8")
    assert not re.findall(r"""<(?:script|link|img|iframe)[^>]*(?:src|href)=["']https?:""", page)
    assert "Smoke" in page or "smoke" in page


def test_nothing_is_out_of_date_and_a_second_run_changes_nothing(finished: Workspace) -> None:
    assert finished.changed_stages() == set()
    before = finished.hashes()
    done = finished.dvc("repro")
    assert done.returncode == 0
    assert "Running stage" not in done.stdout
    assert finished.hashes() == before


def test_an_edit_makes_its_own_stages_stale(finished: Workspace) -> None:
    cases = {
        "src/augbench/generators/memoriser/__init__.py": {"train_generator@memoriser", "sample@memoriser"},
        "src/augbench/comparison/verdict.py": {"compare", "report"},
        "src/augbench/regimes/mixed.py": {"train_segmenter_generated@pggan-mixed-1"},
        "src/augbench/runtime/progress.py": set(),
    }
    for name, expected in cases.items():
        path = finished.root / name
        text = path.read_text(encoding="utf-8")
        path.write_text(text + "# edited\n", encoding="utf-8")
        try:
            assert finished.changed_stages() == expected
        finally:
            path.write_text(text, encoding="utf-8")
    assert finished.changed_stages() == set()


def test_training_again_gives_the_same_bytes(finished: Workspace) -> None:
    before = finished.hashes()
    stages = ("train_generator@pggan", "sample@pggan", "train_segmenter_generated@pggan-synthetic")
    # Otherwise every part would be kept: its inputs are the same.
    shutil.rmtree(finished.folder / ".augbench/finished")
    done = finished.dvc("repro", "--force", "--single-item", "--no-run-cache", *stages)
    assert done.returncode == 0, done.stderr[-2000:]
    assert {name: finished.hashes()[name] for name in stages} == {name: before[name] for name in stages}


MISTAKES = [
    ("seed: 2020", "sead: 2020", r"unknown parameter 'sead'[\s\S]*did you mean 'seed'"),
    ("steps: 60", "steps: none", r"'training.steps' is not valid"),
    ("image_size: 32", "image_size: 40", r"40[\s\S]*remedy"),
    ("views: [4ch, 2ch, sax]", "views: [4ch, 3ch]", r"3ch"),
    ("kind: pggan", "kind: pggam", r"unknown kind 'pggam'[\s\S]*did you mean 'pggan'"),
    ("kind: monai_unet", "kind: monai_unett", r"unknown kind 'monai_unett'[\s\S]*did you mean"),
    ("synthetic_per_real: 1", "synthetic_per_real: 1000", r"more frames than were sampled[\s\S]*raise sampling.frames"),
]


@pytest.mark.parametrize(("old", "new", "message"), MISTAKES, ids=[new[:32] for _, new, _ in MISTAKES])
def test_a_mistake_is_one_message_and_leaves_results_untouched(
    finished: Workspace, old: str, new: str, message: str
) -> None:
    path = finished.folder / "params.yaml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    before = {file: file.stat().st_mtime_ns for file in (finished.folder / "data").rglob("*") if file.is_file()}
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    try:
        command = ["prepare"]
        if "synthetic_per_real" in new:
            command = ["train-segmenter", "pggan-mixed-1"]
        done = finished.augbench(*command)
    finally:
        path.write_text(text, encoding="utf-8")
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert re.search(message, done.stderr), done.stderr
    assert re.search(r"got:[\s\S]*expected:[\s\S]*remedy:", done.stderr)
    after = {file: file.stat().st_mtime_ns for file in (finished.folder / "data").rglob("*") if file.is_file()}
    assert after == before


def test_a_subject_in_two_splits_is_refused_when_read(finished: Workspace, tmp_path: Path) -> None:
    """A hand-edited cohort table that moves a training patient to validation is caught before training."""
    table_file = finished.folder / "data/cohort/segmenter/frames.csv"
    text = table_file.read_bytes()
    table = pd.read_csv(table_file)
    table.loc[0, "split"] = "validation"
    table_file.unlink()
    table.to_csv(table_file, index=False)
    try:
        done = finished.augbench("train-segmenter", "real")
    finally:
        table_file.unlink()
        table_file.write_bytes(text)
    assert done.returncode == 2
    assert "is in two splits" in done.stderr


def test_synthetic_frames_do_not_depend_on_how_many_are_asked_for(finished: Workspace) -> None:
    folder = finished.folder / "data/synthetic/pggan/0"
    before = np.load(folder / "00000.npy")
    path = finished.folder / "params.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("frames: 300", "frames: 20"), encoding="utf-8")
    try:
        assert finished.augbench("sample", "pggan").returncode == 0
        assert np.array_equal(np.load(folder / "00000.npy"), before[:20])
    finally:
        path.write_text(text, encoding="utf-8")
        assert finished.dvc("checkout", "--force", "sample@pggan").returncode == 0


def test_a_fresh_clone_pulls_everything_and_an_edit_runs_its_own_stages(finished: Workspace, tmp_path: Path) -> None:
    """A local folder is the remote. Stage commands leave rows in .augbench, which no clone and no pull brings."""
    identity = ("-c", "user.name=test", "-c", "user.email=test@localhost")
    remote = ("remote", "add", "--local", "--force", "--default", "store", str(tmp_path / "remote"))
    assert finished.run("git", "add", "--all", str(finished.root)).returncode == 0
    assert finished.run("git", *identity, "commit", "--quiet", "--message", "results").returncode == 0
    assert finished.dvc(*remote).returncode == 0
    pushed = finished.dvc("push", "--run-cache")
    assert pushed.returncode == 0, pushed.stderr[-2000:]

    assert finished.run("git", "clone", "--quiet", str(finished.root), str(tmp_path / "fresh")).returncode == 0
    fresh = Workspace(tmp_path / "fresh")
    assert fresh.dvc(*remote).returncode == 0
    pulled = fresh.dvc("pull", "--run-cache", "dvc.yaml")
    assert pulled.returncode == 0, pulled.stderr[-2000:]
    done = fresh.dvc("repro")
    assert done.returncode == 0, done.stderr[-2000:]
    assert _stages_run(fresh) == set()
    assert fresh.changed_stages() == set()
    assert fresh.run("git", "status", "--porcelain").stdout == ""

    source = fresh.root / "src/augbench/generators/memoriser/__init__.py"
    source.write_text(source.read_text(encoding="utf-8") + "# edited\n", encoding="utf-8")
    done = fresh.dvc("repro")
    assert done.returncode == 0, done.stderr[-2000:]
    assert _stages_run(fresh) == {"train_generator@memoriser", "sample@memoriser"}
    assert fresh.hashes() == finished.hashes()


def _stages_run(workspace: Workspace) -> set[str]:
    return {path.stem.partition("+")[0] for path in (workspace.folder / ".augbench/provenance").glob("*.json")}
