"""Image files as planes of numbers: PNG through Pillow, NIfTI through nibabel. Nothing is scaled or cut here."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from augbench.core.errors import UserError
from augbench.datasets.nnunet.cases import Case

#: What Pillow, nibabel and the decompressors raise on a damaged file (Pillow reports a broken PNG as SyntaxError).
_DAMAGE = (
    OSError, SyntaxError, ValueError, EOFError, zlib.error, MemoryError, OverflowError, IndexError, KeyError,
    Image.DecompressionBombError,
)  # fmt: skip
_MILLIMETRES = {"meter": 1000.0, "mm": 1.0, "micron": 0.001}


@dataclass(frozen=True)
class StoredFrame:
    """One frame as stored.

    Attributes:
        frame_id: the case's id, with `_z00` behind it for a plane of a volume.
        image: (h, w) float32, finite and not constant.
        mask: (h, w) uint8, the dataset's own values, all of them among its labels.
        spacing_mm: (row, column) distance of pixel centres, or None where neither header nor cases.csv states it.
    """

    frame_id: str
    image: NDArray[np.float32]
    mask: NDArray[np.uint8]
    spacing_mm: tuple[float, float] | None


@dataclass(frozen=True)
class _Volume:
    """values (h, w, planes); spacing (row, column) and orientation as far as the header states them."""

    values: NDArray[np.generic]
    spacing_mm: tuple[float, float] | None
    directions: NDArray[np.float64] | None


def read_planes(case: Case, structures: Mapping[int, str]) -> Iterator[StoredFrame]:
    """Every plane of a case with its mask.

    Raises:
        UserError: a file is damaged, is not grey, holds NaN or a constant plane, the two differ in size or
            position, or the mask has a value that dataset.json does not name.
    """
    image, mask = _read(case.image, "image"), read_mask(case.mask, structures)
    _require_same_grid(case, image, mask)
    spacing = (case.spacing_mm, case.spacing_mm) if case.spacing_mm else image.spacing_mm
    planes = image.values.shape[2]
    for at in range(planes):
        name = case.case_id if planes == 1 else f"{case.case_id}_z{at:02d}"
        labels = mask.values[..., at].astype(np.uint8)
        yield StoredFrame(name, _usable(image.values[..., at], at, case.image), labels, spacing)


def count_planes(case: Case) -> int:
    """Planes of a case's image, from its header alone; 1 where the header cannot be read (`read_planes` says why)."""
    if case.image.name.endswith(".png"):
        return 1
    import nibabel
    from nibabel.filebasedimages import ImageFileError
    from nibabel.spatialimages import HeaderDataError

    try:
        image: Any = nibabel.load(case.image)
        return int(np.prod(image.shape[2:], dtype=np.int64))
    except (*_DAMAGE, ImageFileError, HeaderDataError):
        return 1


def read_mask(path: Path, structures: Mapping[int, str]) -> _Volume:
    """A mask whose values are all labels.

    Raises:
        UserError: the file is damaged, or a value is not a label.
    """
    volume = _read(path, "mask")
    found = np.unique(volume.values)
    allowed = (0, *sorted(structures))
    if not np.isin(found, allowed).all():
        odd = [f"{value:g}" for value in found[~np.isin(found, allowed)][:5]]
        remedy = "correct the mask, or name the value in dataset.json"
        if not np.all(np.mod(found, 1) == 0):
            remedy = "the mask was interpolated; resample it by nearest neighbour"
        elif 255 in found:
            remedy = "the mask looks rescaled to 0-255, as image tools do on saving; save the label numbers themselves"
        names = ", ".join(f"{value}={structures[value]}" for value in sorted(structures))
        raise UserError(
            "mask value outside the labels",
            got=f"values {', '.join(odd)}",
            expected=f"0=background, {names}",
            remedy=remedy,
            file=path,
        )
    return volume


def _read(path: Path, kind: str) -> _Volume:
    try:
        return _read_png(path, kind) if path.name.endswith(".png") else _read_nifti(path)
    except _DAMAGE as error:
        remedy = "copy or export the file again; it may be truncated"
        if isinstance(error, PermissionError):
            remedy = "give yourself permission to read it (chmod u+r)"
        raise UserError(
            f"{kind} cannot be read",
            got=f"{type(error).__name__}: {error}",
            expected="a whole PNG or NIfTI file",
            remedy=remedy,
            file=path,
        ) from error


