"""Parts of audit: random frames of a generator and of its cohort, and its nearest pairs, to be looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from augbench.audit._search import Matches
from augbench.core import layout
from augbench.core.artifacts import atomic_folder, write_array, write_csv, write_json
from augbench.core.params import Params
from augbench.core.seeding import child_rng
from augbench.core.shards import read_shards
from augbench.core.types import Frames, LabelScheme, Pairs

_FRAMES_A_VIEW = 6
#: The nearest pairs of a seed in a feature space.
_PAIRS = 8
PAIRS, PAIR_IMAGES = "pairs.csv", "pairs.npy"
PAIR_COLUMNS = (
    *("seed", "features", "synthetic_frame", "training_frame", "held_out_frame"),
    *("training_distance", "held_out_distance", "ratio"),
)
REAL, SYNTHETIC, ABOUT = "real.npy", "synthetic.npy", "sheet.json"


@dataclass(frozen=True)
class PairSheet:
    """Nearest pairs, to be looked at side by side.

    Attributes:
        table: a row a pair, PAIR_COLUMNS.
        images: (pairs, 3, H, W) uint8: the generated frame, the nearest training frame, the nearest held-out frame.
    """

    table: pd.DataFrame
    images: Pairs


def write_sheet(params: Params, name: str, pairs: PairSheet) -> None:
    """Write (n, 2, H, W) uint8 of both, views in the study's order, the same number of frames of each view; and pairs.

    The report thus reads neither a cohort nor a whole set of synthetic frames. Which frames is decided by the study's
    seed alone, of the generator's first seed.
    """
    entry = params.generators[name]
    with atomic_folder(layout.sheets(name)) as folder:
        real, scheme = _chosen(params, layout.cohort(entry.cohort), "real", name)
        synthetic, _ = _chosen(params, layout.synthetic(name, entry.seeds[0]), "synthetic", name)
        write_csv(folder / PAIRS, pairs.table)
        write_array(folder / PAIR_IMAGES, pairs.images)
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


def nearest_pairs(matches: Matches, training: Frames, held_out: Frames) -> list[dict[str, Any]]:
    """Generated frames that are nearest to a training patient, relative to all other patients, the nearest first.

    JSON: number of the generated frame, ids of the nearest frame of either set, distances, and the ratio of the
    distances to the nearest and to the second nearest patient, which the audit judges.
    """
    near = matches.synthetic
    rows = np.flatnonzero(near.patient < matches.members)
    rows = rows[np.argsort(-near.nearness[rows], kind="stable")][:_PAIRS]
    ids = [frames.table["frame_id"] for frames in (training, held_out)]
    return [
        {
            "synthetic": int(row),
            "training": int(matches.training_row[row]),
            "held_out": int(matches.held_out_row[row]),
            "training_frame": str(ids[0].iloc[matches.training_row[row]]),
            "held_out_frame": str(ids[1].iloc[matches.held_out_row[row]]),
            "training_distance": round(float(matches.training_distance[row]), 3),
            "held_out_distance": round(float(matches.held_out_distance[row]), 3),
            "ratio": round(float(np.exp(-near.nearness[row])), 3),
        }
        for row in rows
    ]


def pair_sheet(
    pairs: Sequence[Mapping[str, Any]], synthetic: Mapping[int, Frames], training: Frames, held_out: Frames
) -> PairSheet:
    """Of `nearest_pairs` with `seed` and `features` added; `synthetic` holds the generated frames of each seed."""
    rows, images = [], []
    for pair in pairs:
        frames = synthetic[pair["seed"]]
        rows.append({**pair, "synthetic_frame": frames.table["frame_id"].iloc[pair["synthetic"]]})
        real = training.images[pair["training"]], held_out.images[pair["held_out"]]
        images.append(np.stack([frames.images[pair["synthetic"]], *real]))
    size = training.image_size
    return PairSheet(
        pd.DataFrame(rows, columns=list(PAIR_COLUMNS)), np.array(images, np.uint8).reshape(-1, 3, size, size)
    )
