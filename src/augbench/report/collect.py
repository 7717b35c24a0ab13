"""From the files of reports/ to the long tables that the report draws: tables and documents in, tables out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

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


def cohort_rows(sizes: pd.DataFrame) -> pd.DataFrame:
    """Sites, patients and frames of every cohort, its splits together.

    Args:
        sizes: reports/cohorts.csv: cohort, site, split, subjects, frames.
    """
    rows = [
        (cohort, ", ".join(dict.fromkeys(part["site"])), part["subjects"].sum(), part["frames"].sum())
        for cohort, part in sizes.groupby("cohort", sort=False)
    ]
    return pd.DataFrame(rows, columns=COHORTS)
