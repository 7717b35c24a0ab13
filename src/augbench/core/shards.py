"""Shards: `.npy` files of up to 4096 frames, read by memory map, with a manifest and a table beside them.

`frames.csv` has a row a frame; `manifest.json` holds the label scheme and the sha256 of every shard.
Measured against PNG, Zarr and HDF5 before the choice: see docs/decisions/0002-shards.md.
"""

from __future__ import annotations

import hashlib
import sys
from bisect import bisect_right
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from augbench.core.artifacts import (
    atomic_folder,
    load_array,
    read_array,
    read_csv,
    read_json,
    write_array,
    write_csv,
    write_json,
)
from augbench.core.checkpoint import Checkpoints
from augbench.core.errors import UserError
from augbench.core.types import FRAME_COLUMNS, SYNTHETIC_COLUMNS, Frames, LabelScheme, Pairs, require_disjoint_subjects

SHARD_FRAMES = 4096
_TEXT_COLUMNS = ("frame_id", "subject_id", "site", "view", "phase", "pathology", "split")


class ShardArray:
    """The frames of a folder as one read-only sequence: `shards[i]` is (2, H, W) uint8, an array index (n, 2, H, W).

    Only the shards that are asked for are mapped, and no more than their touched pages are in memory.
    """

    def __init__(self, folder: Path, manifest: dict[str, Any]) -> None:
        self._maps = [load_array(folder / shard["file"], mapped=True) for shard in manifest["shards"]]
        self._starts = np.cumsum([0] + [len(shard) for shard in self._maps]).tolist()
        self.shape = (self._starts[-1], 2, manifest["image_size"], manifest["image_size"])

    def __len__(self) -> int:
        return int(self.shape[0])

    def __getitem__(self, index: int | np.ndarray) -> Pairs:
        if isinstance(index, (int, np.integer)):
            shard = bisect_right(self._starts, index) - 1
            return self._maps[shard][index - self._starts[shard]]
        rows = np.asarray(index)
        out = np.empty((len(rows), *self.shape[1:]), np.uint8)
        shards = np.searchsorted(self._starts, rows, side="right") - 1
        for shard in np.unique(shards):
            at = shards == shard
            out[at] = self._maps[shard][rows[at] - self._starts[shard]]
        return out


def write_shards(
    folder: Path, blocks: Iterable[Pairs], table: pd.DataFrame, scheme: LabelScheme, *, shard_frames: int = SHARD_FRAMES
) -> None:
    """Write frames block by block; memory holds one shard whatever the number of frames.

    Args:
        folder: replaced as a whole once everything is written.
        blocks: arrays (m, 2, H, W) uint8 in the order of `table`, any m.
        table: one row a frame.
        scheme: stored in the manifest.
    """
    with atomic_folder(folder) as temporary:
        shards: list[dict[str, Any]] = []
        size = 0
        for number, shard in enumerate(_regroup(blocks, shard_frames)):
            name = f"{number:05d}.npy"
            write_array(temporary / name, shard)
            shards.append({"file": name, "frames": len(shard), "sha256": _sha256(temporary / name)})
            size = shard.shape[-1]
        written = sum(shard["frames"] for shard in shards)
        if written != len(table):
            raise ValueError(f"{written} frames written for {len(table)} table rows")
        write_csv(temporary / "frames.csv", table)
        manifest = {
            "schema": 1,
            "image_size": size,
            "structures": list(scheme.structures),
            "annotated": {view: list(names) for view, names in scheme.annotated.items()},
            "shards": shards,
        }
        write_json(temporary / "manifest.json", manifest)


