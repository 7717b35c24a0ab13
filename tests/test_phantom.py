"""The phantom as a dataset: cohorts, splits, independence of frames, image sizes."""

from __future__ import annotations

import hashlib
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

from augbench.core.bars import no_bar
from augbench.core.component import create
from augbench.core.errors import UserError
from augbench.core.types import FRAME_COLUMNS, Frames, require_disjoint_subjects
from augbench.datasets.base import Dataset
from augbench.datasets.tof_phantom import TofPhantom
from augbench.datasets.tof_phantom.render import render, subject_of
from augbench.datasets.tof_phantom.sites import EXTERNAL, MAIN, SITES

VIEWS = ("4ch", "2ch", "sax")
FEW: dict[str, dict[str, object]] = {
    "generator": {"site": "main", "subjects": 3},
    "segmenter": {"site": "main", "subjects": 5, "validation_fraction": 0.2},
    "internal": {"site": "main", "subjects": 2},
    "development": {"site": "development", "subjects": 2},
    "external": {"site": "external", "subjects": 2},
}
#: sha256 (16 digits) of each cohort's frames at 32 x 32, seed 7, and of three fresh frames, from before cohorts had
#: names of the study's choosing. They held on AVX2 and AVX-512; other arithmetic may round a pixel the other way.
DIGESTS = {
    "generator": "fa771761b033f8b3",
    "segmenter": "d408c4ad97b944c3",
    "development": "cecf9b0ea874b25f",
    "external": "35a69a3257a53b06",
    "fresh": "fb181d8069ebe1d5",
}


@pytest.fixture(scope="module")
def cohorts() -> dict[str, Frames]:
    return TofPhantom(cohorts=FEW).cohorts(48, VIEWS, seed=7)


def _digest(pairs: NDArray[np.uint8]) -> str:
    return hashlib.sha256(pairs.tobytes()).hexdigest()[:16]


def test_frames_are_byte_for_byte_those_of_earlier_revisions() -> None:
    dataset = TofPhantom(cohorts=FEW)
    frames = dataset.cohorts(32, VIEWS, seed=7)
    found = {name: _digest(cohort.pairs) for name, cohort in frames.items()}
    found["fresh"] = _digest(dataset.draw(list(VIEWS), np.array([1, 2, 3]), 32))
    assert {name: found[name] for name in DIGESTS} == DIGESTS
    assert frames["generator"].table["subject_id"].iloc[0] == "main-g-0001"
    assert frames["external"].table["frame_id"].iloc[-1] == "external-e-0002_sax_ES"


def test_a_cohort_of_another_name_has_the_same_frames_under_the_same_prefix() -> None:
    """A frame follows from site and id, whatever the study calls the cohort and whoever else is in the study."""
    alone = TofPhantom(cohorts={"teachers": {"site": "main", "subjects": 3, "prefix": "g"}}).cohorts(32, VIEWS, seed=7)
    assert list(alone) == ["teachers"]
    assert _digest(alone["teachers"].pairs) == DIGESTS["generator"]


def test_every_cohort_has_its_subjects_in_all_views_and_phases(cohorts: dict[str, Frames]) -> None:
    dataset = TofPhantom(cohorts=FEW)
    assert list(cohorts) == list(dataset.declared) == list(FEW)
    for name, frames in cohorts.items():
        subjects = FEW[name]["subjects"]
        assert len(frames) == subjects * len(VIEWS) * 2
        assert tuple(frames.table.columns) == FRAME_COLUMNS
        assert frames.table["subject_id"].nunique() == subjects
        assert set(frames.table["phase"]) == {"ED", "ES"}
        assert frames.table["frame_id"].is_unique
        assert set(frames.table["pathology"]) == {"ToF"}
    assert dataset.expected_frames(VIEWS) == sum(map(len, cohorts.values()))


def test_progress_counts_every_frame() -> None:
    counted: list[int] = []

    class Bar:
        def advance(self, units: int = 1, note: str | None = None) -> None:
            counted.append(units)

    def bars(description: str, total: int, unit: str = "frames") -> AbstractContextManager[Bar]:
        assert total == 4
        return nullcontext(Bar())

    TofPhantom(cohorts={"a": {"site": "main", "subjects": 2}}).cohorts(32, ("sax",), seed=0, bars=bars)
    assert sum(counted) == 4


def test_no_subject_is_in_two_cohorts_or_splits(cohorts: dict[str, Frames]) -> None:
    require_disjoint_subjects({name: frames.table for name, frames in cohorts.items()})
    owners = [set(frames.table["subject_id"]) for frames in cohorts.values()]
    assert len(set().union(*owners)) == sum(len(ids) for ids in owners)


def test_cohorts_that_would_share_patients_are_refused() -> None:
    inner = {"site": "main", "subjects": 2}
    with pytest.raises(UserError, match=r"'internal' and 'inner' would have the same patients[\s\S]*prefix: in"):
        TofPhantom(cohorts=FEW | {"inner": inner})
    TofPhantom(cohorts=FEW | {"inner": inner | {"site": "external"}})
    both = TofPhantom(cohorts=FEW | {"inner": inner | {"prefix": "in"}}).cohorts(32, ("sax",), seed=0)
    require_disjoint_subjects({name: frames.table for name, frames in both.items()})
    assert both["inner"].table["subject_id"].iloc[0] == "main-in-0001"


