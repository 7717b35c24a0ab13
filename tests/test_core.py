"""Core: types, shards, atomic files, seeds, names."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augbench.audit.base import AuditTest
from augbench.audit.features.base import FeatureExtractor
from augbench.core.artifacts import atomic_file, read_csv, write_csv, write_json
from augbench.core.component import available, create
from augbench.core.errors import UserError
from augbench.core.seeding import child_rng, child_seed
from augbench.core.shards import read_frames, read_shards, write_shards
from augbench.core.types import FRAME_COLUMNS, SYNTHETIC_COLUMNS, Frames, LabelScheme, require_disjoint_subjects
from augbench.datasets.base import Dataset
from augbench.generators.base import Generator
from augbench.labelling.base import Labelling
from augbench.regimes.base import Regime
from augbench.scores.base import SegmentationScore
from augbench.segmenters.base import Segmenter

SCHEME = LabelScheme(("LV", "MYO"), {"sax": ("LV", "MYO")})


def _table(count: int) -> pd.DataFrame:
    row = {"view": "sax", "spacing_mm": 1.5}
    rows = [row | {"frame_id": f"f{i}", "frame_seed": child_seed(1, i)} for i in range(count)]
    return pd.DataFrame(rows, columns=list(SYNTHETIC_COLUMNS))


def _pairs(count: int, size: int = 8) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 2, size, size), dtype=np.uint8)


def test_child_seeds_depend_on_names_alone() -> None:
    assert child_seed(1, "a", 2) == child_seed(1, "a", 2)
    assert len({child_seed(1, "a", 2), child_seed(1, "a", 3), child_seed(2, "a", 2), child_seed(1, "a2")}) == 4
    assert child_rng(3, "x").integers(1 << 30) == child_rng(3, "x").integers(1 << 30)


@settings(max_examples=25, deadline=None)
@given(count=st.integers(1, 23), block=st.integers(1, 9), shard=st.integers(1, 7))
def test_shards_return_what_was_written_however_it_was_cut(
    tmp_path_factory: pytest.TempPathFactory, count: int, block: int, shard: int
) -> None:
    folder = tmp_path_factory.mktemp("shards") / "set"
    pairs = _pairs(count)
    blocks = (pairs[start : start + block] for start in range(0, count, block))
    write_shards(folder, blocks, _table(count), SCHEME, shard_frames=shard)
    shards, table, scheme = read_shards(folder)
    rows = np.random.default_rng(1).integers(0, count, 2 * count)
    assert np.array_equal(shards[rows], pairs[rows])
    assert np.array_equal(shards[count - 1], pairs[-1])
    assert list(table["frame_seed"]) == list(_table(count)["frame_seed"])
    assert scheme == SCHEME


def test_adding_frames_leaves_finished_shards_as_they_are(tmp_path: Path) -> None:
    pairs = _pairs(10)
    write_shards(tmp_path / "a", [pairs[:7]], _table(7), SCHEME, shard_frames=4)
    write_shards(tmp_path / "b", [pairs], _table(10), SCHEME, shard_frames=4)
    assert (tmp_path / "a/00000.npy").read_bytes() == (tmp_path / "b/00000.npy").read_bytes()


def test_a_flipped_byte_in_a_shard_is_found(tmp_path: Path) -> None:
    write_shards(tmp_path / "set", [_pairs(3)], _table(3), SCHEME)
    shard = tmp_path / "set/00000.npy"
    content = bytearray(shard.read_bytes())
    content[-1] ^= 1
    shard.write_bytes(content)
    with pytest.raises(UserError, match=r"damaged[\s\S]*dvc repro[\s\S]*00000.npy"):
        read_shards(tmp_path / "set")


def test_a_failed_write_keeps_the_earlier_file(tmp_path: Path) -> None:
    target = tmp_path / "result.json"
    write_json(target, {"kept": 1})

    def fail() -> None:
        with atomic_file(target) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert target.read_text() == '{\n  "kept": 1\n}\n'
    assert list(tmp_path.iterdir()) == [target]


def test_json_refuses_nan(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "x.json", {"value": float("nan")})
    assert not list(tmp_path.iterdir())


def test_csv_keeps_ids_as_text_and_names_a_missing_column(tmp_path: Path) -> None:
    write_csv(tmp_path / "t.csv", pd.DataFrame({"subject_id": ["007"], "value": [None]}))
    table = read_csv(tmp_path / "t.csv", ["subject_id", "value"], text=["subject_id"])
    assert table["subject_id"][0] == "007"
    assert pd.isna(table["value"][0])
    with pytest.raises(UserError, match=r"column view is missing[\s\S]*t\.csv"):
        read_csv(tmp_path / "t.csv", ["view"])


def test_an_empty_cohort_is_an_error(tmp_path: Path) -> None:
    table = pd.DataFrame(columns=list(FRAME_COLUMNS))
    write_shards(tmp_path / "c", [], table, SCHEME)
    with pytest.raises(UserError, match="cohort is empty"):
        read_frames(tmp_path / "c")


def test_a_patient_in_two_splits_is_a_leak() -> None:
    one = pd.DataFrame({"subject_id": ["p1", "p2"], "split": ["train", "validation"]})
    require_disjoint_subjects(
        {"segmenter": one, "external": pd.DataFrame({"subject_id": ["p3"], "split": ["external"]})}
    )
    other = pd.DataFrame({"subject_id": ["p2"], "split": ["external"]})
    with pytest.raises(UserError, match=r"'p2' is in two splits[\s\S]*segmenter/validation and external/external"):
        require_disjoint_subjects({"segmenter": one, "external": other})
    inner = pd.DataFrame({"subject_id": ["p1", "p1"], "split": ["train", "validation"]})
    with pytest.raises(UserError, match="'p1' is in two splits"):
        require_disjoint_subjects({"segmenter": inner})


def test_frames_select_rows_with_their_table() -> None:
    table = _table(4).assign(view=["a", "b", "a", "b"])
    frames = Frames(_pairs(4), table, SCHEME)
    chosen = frames.where(view="b")
    assert list(chosen.table["frame_id"]) == ["f1", "f3"]
    assert np.array_equal(chosen.images, frames.images[[1, 3]])


def test_every_component_file_has_a_component() -> None:
    for base in (AuditTest, Dataset, FeatureExtractor, Generator, Labelling, Regime, SegmentationScore, Segmenter):
        kinds = available(base)
        assert kinds
        for kind in kinds:
            module = importlib.import_module(f"augbench.{base.family}.{kind}")
            assert issubclass(module.COMPONENT, base)


def test_an_unknown_component_names_the_nearest() -> None:
    with pytest.raises(UserError, match=r"unknown kind 'smp_unett'[\s\S]*did you mean 'smp_unet'"):
        create(Segmenter, "smp_unett")


def test_an_unknown_parameter_names_the_nearest() -> None:
    with pytest.raises(UserError, match=r"segmenters.smp_unet.encoderr[\s\S]*did you mean 'encoder'"):
        create(Segmenter, "smp_unet", {"encoderr": "resnet18"})
