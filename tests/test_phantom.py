"""The phantom as a dataset: cohorts, splits, independence of frames, image sizes."""

from __future__ import annotations

import numpy as np
import pytest

from augbench.core.component import create
from augbench.core.errors import UserError
from augbench.core.types import COHORTS, FRAME_COLUMNS, Frames, require_disjoint_subjects
from augbench.datasets.tof_phantom import Phantom
from augbench.datasets.tof_phantom.render import render, subject_of
from augbench.datasets.tof_phantom.sites import EXTERNAL, MAIN, SITES

VIEWS = ("4ch", "2ch", "sax")
FEW = {
    "generator_subjects": 3,
    "segmenter_subjects": 5,
    "internal_subjects": 2,
    "development_subjects": 2,
    "external_subjects": 2,
}


@pytest.fixture(scope="module")
def cohorts() -> dict[str, Frames]:
    return Phantom(**FEW).cohorts(48, VIEWS, seed=7)


def test_every_cohort_has_its_subjects_in_all_views_and_phases(cohorts: dict[str, Frames]) -> None:
    assert tuple(cohorts) == COHORTS
    for role, frames in cohorts.items():
        subjects = FEW[f"{role}_subjects"]
        assert len(frames) == subjects * len(VIEWS) * 2
        assert tuple(frames.table.columns) == FRAME_COLUMNS
        assert frames.table["subject_id"].nunique() == subjects
        assert set(frames.table["phase"]) == {"ED", "ES"}
        assert frames.table["frame_id"].is_unique
        assert set(frames.table["pathology"]) == {"ToF"}


def test_no_subject_is_in_two_cohorts_or_splits(cohorts: dict[str, Frames]) -> None:
    require_disjoint_subjects({role: frames.table for role, frames in cohorts.items()})
    owners = [set(frames.table["subject_id"]) for frames in cohorts.values()]
    assert len(set().union(*owners)) == sum(len(ids) for ids in owners)


def test_cohorts_come_from_their_sites_with_the_spacing_of_the_protocol(cohorts: dict[str, Frames]) -> None:
    expected = {"development": "development", "external": "external"}
    for role, frames in cohorts.items():
        (site,) = set(frames.table["site"])
        assert site == expected.get(role, "main")
        assert frames.table["spacing_mm"].iloc[0] == pytest.approx(SITES[site].fov_mm / 48, abs=1e-5)


def test_validation_patients_are_a_fifth_of_the_segmenter_cohort(cohorts: dict[str, Frames]) -> None:
    splits = cohorts["segmenter"].table.drop_duplicates("subject_id")["split"].value_counts()
    assert splits.to_dict() == {"train": 4, "validation": 1}
    assert set(cohorts["external"].table["split"]) == {"external"}


def test_more_subjects_and_phases_change_no_earlier_frame(cohorts: dict[str, Frames]) -> None:
    more = Phantom(**{**FEW, "generator_subjects": 4, "phases": (0.5, 1.0, 0.0)}).cohorts(48, ("sax", "4ch"), seed=7)
    for role, frames in cohorts.items():
        rows = {name: i for i, name in enumerate(more[role].table["frame_id"])}
        shared = [(i, rows[name]) for i, name in enumerate(frames.table["frame_id"]) if name in rows]
        assert len(shared) == len(frames) * 2 // 3
        here, there = (np.array(side) for side in zip(*shared, strict=True))
        np.testing.assert_array_equal(frames.pairs[here], more[role].pairs[there])
    assert "0.50" in set(more["generator"].table["phase"])


def test_a_frame_follows_from_its_own_seed_subject_view_and_phase() -> None:
    frame = render(1, MAIN, "a", "4ch", 0.0, 64)
    render(1, MAIN, "b", "sax", 1.0, 64)
    np.testing.assert_array_equal(frame, render(1, MAIN, "a", "4ch", 0.0, 64))
    for other in (render(2, MAIN, "a", "4ch", 0.0, 64), render(1, MAIN, "b", "4ch", 0.0, 64)):
        assert np.mean(frame[0] != other[0]) > 0.5
    assert np.mean(frame[0] != render(1, MAIN, "a", "4ch", 1.0, 64)[0]) > 0.3


def test_fresh_subjects_depend_on_their_seed_alone() -> None:
    dataset = Phantom()
    many = dataset.draw(["4ch", "sax", "2ch"], np.array([11, 12, 13]), 64)
    assert many.shape == (3, 2, 64, 64)
    assert many.dtype == np.uint8
    np.testing.assert_array_equal(many[1:2], dataset.draw(["sax"], np.array([12]), 64))
    other = dataset.draw(["sax"], np.array([14]), 64)
    assert np.mean(many[1, 0] != other[0, 0]) > 0.5


def test_fresh_subjects_are_none_of_the_cohorts(cohorts: dict[str, Frames]) -> None:
    known = {frame.tobytes() for frames in cohorts.values() for frame in frames.images}
    fresh = Phantom().draw(["4ch"] * 4, np.array([7, 8, 9, 10]), 48)
    assert not known & {frame.tobytes() for frame in fresh[:, 0]}


@pytest.mark.parametrize("image_size", [32, 50, 64, 96, 256])
def test_anatomy_is_the_same_at_every_image_size(image_size: int) -> None:
    for site in (MAIN, EXTERNAL):
        for view, structures in {"4ch": (1, 2, 3, 4, 5), "2ch": (1, 2, 5), "sax": (1, 2, 3)}.items():
            image, label = render(3, site, "size", view, 0.0, image_size)
            _, fine = render(3, site, "size", view, 0.0, 384)
            assert image.shape == label.shape == (image_size, image_size)
            assert set(np.unique(label)) == {0, *structures}
            for value in structures:
                area = np.mean(label == value)
                assert area == pytest.approx(np.mean(fine == value), rel=0.30 if image_size == 32 else 0.12)


def test_the_shape_of_a_patient_belongs_to_the_site_and_id() -> None:
    assert subject_of(1, MAIN, "a").lv_radius != subject_of(1, MAIN, "b").lv_radius
    # The same draws under another population: everything scales, so a site shifts the distribution only.
    assert subject_of(1, EXTERNAL, "a").size != subject_of(1, MAIN, "a").size


@pytest.mark.parametrize(
    "params",
    [{"generator_subject": 3}, {"external_subjects": 0}, {"phases": []}, {"phases": [1.2]}, {"phases": [0.0, 0.001]}],
)
def test_wrong_parameters_are_refused_in_one_message(params: dict[str, object]) -> None:
    with pytest.raises(UserError, match=r"params\.yaml"):
        create("datasets", "phantom", params)


def test_unknown_views_and_sizes_are_refused() -> None:
    with pytest.raises(UserError, match="3ch"):
        Phantom(**FEW).cohorts(64, ("3ch",), seed=0)
    with pytest.raises(UserError, match="image size"):
        Phantom(**FEW).cohorts(16, VIEWS, seed=0)
    with pytest.raises(UserError, match="no view"):
        Phantom().scheme(())


def test_annotated_structures_follow_the_view() -> None:
    scheme = Phantom().scheme(VIEWS)
    assert scheme.structures == ("LV", "MYO", "RV", "RA", "LA")
    assert scheme.annotated["2ch"] == ("LV", "MYO", "LA")
    assert scheme.annotated["sax"] == ("LV", "MYO", "RV")