def test_cohorts_come_from_their_sites_with_the_spacing_of_the_protocol(cohorts: dict[str, Frames]) -> None:
    for name, frames in cohorts.items():
        (site,) = set(frames.table["site"])
        assert site == FEW[name]["site"]
        assert frames.table["spacing_mm"].iloc[0] == pytest.approx(SITES[site].fov_mm / 48, abs=1e-5)


def test_a_cohort_has_a_validation_part_where_it_asks_for_one(cohorts: dict[str, Frames]) -> None:
    splits = cohorts["segmenter"].table.drop_duplicates("subject_id")["split"].value_counts()
    assert splits.to_dict() == {"train": 4, "validation": 1}
    for name in set(cohorts) - {"segmenter"}:
        assert set(cohorts[name].table["split"]) == {"train"}


@pytest.mark.parametrize("fraction", [0.01, 0.99])
def test_both_splits_have_a_patient(fraction: float) -> None:
    few = {"segmenter": {"site": "main", "subjects": 2, "validation_fraction": fraction}}
    assert set(TofPhantom(cohorts=few).declared["segmenter"].splits("segmenter", 0).values()) == {"train", "validation"}


def test_description_tells_sizes_and_protocols() -> None:
    found = TofPhantom(cohorts=FEW).describe(64, ("sax", "2ch"), no_bar)
    assert found["Cohorts"]["segmenter"] == {
        "site": "main", "patients": 5, "of them for validation": 1, "frames": 20,
    }  # fmt: skip
    assert list(found["Sites"]) == ["main", "development", "external"]
    assert found["Views"]["2ch"]["structures"] == "LV, MYO, LA"


def test_more_subjects_and_phases_change_no_earlier_frame(cohorts: dict[str, Frames]) -> None:
    larger = FEW | {"generator": {"site": "main", "subjects": 4}}
    more = TofPhantom(cohorts=larger, phases=(0.5, 1.0, 0.0)).cohorts(48, ("sax", "4ch"), seed=7)
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
    dataset = TofPhantom(cohorts=FEW)
    many = dataset.draw(["4ch", "sax", "2ch"], np.array([11, 12, 13]), 64)
    assert many.shape == (3, 2, 64, 64)
    assert many.dtype == np.uint8
    np.testing.assert_array_equal(many[1:2], dataset.draw(["sax"], np.array([12]), 64))
    other = dataset.draw(["sax"], np.array([14]), 64)
    assert np.mean(many[1, 0] != other[0, 0]) > 0.5


def test_fresh_subjects_are_none_of_the_cohorts(cohorts: dict[str, Frames]) -> None:
    known = {frame.tobytes() for frames in cohorts.values() for frame in frames.images}
    fresh = TofPhantom(cohorts=FEW).draw(["4ch"] * 4, np.array([7, 8, 9, 10]), 48)
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
    ("change", "says"),
    [
        ({"phases": []}, "phases"),
        ({"phases": [1.2]}, "phases"),
        ({"phases": [0.0, 0.001]}, "must differ"),
        ({"phase": [0.0]}, "did you mean 'phases'"),
        ({"cohorts": {}}, "cohorts"),
        ({"cohorts": {"a": {"site": "mian", "subjects": 1}}}, "did you mean 'main'"),
        ({"cohorts": {"a": {"site": "main", "subjects": 0}}}, "cohorts.a.subjects"),
        ({"cohorts": {"a": {"site": "main", "subject": 1}}}, "did you mean 'subjects'"),
        ({"cohorts": {"a": {"site": "main", "subjects": 1, "validation_fraction": 0.5}}}, "one trains and one"),
        ({"cohorts": {"a": {"site": "main", "subjects": 3, "validation_fraction": 1}}}, "less than 1"),
        ({"cohorts": {"a": {"site": "main", "subjects": 3, "prefix": "../x"}}}, "prefix"),
    ],
)
def test_wrong_parameters_are_refused_in_one_message(change: dict[str, object], says: str) -> None:
    with pytest.raises(UserError, match=r"params\.yaml") as caught:
        create(Dataset, "tof_phantom", {"cohorts": FEW, **change})
    assert says in str(caught.value)


def test_unknown_views_and_sizes_are_refused() -> None:
    with pytest.raises(UserError, match="3ch"):
        TofPhantom(cohorts=FEW).cohorts(64, ("3ch",), seed=0)
    with pytest.raises(UserError, match="image size"):
        TofPhantom(cohorts=FEW).cohorts(16, VIEWS, seed=0)
    with pytest.raises(UserError, match="no view"):
        TofPhantom(cohorts=FEW).scheme(())


def test_annotated_structures_follow_the_view() -> None:
    scheme = TofPhantom(cohorts=FEW).scheme(VIEWS)
    assert scheme.structures == ("LV", "MYO", "RV", "RA", "LA")
    assert scheme.annotated["2ch"] == ("LV", "MYO", "LA")
    assert scheme.annotated["sax"] == ("LV", "MYO", "RV")


def test_the_documented_section_is_complete_and_valid(root: Path) -> None:
    text = (root / "docs/phantom.md").read_text(encoding="utf-8")
    section = yaml.safe_load(text.split("```yaml")[1].split("```")[0])["dataset"]
    dataset = create(Dataset, section.pop("kind"), section)
    assert dataset.expected_frames(VIEWS) == 2970
    assert set(section) == {field.alias or name for name, field in TofPhantom.model_fields.items()}
