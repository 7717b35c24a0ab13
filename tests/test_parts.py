"""Stages of several seeds: finished parts are kept, everything else is made again."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from augbench.core.params import Params, read_params
from augbench.runtime import parts as module
from augbench.runtime import provenance
from augbench.runtime.parts import Parts
from augbench.runtime.pipeline import Stage

ROOT = Path(__file__).parent.parent
STAGE = "train_generator@made-up"
OUT = Path("data/generators/made-up")


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    """A folder in which the stage depends on one file."""
    monkeypatch.chdir(tmp_path)
    Path("input").write_text("one", encoding="utf-8")
    monkeypatch.setattr(module, "stage_named", lambda params, name: Stage(name, ["input"], ["seed"]))
    return read_params(ROOT / "params.yaml")


def _make(params: Params, wanted: list[str], keep: bool = True) -> list[str]:
    """Parts that were made and not kept."""
    made = []
    parts = Parts(params, STAGE, OUT)
    for part, _ in parts.unfinished(wanted):
        (OUT / part).mkdir(parents=True, exist_ok=True)
        (OUT / part / "weights").write_text(part, encoding="utf-8")
        made.append(part)
    if keep:
        parts.keep_only(wanted)
    return made


def test_another_seed_makes_its_own_part_alone(params: Params) -> None:
    assert _make(params, ["0", "1"]) == ["0", "1"]
    assert _make(params, ["0", "1"]) == []
    assert _make(params, ["0", "1", "2"]) == ["2"]


def test_a_seed_that_is_no_longer_listed_is_removed(params: Params) -> None:
    _make(params, ["0", "1"])
    assert _make(params, ["1"]) == []
    assert [path.name for path in OUT.iterdir()] == ["1"]
    assert _make(params, ["0", "1"]) == ["0"]


def test_other_inputs_or_other_bytes_are_made_again(params: Params) -> None:
    _make(params, ["0", "1"])
    (OUT / "1/weights").write_text("damaged", encoding="utf-8")
    assert _make(params, ["0", "1"]) == ["1"]
    Path("input").write_text("two", encoding="utf-8")
    assert _make(params, ["0", "1"]) == ["0", "1"]
    assert _make(params.model_copy(update={"seed": 1}), ["0", "1"]) == ["0", "1"]


def test_a_part_that_failed_is_not_finished(params: Params) -> None:
    unfinished = Parts(params, STAGE, OUT).unfinished(["0", "1"])
    part, _ = next(unfinished)
    (OUT / part).mkdir(parents=True)
    # What an exception in the loop's body does to the generator that it runs over.
    unfinished.close()
    assert _make(params, ["0", "1"]) == ["0", "1"]


def test_cost_of_a_kept_part_stays_and_its_stage_leaves_it_out(params: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 1000, 10))
    times = SimpleNamespace(monotonic=lambda: float(next(clock)), process_time=lambda: 0.0)
    monkeypatch.setattr(provenance, "time", times)
    with provenance.recorded(STAGE):  # at 0, its two parts from 10 to 20 and from 30 to 40, its end at 50
        _make(params, ["0", "1"])
    assert _seconds() == {STAGE: 30.0, f"{STAGE}+0": 10.0, f"{STAGE}+1": 10.0}
    with provenance.recorded(STAGE):
        _make(params, ["0", "1"])
    assert _seconds() == {STAGE: 10.0, f"{STAGE}+0": 10.0, f"{STAGE}+1": 10.0}


def test_what_ends_in_an_error_has_no_cost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with provenance.recorded("whole"), pytest.raises(ValueError), provenance.recorded("part"):  # noqa: PT011
        raise ValueError
    assert set(_seconds()) == {"whole"}


def _seconds() -> dict[str, float]:
    return {row["stage"]: row["seconds"] for row in provenance.collect()["stages"]}
