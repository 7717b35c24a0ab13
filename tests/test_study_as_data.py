"""What a study says is data: a made-up study goes from its tables to page and summary, and nothing else is said."""

from __future__ import annotations

import ast
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from rich.console import Console

from augbench.core import layout
from augbench.core.arms import arms_of
from augbench.core.artifacts import write_array, write_json, write_text
from augbench.core.params import Params, parse_params
from augbench.core.reports import write_report_json, write_report_table
from augbench.core.types import Frames, LabelScheme
from augbench.stages import compare, report, summary
from augbench.stages.evaluate import arms_table
from augbench.stages.examples import write_examples

#: What augbench was first written for; nothing of it may stand in another study's report.
OTHERS = re.compile(r"heart|cardiac|\bMR\b|ventric|Dice|Diller|PG-?GAN|oracle|memoriser", re.IGNORECASE)

STUDY = """
title: Warm feet
question: Can drawn thermograms stand in for persons?
modality: thermography
published:
  citation: Nobody, Journal of Feet 1999
  facts: {persons: 12}
  metric: area_error
  arm: x.1
  arm_title: drawn
  reference: plain
  reference_title: photographed
  rows:
    - {label: sole, view: left, structure: aa, arm: [4.1, 3.2, 5.3], reference: [4.4, 3.1, 5.9], p: "0.2"}
    - {label: toes, view: left, structure: cc, arm: [4.1, 3.2, 5.3], reference: [4.4, 3.1, 5.9]}
targets:
  - {name: Drawn persons err no more, kind: difference, arm: x.1, at_most: 0.5}
  - {name: The ceiling is the best, kind: not below, arm: top, others: [x.1, plain]}
  - {name: Copies are found, kind: flagged, arm: 00-copy}
names:
  views: {left: left foot}
  structures: {aa: sole of the foot}
  arms: {x.1: drawn persons}
notes: [Feet are not hands.]
references: [{text: Nobody 1999}]
"""
#: Error of each arm minus that of the reference. Odd names: one tells another dose than its regime's.
DIFFERENCE = {"plain": 0.0, "x.1": -1.5, "mixed-8-of-2": 1.2, "top": -2.0, "00-copy": 2.5}


def _params() -> Params:
    segmenter = {"kind": "monai_unet", "features": [16, 16, 32, 64, 128, 16]}
    shared = {"cohort": "ours", "segmenter": segmenter, "seeds": [0, 1, 2]}
    root: dict[str, Any] = {
        "seed": 1,
        "raw_data": "data/raw",
        "dataset": {"kind": "thermograms", "cohorts": {"ours": {}, "theirs": {}, "held": {}}},
        "image_size": 16,
        "views": ["left", "right"],
        "generators": {
            name: {"kind": "sketcher", "cohort": "ours", "seeds": [0, 1, 2]} for name in ("draws", "best", "copies")
        },
        "sampling": {"frames": 10},
        "labelling": {},
        "segmenters": {},
        "arms": {
            "patients": {"plain": {"role": "reference", "regime": {"kind": "real"}, **shared}},
            "generated": {
                name: {"role": role, "synthetic": generator, "regime": regime, **shared}
                for name, role, generator, regime in (
                    ("x.1", "studied", "draws", {"kind": "synthetic"}),
                    ("mixed-8-of-2", "studied", "draws", {"kind": "mixed", "synthetic_per_real": 2}),
                    ("top", "positive control", "best", {"kind": "synthetic"}),
                    ("00-copy", "negative control", "copies", {"kind": "synthetic"}),
                )
            },
        },
        "training": {
            **{"steps": 1, "batch_size": 2, "learning_rate": 0.1, "weight_decay": 0},
            **{"validate_every": 1, "selection": "last"},
        },
        "augmentation": {
            **{"probability": 0, "rotation_deg": 0, "scaling": 0, "translation": 0, "gamma": 1},
            **{"blur_px": 0, "bias_field": 0, "rician_noise": 0},
        },
        "evaluation": {"development": ["held"], "external": "theirs", "metrics": {"hd95": {}, "area_error": {}}},
        "audit": {"held_out": "held", "features": {"pixels": {}}, "frames": 20, "metrics": {"neighbours": {}}},
        "comparison": {
            "primary": {"metric": "area_error", "arm": "x.1"},
            "margins": {"area_error": 0.5},
            "alpha": 0.05,
        },
        "compute": {"accelerator": "cpu", "threads": 1},
    }
    return parse_params(root)


