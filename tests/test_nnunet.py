"""The importer of real images: labels by name, geometry, 8 bits, PNG and NIfTI, and what it says about a folder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace

import nibabel
import numpy as np
import pytest
import yaml
from nnunet_folder import (
    COHORTS,
    LV_FIRST,
    LV_ONLY,
    RV_FIRST,
    heart,
    importer,
    make_dataset,
    make_pair,
    write_description,
)
from nnunet_folder import write_png as write_png_case
from PIL import Image

from augbench.core.component import create
from augbench.core.types import FRAME_COLUMNS, Frames, require_disjoint_subjects
from augbench.datasets.base import Dataset
from augbench.datasets.nnunet import NnUNet
from augbench.datasets.nnunet.description import canonical_structure, canonical_view
from augbench.datasets.nnunet.preprocess import resample_labels
from augbench.stages import inspect

SIZE = 32


def _all_frames(cohorts: dict[str, Frames], roles: Iterable[str]) -> dict[str, np.ndarray]:
    """frame id -> pair, over some cohorts."""
    return {
        frame: pair
        for role in roles
        for frame, pair in zip(cohorts[role].table["frame_id"], cohorts[role].pairs, strict=True)
    }


MAIN = ("generator", "segmenter", "internal", "development")


def test_cohorts_follow_the_contract(tmp_path: Path) -> None:
    make_pair(tmp_path)
    dataset = importer(tmp_path)
    assert list(dataset.declared) == list(COHORTS)
    cohorts = dataset.cohorts(SIZE, ("sax",), seed=1)
    assert list(cohorts) == list(COHORTS)
    for role, frames in cohorts.items():
        assert frames.pairs.shape[1:] == (2, SIZE, SIZE)
        assert tuple(frames.table.columns) == FRAME_COLUMNS
        expected = {"train", "validation"} if role == "segmenter" else {"train"}
        assert set(frames.table["split"]) == expected
    require_disjoint_subjects({role: frames.table for role, frames in cohorts.items()})
    assert sum(len(cohorts[role]) for role in MAIN) == 12
    assert len(cohorts["external"]) == 6
    assert dataset.expected_frames(("sax",)) == 18


def test_labels_are_read_by_name_not_by_number(tmp_path: Path) -> None:
    """RV=1 at one site and LV=1 at the other are not the same structure. Mapping by number fails here."""
    make_dataset(tmp_path / "Dataset001_Main", RV_FIRST, 6)
    make_dataset(tmp_path / "Dataset002_Other", LV_FIRST, 3, prefix="x", seed=7)
    cohorts = importer(tmp_path).cohorts(SIZE, ("sax",), seed=1)
    for role, frames in cohorts.items():
        assert frames.scheme.structures == ("RV", "MYO", "LV"), "the order of the first cohort's dataset.json"
        lv, rv = frames.scheme.value("LV"), frames.scheme.value("RV")
        # The disc in the middle is the LV at both sites; the block on the left is the RV.
        assert (frames.labels[:, SIZE // 2, SIZE // 2] == lv).all(), role
        assert (np.nonzero(frames.labels == rv)[2] < SIZE / 2).all(), role


def test_external_site_that_labels_one_structure(tmp_path: Path) -> None:
    make_pair(tmp_path)
    dataset = importer(tmp_path)
    cohorts = dataset.cohorts(SIZE, ("sax",), seed=1)
    external = cohorts["external"]
    assert external.scheme.structures == cohorts["generator"].scheme.structures == ("RV", "MYO", "LV")
    assert external.scheme.annotated == {"sax": ("LV",)}
    assert set(np.unique(external.labels)) == {0, external.scheme.value("LV")}
    assert dataset.scheme(("sax",)) == cohorts["generator"].scheme


def test_a_structure_that_only_the_external_site_labels_is_left_out(tmp_path: Path) -> None:
    make_dataset(tmp_path / "Dataset001_Main", {"background": 0, "MYO": 1, "LV": 2}, 6)
    make_dataset(tmp_path / "Dataset002_Other", RV_FIRST, 3, prefix="x", seed=7)
    external = importer(tmp_path).cohorts(SIZE, ("sax",), seed=1)["external"]
    assert external.scheme.annotated["sax"] == external.scheme.structures == ("MYO", "LV")
    assert external.labels.max() == 2


def test_structure_and_view_names() -> None:
    assert [canonical_structure(name) for name in ("lvc", "Left Ventricle", "myocardium", "Right_Atrium", "aorta ")] \
        == ["LV", "LV", "MYO", "RA", "aorta"]  # fmt: skip
    assert [canonical_view(name) for name in ("SAX", "2CH", "LAX_4C", "Oblique")] == ["sax", "2ch", "4ch", "oblique"]


def test_unusual_label_names_are_mapped_by_a_field(tmp_path: Path) -> None:
    make_pair(tmp_path)
    write_description(tmp_path / "Dataset001_Main", {"background": 0, "rechts": 1, "wand": 2, "links": 3})
    names = {"rechts": "RV", "wand": "MYO", "links": "LV"}
    scheme = importer(tmp_path, structure_names=names).scheme(("sax",))
    assert scheme.structures == ("RV", "MYO", "LV")


def test_labels_of_the_first_format_version(tmp_path: Path) -> None:
    make_pair(tmp_path)
    write_description(tmp_path / "Dataset001_Main", {"0": "background", "1": "RV", "2": "MYO", "3": "LV"})
    assert importer(tmp_path).scheme(("sax",)).structures == ("RV", "MYO", "LV")


def test_the_mask_changes_no_image_byte(tmp_path: Path) -> None:
    make_pair(tmp_path)
    dataset = importer(tmp_path, crop_fraction=0.7)
    before = _all_frames(dataset.cohorts(SIZE, ("sax",), seed=1), COHORTS)
    for path in (tmp_path / "Dataset001_Main" / "labelsTr").iterdir():
        Image.fromarray(np.roll(np.asarray(Image.open(path)), (9, 14), axis=(0, 1))).save(path)
    after = _all_frames(dataset.cohorts(SIZE, ("sax",), seed=1), COHORTS)
    assert all(np.array_equal(before[name][0], after[name][0]) for name in before)
    assert not all(np.array_equal(before[name][1], after[name][1]) for name in before)


def test_image_and_mask_keep_in_register(tmp_path: Path) -> None:
    """An off-centre square lies at the same place in both channels after crop and resampling."""
    make_pair(tmp_path)
    image = np.full((90, 150), 10, np.uint8)
    image[50:74, 80:104] = 200
    image[0, 0] = 11
    write_png_case(tmp_path / "Dataset001_Main", "p000_ED", image, np.where(image == 200, 3, 0).astype(np.uint8))
    cohorts = importer(tmp_path, crop_fraction=0.8).cohorts(SIZE, ("sax",), seed=1)
    stored = _all_frames(cohorts, MAIN)["p000_ED"]
    bright = stored[0].astype(float) / 255
    labelled = (stored[1] == RV_FIRST["LV"]).astype(float)
    side = 0.8 * 90
    scale = SIZE / side
    expected = ((62 - (90 - side) / 2) * scale - 0.5, (92 - (150 - side) / 2) * scale - 0.5)
    for weight in (bright, labelled):
        centre = [(weight * axis).sum() / weight.sum() for axis in np.mgrid[:SIZE, :SIZE]]
        assert centre == pytest.approx(expected, abs=0.3)


def test_every_frame_is_scaled_alike(tmp_path: Path) -> None:
    """A brighter or 16-bit copy of a picture gives the same 8 bits: percentiles decide, not the file's range."""
    make_pair(tmp_path)
    image, mask = heart(RV_FIRST, seed=99)
    for case, copy in (("p000_ED", image), ("p001_ED", image.astype(np.uint16) * 250 + 17)):
        write_png_case(tmp_path / "Dataset001_Main", case, copy, mask)
    frames = _all_frames(importer(tmp_path).cohorts(SIZE, ("sax",), seed=1), MAIN)
    assert np.abs(frames["p000_ED"][0].astype(int) - frames["p001_ED"][0]).max() <= 1
    assert frames["p000_ED"][0].max() == 255


