"""Patients to cohorts: by patient, stratified, repeatable, and one person is one patient whatever the ids say."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from nnunet_folder import RV_FIRST, importer, make_dataset, make_pair
from pydantic import ValidationError

from augbench.core.errors import UserError
from augbench.datasets.nnunet.persons import same_persons
from augbench.datasets.nnunet.splits import cohort_sizes, cut, stratified_order, validation_subjects

FILE = Path("Dataset001_Main")
GROUPS = {f"s{number:02d}": "ABCDE"[number % 5] for number in range(80)}


@pytest.mark.parametrize("seed", range(5))
def test_every_cohort_has_every_pathology_in_proportion(seed: int) -> None:
    order = stratified_order(GROUPS, np.random.default_rng(seed))
    assert sorted(order) == sorted(GROUPS)
    for members in cut(order, {"generator": 45, "segmenter": 15, "internal": 10, "development": 10}).values():
        counts = Counter(GROUPS[name] for name in members)
        assert all(abs(counts[group] - len(members) / 5) <= 1 for group in "ABCDE")


def test_unequal_groups_are_spread_too() -> None:
    groups = {f"s{number:02d}": "rare" if number < 8 else "common" for number in range(40)}
    order = stratified_order(groups, np.random.default_rng(0))
    assert [Counter(groups[name] for name in order[start : start + 10])["rare"] for start in (0, 10, 20, 30)] == [2] * 4


def test_order_follows_from_the_seed_and_not_from_the_listing() -> None:
    backwards = dict(reversed(GROUPS.items()))
    orders = [stratified_order(groups, np.random.default_rng(3)) for groups in (GROUPS, backwards)]
    assert orders[0] == orders[1] != stratified_order(GROUPS, np.random.default_rng(4))


def test_sizes_by_number_fraction_and_rest() -> None:
    wanted = {"generator": None, "segmenter": 0.2, "internal": 9, "development": 0.01}
    minimum = dict.fromkeys(wanted, 1) | {"segmenter": 2}
    assert cohort_sizes(79, wanted, minimum, FILE) == {
        "generator": 54, "segmenter": 15, "internal": 9, "development": 1,
    }  # fmt: skip
    assert cohort_sizes(100, {"internal": 0.29}, {"internal": 1}, FILE) == {"internal": 29}
    with pytest.raises(UserError, match="not enough patients"):
        cohort_sizes(12, wanted, minimum, FILE)


def test_validation_never_takes_everybody() -> None:
    few = {"a": "", "b": ""}
    assert len(validation_subjects(few, 0.9, np.random.default_rng(0))) == 1
    assert len(validation_subjects(few, 0.01, np.random.default_rng(0))) == 1


def test_frames_of_a_patient_stay_together(tmp_path: Path) -> None:
    make_pair(tmp_path, subjects=12)
    cohorts = importer(tmp_path).cohorts(16, ("sax",), seed=5)
    for frames in cohorts.values():
        assert (frames.table.groupby("subject_id").size() == 2).all()
        assert (frames.table.groupby("subject_id")["split"].nunique() == 1).all()


def test_the_seed_decides_who_and_repeats(tmp_path: Path) -> None:
    make_pair(tmp_path, subjects=12)
    dataset = importer(tmp_path)
    first, again, other = (dataset.cohorts(16, ("sax",), seed=seed) for seed in (1, 1, 2))
    for role in first:
        assert first[role].table.equals(again[role].table)
        assert np.array_equal(first[role].pairs, again[role].pairs)
    assert any(set(first[role].table["subject_id"]) != set(other[role].table["subject_id"]) for role in first)


def test_development_from_a_third_site(tmp_path: Path) -> None:
    make_pair(tmp_path)
    make_dataset(tmp_path / "Dataset003_Third", RV_FIRST, 4, prefix="d", seed=3)
    dataset = importer(tmp_path, development_dataset="Dataset003_Third", development_subjects=None)
    cohorts = dataset.cohorts(16, ("sax",), seed=1)
    assert set(cohorts["development"].table["site"]) == {"Dataset003_Third"}
    assert cohorts["development"].table["subject_id"].nunique() == 4
    with pytest.raises(ValidationError, match="development_subjects may be null only"):
        importer(tmp_path, development_subjects=None)


def test_fewer_external_patients(tmp_path: Path) -> None:
    make_pair(tmp_path)
    external = importer(tmp_path, external_subjects=2).cohorts(16, ("sax",), 1)["external"]
    assert external.table["subject_id"].nunique() == 2


def test_same_pictures_under_two_ids_are_one_person() -> None:
    subjects = ["a", "b", "c", "d", "d"]
    assert same_persons(subjects, ["1", "2", "2", "1", "3"]) == {"c": "b", "d": "a"}
    assert same_persons(["a", "b", "c"], ["1", "1", "1"]) == {"b": "a", "c": "a"}
    assert same_persons(["a", "b", "b", "c"], ["1", "1", "2", "2"]) == {"b": "a", "c": "a"}
    assert same_persons(["a", "a"], ["1", "1"]) == {}


def test_one_person_is_merged_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    training, _ = make_pair(tmp_path, subjects=7)
    for phase in ("ED", "ES"):
        images = training / "imagesTr"
        shutil.copy(images / f"p003_{phase}_0000.png", images / f"p005_{phase}_0000.png")
    cohorts = importer(tmp_path).cohorts(16, ("sax",), seed=1)
    main = [frames.table for role, frames in cohorts.items() if role != "external"]
    assert sum(table["subject_id"].nunique() for table in main) == 6
    assert sum(map(len, main)) == 12
    assert "p005 and p003 have the same pictures" in capsys.readouterr().err
    with pytest.raises(UserError, match="two subjects have the same pictures"):
        importer(tmp_path, same_images="refuse").cohorts(16, ("sax",), seed=1)