def kept_blocks(
    blocks: Callable[[int], Iterable[Pairs]], checkpoints: Checkpoints | None
) -> Generator[Pairs, None, None]:
    """The blocks of `blocks(0)`; those that an interrupted run finished come from its checkpoints.

    Args:
        blocks: the blocks (m, 2, H, W) from the n-th frame on; a run is interrupted between two blocks only.
    """
    if checkpoints is None:
        yield from blocks(0)
        return
    found = checkpoints.latest()
    pieces: list[list[Any]] = []
    done = 0
    for name, digest, frames in [] if found is None else found.state["pieces"]:
        path = checkpoints.folder / name
        if not path.is_file() or _sha256(path) != digest:
            print(f"{path} is missing or damaged: frames from {done} on are made again", file=sys.stderr, flush=True)
            break
        pieces.append([name, digest, frames])
        done += frames
        yield read_array(path)
    held: list[Pairs] = []

    def save() -> None:
        path = checkpoints.folder / f"from-{done - sum(map(len, held)):09d}.npy"
        write_array(path, np.concatenate(held))
        pieces.append([path.name, _sha256(path), sum(map(len, held))])
        held.clear()
        checkpoints.save(done, {}, {"pieces": pieces})

    for block in blocks(done):
        held.append(block)
        done += len(block)
        if checkpoints.due():
            save()
        yield block
    # The rest is worth keeping only where there is more.
    if pieces and held:
        save()


def read_shards(folder: Path, *, verify: bool = True) -> tuple[ShardArray, pd.DataFrame, LabelScheme]:
    """Open a folder of shards by memory map.

    Args:
        verify: compare every shard's sha256 with the manifest (about 1 s per GB).

    Raises:
        UserError: the folder, a shard or a column is missing, or a shard or the table is damaged.
    """
    manifest = read_json(folder / "manifest.json")
    for shard in manifest["shards"]:
        path = folder / shard["file"]
        if path.name != shard["file"]:
            raise UserError(
                "manifest names a shard outside its folder",
                got=shard["file"],
                expected="the name of a file beside manifest.json",
                remedy=f"delete {folder} and run `dvc repro`",
                file=folder / "manifest.json",
            )
        if not path.is_file() or (verify and _sha256(path) != shard["sha256"]):
            raise UserError(
                "shard is missing or damaged",
                got="no such file" if not path.is_file() else "another checksum than in manifest.json",
                expected=f"sha256 {shard['sha256']}",
                remedy=f"delete {folder} and run `dvc repro` (or `dvc pull`)",
                file=path,
            )
    header = set(read_csv(folder / "frames.csv", ()).columns)
    columns = FRAME_COLUMNS if "subject_id" in header else SYNTHETIC_COLUMNS
    table = read_csv(folder / "frames.csv", columns, text=[name for name in _TEXT_COLUMNS if name in header])
    frames = sum(shard["frames"] for shard in manifest["shards"])
    if len(table) != frames:
        raise UserError(
            "table of frames is damaged",
            got=f"{len(table)} rows",
            expected=f"{frames}, one for every frame of the shards",
            remedy=f"delete {folder} and run `dvc repro` (or `dvc pull`)",
            file=folder / "frames.csv",
        )
    annotated = {view: tuple(names) for view, names in manifest["annotated"].items()}
    return ShardArray(folder, manifest), table, LabelScheme(tuple(manifest["structures"]), annotated)


def read_frames(folder: Path, *, limit: int | None = None) -> Frames:
    """All frames of a folder (or its first `limit`) in memory.

    Raises:
        UserError: as `read_shards`, or the folder holds no frame, or a patient is in two splits.
    """
    shards, table, scheme = read_shards(folder)
    if "split" in table.columns:
        require_disjoint_subjects({folder.name: table})
    count = len(shards) if limit is None else min(limit, len(shards))
    if count == 0:
        raise UserError(
            "cohort is empty",
            got="0 frames",
            expected="at least one frame",
            remedy="check the dataset's folder, views and subject counts in params.yaml",
            file=folder / "frames.csv",
        )
    return Frames(shards[np.arange(count)], table.iloc[:count].reset_index(drop=True), scheme)


def _regroup(blocks: Iterable[Pairs], size: int) -> Iterator[Pairs]:
    held: list[Pairs] = []
    count = 0
    for block in blocks:
        while len(block):
            part = block[: size - count]
            held.append(part)
            count += len(part)
            block = block[len(part) :]
            if count == size:
                yield np.concatenate(held)
                held, count = [], 0
    if held:
        yield np.concatenate(held)


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
