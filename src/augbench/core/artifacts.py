"""Atomic files: everything is written under a temporary name and renamed, so no half file is ever read."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from augbench.core.errors import UserError
from augbench.core.temporaries import temporary as unfinished

if TYPE_CHECKING:
    from torch import Tensor


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`; renamed onto it when the block ends without an error.

    Raises:
        OSError: of the block, with the file's later name.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with unfinished(temporary), _named_after(path, temporary):
        try:
            yield temporary
            _flush(temporary)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """A temporary folder that replaces `path` when the block ends without an error.

    Raises:
        OSError: of the block, with the file's later name.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    with unfinished(temporary), _named_after(path, temporary):
        temporary.mkdir()
        try:
            yield temporary
            if path.exists():
                shutil.rmtree(path)
            temporary.replace(path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def _named_after(path: Path, temporary: Path) -> Iterator[None]:
    """A failed write (a full disk) names no file and a failed `open` the temporary one: name the one a user knows."""
    try:
        yield
    except OSError as error:
        error.filename = str(error.filename or path).replace(str(temporary), str(path), 1)
        raise


def _flush(path: Path) -> None:
    """Through to the disk: otherwise a power cut after the rename could leave the name without its content."""
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


def write_text(path: Path, text: str) -> None:
    """A UTF-8 file, written atomically."""
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_bytes(path: Path, content: bytes) -> None:
    """A file, written atomically."""
    with atomic_file(path) as temporary:
        temporary.write_bytes(content)


def write_json(path: Path, content: Any) -> None:
    """Indented JSON with sorted keys; NaN and infinity are refused (undefined is `null`)."""
    write_text(path, json.dumps(content, indent=2, sort_keys=True, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """A JSON document.

    Raises:
        UserError: the file is missing or is not JSON.
    """
    if not path.is_file():
        raise missing_file(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # not JSON, or (a flipped bit) not UTF-8
        raise UserError(
            "file is not valid JSON", got=str(error), expected="a JSON document", remedy="remake it", file=path
        ) from error


def parse_yaml(content: bytes, file: Path | str) -> dict[str, Any]:
    """A YAML mapping of any origin, such as a git object; `file` names it in errors.

    Raises:
        UserError: it is not YAML or not a mapping.
    """
    import yaml

    try:
        # libyaml reads a dvc.lock in a tenth of the time; wheels have it, source builds may not.
        found = yaml.load(content, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(
            "file is not valid YAML", got=str(error), expected="YAML", remedy="correct the line", file=file
        ) from error
    if not isinstance(found, dict):
        raise UserError(
            "file holds no mapping",
            got=type(found).__name__,
            expected="a mapping: `key: value` lines",
            remedy="correct the file; studies/smoke holds complete ones",
            file=file,
        )
    return found


def read_bytes(path: Path) -> bytes:
    """A whole file.

    Raises:
        UserError: it is missing.
    """
    if not path.is_file():
        raise missing_file(path)
    return path.read_bytes()


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Tidy CSV; an undefined value is an empty cell; floats keep 6 significant digits so that files are stable."""
    with atomic_file(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")


def read_csv(path: Path, columns: Sequence[str], text: Sequence[str] = ()) -> pd.DataFrame:
    """A CSV that must have `columns`; those in `text` are read as strings (ids such as `007` stay whole).

    Raises:
        UserError: the file or a column is missing, or the file is damaged.
    """
    if not path.is_file():
        raise missing_file(path)
    content = path.read_bytes()
    # `write_csv` ends every row: a last row without its end was cut off, and may still look like a number.
    problem = "" if content.endswith(b"\n") else "the last row has no end"
    try:
        table = pd.read_csv(io.BytesIO(content), dtype=dict.fromkeys(text, str))
    except ValueError as error:  # pandas' ParserError and EmptyDataError, and bytes that are not UTF-8
        problem = str(error)
    if problem:
        raise UserError(
            "table is damaged",
            got=problem,
            expected="a CSV file whose last row is whole",
            remedy="remake the file with the stage that writes it (`dvc repro`)",
            file=path,
        )
    absent = [column for column in columns if column not in table.columns]
    if absent:
        raise UserError(
            f"column {', '.join(absent)} is missing",
            got=", ".join(table.columns),
            expected=", ".join(columns),
            remedy="remake the file with the stage that writes it",
            file=path,
        )
    for column in text:
        table[column] = table[column].fillna("")
    return table


def save_weights(path: Path, tensors: dict[str, Tensor], config: dict[str, Any]) -> None:
    """Weights as safetensors; the constructor's arguments and the sha256 in `<stem>.json` beside them. No pickle."""
    from safetensors.torch import save

    # `save_file` writes the same bytes, but reports a full disk as its own error without the file's name.
    content = save({name: tensor.detach().contiguous().cpu() for name, tensor in tensors.items()})
    write_bytes(path, content)
    write_json(path.with_suffix(".json"), config | {"sha256": hashlib.sha256(content).hexdigest()})


def load_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What `save_weights` wrote; files of version 0.1, without a checksum, are read unchecked.

    Raises:
        UserError: a file is missing, is not safetensors, or is not the one whose checksum stands in the JSON.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    if not path.is_file():
        raise missing_file(path)
    config = read_json(path.with_suffix(".json"))
    content = path.read_bytes()
    expected = config.pop("sha256", None)
    if expected is not None and hashlib.sha256(content).hexdigest() != expected:
        raise UserError(
            "weights are damaged",
            got=f"another checksum than in {path.with_suffix('.json').name}",
            expected=f"sha256 {expected}",
            remedy=f"delete {path.parent} and run `dvc repro` (or `dvc pull`)",
            file=path,
        )
    try:
        return load(content), config
    except SafetensorError as error:
        raise UserError(
            "weights cannot be read", got=str(error), expected="a safetensors file", remedy="remake it", file=path
        ) from error


def missing_file(path: Path) -> UserError:
    """The message of an input that is not there."""
    return UserError(
        f"{path.name} is missing",
        got="no such file",
        expected=f"{path}",
        remedy="run `dvc repro` to make it, or correct the path",
        file=path,
    )


def write_array(path: Path, array: np.ndarray) -> None:
    """One `.npy` array, without pickle."""
    with atomic_file(path) as temporary, temporary.open("wb") as stream:
        # Given a real file, numpy writes past Python and reports a full disk without its error number.
        np.save(SimpleNamespace(write=stream.write), array, allow_pickle=False)


def read_array(path: Path) -> np.ndarray:
    """What `write_array` wrote.

    Raises:
        UserError: the file is missing or is not a whole array.
    """
    if not path.is_file():
        raise missing_file(path)
    return load_array(path)


def load_array(path: Path, *, mapped: bool = False) -> np.ndarray:
    """An `.npy` file in memory, or as a read-only memory map.

    Raises:
        UserError: the file is cut off or is not an array.
    """
    try:
        array: np.ndarray = np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
    except (ValueError, EOFError) as error:  # EOFError: an empty file
        raise UserError(
            "array cannot be read",
            got=str(error),
            expected="a whole .npy file",
            remedy=f"delete {path.parent} and run `dvc repro` (or `dvc pull`)",
            file=path,
        ) from error
    return array
