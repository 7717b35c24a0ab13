"""A run that is killed again and again ends in exactly the bytes of a run that was never killed, in another clone."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from conftest import Reference
from workspace import copy_checkout

from faults.harness import FAULTS, Watched, differences, draw_kills, leftovers, run_killed

KILLS, SEED = 12, 3


@pytest.mark.pipeline
def test_a_dozen_kills_in_all_stages_and_another_clone_change_no_byte(reference: Reference, tmp_path: Path) -> None:
    """Two statements at once: two fresh clones in two paths give the same hashes, and kills do not change them."""
    workspace = copy_checkout(tmp_path / "killed")
    kills = draw_kills(list(reference.stages), KILLS, SEED)
    outcome = run_killed(Watched(workspace, tmp_path / "watched"), kills, reference.seconds)
    assert not outcome.missed
    assert differences(reference.stages, workspace.locked_stages()) == []
    assert leftovers(workspace.folder) == []
    assert workspace.changed_stages() == set()


STAGES = ["prepare", *(f"sample@{name}" for name in "abcd"), *(f"audit@{name}" for name in "ab"), "report"]


def test_kills_follow_from_the_seed_and_reach_every_kind_of_stage_first() -> None:
    kills = draw_kills(STAGES, 24, 1)
    assert kills == draw_kills(STAGES[::-1], 24, 1)
    assert kills != draw_kills(STAGES, 24, 2)
    assert {kill.stage.split("@")[0] for kill in kills[:4]} == {"prepare", "sample", "audit", "report"}
    assert set(Counter(kill.stage for kill in kills).values()) == {3}
    assert {(kill.signal, kill.target) for kill in kills[:6]} == set(FAULTS)


def test_differences_name_the_stage_and_the_part() -> None:
    ours = {"prepare": {"cmd": "x", "outs": [{"path": "a", "md5": "1"}]}, "report": {"cmd": "y"}}
    theirs = {"prepare": {"cmd": "x", "outs": [{"path": "a", "md5": "2"}]}}
    assert differences(ours, ours) == []
    assert [line.split(":")[0] for line in differences(ours, theirs)] == ["report", "prepare"]
    assert "outs differ" in differences(ours, theirs)[1]
