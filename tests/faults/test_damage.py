"""Files that a drive, a copy or an editor has damaged: found when they are read, with the file and the remedy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from augbench.core.artifacts import (
    load_weights,
    read_array,
    read_csv,
    read_json,
    save_weights,
    write_array,
    write_csv,
    write_json,
)
from augbench.core.errors import UserError
from augbench.core.shards import read_shards, write_shards
from augbench.core.types import SYNTHETIC_COLUMNS, LabelScheme
from augbench.runtime.checkpoints import Checkpoints

SCHEME = LabelScheme(("LV",), {"sax": ("LV",)})


def _flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 0x80
    path.write_bytes(content)


def _cut(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    pairs = np.random.default_rng(0).integers(0, 256, (6, 2, 8, 8), dtype=np.uint8)
    write_shards(tmp_path / "set", [pairs], pd.DataFrame(0, index=range(6), columns=list(SYNTHETIC_COLUMNS)), SCHEME)
    return tmp_path / "set"


@pytest.mark.parametrize("at", [0, 9, 200, -1], ids=["magic", "header", "first frame", "last byte"])
def test_a_flipped_byte_in_a_shard(shards: Path, at: int) -> None:
    _flip(shards / "00000.npy", at)
    with pytest.raises(UserError, match=r"damaged[\s\S]*delete [\s\S]*dvc repro[\s\S]*00000\.npy"):
        read_shards(shards)


@pytest.mark.parametrize("verify", [True, False])
@pytest.mark.parametrize("size", [0, 5, 100, 500])
def test_a_truncated_shard_is_found_even_where_checksums_are_not_compared(
    shards: Path, size: int, verify: bool
) -> None:
    _cut(shards / "00000.npy", size)
    with pytest.raises(UserError, match=r"(damaged|cannot be read)[\s\S]*delete [\s\S]*dvc repro[\s\S]*00000\.npy"):
        read_shards(shards, verify=verify)


def test_a_table_that_lost_whole_rows_does_not_fit_its_shards(shards: Path) -> None:
    lines = (shards / "frames.csv").read_text().splitlines(keepends=True)
    (shards / "frames.csv").write_text("".join(lines[:-2]))
    with pytest.raises(UserError, match=r"table of frames is damaged[\s\S]*4 rows[\s\S]*6, one[\s\S]*frames\.csv"):
        read_shards(shards)


def test_a_table_cut_off_anywhere_in_a_row(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    write_csv(path, pd.DataFrame({"subject_id": ["a", "b"], "value": [0.125, 0.875]}))
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        if whole[:size].endswith(b"\n"):
            continue  # whole rows alone: a table of fewer patients, which only DVC's checksum tells from ours
        with pytest.raises(UserError, match=r"table is damaged[\s\S]*dvc repro[\s\S]*scores\.csv"):
            read_csv(path, ["subject_id", "value"])


def test_a_flipped_bit_that_is_no_text_any_more(tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", pd.DataFrame({"value": ["x", "y"]}))
    write_json(tmp_path / "a.json", {"value": "x"})
    _flip(tmp_path / "a.csv", 6)
    _flip(tmp_path / "a.json", 5)
    with pytest.raises(UserError, match=r"table is damaged[\s\S]*a\.csv"):
        read_csv(tmp_path / "a.csv", ["value"])
    with pytest.raises(UserError, match=r"not valid JSON[\s\S]*a\.json"):
        read_json(tmp_path / "a.json")


@pytest.mark.parametrize(
    "spoil", [lambda path: _cut(path, 0), lambda path: _cut(path, 130), lambda path: _flip(path, 0)]
)
def test_a_damaged_array(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    write_array(tmp_path / "examples.npy", np.arange(99))
    spoil(tmp_path / "examples.npy")
    with pytest.raises(UserError, match=r"array cannot be read[\s\S]*dvc repro[\s\S]*examples\.npy"):
        read_array(tmp_path / "examples.npy")


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "network.safetensors"
    save_weights(path, {"w": torch.arange(8.0)}, {"size": 8})
    return path


def test_weights_come_back_with_their_constructor_arguments_alone(weights: Path) -> None:
    tensors, config = load_weights(weights)
    assert torch.equal(tensors["w"], torch.arange(8.0))
    assert config == {"size": 8}


def test_a_flipped_byte_anywhere_in_a_weights_file(weights: Path) -> None:
    whole = weights.read_bytes()
    for at in range(len(whole)):
        weights.write_bytes(whole)
        _flip(weights, at)
        with pytest.raises(
            UserError, match=r"weights are damaged[\s\S]*delete [\s\S]*dvc repro[\s\S]*network\.safetensors"
        ):
            load_weights(weights)


def test_weights_of_another_training_beside_this_one_s_arguments(weights: Path) -> None:
    """What a kill between the two files of a hand-started stage could leave."""
    content = weights.read_bytes()
    save_weights(weights, {"w": torch.zeros(8)}, {"size": 8})
    weights.write_bytes(content)
    with pytest.raises(UserError, match="weights are damaged"):
        load_weights(weights)


def test_weights_written_before_there_was_a_checksum_are_still_read(weights: Path) -> None:
    write_json(weights.with_suffix(".json"), {"size": 8})
    assert load_weights(weights)[1] == {"size": 8}
    _cut(weights, 20)
    with pytest.raises(UserError, match=r"weights cannot be read[\s\S]*network\.safetensors"):
        load_weights(weights)


def _saved_twice() -> list[Path]:
    checkpoints = Checkpoints("train", "a-b-c-d", every_seconds=0.0)
    for step in (1, 2):
        checkpoints.save(step, {"w": torch.full((4,), float(step))}, {"loss": step / 3})
    return sorted(checkpoints.folder.glob("*.safetensors"))


def test_a_flipped_byte_anywhere_in_a_checkpoint_gives_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    _, newest = _saved_twice()
    whole = newest.read_bytes()
    for at in range(len(whole)):
        newest.write_bytes(whole)
        _flip(newest, at)
        with Checkpoints("train", "a-b-c-d", every_seconds=0.0) as checkpoints:
            found = checkpoints.latest()
        assert found is not None
        assert (found.step, found.state) == (1, {"loss": 1 / 3})
        assert torch.equal(found.tensors["w"], torch.ones(4))
        message = capsys.readouterr().err
        assert newest.name in message
        assert "damaged" in message


@pytest.mark.parametrize("size", [0, 7, 60])
def test_no_whole_checkpoint_left_starts_afresh_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], size: int
) -> None:
    monkeypatch.chdir(tmp_path)
    paths = _saved_twice()
    for path in paths:
        _cut(path, size)
    with Checkpoints("train", "a-b-c-d", every_seconds=0.0) as checkpoints:
        assert checkpoints.latest() is None
    message = capsys.readouterr().err
    assert all(path.name in message for path in paths)
    assert "starts afresh" in message
