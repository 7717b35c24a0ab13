"""What a dvc.lock records: hashes of outputs and dependencies, and the parameters of the run that made them."""

from __future__ import annotations

from dataclasses import dataclass
from os.path import normpath
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Lock:
    """A parsed dvc.lock; {} where there is none."""

    content: dict[str, Any]

    def out_md5(self, path: Path) -> str | None:
        """md5 of an output, ending in `.dir` for a folder; None where no stage records it."""
        return self._md5("outs", path)

    def dep_md5(self, path: Path) -> str | None:
        """md5 of a dependency, as a stage that ran with it recorded it; None where none does."""
        return self._md5("deps", path)

    def edited_since(self, params: dict[str, Any]) -> list[str]:
        """Keys such as `training.steps` whose value in params.yaml is not the one that the recorded run used.

        A lock keeps the entries of matrix stages that are no more. A single stage's entry is therefore believed
        alone, and a section that only matrix stages use is edited when none of them had today's values.
        """
        single: dict[str, list[Any]] = {}
        matrix: dict[str, list[Any]] = {}
        for name, stage in self._stages().items():
            for key, value in stage.get("params", {}).get("params.yaml", {}).items():
                (matrix if "@" in name else single).setdefault(key, []).append(value)
        edited: set[str] = set()
        for key, values in (matrix | single).items():
            today = _at(params, key)
            if key in single or (today is not None and today not in values):
                edited |= {part for value in values for part, *_ in differing({key: value}, {key: today})}
        return sorted(edited)

    def _stages(self) -> dict[str, Any]:
        stages = self.content.get("stages", {})
        return stages if isinstance(stages, dict) else {}

    def _md5(self, kind: str, path: Path) -> str | None:
        for stage in self._stages().values():
            for entry in stage.get(kind, []):
                if normpath(str(entry.get("path"))) == normpath(path):
                    return entry.get("md5")
        return None


def flatten(params: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested parameters as `generators.pggan.total_kimg` -> 36; a list is one value; an empty section is `{}`."""
    found: dict[str, Any] = {}
    for key, value in params.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and value:
            found |= flatten(value, f"{name}.")
        else:
            found[name] = value
    return found


def differing(old: dict[str, Any], new: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    """(key, old value, new value) of every flattened key that differs, None where there is none; in order of `new`."""
    before, after = flatten(old), flatten(new)
    keys = [*after, *(key for key in before if key not in after)]
    return [(key, before.get(key), after.get(key)) for key in keys if before.get(key) != after.get(key)]


def _at(params: dict[str, Any], key: str) -> Any:
    """The value at a dotted key; None where there is none."""
    found: Any = params
    for part in key.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found
