"""Part of audit: some random frames of a generator and of its cohort, for the report to draw."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from augbench.core import layout
from augbench.core.artifacts import atomic_folder, write_array, write_json
from augbench.core.params import Params
from augbench.core.seeding import child_rng
from augbench.core.shards import read_shards
from augbench.core.types import LabelScheme, Pairs

_FRAMES_A_VIEW = 6
REAL, SYNTHETIC, ABOUT = "real.npy", "synthetic.npy", "sheet.json"


def write_sheet(params: Params, name: str) -> None:
    """Write (n, 2, H, W) uint8 of both, views in the study's order, the same number of frames of each view.

    The report thus reads neither a cohort nor a whole set of synthetic frames. Which frames is decided by the study's
    seed alone, of the generator's first seed.
    """
    entry = params.generators[name]
    with atomic_folder(layout.sheets(name)) as folder:
        real, scheme = _chosen(params, layout.cohort(entry.cohort), "real", name)
        synthetic, _ = _chosen(params, layout.synthetic(name, entry.seeds[0]), "synthetic", name)
        write_array(folder / REAL, real)
        write_array(folder / SYNTHETIC, synthetic)
        write_json(folder / ABOUT, {"structures": list(scheme.structures), "frames_a_view": _FRAMES_A_VIEW})


def _chosen(params: Params, source: Path, kind: str, name: str) -> tuple[Pairs, LabelScheme]:
    shards, table, scheme = read_shards(source, verify=False)
    rng = child_rng(params.seed, "sheet", kind, name)
    rows = [
        rng.choice(of_view, min(_FRAMES_A_VIEW, len(of_view)), replace=False)
        for of_view in (np.flatnonzero(table["view"] == view) for view in params.views)
    ]
    return shards[np.concatenate(rows)], scheme
