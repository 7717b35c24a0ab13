"""Frames on their way to people who annotate them, and their masks on the way back.

A folder is an nnU-Net raw dataset without labels: `dataset.json`, `imagesTr/<frame_id>_0000.png`, an empty `labelsTr/`
for the masks, and beside them `proposals/<frame_id>.png`, the generator's own masks to start from, and `frames.csv`.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from augbench.core.artifacts import atomic_folder, write_csv, write_json
from augbench.core.errors import UserError
from augbench.core.types import LabelScheme, Pairs

IMAGES, MASKS, PROPOSALS = "imagesTr", "labelsTr", "proposals"


def export_frames(folder: Path, blocks: Iterable[Pairs], table: pd.DataFrame, scheme: LabelScheme) -> None:
    """Write frames for annotation; a folder that is there already is never touched.

    Args:
        blocks: arrays (m, 2, H, W) uint8 in the order of `table`, any m.
        table: one row a frame, with `frame_id` and `view`.

    Raises:
        UserError: the folder exists and holds anything.
    """
    from PIL import Image

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(
            "annotation folder exists already",
            got=f"{len(list((folder / MASKS).glob('*.png')))} masks in {MASKS}",
            expected="no such folder: an export never overwrites annotations",
            remedy="move it away, or set another 'source' in the entry of 'labelling'",
            file=folder,
        )
    names = iter(table["frame_id"])
    with atomic_folder(folder) as temporary:
        for part in (IMAGES, MASKS, PROPOSALS):
            (temporary / part).mkdir()
        for block in blocks:
            for image, mask in block:
                name = next(names)
                Image.fromarray(image).save(temporary / IMAGES / f"{name}_0000.png")
                Image.fromarray(mask).save(temporary / PROPOSALS / f"{name}.png")
        shown = [" ".join(scheme.annotated[view]) for view in table["view"]]
        write_csv(temporary / "frames.csv", table.assign(structures=shown))
        description = {
            "channel_names": {"0": "cineMRI"},
            "labels": {"background": 0} | {name: scheme.value(name) for name in scheme.structures},
            "numTraining": len(table),
            "file_ending": ".png",
        }
        write_json(temporary / "dataset.json", description)


def require_masks(folder: Path, frame_ids: list[str]) -> None:
    """Every frame has a mask.

    Raises:
        UserError: names the first frame without one.
    """
    if not (folder / IMAGES).is_dir():
        entry, _, seed = folder.name.rpartition("-")
        raise UserError(
            "frames were not exported for annotation",
            got="no such folder",
            expected=f"{IMAGES} and {MASKS} in {folder}",
            remedy=f"run `augbench export-frames {entry} {seed}` and annotate the frames",
            file=folder,
        )
    absent = [name for name in frame_ids if not (folder / MASKS / f"{name}.png").is_file()]
    if absent:
        raise UserError(
            f"frame '{absent[0]}' has no mask",
            got=f"{len(frame_ids) - len(absent)} of {len(frame_ids)} frames are annotated",
            expected="a mask for every frame of sampling.frames",
            remedy="annotate it (proposals/ holds the generator's own mask) or lower sampling.frames",
            file=folder / MASKS / f"{absent[0]}.png",
        )


def read_masks(folder: Path, frames: pd.DataFrame, images: Pairs, scheme: LabelScheme) -> Pairs:
    """Masks (n, H, W) uint8 of n frames.

    Args:
        frames: n rows with `frame_id` and `view`.
        images: (n, H, W) uint8 as generated now; they must be those that were annotated.

    Raises:
        UserError: names the file: a mask of another image or size, a value that is no label or not of the frame's view.
    """
    masks = np.empty_like(images)
    for at, (name, view) in enumerate(zip(frames["frame_id"], frames["view"], strict=True)):
        _require_same_image(folder / IMAGES / f"{name}_0000.png", images[at])
        file = folder / MASKS / f"{name}.png"
        mask = _read_png(file)
        if mask.shape != images[at].shape:
            raise UserError(
                "mask has another size than its frame",
                got=" x ".join(map(str, mask.shape)),
                expected=f"{' x '.join(map(str, images[at].shape))}, one plane",
                remedy="save it as one grey plane on the frame's own pixels",
                file=file,
            )
        _require_labels(mask, view, scheme, file)
        masks[at] = mask
    return masks


def _require_same_image(file: Path, image: NDArray[np.uint8]) -> None:
    if not np.array_equal(_read_png(file), image):
        raise UserError(
            "annotated frame is not the one that the generator makes now",
            got="other pixels",
            expected="the exported image",
            remedy="undo what changed the generator since the export, or export and annotate anew",
            file=file,
        )


def _require_labels(mask: NDArray[np.generic], view: str, scheme: LabelScheme, file: Path) -> None:
    allowed = {0: "background"} | {scheme.value(name): name for name in scheme.annotated[view]}
    wrong = sorted(set(np.unique(mask).tolist()) - set(allowed))
    if wrong:
        name = dict(enumerate(scheme.structures, start=1)).get(wrong[0], "no label")
        raise UserError(
            f"mask holds a value that a {view} frame cannot have",
            got=f"{wrong[0]} ({name})",
            expected=", ".join(f"{value}={structure}" for value, structure in allowed.items()),
            remedy="correct the mask; values mean what dataset.json beside it says",
            file=file,
        )


def _read_png(file: Path) -> NDArray[np.generic]:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(file) as image:
            return np.asarray(image)
    except (OSError, UnidentifiedImageError, SyntaxError) as error:
        raise UserError(
            "image cannot be read",
            got=str(error),
            expected="a PNG file",
            remedy="save it again as PNG",
            file=file,
        ) from error
