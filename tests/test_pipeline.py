"""The smoke preset, end to end, in a scratch copy of this checkout; then what an edit or a mistake does to it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from workspace import Workspace

pytestmark = pytest.mark.pipeline
COMPARISON_COLUMNS = [
    *("view", "structure", "metric", "arm", "reference_arm", "n_subjects", "mean_arm", "mean_reference"),
    *("mean_difference", "ci_low", "ci_high", "ci90_low", "ci90_high", "sd_paired", "p_wilcoxon", "p_holm", "verdict"),
]


def test_every_table_has_its_columns(finished: Workspace) -> None:
    reports = finished.folder / "reports"
    comparison = pd.read_csv(reports / "comparison.csv")
    assert list(comparison.columns[: 1 + len(COMPARISON_COLUMNS)]) == ["schema", *COMPARISON_COLUMNS]
    assert {"pggan/synthetic", "pggan/mixed-1", "oracle/synthetic", "memoriser/synthetic"} == set(comparison["arm"])
    assert set(comparison["reference_arm"]) == {"real"}
    per_case = pd.read_csv(reports / "per_case.csv")
    runs = per_case[["generator", "regime", "generator_seed", "segmenter_seed"]].drop_duplicates()
    assert len(runs) == 2 * 5
    counts = per_case.groupby([per_case["generator"].fillna(""), "regime", "segmenter_seed"]).size()
    assert counts.nunique() == 1, "every run must have a score or a stated reason for every frame and structure"
    assert per_case["value"].notna().eq(per_case["reason"].isna()).all()
    for name in ("per_case", "development", "comparison", "sites", "variance", "dose_response"):
        labels = pd.read_csv(reports / f"{name}.csv")["labels"]
        assert set(labels) == ({"joint"} if name == "comparison" else {"joint", "reference"}), name
    metrics = json.loads((reports / "metrics.json").read_text(encoding="utf-8"))
    assert 0 <= metrics["dice"]["real"] <= 1

    for path in [*reports.rglob("*.csv"), *reports.rglob("*.json")]:
        text = path.read_text(encoding="utf-8")
        schema = json.loads(text)["schema"] if path.suffix == ".json" else text.partition(",")[0]
        assert schema in (1, "schema"), path


def test_the_memoriser_is_flagged_and_the_oracle_is_not(finished: Workspace) -> None:
    flags = {
        name: json.loads((finished.folder / f"reports/audit/{name}-0.json").read_text(encoding="utf-8"))
        for name in ("memoriser", "oracle")
    }
    assert flags["memoriser"]["nn_distance"]["pixels"]["memorised"] is True
    assert flags["oracle"]["nn_distance"]["pixels"]["memorised"] is False


def test_cohorts_share_no_patient(finished: Workspace) -> None:
    seen: set[str] = set()
    for folder in sorted((finished.folder / "data/cohort").iterdir()):
        subjects = set(pd.read_csv(folder / "frames.csv")["subject_id"])
        assert not subjects & seen
        seen |= subjects


def test_the_report_is_one_file_that_opens_offline(finished: Workspace) -> None:
    page = (finished.folder / "reports/report.html").read_text(encoding="utf-8")
    assert not re.findall(r"""<(?:script|link|img|iframe)[^>]*(?:src|href)=["']https?:""", page)
    for word in ("pggan/synthetic", "pggan/mixed-1", "oracle", "memoriser"):
        assert word in page


def test_nothing_is_out_of_date_and_a_second_run_changes_nothing(finished: Workspace) -> None:
    assert finished.changed_stages() == set()
    before = finished.hashes()
    done = finished.dvc("repro")
    assert done.returncode == 0
    assert "Running stage" not in done.stdout
    assert finished.hashes() == before


def test_an_edit_makes_its_own_stages_stale(finished: Workspace) -> None:
    cases = {
        "src/augbench/generators/memoriser/__init__.py": {"train_generator@memoriser-0", "sample@memoriser-0"},
        "src/augbench/comparison/tost.py": {"compare"},
        "src/augbench/regimes/mixed.py": {f"train_segmenter_mixed@pggan-1-0-{seed}" for seed in (0, 1)},
    }
    for name, expected in cases.items():
        path = finished.folder / name
        text = path.read_text(encoding="utf-8")
        path.write_text(text + "# edited\n", encoding="utf-8")
        try:
            assert finished.changed_stages() == expected
        finally:
            path.write_text(text, encoding="utf-8")
    assert finished.changed_stages() == set()


