"""export-frames: the frames that `sample` will make -> a folder for people to annotate."""

from __future__ import annotations

from pathlib import Path

from augbench.core import layout
from augbench.core.annotations import export_frames
from augbench.core.arms import mask_source, require_generator
from augbench.core.errors import UserError
from augbench.core.params import PARAMS_FILE, Params
from augbench.stages.sample import Source


def run(params: Params, name: str, seed: int) -> Path:
    """Write them and return the folder."""
    require_generator(params, name)
    if mask_source(params, name) != "manual" or seed not in params.generators[name].seeds:
        raise UserError(
            "these frames are not annotated by people",
            got=f"labelling: {params.labelling}, generator {name}, seed {seed}",
            expected="labelling: manual, and a generator and seed that an arm uses which is no control",
            remedy="set 'labelling: manual'; controls keep their own masks, which are references",
            file=PARAMS_FILE,
        )
    folder = layout.annotated(params.label_source, name, seed)
    source = Source(params, name, seed)
    export_frames(folder, (pairs for _, pairs in source.blocks()), source.table, source.scheme)
    return folder
