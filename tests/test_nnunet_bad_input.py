"""Bad input ends in one message that says what, got, expected, remedy and file, before a cohort is made."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import nibabel
import numpy as np
import pytest
from nnunet_folder import COHORTS, RV_FIRST, importer, make_pair, write_description
from PIL import Image

from augbench.core.errors import UserError

IMAGE, MASK = Path("imagesTr/p000_ED_0000.png"), Path("labelsTr/p000_ED.png")


@dataclass(frozen=True)
class Bad:
    """One bad input.

    Attributes:
        spoil: what is done to a good folder, that of the first cohort.
        says, also: patterns that the message must match.
        fields: settings of the dataset that differ.
    """

    spoil: Callable[[Path], object]
    says: str
    also: str = ""
    fields: dict[str, object] = field(default_factory=dict)
    views: tuple[str, ...] = ("sax",)
    image_size: int = 16


def _image(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], object]:
    return lambda folder: _rewrite(folder / IMAGE, change)


def _mask(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], object]:
    return lambda folder: _rewrite(folder / MASK, change)


def _rewrite(path: Path, change: Callable[[np.ndarray], np.ndarray]) -> None:
    Image.fromarray(change(np.array(Image.open(path)))).save(path)


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _csv(old: str, new: str) -> Callable[[Path], object]:
    def spoil(folder: Path) -> None:
        text = (folder / "cases.csv").read_text(encoding="utf-8")
        assert old in text
        (folder / "cases.csv").write_text(text.replace(old, new, 1), encoding="utf-8")

    return spoil


def _labels(labels: dict[str, object]) -> Callable[[Path], object]:
    return lambda folder: write_description(folder, labels)


def _drop_csv(folder: Path) -> None:
    (folder / "cases.csv").unlink()


def _semicolons(folder: Path) -> None:
    text = (folder / "cases.csv").read_text(encoding="utf-8")
    (folder / "cases.csv").write_text(text.replace(",", ";"), encoding="utf-8")


def _same_picture_elsewhere(folder: Path) -> None:
    shutil.copy(folder / IMAGE, folder.parent / "Dataset002_Other" / "imagesTr" / "x001_ES_0000.png")


def _same_person_elsewhere(folder: Path) -> None:
    _csv("x001_ED,x001", "x001_ED,p001")(folder.parent / "Dataset002_Other")
    _csv("x001_ES,x001", "x001_ES,p001")(folder.parent / "Dataset002_Other")


def _link(path: Path, target: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    path.symlink_to(target)


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _empty(folder: Path) -> None:
    for name in ("imagesTr", "labelsTr"):
        shutil.rmtree(folder / name)
        (folder / name).mkdir()


def _colour(image: np.ndarray) -> np.ndarray:
    return np.stack([image, image, 255 - image], axis=-1)


PNG = {
    "folder missing": Bad(shutil.rmtree, "dataset folder Dataset001_Main is missing", "Dataset002_Other"),
    "root missing": Bad(lambda folder: shutil.rmtree(folder.parent), "is missing", "no folder"),
    "no dataset.json": Bad(lambda folder: (folder / "dataset.json").unlink(), "dataset.json is missing"),
    "dataset.json not JSON": Bad(
        lambda folder: (folder / "dataset.json").write_text('{"labels": '), "dataset.json cannot be read"
    ),
    "dataset.json not text": Bad(
        lambda folder: (folder / "dataset.json").write_bytes(b"\xff\xfe\x00\x81"), "dataset.json cannot be read"
    ),
    "dataset.json a list": Bad(lambda folder: (folder / "dataset.json").write_text("[1]"), "has no labels", "list"),
    "no labels": Bad(lambda folder: (folder / "dataset.json").write_text("{}"), "has no labels"),
    "no structure": Bad(_labels({"background": 0}), "names no structure"),
    "region labels": Bad(_labels({"background": 0, "heart": [1, 2], "LV": 3}), "label 'heart' has no usable value"),
    "label value twice": Bad(_labels({"background": 0, "LV": 1, "RV": 1}), "used twice"),
    "two names, one structure": Bad(_labels({"background": 0, "LV": 1, "left ventricle": 2}), "two labels mean 'LV'"),
    "background not 0": Bad(_labels({"LV": 0, "background": 1}), "background is not label 0"),
    "ignore label": Bad(_labels({**RV_FIRST, "ignore": 4}), "`ignore` label"),
    "file ending": Bad(
        lambda folder: (folder / "dataset.json").write_text(
            json.dumps({"labels": RV_FIRST, "file_ending": ".tif"})
        ), "file ending is not supported", ".tif",
    ),
    "other file ending": Bad(
        lambda folder: write_description(folder, RV_FIRST, ".nii.gz"), "does not follow the nnU-Net layout"
    ),
    "no channel in the name": Bad(
        lambda folder: (folder / IMAGE).rename(folder / "imagesTr/p000_ED.png"), "does not follow", "p000_ED.png"
    ),
    "imagesTr missing": Bad(lambda folder: shutil.rmtree(folder / "imagesTr"), "folder imagesTr is missing"),
    "empty dataset": Bad(_empty, "dataset is empty"),
    "channel without images": Bad(lambda _: None, "dataset is empty", "_0003.png", fields={"channel": 3}),
    "image without mask": Bad(lambda folder: (folder / MASK).unlink(), "image without mask", "labelsTr/p000_ED.png"),
    "mask without image": Bad(lambda folder: (folder / IMAGE).unlink(), "mask without image", "p000_ED_0000.png"),
    "mask value": Bad(_mask(lambda mask: np.where(mask == 3, 7, mask)), "mask value outside the labels", "values 7"),
    "mask rescaled to 0-255": Bad(_mask(lambda mask: mask * 85), "mask value outside the labels", "0-255"),
    "mask in colour": Bad(_mask(_colour), "mask is in colour"),
    "mask of another size": Bad(_mask(lambda mask: mask[:-1]), "differ in size", "mask 79 x 72, image 80 x 72"),
    "mask turned": Bad(_mask(lambda mask: mask.T), "differ in size"),
    "image in colour": Bad(_image(_colour), "image is in colour"),
    "constant image": Bad(_image(np.zeros_like), "image is constant", "is 0"),
    "small image": Bad(lambda _: None, "smaller than the network needs", "80 x 72", image_size=80),
    "small after crop": Bad(lambda _: None, "smaller than", "14 a side", fields={"crop_fraction": 0.2}),
    "black and white image": Bad(
        lambda folder: Image.open(folder / IMAGE).convert("1").save(folder / IMAGE), "wrong bit depth", "1 bit"
    ),
    "jpeg named png": Bad(
        lambda folder: Image.open(folder / IMAGE).save(folder / IMAGE, format="JPEG"), "image cannot be read"
    ),
    "truncated image": Bad(lambda folder: _truncate(folder / IMAGE), "image cannot be read"),
    "truncated mask": Bad(lambda folder: _truncate(folder / MASK), "mask cannot be read"),
    "empty file": Bad(lambda folder: (folder / IMAGE).write_bytes(b""), "image cannot be read"),
    "text as image": Bad(lambda folder: (folder / IMAGE).write_text("not a picture"), "image cannot be read"),
    "broken chunk": Bad(
        lambda folder: (folder / IMAGE).write_bytes((folder / IMAGE).read_bytes()[:40] + b"\0" * 400),
        "image cannot be read",
    ),
    "case twice": Bad(_csv("p001_ED,p001", "p000_ED,p000"), "names a case twice", "p000_ED again in line 4"),
    "case not listed": Bad(_csv("p001_ED,p001,SAX,ED,DCM\n", ""), "cases.csv lacks a case", "p001_ED"),
    "case without image": Bad(_csv("p001_ED,", "zzz,"), "cases.csv lacks a case"),
    "line too many": Bad(_csv("p001_ED,", "zzz,p009,SAX,ED,DCM\np001_ED,"), "has no image", "zzz"),
    "path in a case name": Bad(_csv("p001_ED,", "../../secret,"), "unusable case_id", "line 4"),
    "path in a subject name": Bad(_csv(",p001,", ",../p001,"), "unusable subject_id"),
    "subject left empty": Bad(_csv(",p001,", ",,"), "unusable subject_id"),
    "no subject column": Bad(_csv("subject_id", "patient"), "lacks the column subject_id", "patient"),
    "semicolons": Bad(_semicolons, "lacks the column", "case_id;subject_id"),
    "cell too many": Bad(_csv("p001,SAX,ED,DCM", "p001,SAX,ED,DCM,?"), "cases.csv cannot be read"),
    "every line too long": Bad(_csv("subject_id,view,phase,pathology", "subject_id"), "cases.csv cannot be read"),
    "empty cases.csv": Bad(lambda folder: (folder / "cases.csv").write_text(""), "cases.csv cannot be read"),
    "cases.csv not text": Bad(
        lambda folder: (folder / "cases.csv").write_bytes(b"case_id,subject_id\n\xff\xfe,a\n"), "cannot be read"
    ),
    "two pathologies": Bad(_csv("p001,SAX,ED,DCM", "p001,SAX,ED,HCM"), "has two pathologies", "'HCM' and 'DCM'"),
    "pattern does not match": Bad(
        _drop_csv, "does not match the subject pattern", "p000_ED", fields={"subject_pattern": r"(?P<subject>q\d+)_.*"}
    ),
    "pattern finds one subject": Bad(
        _drop_csv, "not enough patients", "1 patients", fields={"subject_pattern": r"(?P<subject>p).*"}
    ),
    "too many subjects asked for": Bad(
        lambda _: None, "not enough patients", "internal 40",
        fields={"cohorts": COHORTS | {"internal": {"dataset": "Dataset001_Main", "subjects": 40}}},
    ),
    "more external subjects asked for": Bad(
        lambda _: None, "not enough patients", "external 99",
        fields={"cohorts": COHORTS | {"external": {"dataset": "Dataset002_Other", "subjects": 99}}},
    ),
    "cohort from a folder that is not there": Bad(
        lambda _: None, "Dataset009_None is missing", "holds Dataset001_Main, Dataset002_Other",
        fields={"cohorts": COHORTS | {"external": {"dataset": "Dataset009_None"}}},
    ),
    "view without frames": Bad(lambda _: None, "view 2ch has no frames", "views sax", views=("sax", "2ch")),
    "same person at both sites": Bad(_same_person_elsewhere, "subject 'p001' is in two splits"),
    "same picture at both sites": Bad(_same_picture_elsewhere, "same image is in two datasets", "x001_ES"),
    "nothing in common": Bad(
        _labels({"background": 0, "RV": 1, "MYO": 2, "scar": 3}),
        "no structure of view 'sax' is labelled in Dataset002_Other", "one of RV, MYO, scar",
    ),
    "no label at all": Bad(
        lambda folder: [_rewrite(path, np.zeros_like) for path in (folder / "labelsTr").iterdir()],
        "no structure of view 'sax' is labelled in Dataset001_Main", "empty masks",
    ),
    "link in a circle": Bad(lambda folder: _link(folder / IMAGE, folder / IMAGE), "no file", "Too many levels"),
    "folder link in a circle": Bad(lambda folder: _link(folder, folder), "is missing", "Too many levels"),
    "link to nowhere": Bad(lambda folder: _link(folder / MASK, Path("/nowhere")), "no file", "symbolic link"),
    "pipe instead of an image": Bad(lambda folder: _pipe(folder / IMAGE), "no file", "neither a plain file nor"),
    "folder named as an image": Bad(
        lambda folder: ((folder / IMAGE).unlink(), (folder / IMAGE).mkdir()), "is no file", "p000_ED_0000.png"
    ),
    "label that is a number of 5000 digits": Bad(
        lambda folder: (folder / "dataset.json").write_text('{"labels": {"LV": %s}}' % ("9" * 5000)), "cannot be read"
    ),
    "label with an escape sequence": Bad(_labels({"background": 0, "\x1b[2JLV": 1}), "no usable name", r"\\x1b"),
    "user that does not exist": Bad(
        lambda _: None, "root cannot be a folder", "no_such_user", fields={"root": "~no_such_user/x"}
    ),
    "root with a name too long": Bad(lambda _: None, "root cannot be a folder", fields={"root": "x" * 5000}),
    "variable not set": Bad(lambda _: None, "AUGBENCH_NOT_SET is not set", fields={"root": "${AUGBENCH_NOT_SET}/x"}),
}  # fmt: skip


def _require_refused(root: Path, bad: Bad) -> None:
    """`cohorts` and `describe` on a spoilt folder say the same."""
    make_pair(root, subjects=6)
    bad.spoil(root / "Dataset001_Main")
    messages = []
    for read in (lambda dataset: dataset.cohorts(bad.image_size, bad.views, 1),
                 lambda dataset: dataset.describe(bad.image_size, bad.views)):  # fmt: skip
        with pytest.raises(UserError) as caught:
            read(importer(root, **bad.fields))
        messages.append(str(caught.value))
    assert messages[0] == messages[1]
    for pattern in (bad.says, bad.also):
        assert re.search(pattern, messages[0]), messages[0]
    for name in ("got:", "expected:", "remedy:", "file:"):
        assert len(re.findall(rf"^  {name} +\S", messages[0], flags=re.MULTILINE)) == 1, messages[0]


@pytest.mark.parametrize("bad", PNG.values(), ids=PNG.keys())
def test_png_folder(tmp_path: Path, bad: Bad) -> None:
    _require_refused(tmp_path / "raw", bad)


def test_the_unspoilt_folder_is_accepted(tmp_path: Path) -> None:
    """Without this, every refusal could have another cause."""
    make_pair(tmp_path, subjects=6)
    assert len(importer(tmp_path).cohorts(16, ("sax",), 1)["external"]) == 6


def _volume(folder: Path, image: np.ndarray, mask: np.ndarray, *, mask_zooms: tuple[float, ...] = (1, 1, 8)) -> None:
    write_description(folder, RV_FIRST, ".nii.gz")
    for name in ("imagesTr", "labelsTr"):
        shutil.rmtree(folder / name)
        (folder / name).mkdir()
    (folder / "cases.csv").unlink()
    nibabel.save(nibabel.Nifti1Image(image, np.diag([1.0, 1, 8, 1])), folder / "imagesTr/v_a_0000.nii.gz")
    nibabel.save(nibabel.Nifti1Image(mask, np.diag([*mask_zooms, 1.0])), folder / "labelsTr/v_a.nii.gz")


def _noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(100, 10, shape).astype(np.float32)


def _with(value: float) -> np.ndarray:
    image = _noise(40, 40, 3)
    image[5, 6, 2] = value
    return image


EMPTY = np.zeros((40, 40, 3), np.uint8)
NIFTI = {
    "NaN": Bad(lambda folder: _volume(folder, _with(np.nan), EMPTY), "NaN or infinite", "1 of 1600 pixels in plane 2"),
    "infinity": Bad(lambda folder: _volume(folder, _with(np.inf), EMPTY), "NaN or infinite"),
    "blank plane": Bad(
        lambda folder: _volume(folder, _noise(40, 40, 3) * [1, 1, 0], EMPTY), "image is constant", "plane 2"
    ),
    "interpolated mask": Bad(
        lambda folder: _volume(folder, _noise(40, 40, 3), EMPTY + np.float32(0.5)), "outside the labels", "interpolated"
    ),
    "cine": Bad(lambda folder: _volume(folder, _noise(40, 40, 3, 5), EMPTY), "not a plane or volume", "40, 40, 3, 5"),
    "colour voxels": Bad(
        lambda folder: _volume(folder, np.zeros((40, 40, 3), [("R", "u1"), ("G", "u1"), ("B", "u1")]), EMPTY),
        "not a plane or volume",
    ),
    "planes missing": Bad(lambda folder: _volume(folder, _noise(40, 40, 3), EMPTY[..., :2]), "differ in size"),
    "mask with other voxels": Bad(
        lambda folder: _volume(folder, _noise(40, 40, 3), EMPTY, mask_zooms=(2, 2, 8)), "lie differently in space"
    ),
    "mask flipped": Bad(
        lambda folder: _volume(folder, _noise(40, 40, 3), EMPTY, mask_zooms=(-1, 1, 8)), "lie differently in space"
    ),
    "truncated": Bad(
        lambda folder: (_volume(folder, _noise(40, 40, 3), EMPTY), _truncate(folder / "imagesTr/v_a_0000.nii.gz")),
        "image cannot be read",
    ),
    "not gzip": Bad(
        lambda folder: (
            _volume(folder, _noise(40, 40, 3), EMPTY), (folder / "labelsTr/v_a.nii.gz").write_bytes(b"x" * 400)
        ),
        "mask cannot be read",
    ),
}  # fmt: skip


@pytest.mark.parametrize("bad", NIFTI.values(), ids=NIFTI.keys())
def test_nifti_folder(tmp_path: Path, bad: Bad) -> None:
    _require_refused(tmp_path / "raw", bad)


def _with_cohort(**fields: object) -> dict[str, object]:
    return {"cohorts": COHORTS | {"internal": {"dataset": "Dataset001_Main", **fields}}}


PARAMETERS = {
    "misspelt": ({"crop_fractoin": 0.5}, "did you mean 'crop_fraction'?"),
    "out of range": ({"crop_fraction": 1.5}, "crop_fraction"),
    "no cohort": ({"cohorts": {}}, "cohorts"),
    "misspelt in a cohort": (_with_cohort(shar=0.1), "did you mean 'share'?"),
    "misspelt in an override": ({"overrides": {"Dataset001_Main": {"chanel": 1}}}, "did you mean 'channel'?"),
    "escaping folder name": (_with_cohort(dataset="../secret"), "cohorts.internal.dataset"),
    "no name": (_with_cohort(dataset=""), "cohorts.internal.dataset"),
    "parent as name": (_with_cohort(dataset=".."), "cohorts.internal.dataset"),
    "two cohorts take the rest": (_with_cohort(), "internal all others (at least 1)"),
    "shares above 1": (_with_cohort(share=0.8), "internal 0.8 of all"),
    "shares leave no rest": (_with_cohort(share=0.675), "one cohort at most without share"),
    "share and number": (_with_cohort(share=0.1, subjects=2), "either share or subjects"),
    "share of more than all": (_with_cohort(share=12), "less than or equal to 1"),
    "share as truth": (_with_cohort(share=True), "not true or false"),
    "pattern without subject": ({"subject_pattern": r"(\w+)_.*"}, "(?P<subject>...)"),
    "pattern not valid": ({"subject_pattern": "(?P<subject>"}, "a regular expression"),
    "override of a stranger": ({"overrides": {"Dataset009": {"crop_fraction": 0.5}}}, "Dataset009"),
    "override out of range": ({"overrides": {"Dataset001_Main": {"crop_fraction": 7}}}, "crop_fraction"),
    "override pattern": ({"overrides": {"Dataset001_Main": {"subject_pattern": ".*"}}}, "(?P<subject>...)"),
    "percentiles fall": ({"intensity_percentiles": [90, 10]}, "must rise"),
    "one patient to train and validate": (_with_cohort(subjects=1, validation_fraction=0.5), "one trains and one"),
    "negative number": (_with_cohort(subjects=-3), "cohorts.internal.subjects"),
}


@pytest.mark.parametrize(("fields", "says"), PARAMETERS.values(), ids=PARAMETERS.keys())
def test_parameters(fields: dict[str, object], says: str) -> None:
    with pytest.raises(UserError) as caught:
        importer(Path("x"), **fields)
    assert says in str(caught.value)


def test_real_images_cannot_be_drawn_afresh(tmp_path: Path) -> None:
    dataset = importer(tmp_path)
    assert not dataset.can_draw
    with pytest.raises(UserError, match="cannot draw fresh patients"):
        dataset.draw(["sax"], np.arange(2), 16)
