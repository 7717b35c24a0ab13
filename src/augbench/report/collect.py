"""From the files of reports/ to the long tables that the report draws: tables and documents in, tables out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from augbench.report.data import AUDIT, COHORTS, CURVES
from augbench.report.targets import FLAGGED, NOT_FLAGGED


def audit_rows(documents: Mapping[str, Mapping[str, Any]], titles: Mapping[str, str]) -> pd.DataFrame:
    """One row per generator, seed, test and feature extractor.

    Args:
        documents: generator -> its audit, `{"seeds": {"0": {test: {features: result}}}}`.
        titles: test -> its name for readers.
    """
    rows = [
        {"generator": generator, "seed": int(seed), "title": titles.get(test, test), "features": features}
        | _audit_row(result)
        for generator, document in documents.items()
        for seed, tests in document["seeds"].items()
        for test, by_features in tests.items()
        for features, result in by_features.items()
    ]
    return pd.DataFrame(rows, columns=AUDIT)


def _audit_row(result: Mapping[str, Any]) -> dict[str, Any]:
    flag = "" if result.get("flagged") is None else FLAGGED if result["flagged"] else NOT_FLAGGED
    shown = {name: result.get(name) for name in ("axis", "value", "ci_low", "ci_high")}
    return {**shown, "flag": flag, "floor_value": result.get("floor", {}).get("value")}


def curve_rows(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Training curves in long form: generator, seed, kimg, name, value, event.

    Args:
        tables: generator -> its curves, columns seed, kimg, a column a quantity, optional `event`.
    """
    parts = []
    for generator, wide in tables.items():
        events = wide["event"].fillna("") if "event" in wide else ""
        keys = ["seed", "kimg", "event"]
        long = wide.assign(event=events).melt(id_vars=keys, var_name="name").dropna(subset=["value"])
        parts.append(long.assign(generator=generator))
    return pd.concat(parts, ignore_index=True)[CURVES] if parts else pd.DataFrame(columns=CURVES)


def cohort_rows(frames: Mapping[str, pd.DataFrame], external: str, per_patient: pd.DataFrame) -> pd.DataFrame:
    """Patients and frames of every cohort; those of the external one are counted from its scores.

    Args:
        frames: cohort -> its table of frames.
    """
    rows = [
        (name, _sites(table), table["subject_id"].nunique(), table["frame_id"].nunique())
        for name, table in frames.items()
    ]
    counted = per_patient.groupby(["view", "subject_id"])["n_frames"].max().sum()
    rows.append((external, _sites(per_patient), per_patient["subject_id"].nunique(), int(counted)))
    return pd.DataFrame(rows, columns=COHORTS)


def _sites(table: pd.DataFrame) -> str:
    return ", ".join(sorted(map(str, table["site"].unique())))


def drawn_frames(
    views: pd.Series, wanted: Sequence[str], each: int, rng: np.random.Generator
) -> NDArray[np.intp]:
    """Numbers of at most `each` random frames of every wanted view, for a contact sheet.

    Args:
        views: view of every frame, (n,).
    """
    by_view = (np.flatnonzero(views == view) for view in wanted)
    return np.concatenate([rng.choice(rows, min(each, len(rows)), replace=False) for rows in by_view])
