"""Patients to cohorts: by patient, stratified, repeatable, and one person is one patient whatever the ids say."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from nnunet_folder import COHORTS, RV_FIRST, importer, make_dataset, make_pair

from augbench.core.errors import UserError
from augbench.core.types import Frames
from augbench.datasets.nnunet.patients import FolderCohort, cohort_sizes, deal, same_persons, stratified_order

FILE = Path("Dataset001_Main")
GROUPS = {f"s{number:02d}": "ABCDE"[number % 5] for number in range(80)}


def part(**fields: object) -> FolderCohort:
    return FolderCohort(dataset=FILE.name, **fields)


def patients(cohorts: dict[str, Frames], name: str) -> set[str]:
    return set(cohorts[name].table["subject_id"])


@pytest.mark.parametrize("seed", range(5))
def test_every_cohort_and_split_has_every_pathology_in_proportion(seed: int) -> None:
    cohorts = {
        "generator": part(),
        "segmenter": part(subjects=25, validation_fraction=0.4),
        "internal": part(share=0.1),
    }
    dealt = deal(GROUPS, cohorts, seed, FILE)
    assert sorted(name for members in dealt.values() for name in members) == sorted(GROUPS)
    assert {cohort: len(members) for cohort, members in dealt.items()} == {
        "generator": 47, "segmenter": 25, "internal": 8,
    }  # fmt: skip
    for members in dealt.values():
        for split in set(members.values()):
            counts = Counter(GROUPS[name] for name, own in members.items() if own == split)
            assert all(abs(counts[group] - counts.total() / 5) <= 1 for group in "ABCDE")


def test_a_validation_part_elsewhere_moves_nobody() -> None:
    """Who validates follows from the cohort's name: a part in one cohort changes nothing in the others."""
    before = {"a": part(share=0.5), "b": part(validation_fraction=0.25)}
    after = {"a": part(share=0.5, validation_fraction=0.25), "b": part(validation_fraction=0.25)}
    first, second = (deal(GROUPS, cohorts, 3, FILE) for cohorts in (before, after))
    assert first["b"] == second["b"]
    assert list(first["a"]) == list(second["a"])
    assert Counter(second["a"].values()) == {"train": 30, "validation": 10}


def test_unequal_groups_are_spread_too() -> None:
    groups = {f"s{number:02d}": "rare" if number < 8 else "common" for number in range(40)}
    order = stratified_order(groups, np.random.default_rng(0))
    assert [Counter(groups[name] for name in order[start : start + 10])["rare"] for start in (0, 10, 20, 30)] == [2] * 4


def test_order_follows_from_the_seed_and_not_from_the_listing() -> None:
    backwards = dict(reversed(GROUPS.items()))
    orders = [stratified_order(groups, np.random.default_rng(3)) for groups in (GROUPS, backwards)]
    assert orders[0] == orders[1] != stratified_order(GROUPS, np.random.default_rng(4))


def test_sizes_by_number_fraction_and_rest() -> None:
    wanted = {
        "generator": part(), "segmenter": part(share=0.2, validation_fraction=0.2), "internal": part(subjects=9),
        "development": part(share=0.01),
    }  # fmt: skip
    assert cohort_sizes(79, wanted, FILE) == {"generator": 54, "segmenter": 15, "internal": 9, "development": 1}
    assert cohort_sizes(100, {"internal": part(share=0.29)}, FILE) == {"internal": 29}
    with pytest.raises(UserError, match="not enough patients"):
        cohort_sizes(12, wanted, FILE)


@pytest.mark.parametrize("fraction", [0.01, 0.9])
def test_validation_never_takes_everybody_or_nobody(fraction: float) -> None:
    dealt = deal({"a": "", "b": ""}, {"segmenter": part(validation_fraction=fraction)}, 0, FILE)
    assert sorted(dealt["segmenter"].values()) == ["train", "validation"]


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


def test_a_third_site_moves_nobody_of_the_first(tmp_path: Path) -> None:
    make_pair(tmp_path, subjects=12)
    make_dataset(tmp_path / "Dataset003_Third", RV_FIRST, 4, prefix="d", seed=3)
    before = {name: cohort for name, cohort in COHORTS.items() if name != "development"}
    after = {**before, "elsewhere": {"dataset": "Dataset003_Third"}}
    first, second = (importer(tmp_path, cohorts=declared).cohorts(16, ("sax",), 1) for declared in (before, after))
    assert list(second) == [*first, "elsewhere"]
    assert all(patients(first, name) == patients(second, name) for name in first)
    assert set(second["elsewhere"].table["site"]) == {"Dataset003_Third"}
    assert len(patients(second, "elsewhere")) == 4


def test_patients_that_no_cohort_asks_for_stay_out(tmp_path: Path) -> None:
    make_pair(tmp_path)
    declared = {"segmenter": {"dataset": "Dataset001_Main", "subjects": 2}, "external": COHORTS["external"]}
    dataset = importer(tmp_path, cohorts=declared)
    cohorts = dataset.cohorts(16, ("sax",), 1)
    assert {name: len(patients(cohorts, name)) for name in cohorts} == {"segmenter": 2, "external": 3}
    assert dataset.expected_frames(("sax",)) == sum(map(len, cohorts.values())) == 10


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