def test_thin_structures_survive_by_area_majority(tmp_path: Path) -> None:
    """Nearest neighbour may miss or double a wall; the area's majority keeps its area."""
    make_pair(tmp_path)
    image, _ = heart(RV_FIRST, seed=5, rows=256, columns=256)
    y, x = np.mgrid[:256, :256]
    radius = np.hypot(y - 128, x - 128)
    mask = np.where(np.abs(radius - 60) < 5, 2, 0).astype(np.uint8)
    write_png_case(tmp_path / "Dataset001_Main", "p000_ED", image, mask)
    stored = _all_frames(importer(tmp_path).cohorts(64, ("sax",), seed=1), MAIN)["p000_ED"][1]
    assert np.count_nonzero(stored) * 16 == pytest.approx(np.count_nonzero(mask), rel=0.02)


def test_area_majority_against_counting_points() -> None:
    """Independent check: 200 x 200 points in every cell, on a box whose edges cut through pixels."""
    labels = np.random.default_rng(0).integers(0, 4, (23, 31)).astype(np.uint8)
    left, upper, side, size, points = 3.3, 1.7, 19.6, 9, 200
    steps = (np.arange(size * points) + 0.5) * side / (size * points)
    fine = labels[np.floor(upper + steps).astype(int)][:, np.floor(left + steps).astype(int)]
    counts = [(fine == value).reshape(size, points, size, points).sum(axis=(1, 3)) for value in range(4)]
    box = (left, upper, left + side, upper + side)
    assert np.array_equal(resample_labels(labels, box, size), np.argmax(counts, axis=0))