def test_training_again_gives_the_same_bytes(finished: Workspace) -> None:
    before = finished.hashes()
    stages = ("train_generator@pggan-0", "sample@pggan-0", "train_segmenter_synthetic@pggan-0-1")
    done = finished.dvc("repro", "--force", "--single-item", "--no-run-cache", *stages)
    assert done.returncode == 0, done.stderr[-2000:]
    assert {name: finished.hashes()[name] for name in stages} == {name: before[name] for name in stages}


MISTAKES = [
    ("seed: 2020", "sead: 2020", r"unknown parameter 'sead'[\s\S]*did you mean 'seed'"),
    ("steps: 60", "steps: none", r"'training.steps' is not valid"),
    ("external_subjects: 12", "external_subjects: 0", r"external_subjects"),
    (
        "synthetic_per_real: [1]",
        "synthetic_per_real: [1000]",
        r"more frames than were sampled[\s\S]*raise sampling.frames",
    ),
    ("image_size: 32", "image_size: 40", r"multiple of 16"),
    ("views: [4ch, 2ch, sax]", "views: [4ch, 3ch]", r"3ch"),
    ("  pggan: {", "  pggam: {", r"do not name every generator[\s\S]*pggam"),
    ("segmenter: monai_unet", "segmenter: monai_unett", r"has no section in segmenters"),
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
            command = ["train-segmenter", "mixed", "0", "--generator", "pggan", "--generator-seed", "0"]
            command += ["--synthetic-per-real", "1000"]
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
    first = table.index[table["split"] == "train"][0]
    table.loc[first, "split"] = "validation"
    table_file.unlink()
    table.to_csv(table_file, index=False)
    try:
        done = finished.augbench("train-segmenter", "real", "0")
    finally:
        table_file.unlink()
        table_file.write_bytes(text)
    assert done.returncode == 2
    assert "is in two splits" in done.stderr


def test_synthetic_frames_do_not_depend_on_how_many_are_asked_for(finished: Workspace) -> None:
    folder = finished.folder / "data/synthetic/pggan-0"
    before = np.load(folder / "00000.npy")
    path = finished.folder / "params.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("frames: 300", "frames: 20"), encoding="utf-8")
    try:
        assert finished.augbench("sample", "pggan", "0").returncode == 0
        assert np.array_equal(np.load(folder / "00000.npy"), before[:20])
    finally:
        path.write_text(text, encoding="utf-8")
        assert finished.dvc("checkout", "--force", "sample@pggan-0").returncode == 0


def test_a_fresh_clone_pulls_everything_and_an_edit_runs_its_own_stages(finished: Workspace, tmp_path: Path) -> None:
    """A local folder is the remote. Stage commands leave rows in .augbench, which no clone and no pull brings."""
    identity = ("-c", "user.name=test", "-c", "user.email=test@localhost")
    remote = ("remote", "add", "--local", "--force", "--default", "store", str(tmp_path / "remote"))
    assert finished.run("git", "add", "--all").returncode == 0
    assert finished.run("git", *identity, "commit", "--quiet", "--message", "results").returncode == 0
    assert finished.dvc(*remote).returncode == 0
    pushed = finished.dvc("push", "--run-cache")
    assert pushed.returncode == 0, pushed.stderr[-2000:]

    assert finished.run("git", "clone", "--quiet", ".", str(tmp_path / "fresh")).returncode == 0
    fresh = Workspace(tmp_path / "fresh")
    assert fresh.dvc(*remote).returncode == 0
    pulled = fresh.dvc("pull", "--run-cache")
    assert pulled.returncode == 0, pulled.stderr[-2000:]
    done = fresh.dvc("repro")
    assert done.returncode == 0, done.stderr[-2000:]
    assert _stages_run(fresh) == set()
    assert fresh.changed_stages() == set()
    assert fresh.run("git", "status", "--porcelain").stdout == ""

    source = fresh.folder / "src/augbench/generators/memoriser/__init__.py"
    source.write_text(source.read_text(encoding="utf-8") + "# edited\n", encoding="utf-8")
    done = fresh.dvc("repro")
    assert done.returncode == 0, done.stderr[-2000:]
    assert _stages_run(fresh) == {"train_generator@memoriser-0", "sample@memoriser-0"}
    assert fresh.hashes() == finished.hashes()


def _stages_run(workspace: Workspace) -> set[str]:
    return {path.stem for path in (workspace.folder / ".augbench/provenance").glob("*.json")}
