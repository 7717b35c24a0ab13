"""augbench studies, dag and --study: what is there, and how its stages hang together."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from bad_input import ROOT, run
from workspace import copy_checkout

from augbench.comparison.summary import Endpoint, headline
from augbench.core.layout import METRICS, PROVENANCE
from augbench.runtime.running import registered
from augbench.stages.dag import families
from augbench.stages.places import TEMPLATES, carried_studies
from augbench.stages.repro import WHOLE_RUN


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return copy_checkout(tmp_path).root


def _rows(folder: Path) -> dict[str, dict[str, object]]:
    code, shown, message = run(folder, "studies", "--json")
    assert code == 0, message
    return {row["name"]: row for row in json.loads(shown)}


def test_every_study_is_listed_with_what_it_is(checkout: Path) -> None:
    rows = _rows(checkout)
    assert {".", "acdc", "quick", "smoke", "tof-paper"} <= set(rows)
    assert rows["smoke"]["dataset"] == "tof_phantom"
    assert (rows["smoke"]["arms"], rows["smoke"]["runs"], rows["smoke"]["is_try"]) == (7, 20, False)
    assert rows["."]["title"] == yaml.safe_load((ROOT / "study.yaml").read_text(encoding="utf-8"))["title"]
    assert {row["state"] for row in rows.values()} == {"never run"}
    assert _rows(checkout / "studies/smoke") == rows


def _write(folder: Path, name: Path, content: object) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps(content), encoding="utf-8")


def test_time_and_result_come_from_the_reports(checkout: Path) -> None:
    folder = checkout / "studies/smoke"
    interval = {"mean_difference": -0.0124, "ci_low": -0.03, "ci_high": 0.0051, "verdict": "inconclusive"}
    means = {"mean_arm": 0.8, "mean_reference": 0.8124}
    table = pd.DataFrame([{"metric": "dice", "arm": "pggan-synthetic", "overall": True, **means, **interval}])
    # As `compare` writes it: another form of the file must be found here.
    _write(folder, METRICS, {"schema": 2, **headline(table, Endpoint("dice", "pggan-synthetic"))})
    stages = [
        {"stage": "prepare", "seconds": 10.0, "core_seconds": 8.0},
        {"stage": "train_generator@memoriser+0", "seconds": 5000.0, "core_seconds": 4800.0},
        {"stage": WHOLE_RUN, "seconds": 20.0, "core_seconds": 1.0},
    ]
    _write(folder, PROVENANCE, {"stages": stages})
    row = _rows(checkout)["smoke"]
    assert (row["core_seconds"], row["verdict"], row["difference"]) == (
        4808.0,
        "inconclusive",
        [-0.0124, -0.03, 0.0051],
    )
    shown = " ".join(run(checkout, "studies")[1].split())  # however wide the terminal is
    assert "1 h 20 min of processor time" in shown
    assert "inconclusive: −0.0124 (−0.0300 to 0.0051)" in shown
    _write(folder, PROVENANCE, {"stages": stages[:1]})
    assert _rows(checkout)["smoke"]["core_seconds"] == 8.0
    _write(folder, PROVENANCE, {"stages": stages[:1], "parts_without_cost": 3})
    assert _rows(checkout)["smoke"]["core_seconds"] is None


@pytest.mark.parametrize("content", [{"schema": 1, "dice": {"real": 0.8}}, [], {"pggan-synthetic": {"dice": 0.8}}])
def test_reports_of_another_form_are_no_error(content: object, checkout: Path) -> None:
    _write(checkout / "studies/smoke", METRICS, content)
    assert _rows(checkout)["smoke"]["difference"] is None


def test_a_broken_study_does_not_hide_the_others(checkout: Path) -> None:
    params = checkout / "studies/quick/params.yaml"
    params.write_text(params.read_text(encoding="utf-8").replace("steps:", "stepz:"), encoding="utf-8")
    rows = _rows(checkout)
    assert str(rows["quick"]["state"]).startswith("broken: unknown parameter 'training.stepz'")
    assert rows["smoke"]["arms"] == 7


def test_a_try_is_marked(checkout: Path) -> None:
    from augbench.stages import repro

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(repro, "run", lambda *_: None)
        assert run(checkout, "repro", "--study", "studies/smoke", "--set", "seed=5")[0] == 0
    tries = [row for row in _rows(checkout).values() if row["is_try"]]
    assert len(tries) == 1
    assert "(try)" in run(checkout, "studies")[1]


STAGES = """\
stages:
  make:
    cmd: python -c "open('made', 'w').write('x')"
    params: [seed]
    outs: [made]