def test_nominal_and_stated_spacing(tmp_path: Path) -> None:
    make_pair(tmp_path)
    dataset = importer(tmp_path, crop_fraction=0.5, nominal_field_of_view_mm=320)
    assert set(dataset.cohorts(SIZE, ("sax",), seed=1)["external"].table["spacing_mm"]) == {0.5 * 320 / SIZE}
    table = tmp_path / "Dataset002_Other" / "cases.csv"
    header, *lines = table.read_text(encoding="utf-8").splitlines()
    table.write_text("\n".join([f"{header},spacing_mm", *(f"{line},1.5" for line in lines)]), encoding="utf-8")
    stated = dataset.cohorts(SIZE, ("sax",), seed=1)["external"].table["spacing_mm"]
    assert set(stated) == {0.5 * 72 * 1.5 / SIZE}


def test_views_of_one_folder(tmp_path: Path) -> None:
    """2CH frames do not show the RV: what is annotated is told per view, from the masks."""
    for name, prefix in (("Dataset001_Main", "p"), ("Dataset002_Other", "x")):
        folder = make_dataset(tmp_path / name, RV_FIRST, 6, prefix=prefix, seed=ord(prefix))
        table = folder / "cases.csv"
        table.write_text(table.read_text().replace("SAX,ES", "2CH,ES").replace("SAX,ED", "4CH,ED"), encoding="utf-8")
        for path in (folder / "labelsTr").glob("*_ES.png"):
            mask = np.array(Image.open(path))
            mask[mask == RV_FIRST["RV"]] = 0
            Image.fromarray(mask).save(path)
    dataset = importer(tmp_path)
    cohorts = dataset.cohorts(SIZE, ("4ch", "2ch"), seed=1)
    annotated = {"4ch": ("RV", "MYO", "LV"), "2ch": ("MYO", "LV")}
    assert cohorts["external"].scheme.annotated == cohorts["generator"].scheme.annotated == annotated
    assert set(dataset.cohorts(SIZE, ("2ch",), seed=1)["generator"].views) == {"2ch"}
    assert dataset.scheme(("2ch",)).structures == ("MYO", "LV")


