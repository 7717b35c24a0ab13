"""export-frames: the frames that `sample` will make -> a folder for people to annotate."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from augbench.core import layout
from augbench.core.annotations import export_frames
from augbench.core.errors import UserError
from augbench.core.params import PARAMS_FILE, Params
from augbench.core.types import Pairs
from augbench.stages.sample import generated


def run(params: Params, name: str, seed: int) -> Path:
    """Write them and return the folder."""
    if params.labelling != "manual" or name not in params.compared:
        raise UserError(
            "these frames are not annotated by people",
            got=f"labelling: {params.labelling}, generator {name}",
            expected=f"labelling: manual, and one of {', '.join(params.compared)}",
            remedy="set 'labelling: manual'; controls keep their own masks, which are references",
            file=PARAMS_FILE,
        )
    folder = layout.annotated(params.label_source, name, seed)
    table, scheme, blocks = generated(params, name, seed)

    def pairs() -> Iterator[Pairs]:
        for _, block in blocks(0):
            yield block

    export_frames(folder, pairs(), table, scheme)
    return folder