"""


def test_states_follow_dvc(checkout: Path) -> None:
    folder = checkout / "studies/smoke"
    (folder / "dvc.yaml").unlink()
    (folder / "dvc.yaml").write_text(STAGES, encoding="utf-8")
    assert _rows(checkout)["smoke"]["state"] == "never run"
    subprocess.run([sys.executable, "-m", "dvc", "repro", "-q"], cwd=folder, check=True)
    assert _rows(checkout)["smoke"]["state"] == "up to date"
    (folder / "made").unlink()
    assert _rows(checkout)["smoke"]["state"] == "up to date, data not here"
    subprocess.run([sys.executable, "-m", "dvc", "checkout", "-q", "make"], cwd=folder, check=True)
    params = folder / "params.yaml"
    params.write_text(params.read_text(encoding="utf-8").replace("seed: 2020", "seed: 2021"), encoding="utf-8")
    assert _rows(checkout)["smoke"]["state"] == "stale: 1 of 1 stages"


def test_a_study_at_work_is_left_alone(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(checkout / "studies/smoke")
    with registered("train_generator@pggan"):
        assert _rows(checkout)["smoke"]["state"] == "running: train_generator@pggan"
        assert _rows(checkout)["quick"]["state"] == "never run"


def test_the_option_stands_before_and_behind_the_command(checkout: Path) -> None:
    for command in (["--study", "studies/smoke", "dag"], ["dag", "--study", "studies/smoke"]):
        code, shown, message = run(checkout, *command)
        assert code == 0, message
        assert shown.startswith("smoke, 25 stages")


def test_the_tree_names_entries_and_what_they_wait_for(checkout: Path) -> None:
    shown = run(checkout, "dag", "--study", "studies/smoke")[1]
    assert "pggan-pretrain  after prepare, sample@pggan" in shown
    assert "after all of develop, evaluate" in shown
    assert "studies/" not in shown, "stages of other studies are not shown"


def test_the_diagram_has_a_box_a_family_and_no_arrow_too_many(checkout: Path) -> None:
    lines = run(checkout, "dag", "--mermaid")[1].splitlines()
    assert lines[0] == "flowchart LR"
    boxes = [line for line in lines if '["' in line]
    families_of_the_study = set(yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]) - {"label"}
    assert yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))["labelling"] == {}
    assert len(boxes) == len(families_of_the_study)
    assert '    prepare["<b>prepare</b>"]' in boxes
    assert any("pggan-equal<br/>oracle" in box for box in boxes)
    assert "    prepare --> train_generator" in lines
    assert "    prepare --> sample" not in lines, "it follows from the fit"


def test_families_of_a_graph() -> None:
    import networkx as nx

    found = families(nx.DiGraph([("a", "b@x"), ("a", "b@y"), ("b@x", "c"), ("b@y", "c")]))
    assert set(found.edges) == {("a", "b"), ("b", "c")}


def test_the_package_carries_the_root_study_and_all_others() -> None:
    tracked = {path.parent.name for path in (ROOT / "studies").glob("*/study.yaml")}
    carried = carried_studies()
    assert {"smoke", "quick", "acdc", "tof-paper"} <= set(carried) - {"tof"} <= tracked
    for name, folder in carried.items():
        own = ROOT if name == "tof" else ROOT / "studies" / name
        for file in ("params.yaml", "study.yaml"):
            assert (folder / file).resolve() == (own / file).resolve()
    assert {path.name for path in (TEMPLATES / "plots").iterdir()} == {
        path.name for path in (ROOT / ".dvc/plots").iterdir()
    }


def test_version_and_module() -> None:
    import sys

    done = subprocess.run([sys.executable, "-m", "augbench", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("augbench ")
    assert done.stdout.split()[1][0].isdigit()


def test_help_is_there_at_once_and_reads_as_english() -> None:
    import sys
    import time

    spent = []
    for _ in range(3):
        start = time.monotonic()
        done = subprocess.run([sys.executable, "-m", "augbench", "--help"], capture_output=True, text=True, check=True)
        spent.append(time.monotonic() - start)
    # Half a second on a quiet machine; other tests may run beside this one.
    assert min(spent) < 1.5
    for command in ("studies", "new", "check", "repro", "dag", "inspect", "report", "summary", "diff", "gate"):
        assert command in done.stdout
        assert run(ROOT, command, "--help")[0] == 0


@pytest.mark.parametrize("command", ["repro", "check", "report", "summary", "diff", "gate", "inspect", "dag"])
def test_commands_about_a_study_take_its_folder(command: str) -> None:
    assert "--study" in run(ROOT, command, "--help")[1]