def _write_volume(folder: Path, case: str, labels: dict[str, int], seed: int, zooms: tuple[float, ...]) -> None:
    planes = [heart(labels, seed=10 * seed + at, rows=80, columns=60) for at in range(3)]
    # NIfTI counts columns first.
    image, mask = (np.stack([plane[part].T for plane in planes], axis=-1) for part in (0, 1))
    for name, values in ((f"imagesTr/{case}_0000", image.astype(np.int16)), (f"labelsTr/{case}", mask)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        nibabel.save(nibabel.Nifti1Image(values, np.diag([*zooms, 1.0])), folder / f"{name}.nii.gz")


def test_nifti_volumes_become_planes(tmp_path: Path) -> None:
    make_dataset(tmp_path / "Dataset002_Other", LV_ONLY, 3, prefix="x", seed=7)
    folder = tmp_path / "Dataset001_Main"
    write_description(folder, RV_FIRST, ".nii.gz")
    for number in range(5):
        _write_volume(folder, f"v{number}_ED", RV_FIRST, seed=50 + number, zooms=(1.5, 1.5, 8.0))
    cohorts = importer(tmp_path, crop_fraction=0.8).cohorts(SIZE, ("sax",), seed=1)
    table = cohorts["generator"].table
    assert len(table) == 3
    subject = table["subject_id"].iloc[0]
    assert list(table["frame_id"]) == [f"{subject}_ED_z{at:02d}" for at in range(3)]
    assert set(table["spacing_mm"]) == {0.8 * 60 * 1.5 / SIZE}
    # Rows and columns were not swapped: the RV lies to the left of the LV, not above it.
    rv = np.nonzero(cohorts["generator"].labels[0] == RV_FIRST["RV"])
    assert rv[1].mean() < SIZE / 2 - 3
    assert rv[0].mean() == pytest.approx(SIZE / 2, abs=1)


def test_oblong_pixels_become_square(tmp_path: Path) -> None:
    """With columns twice as wide as rows, a circle in mm is a circle in the frame."""
    make_dataset(tmp_path / "Dataset002_Other", LV_ONLY, 3, prefix="x", seed=7)
    folder = tmp_path / "Dataset001_Main"
    write_description(folder, {"background": 0, "LV": 1}, ".nii.gz")
    y, x = np.mgrid[:160, :80]
    for number in range(5):
        mask = (np.hypot(y - 79.5, 2 * (x - 39.5)) < 40).astype(np.uint8)
        image = mask * 100.0 + np.random.default_rng(number).normal(0, 1, mask.shape)
        for name, values in ((f"imagesTr/v{number}_a_0000", image), (f"labelsTr/v{number}_a", mask)):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            nibabel.save(nibabel.Nifti1Image(values.T, np.diag([2.0, 1.0, 8.0, 1.0])), folder / f"{name}.nii.gz")
    frames = importer(tmp_path).cohorts(SIZE, ("sax",), seed=1)["generator"]
    rows, columns = np.nonzero(frames.labels[0])
    assert np.ptp(rows) == np.ptp(columns)
    assert frames.table["spacing_mm"].iloc[0] == pytest.approx(160 / SIZE)


def test_subjects_from_case_names(tmp_path: Path) -> None:
    training, _ = make_pair(tmp_path)
    (training / "cases.csv").unlink()
    frames = importer(tmp_path).cohorts(SIZE, ("sax",), seed=1)["generator"]
    assert set(frames.table["subject_id"]) <= {f"p{number:03d}" for number in range(6)}
    pattern = r"(?P<subject>p\d+)_(?P<phase>E[DS])"
    frames = importer(tmp_path, overrides={training.name: {"subject_pattern": pattern}}).cohorts(SIZE, ("sax",), 1)
    assert set(frames["generator"].table["phase"]) == {"ED", "ES"}


def test_folders_with_blanks_and_accents(tmp_path: Path) -> None:
    root = tmp_path / "Données du cœur 心 (copy)"
    make_pair(root)
    shutil.move(root / "Dataset001_Main", root / "Dataset 001 Főcsoport")
    moved = {"dataset": "Dataset 001 Főcsoport"}
    cohorts = importer(root, cohorts={**COHORTS, **{role: COHORTS[role] | moved for role in MAIN}}).cohorts(
        SIZE, ("sax",), seed=1
    )
    assert set(cohorts["generator"].table["site"]) == {"Dataset 001 Főcsoport"}


def test_root_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_pair(tmp_path)
    monkeypatch.setenv("AUGBENCH_TEST_ROOT", str(tmp_path))
    assert importer(Path("${AUGBENCH_TEST_ROOT:-nowhere}")).scheme(("sax",)).structures
    monkeypatch.delenv("AUGBENCH_TEST_ROOT")
    assert importer(Path(f"${{AUGBENCH_TEST_ROOT:-{tmp_path}}}")).scheme(("sax",)).structures


def test_hidden_files_and_other_channels_are_passed_over(tmp_path: Path) -> None:
    training, _ = make_pair(tmp_path)
    (training / "imagesTr" / "._p000_ED_0000.png").write_bytes(b"resource fork")
    (training / "imagesTr" / "Thumbs.db").write_bytes(b"x")
    shutil.copy(training / "imagesTr" / "p000_ED_0000.png", training / "imagesTr" / "p000_ED_0001.png")
    assert sum(len(frames) for frames in importer(tmp_path).cohorts(SIZE, ("sax",), 1).values()) == 18


def test_grey_pictures_in_other_png_modes(tmp_path: Path) -> None:
    """Grey saved as RGB or with an opaque alpha is grey; a palette mask keeps its numbers."""
    training, _ = make_pair(tmp_path)
    dataset = importer(tmp_path)
    before = _all_frames(dataset.cohorts(SIZE, ("sax",), 1), MAIN)
    for case, mode in (("p000_ED", "RGB"), ("p001_ED", "LA"), ("p002_ED", "P")):
        path = training / "imagesTr" / f"{case}_0000.png"
        Image.open(path).convert(mode).save(path)
    path = training / "labelsTr" / "p003_ED.png"
    mask = Image.open(path)
    coloured = Image.fromarray(np.asarray(mask)).convert("P")
    coloured.putdata(list(np.asarray(mask).ravel()))
    coloured.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255])
    coloured.save(path)
    after = _all_frames(dataset.cohorts(SIZE, ("sax",), 1), MAIN)
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_an_incomplete_copy_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    training, _ = make_pair(tmp_path)
    (training / "dataset.json").write_text(
        json.dumps({"labels": RV_FIRST, "file_ending": ".png", "numTraining": 14}), encoding="utf-8"
    )
    importer(tmp_path).scheme(("sax",))
    assert "announces 14 cases, 12 are there" in capsys.readouterr().err


