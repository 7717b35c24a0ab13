"""`augbench gate` in a repository: exit codes, what it prints, what it refuses."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path

import pytest
from revision_factory import ARMS, PARAMS, SCORES, changed, commit, git, scores
from typer.testing import CliRunner

from augbench.cli import app
from augbench.core.errors import UserError

BASE = scores()


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Branches main, worse, again (other trainings, wide), partial (no arm with a generator) and bare (no scores)."""
    folder = tmp_path_factory.mktemp("repository")
    commit(folder, BASE)
    commit(folder, BASE.assign(value=BASE["value"] - 0.03), branch="worse")
    noisy = scores(runs_seed=4)
    noisy["value"] += noisy["segmenter_seed"].map({"0": -0.02, "1": 0.02})
    commit(folder, noisy, branch="again")
    commit(folder, BASE[BASE["arm"] == "plain"], branch="partial")
    commit(folder, BASE, changed(gate={"floors": {"LV": 0.99}}), branch="floors")
    commit(folder, BASE, changed(gate={"margn": 0.02}), branch="misspelt")
    commit(folder, BASE[BASE["subject_id"] != "e0"], branch="fewer")
    git(folder, "checkout", "--quiet", "-B", "bare", "main")
    git(folder, "rm", "--quiet", SCORES)
    git(folder, "commit", "--quiet", "--message", "bare")
    git(folder, "checkout", "--quiet", "-B", "old", "main")
    git(folder, "rm", "--quiet", SCORES)
    (folder / "reports").mkdir(exist_ok=True)
    (folder / "reports" / "per_case.csv").write_text("schema,frame_id,generator,value\n1,a,,0.5\n")
    (folder / "params.yaml").write_text("generator_seeds: [0, 1]\ncontrols: [oracle]\n")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "old")
    git(folder, "checkout", "--quiet", "main")
    arms = deepcopy(PARAMS["arms"])
    arms["generated"]["synth"]["role"] = "positive control"
    lost = BASE.assign(value=BASE["value"].where(BASE["arm"] != "synth", BASE["value"] - 0.05))
    commit(folder, lost, changed(arms=arms), branch="relabelled")
    commit(folder, BASE, changed(arms=arms), branch="control")
    commit(folder, lost, changed(arms=arms), branch="control-lost")
    nsd = {"primary": {"metric": "nsd", "arm": "synth"}, "margins": {"nsd": 0.01}, "alpha": 0.05}
    commit(folder, BASE, changed(comparison=nsd, gate={"margin": 0.005}), branch="surface")
    one = scores(arms={"plain": ARMS["plain"], "synth": ("0",)})
    commit(folder, one, branch="one-generator")
    commit(folder, one.assign(value=one["value"] - 1e-3 * (one["arm"] == "synth")), branch="one-moved")
    git(folder, "checkout", "--quiet", "main")
    return folder


def _run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["gate", *arguments], env={"COLUMNS": "160"})
    if isinstance(result.exception, UserError):  # `cli.main` makes it exit code 2
        return 2, str(result.exception)
    return result.exit_code, result.output


@pytest.mark.parametrize(
    ("arguments", "code", "last"),
    [
        (["main", "main"], 0, "pass: mean Dice is not worse than in main"),
        (["main"], 0, "pass: mean Dice is not worse than in main"),
        (["main", "worse"], 1, "fail: Dice of overall, plain, synth, LV, RV is worse than before by more than 0.01"),
        (["worse", "main"], 0, "pass:"),
        (["main", "partial"], 1, "fail: missing in partial"),
        (["main", "bare"], 1, "fail: missing in bare: revision 'bare' has no reports"),
        (["main", "floors"], 1, "fail: worse than the floor: LV in plain, LV in synth"),
        (["main", "fewer"], 1, "fail: missing in fewer"),
        (["main", "relabelled"], 1, "fail: Dice of overall, synth, LV, RV is worse"),
        (["control", "control-lost"], 0, "pass:"),
        (["main", "surface"], 0, "pass: mean Normalised surface Dice is not worse than in main"),
        (["one-generator", "one-generator"], 0, "pass:"),
        (["one-generator", "one-moved"], 0, "seed variance unknown (generator seeds): other trainings may differ"),
        (["main", "again"], 3, "inconclusive: the limits of overall"),
        (["main", "again", "--inconclusive", "pass"], 0, "(counted as pass by --inconclusive)"),
        (["main", "again", "--inconclusive", "fail"], 1, "(counted as fail by --inconclusive)"),
    ],
)
def test_exit_code_and_last_line(
    repository: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, last: str
) -> None:
    monkeypatch.chdir(repository)
    found, output = _run(*arguments)
    assert found == code
    assert last in output.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "unknown revision 'nowhere'"),
        (["bare", "main"], "has no reports"),
        (["fewer", "main"], "the scored patients differ"),
        (["old", "main"], "the report at 'old' was written by an older augbench"),
        (["main", "old"], "run `augbench repro` with today's augbench at 'old'"),
        (["main", "misspelt"], "margn"),
        (["main", "again", "--inconclusive", "perhaps"], "--inconclusive does not know 'perhaps'"),
        (["main", "--json", "--markdown"], "exclude each other"),
    ],
)
def test_bad_input_is_exit_code_two(
    repository: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(repository)
    found, output = _run(*arguments)
    assert found == 2
    assert message in output


def test_json_and_markdown_say_the_same(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository)
    code, output = _run("main", "again", "--json")
    document = json.loads(output)
    assert (code, document["outcome"], document["seeds"]) == (3, "inconclusive", [2, 2])
    row = document["rows"][0]
    assert row["name"] == "overall"
    assert row["at_worst"] <= row["allowed"] < row["change"]
    assert (row["limited_by"], row["limited_share"] > 0.9) == ("segmenter seeds", True)
    assert document["metric"] == {
        "name": "dice", "title": "Dice", "unit": "", "decimals": 3, "higher_is_better": True,
    }  # fmt: skip
    _, output = _run("main", "again", "--markdown")
    assert output.startswith("### gate: inconclusive, again")
    assert "| overall |" in output
    assert output.strip().splitlines()[-1].startswith("**inconclusive: ")


def test_help_teaches_the_exit_codes() -> None:
    _, output = _run("--help")
    for number, word in enumerate(("pass", "fail", "bad input", "inconclusive")):
        assert f"Exit code {number}, {word}" in " ".join(output.split())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["main", "relabelled"], "changed roles: synth studied -> positive control"),
        (["control", "control-lost"], "not gated, as controls or arms that base does not have: synth"),
        (
            ["main", "surface"],
            "the gate itself changed: {'primary': {'arm': 'synth', 'metric': 'dice'}, 'margin': 0.01",
        ),
        (["one-generator", "one-generator"], "one generator seed in synth: the limits do not speak for another"),
    ],
)
def test_what_a_reader_must_know_is_said(
    repository: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(repository)
    _, output = _run(*arguments, "--json")
    assert any(note.startswith(said) for note in json.loads(output)["notes"]), output
