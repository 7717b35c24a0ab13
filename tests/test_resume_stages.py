"""Sampling and scoring that are stopped and started again write the bytes of a run that was not stopped."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from augbench.core.arms import Arm, Run, arms_of
from augbench.core.params import Params
from augbench.core.shards import kept_blocks, write_shards
from augbench.core.types import LabelScheme, Pairs
from augbench.runtime.checkpoints import Checkpoints
from augbench.stages import scoring
from tests.test_training import discs

FRAMES, BLOCK, SHARD = 17, 3, 5


class StopsAfter(Checkpoints):
    """Saves every second time it is asked; ends the process at a save after `asked` questions, as a requested stop."""

    def __init__(self, asked: int) -> None:
        super().__init__("task", "a-b-c-d", every_seconds=1e9)
        self._left, self._asked = asked, 0

    def due(self) -> bool:
        self._asked += 1
        return self._asked % 2 == 0 or self._asked == self._left

    def save(self, *content: Any) -> None:
        super().save(*content)
        if self._asked == self._left:
            raise SystemExit(75)


def _sample(folder: Path, checkpoints: Checkpoints | None) -> list[int]:
    """The first frame of every block that was made and not read."""
    made = []

    def blocks(first: int) -> Iterator[Pairs]:
        for start in range(first, FRAMES, BLOCK):
            made.append(start)
            count = min(BLOCK, FRAMES - start)
            numbers = np.arange(start, start + count, dtype=np.uint8)
            yield np.broadcast_to(numbers[:, None, None, None], (count, 2, 4, 4)).copy()

    table = pd.DataFrame({"frame_id": range(FRAMES), "view": "sax", "spacing_mm": 1.0, "frame_seed": range(FRAMES)})
    scheme = LabelScheme(("LV",), {"sax": ("LV",)})
    write_shards(folder, kept_blocks(blocks, checkpoints), table, scheme, shard_frames=SHARD)
    return made


def _content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_stopped_sampling_goes_on_with_the_frames_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    _sample(Path("whole"), None)
    for blocks in (1, 3):
        with pytest.raises(SystemExit):
            _sample(Path("stopped"), StopsAfter(blocks))
        assert not Path("stopped").exists()
    assert _sample(Path("stopped"), StopsAfter(99)) == [12, 15]
    assert _content(Path("stopped")) == _content(Path("whole"))
    # Killed before DVC noted it: nothing is made again. A damaged piece: that one and those behind it are.
    assert _sample(Path("again"), StopsAfter(99)) == []
    damaged = sorted(Checkpoints("task", "a-b-c-d", every_seconds=1).folder.glob("*.npy"))[1]
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"x")
    assert _sample(Path("again"), StopsAfter(99)) == [3, 6, 9, 12, 15]
    assert _content(Path("again")) == _content(Path("whole"))
    assert str(damaged) in capsys.readouterr().err


def test_stopped_scoring_goes_on_with_the_runs_it_has(
    smoke: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(scoring, "_PART", 2)
    loaded: list[str] = []

    def load(arm: Arm, run: Run) -> tuple[torch.nn.Module, list[str]]:
        loaded.append(f"{arm.name}/{run.name}")
        torch.manual_seed(len(run.name))
        return torch.nn.Conv2d(1, 3, 3, padding=1), ["LV", "MYO"]

    monkeypatch.setattr(scoring, "load_network", load)
    frames = discs(5)
    runs = [run for arm in arms_of(smoke) for run in arm.runs]

    def score(checkpoints: Checkpoints | None) -> tuple[bytes, dict[Run, bytes]]:
        loaded.clear()
        work = scoring.Scoring(smoke, frames, {"dice": {}, "hd95": {}}, "test", runs[:2])
        rows = work.rows(checkpoints)
        return rows.to_csv().encode(), {run: array.tobytes() for run, array in work.maps.items()}

    expected = score(None)
    # Three parts a run: stopped within the first run, and at the end of the second.
    for parts in (2, 4):
        with pytest.raises(SystemExit):
            score(StopsAfter(parts))
    assert score(StopsAfter(999)) == expected
    assert loaded == [f"{run.arm}/{run.name}" for run in runs[2:]]