def test_the_documented_sections_are_complete_and_valid(root: Path) -> None:
    """Every setting stands in docs/your-own-data.md, and all its examples are accepted."""
    text = (root / "docs/your-own-data.md").read_text(encoding="utf-8")
    blocks = [yaml.safe_load(block.split("```")[0]) for block in text.split("```yaml")[1:]]
    sections = [block["dataset"] for block in blocks if "dataset" in block]
    assert len(sections) > 1
    for section in sections:
        dataset = create(Dataset, section.pop("kind"), section)
        assert create(Dataset, "nnunet", dataset.model_dump()) == dataset
    fields = {field.alias or name for name, field in NnUNet.model_fields.items()}
    assert any(set(section) == fields for section in sections)


def test_description_names_what_was_found(tmp_path: Path) -> None:
    make_pair(tmp_path)
    found = importer(tmp_path, crop_fraction=0.3).describe(16, ("sax",))
    json.dumps(found, allow_nan=False)
    main, other = "Dataset001_Main", "Dataset002_Other"
    assert found["Labels"] == {main: {"RV": 1, "MYO": 2, "LV": 3}, other: {"LV": 1}}
    assert found["Folders"]["frames"] == {main: 12, other: 6}
    assert found["Folders"]["patients"] == {main: 6, other: 3}
    assert found["Views"][f"{main}, sax"] == {"frames": 12, "patients": 6, "structures": "RV, MYO, LV"}
    assert found["Views"][f"{other}, sax"]["structures"] == "LV"
    assert found["Patients by pathology"][main] == {"DCM": 3, "NOR": 3}
    assert "not stated" in str(found["Folders"]["pixel spacing, mm"][main])
    assert 0 < found["Folders"]["labelled pixels cut off, %"][main] < 100
    assert list(found["Cohorts"]) == list(COHORTS)
    assert [found["Cohorts"][role]["patients"] for role in COHORTS] == [2, 2, 1, 1, 3]
    assert found["Cohorts"]["segmenter"]["of them for validation"] == 1


