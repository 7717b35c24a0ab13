"""export-frames: the frames that a labelling by people waits for -> a folder for people to annotate."""

from __future__ import annotations

from pathlib import Path

from augbench.core import layout
from augbench.core.annotations import export_frames
from augbench.core.errors import UserError
from augbench.core.labelling import MANUAL
from augbench.core.params import PARAMS_FILE, Params
from augbench.core.synthetic import require_labelling, synthetic_set
from augbench.stages.label import blocks, images_of


def run(params: Params, name: str, seed: int) -> Path:
    """Write them and return the folder."""
    require_labelling(params, name)
    entry, seeds = params.labelling[name], synthetic_set(params, name).seeds
    if entry.kind != MANUAL or seed not in seeds:
        raise UserError(
            "these frames are not annotated by people",
            got=f"labelling '{name}' of kind {entry.kind}, seed {seed}",
            expected=f"an entry of kind {MANUAL}, and a seed of its generator: {', '.join(map(str, seeds)) or 'none'}",
            remedy=f"name an entry of 'labelling' with kind: {MANUAL}",
            file=PARAMS_FILE,
        )
    pairs, table, scheme = images_of(entry, seed)
    folder = layout.annotated(entry.source, name, seed)
    export_frames(folder, (pairs[rows] for rows in blocks(len(table))), table, scheme)
    return folder