def _read_png(path: Path, kind: str) -> _Volume:
    with Image.open(path, formats=["PNG"]) as file:
        if file.mode == "1" and kind == "image":
            raise UserError(
                "image has the wrong bit depth",
                got="1 bit a pixel: black and white alone",
                expected="8 or 16 bits of grey",
                remedy="export the image again; a mask may have been put in its place",
                file=path,
            )
        # A palette's numbers are colours in an image and labels in a mask.
        picture = file.convert("RGB") if file.mode == "P" and kind == "image" else file
        values = np.asarray(picture)
        names = picture.getbands()
    if values.ndim == 2:
        return _Volume((values.astype(np.uint8) if values.dtype == bool else values)[..., None], None, None)
    colours = values[..., [at for at, name in enumerate(names) if name != "A"]]
    if np.any(colours != colours[..., :1]):
        raise UserError(
            f"{kind} is in colour",
            got=f"{''.join(names)} with planes that differ",
            expected="one grey plane",
            remedy="convert it to grey (8 or 16 bits); several channels belong in files _0000, _0001, ...",
            file=path,
        )
    return _Volume(colours[..., :1], None, None)


def _read_nifti(path: Path) -> _Volume:
    """Voxel order as stored, rows along the second axis, as nnU-Net (SimpleITK) reads it; no reorientation."""
    import nibabel
    from nibabel.filebasedimages import ImageFileError
    from nibabel.spatialimages import HeaderDataError

    try:
        image: Any = nibabel.load(path)
        values = np.asanyarray(image.dataobj)
    except (ImageFileError, HeaderDataError) as error:
        raise ValueError(error) from error
    if values.ndim == 4 and values.shape[3] == 1:
        values = values[..., 0]
    if values.ndim not in (2, 3) or values.dtype.kind not in "uif" or 0 in values.shape:
        raise UserError(
            "NIfTI file is not a plane or volume of numbers",
            got=f"shape {values.shape}, type {values.dtype}",
            expected="2 or 3 axes of grey values",
            remedy="write one file for each point in time (a cine has 4 axes) and channel",
            file=path,
        )
    values = values if values.ndim == 3 else values[..., None]
    scale = _MILLIMETRES.get(image.header.get_xyzt_units()[0], 1.0)
    column, row = (float(side) * scale for side in image.header.get_zooms()[:2])
    if not (np.isfinite([row, column]).all() and min(row, column) > 0):
        raise UserError(
            "NIfTI header has an impossible pixel spacing",
            got=f"{row:g} x {column:g} mm",
            expected="positive numbers",
            remedy="correct the header, or state spacing_mm in cases.csv and export as PNG",
            file=path,
        )
    return _Volume(values.swapaxes(0, 1), (row, column), image.affine[:3, :3] * scale)


def _require_same_grid(case: Case, image: _Volume, mask: _Volume) -> None:
    if image.values.shape != mask.values.shape:
        raise UserError(
            "mask and image differ in size",
            got=f"mask {_size(mask)}, image {_size(image)} ({case.image.name})",
            expected="the same number of rows, columns and planes",
            remedy="resample the mask onto the image's grid (nearest neighbour)",
            file=case.mask,
        )
    if image.directions is None or mask.directions is None:
        return
    # Headers written by different tools differ in the last digits; a flipped or rescaled axis differs by far more.
    tolerance = 0.02 * float(np.abs(image.directions).max())
    if not np.allclose(image.directions, mask.directions, atol=tolerance):
        raise UserError(
            "mask and image lie differently in space",
            got=f"mask axes {np.round(mask.directions, 2).tolist()}",
            expected=f"image axes {np.round(image.directions, 2).tolist()} ({case.image.name})",
            remedy="resample the mask onto the image's grid (nearest neighbour)",
            file=case.mask,
        )


def _size(volume: _Volume) -> str:
    return " x ".join(str(side) for side in volume.values.shape).removesuffix(" x 1")


def _usable(values: NDArray[np.generic], at: int, path: Path) -> NDArray[np.float32]:
    """The plane as float32.

    Raises:
        UserError: it holds NaN or infinity, or one value alone.
    """
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite and is refused below
        plane = np.ascontiguousarray(values, dtype=np.float32)
    broken = int(np.count_nonzero(~np.isfinite(plane)))
    if broken:
        raise UserError(
            "image holds NaN or infinite pixels",
            got=f"{broken} of {plane.size} pixels in plane {at}",
            expected="finite grey values",
            remedy="replace them, or remove the case",
            file=path,
        )
    if plane.min() == plane.max():
        raise UserError(
            "image is constant",
            got=f"every pixel of plane {at} is {plane.flat[0]:g}",
            expected="a picture",
            remedy="export the image again, or remove the case or plane",
            file=path,
        )
    return plane