def _patients(params: Params) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = []
    for view, structures in (("left", ("aa", "bb")), ("right", ("aa",))):
        for structure in structures:
            level = rng.normal(8, 0.5, 10)
            for arm in arms_of(params):
                for run in arm.runs:
                    errors = level + DIFFERENCE[arm.name] + rng.normal(0, 0.2, 10)
                    for metric, values in (("area_error", errors), ("hd95", 2 * errors)):
                        for number, value in enumerate(values):
                            place = {"view": view, "structure": structure, "metric": metric, **run.identity}
                            rows.append(place | {"subject_id": f"{number:03d}", "site": "attic", "value": value})
    return pd.DataFrame(rows).assign(n_frames=2, n_undefined=0)


def _write_reports(params: Params) -> None:
    """Every file that the stage reads, as the other stages write it."""
    patients = _patients(params)
    write_report_table(layout.PER_PATIENT, patients)
    write_report_table(layout.ARMS, arms_table(params))
    own = patients[patients["metric"] == "area_error"].drop(columns=["subject_id", "site", "n_frames", "n_undefined"])
    keys = [name for name in own.columns if name != "value"]
    development = own.groupby(keys, sort=False)["value"].mean().reset_index()
    write_report_table(layout.development("held"), development.assign(cohort="held", value=development["value"] - 1))
    compare.run(params)
    sizes = [
        ("ours", "cellar", "train", 20, 40),
        ("ours", "cellar", "validation", 4, 8),
        ("theirs", "attic", "", 10, 20),
    ]
    columns = ["cohort", "site", "split", "subjects", "frames"]
    write_report_table(layout.COHORT_SIZES, pd.DataFrame(sizes, columns=columns))
    for name in params.generators:
        curve = pd.DataFrame({"seed": [0, 0, 1, 1], "kimg": [0, 1, 0, 1], "loss": [2.0, 1.0, 2.5, 1.5]})
        write_report_table(layout.generator_curve(name), curve)
        result = {"axis": "privacy", "value": 0.9, "flagged": name == "copies"}
        seeds = {seed: {"neighbours": {"pixels": result}} for seed in ("0", "1")}
        write_report_json(layout.audit(name), {"generator": name, "seeds": seeds})
        pairs = np.zeros((4, 2, 16, 16), np.uint8)
        pairs[:, 1, 4:8, 4:8] = 1
        for file in ("real.npy", "synthetic.npy"):
            write_array(layout.sheets(name) / file, pairs)
        write_json(layout.sheets(name) / "sheet.json", {"structures": ["aa", "bb"], "frames_a_view": 2})


