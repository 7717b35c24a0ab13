"""Atomic files: everything is written under a temporary name and renamed, so no half file is ever read."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from augbench.core import interrupt
from augbench.core.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`; renamed onto it when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with interrupt.temporary(temporary):
        try:
            yield temporary
            _flush(temporary)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """A temporary folder that replaces `path` when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    with interrupt.temporary(temporary):
        temporary.mkdir()
        try:
            yield temporary
            if path.exists():
                shutil.rmtree(path)
            temporary.replace(path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _flush(path: Path) -> None:
    """Through to the disk: otherwise a power cut after the rename could leave the name without its content."""
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


def write_text(path: Path, text: str) -> None:
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_bytes(path: Path, content: bytes) -> None:
    with atomic_file(path) as temporary:
        temporary.write_bytes(content)


def write_json(path: Path, content: Any) -> None:
    """Indented JSON with sorted keys; NaN and infinity are refused (undefined is `null`)."""
    write_text(path, json.dumps(content, indent=2, sort_keys=True, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    if not path.is_file():
        raise missing_file(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
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
        raise UserError("file holds no mapping", got=type(found).__name__, expected="a mapping", file=file)
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
        UserError: the file or a column is missing.
    """
    if not path.is_file():
        raise missing_file(path)
    table = pd.read_csv(path, dtype=dict.fromkeys(text, str))
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
    """Weights as safetensors with the constructor's arguments in `<stem>.json` beside them. No pickle."""
    from safetensors.torch import save_file

    with atomic_file(path) as temporary:
        save_file({name: tensor.detach().contiguous().cpu() for name, tensor in tensors.items()}, temporary)
    write_json(path.with_suffix(".json"), config)


def load_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What `save_weights` wrote.

    Raises:
        UserError: a file is missing or is not safetensors.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise missing_file(path)
    try:
        return load_file(path), read_json(path.with_suffix(".json"))
    except SafetensorError as error:
        raise UserError(
            "weights cannot be read", got=str(error), expected="a safetensors file", remedy="remake it", file=path
        ) from error


def missing_file(path: Path) -> UserError:
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
        np.save(stream, array, allow_pickle=False)


def read_array(path: Path) -> np.ndarray:
    if not path.is_file():
        raise missing_file(path)
    array: np.ndarray = np.load(path, allow_pickle=False)
    return array
