"""A stage of several seeds, part by part: what an earlier run finished with the same inputs is kept.

A part is a folder of the stage's output that DVC leaves in place (`persist`). `.augbench/finished/` notes the key of
everything that decided its bytes and the sha256 of its files: only where both still hold is it taken as it is. So
another seed trains that seed alone, a killed stage goes on behind its last finished part, and several processes may
make different parts at the same time before the stage itself runs.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from augbench.core.artifacts import read_json, write_json
from augbench.core.layout import STATE
from augbench.core.params import Params
from augbench.runtime.checkpoints import Checkpoints
from augbench.runtime.fingerprint import WHOLE, Inputs, key_of
from augbench.runtime.pipeline import stage_named
from augbench.runtime.running import registered

FINISHED = STATE / "finished"


def checkpoints_of(
    params: Params, stage: str, part: str = "", inputs: Inputs = WHOLE
) -> AbstractContextManager[Checkpoints | None]:
    """Where a stage, or one part of it, keeps its checkpoints; gives None where dvc.yaml has no such stage."""
    found = stage_named(params, stage)
    if found is None:
        return nullcontext()
    task = f"{stage}+{part}" if part else stage
    return Checkpoints(
        task, key_of(found, params, inputs), every_seconds=params.compute.checkpoint_seconds, inputs=inputs
    )


class Parts:
    """The parts of one stage.

    Args:
        stage: name of the DVC stage, such as `train_generator@pggan`.
        folder: its output; a part is a folder of that name within.
        inputs: what a part reads of the stage's inputs.
    """

    def __init__(
        self, params: Params, stage: str, folder: Path, inputs: Callable[[str], Inputs] = lambda part: WHOLE
    ) -> None:
        self._params, self._stage, self._folder, self._inputs = params, stage, folder, inputs

    def unfinished(self, wanted: Iterable[str]) -> Iterator[tuple[str, Checkpoints | None]]:
        """Each part that is still to be made, with its checkpoints; it counts as finished when the next is asked for.

        Another process that makes the same part is waited for.
        """
        found = stage_named(self._params, self._stage)
        for part in wanted:
            if found is None:
                yield part, None
                continue
            with registered(f"{self._stage}+{part}"):
                key = key_of(found, self._params, self._inputs(part))
                if self._is_finished(part, key):
                    print(f"{self._stage}: {part} is kept, its inputs are the same", file=sys.stderr, flush=True)
                    continue
                start = time.process_time()
                with checkpoints_of(self._params, self._stage, part, self._inputs(part)) as checkpoints:
                    yield part, checkpoints
                took = round(time.process_time() - start, 1)
                note = {"key": key, "files": _digests(self._folder / part), "core_seconds": took}
                write_json(self._note(part), note)

    def keep_only(self, parts: Iterable[str]) -> None:
        """Remove what is no part any more, such as the folder of a seed that params.yaml no longer lists."""
        wanted = set(parts)
        for path in [path for path in self._folder.iterdir() if path.name not in wanted]:
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _is_finished(self, part: str, key: str) -> bool:
        note = self._note(part)
        if not note.is_file():
            return False
        noted = read_json(note)
        return bool(noted["key"] == key and noted["files"] == _digests(self._folder / part))

    def _note(self, part: str) -> Path:
        return FINISHED / f"{self._stage}+{part}.json"


def core_seconds() -> dict[str, float]:
    """Part (`train_segmenter@<arm>+<run>`) -> processor time of all threads; of a resumed one, its last process's."""
    notes = {path.stem: read_json(path) for path in sorted(FINISHED.glob("*.json"))}
    return {part: note["core_seconds"] for part, note in notes.items() if "core_seconds" in note}


def _digests(folder: Path) -> dict[str, str]:
    """sha256 of every file below `folder`, by path."""
    found = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as stream:
            found[path.relative_to(folder).as_posix()] = hashlib.file_digest(stream, "sha256").hexdigest()
    return found