def _write_predictions(params: Params) -> None:
    """Frame `k` of the left view errs by `k` in the primary arm's first run."""
    table = pd.DataFrame({"frame_id": [f"f{k}" for k in range(5)], "subject_id": "007", "view": "left"})
    frames = Frames(
        np.zeros((5, 2, 16, 16), np.uint8), table, LabelScheme(("aa", "bb"), {"left": ("aa", "bb"), "right": ("aa",)})
    )
    arms = {arm.name: arm for arm in arms_of(params)}
    runs = [arms[name].runs[0] for name in ("plain", "x.1")]
    rows = pd.DataFrame(
        [
            {"frame_id": f"f{k}", "metric": "area_error", "value": k + (run.arm == "plain"), **run.identity}
            for run in (*runs, arms["x.1"].runs[1])
            for k in range(5)
        ]
    )
    write_examples(frames, rows, dict.fromkeys(runs, frames.labels), "area_error")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The folder of the study after `report`."""
    folder = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        params = _params()
        write_text(layout.STUDY, STUDY)
        _write_reports(params)
        _write_predictions(params)
        report.run(params)
        patch.setattr(summary, "read_params", lambda: params)
        yield folder


def _page(folder: Path) -> str:
    return (folder / layout.REPORT).read_text(encoding="utf-8")


def _visible(html: str) -> str:
    return re.sub(
        r"\s+", " ", re.sub(r"<[^>]+>", " ", re.sub(r"<style>.*?</style>|base64,[^\"]*", " ", html, flags=re.S))
    )


def test_nothing_of_another_study_is_said(study: Path) -> None:
    html = re.sub(r"base64,[^\"]*", "", _page(study))
    assert OTHERS.findall(html) == []
    assert OTHERS.findall(summary.summary_text()) == []
    assert OTHERS.findall(summary.summary_json()) == []


def test_frames_stay_out_of_reports_unless_the_study_shows_them(study: Path) -> None:
    withheld = {path.name for path in (study / layout.PICTURES).iterdir()}
    assert "examples.png" in withheld
    assert any(name.startswith("sheet-patients") for name in withheld)
    assert "Pictures of frames are withheld" in _page(study)
    assert "base64," not in _page(study)
    assert list((study / layout.REPORTS).rglob("*.png")) == []
    words = (study / layout.STUDY).read_text(encoding="utf-8")
    try:
        write_text(layout.STUDY, words + "pictures: shown\n")
        report.run(_params())
        assert {path.name for path in (study / layout.FIGURES).glob("*.png")} == withheld
        assert "base64," in _page(study)
    finally:
        write_text(layout.STUDY, words)
        report.run(_params())


def test_the_report_has_no_words_of_a_study_in_it() -> None:
    """Neither a template nor a text in the code, whatever the study; docstrings may give examples."""
    package = Path(report.__file__).parent.parent / "report"
    files = {path.name: path.read_text(encoding="utf-8") for path in package.iterdir() if path.suffix in (".py", ".j2")}
    assert len(files) > 20
    for name, text in files.items():
        said = [text]
        if name.endswith(".py"):
            nodes = list(ast.walk(ast.parse(text)))
            alone = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
            said = [str(node.value) for node in nodes if isinstance(node, ast.Constant) and id(node) not in alone]
        assert OTHERS.findall(" ".join(said)) == [], name


def test_what_the_study_says_is_on_the_page(study: Path) -> None:
    text = _visible(_page(study))
    for said in (
        *("Warm feet", "thermography", "Can drawn thermograms stand in for persons?", "Feet are not hands."),
        *("Nobody, Journal of Feet 1999", "persons, 12", "4.1 [3.2–5.3]", "not scored in this run"),
        *("Area error (%)", "lower is better", "drawn persons", "Left foot sole of the foot"),
    ):
        assert said in text, said


def test_fewer_errors_are_better(study: Path) -> None:
    """With the plausible mistake, higher is better, every verdict and every target turns round."""
    found = json.loads(summary.summary_json())
    assert {arm: row["verdict"] for arm, row in found["arms"].items()} == {
        "x.1": "better",
        "mixed-8-of-2": "worse",
        "top": "better",
        "00-copy": "worse",
    }
    assert [target["status"] for target in found["targets"]] == ["shown", "shown", "shown"]
    assert found["flagged_generators"] == {"draws": False, "best": False, "copies": True}
    text = _visible(_page(study))
    assert re.search(
        r"Left foot sole of the foot: better, −1\.\d\d \(.{5,20}\); the whole 95% CI lies below 0 \(p .{4,20} Holm",
        text,
    )
    assert "loses 1.00 % in Area error (%) from held to theirs" in text


def test_controls_stand_apart_by_their_role(study: Path) -> None:
    html = _page(study)
    assert re.findall(r"<h3>(.*?)</h3>", html)[:2] == ["drawn persons", "mixed-8-of-2"]
    section = _visible(html.partition('id="controls"')[2].partition("<h2")[0])
    assert "Top (positive control, an upper bound" in section
    assert "00-copy (negative control" in section
    assert "flagged, as it must be" in section


def test_examples_are_ranked_by_the_primary_metric_and_its_direction(study: Path) -> None:
    table = pd.read_csv(layout.PREDICTIONS / "examples.csv", dtype={"subject_id": str})
    assert dict(zip(table["rank"], table["frame_id"], strict=True)) == {"best": "f0", "median": "f2", "worst": "f4"}
    assert table["reference_score"].to_list() == [1, 3, 5]
    assert set(table["subject_id"]) == {"007"}


@pytest.mark.parametrize(("views", "frames"), [(3, 9), (2, 6), (1, 18), (4, 18)])
def test_a_sheet_has_a_row_a_view(views: int, frames: int) -> None:
    pairs = np.zeros((18, 2, 16, 16), np.uint8)
    png = report.draw_sheet(pairs, views, ["aa"], {})
    rows = -(-frames // 3)
    assert Image.open(io.BytesIO(png)).size == (3 * 64 + 2 * 4, rows * 32 + (rows - 1) * 4)


def test_the_splits_of_a_cohort_are_one_row(study: Path) -> None:
    assert re.search(r"ours cellar 24 48", _visible(_page(study)))


def test_the_summary_is_drawn_on_a_terminal_and_plain_in_a_pipe(study: Path) -> None:
    assert "| drawn persons |" in summary.run(as_json=False)
    assert json.loads(summary.run(as_json=True))["metric"] == "area_error"
    console = Console(record=True, width=140, file=io.StringIO())
    summary.print_summary(console)
    drawn = console.export_text()
    assert "drawn persons" in drawn
    assert "|" not in drawn, "a terminal shows tables, not Markdown"


def test_the_report_reads_no_cohort(study: Path) -> None:
    """The external patients are known from their scores; frames to draw were laid aside by other stages."""
    assert not (study / "data/cohort").exists()