def test_inspect_prints_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """As tables, and nothing that a file's text holds reaches the terminal as markup or escape sequence."""
    training, _ = make_pair(tmp_path)
    table = training / "cases.csv"
    table.write_text(table.read_text().replace("DCM", "[red]DCM\x1b[2J"), encoding="utf-8")
    entry = SimpleNamespace(kind="nnunet", options={"root": str(tmp_path), "cohorts": COHORTS})
    monkeypatch.setattr(inspect, "read_params", lambda: SimpleNamespace(dataset=entry, image_size=16, views=["sax"]))
    inspect.run()
    printed = capsys.readouterr().out
    for text in ("segmenter", "Dataset002_Other", "RV, MYO, LV", "[red]DCM\\x1b[2J"):
        assert text in printed
    assert "\x1b" not in printed


def test_real_short_axis_sets(real_data: Path) -> None:
    """ACDC counts RV first, Sunnybrook labels the LV alone, and two ACDC ids hold one person's pictures."""
    for name in ("Dataset101_ACDC", "Dataset103_Sunnybrook"):
        if not (real_data / name).is_dir():
            pytest.skip(f"no {name} in {real_data}")
    acdc, sunnybrook = {"dataset": "Dataset101_ACDC"}, {"dataset": "Dataset103_Sunnybrook"}
    declared = {**{role: COHORTS[role] | acdc for role in MAIN}, "external": sunnybrook}
    dataset = importer(real_data, cohorts=declared, crop_fraction=0.65)
    assert dataset.expected_frames(("sax",)) == 1516 + 258
    cohorts = dataset.cohorts(64, ("sax",), seed=2020)
    subjects = {role: frames.table["subject_id"].nunique() for role, frames in cohorts.items()}
    assert subjects == {"generator": 46, "segmenter": 15, "internal": 9, "development": 9, "external": 15}
    assert "patient076" not in set().union(*(frames.table["subject_id"] for frames in cohorts.values()))
    assert cohorts["external"].scheme.annotated == {"sax": ("LV",)}
    generator = cohorts["generator"]
    # Blood is bright and muscle dark in bSSFP: swapped labels would turn this round.
    bright, dark = (generator.images[generator.labels == generator.scheme.value(name)].mean() for name in ("LV", "MYO"))
    assert bright > 1.5 * dark
    # The muscle encloses the LV, so its centre is nearer to the LV's than to the RV's.
    centres = {
        name: np.argwhere(generator.labels == generator.scheme.value(name))[:, 1:].mean(0)
        for name in ("LV", "MYO", "RV")
    }
    assert np.linalg.norm(centres["MYO"] - centres["LV"]) < np.linalg.norm(centres["MYO"] - centres["RV"])


def test_real_volumes_with_spacing(real_data: Path, tmp_path: Path) -> None:
    """M&Ms stacks (NIfTI, LV first, spacing in the header) beside PNG frames that have none."""
    if not (real_data / "mnms").is_dir():
        pytest.skip(f"no mnms in {real_data}")
    folder = tmp_path / "Dataset002_Other"
    write_description(folder, LV_FIRST, ".nii.gz")
    (folder / "imagesTr").mkdir()
    (folder / "labelsTr").mkdir()
    for mask in (real_data / "mnms").glob("*_gt.nii.gz"):
        case = mask.name.removesuffix("_gt.nii.gz")
        (folder / "imagesTr" / f"{case}_0000.nii.gz").symlink_to(real_data / "mnms" / f"{case}.nii.gz")
        (folder / "labelsTr" / f"{case}.nii.gz").symlink_to(mask)
    make_dataset(tmp_path / "Dataset001_Main", RV_FIRST, 6)
    external = importer(tmp_path, crop_fraction=0.65).cohorts(SIZE, ("sax",), seed=1)["external"]
    assert set(external.table["subject_id"]) == {"G1K1V3", "G8R0Z9", "H1N8S6"}
    assert len(external) == 2 * (11 + 11 + 10)
    assert external.scheme.annotated["sax"] == ("RV", "MYO", "LV")
    spacing = external.table.groupby("subject_id")["spacing_mm"].first()
    assert spacing["H1N8S6"] == pytest.approx(0.65 * 196 * 1.3333 / SIZE, rel=1e-3)
    blood, muscle = (external.images[external.labels == external.scheme.value(name)].mean() for name in ("LV", "MYO"))
    assert blood > 1.5 * muscle
