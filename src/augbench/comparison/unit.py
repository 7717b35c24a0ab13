"""The unit of analysis is the patient: frames are averaged within a patient before any statistic sees them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from augbench.core.errors import UserError
from augbench.core.tables import CELL, PER_PATIENT_COLUMNS, RUN

#: `reason` says why `value` is empty.
PER_FRAME_COLUMNS = ("frame_id", "subject_id", "site", "view", *RUN, "structure", "metric", "value", "reason")
#: Read as text from a file: an id `007` or an empty seed must not become a number.
PER_FRAME_TEXT = tuple(name for name in PER_FRAME_COLUMNS if name != "value")
PER_PATIENT_TEXT = PER_PATIENT_COLUMNS[:8]

_REMEDY = "run `augbench repro` again; if it recurs, a prediction is missing"


def per_patient(per_frame: pd.DataFrame) -> pd.DataFrame:
    """Scores averaged over the frames of a patient, one row per view, structure, metric, run and patient.

    A frame whose score is undefined takes no part in the average, and is counted.

    Args:
        per_frame: PER_FRAME_COLUMNS, one row a frame, structure, metric and run.

    Returns:
        PER_PATIENT_COLUMNS: `value` in the metric's unit to six significant digits (NaN when no frame of the patient
        has a defined score), `n_frames` and how many of them are `n_undefined`.

    Raises:
        UserError: a column, a run or a score is missing, a score occurs twice, an undefined one has no reason, or a
            patient is at two sites.
    """
    table = _normalised(per_frame, PER_FRAME_COLUMNS, PER_FRAME_TEXT)
    undefined = table["value"].isna()
    _refuse((undefined == (table["reason"] == "")) | np.isinf(table["value"]), table, "does not fit its reason",
            "a finite value and no reason, or no value and the reason why")  # fmt: skip
    _require_every_score(table, [*CELL, "subject_id", "frame_id"])
    grouped = table.assign(undefined=undefined).groupby([*CELL, *RUN, "subject_id"], sort=False)
    found = grouped.agg(
        site=("site", "first"), value=("value", "mean"), n_frames=("value", "size"), n_undefined=("undefined", "sum")
    ).reset_index()
    found["value"] = [float(f"{value:.6g}") for value in found["value"]]
    return found[list(PER_PATIENT_COLUMNS)]


def require_per_patient(table: pd.DataFrame) -> pd.DataFrame:
    """What `per_patient` made, perhaps read from a file, with ids as text and values as numbers.

    Raises:
        UserError: a column, a run or a score is missing, a score occurs twice, counts of frames contradict each other,
            or a patient is at two sites.
    """
    found = _normalised(table, PER_PATIENT_COLUMNS, PER_PATIENT_TEXT)
    nothing_defined = found["n_undefined"] == found["n_frames"]
    wrong = (found["value"].isna() != nothing_defined) | np.isinf(found["value"])
    wrong |= (found["n_frames"] < 1) | (found["n_undefined"] < 0) | (found["n_undefined"] > found["n_frames"])
    _refuse(wrong, found, "does not fit its frames", "a finite value, or none where every frame is undefined")
    case = [*CELL, "subject_id"]
    _require_every_score(found, case)
    frames = found.groupby(case)["n_frames"].transform("max")
    _refuse(found["n_frames"] != frames, found, "has fewer frames than in another run", "the same frames in every run")
    return found


def _normalised(table: pd.DataFrame, columns: Sequence[str], text: Sequence[str]) -> pd.DataFrame:
    absent = [column for column in columns if column not in table.columns]
    if absent:
        raise UserError(
            f"column {', '.join(absent)} is missing from the scores",
            got=", ".join(map(str, table.columns)),
            expected=", ".join(columns),
            remedy=_REMEDY,
        )
    if table.empty:
        raise UserError("there are no scores", got="an empty table", expected="a row a score", remedy=_REMEDY)
    found = {
        name: _text(table[name]) if name in text else pd.to_numeric(table[name].replace("", np.nan)) for name in columns
    }
    return pd.DataFrame(found).reset_index(drop=True)


def _text(column: pd.Series) -> pd.Series:
    """As strings, missing as ''; a seed that pandas read as 1.0, because other rows have none, is '1' again."""
    if pd.api.types.is_float_dtype(column):
        column = column.astype("Int64")
    return column.astype(object).where(column.notna(), "").astype(str)


def _require_every_score(table: pd.DataFrame, case: list[str]) -> None:
    """Each case that any run scored must be scored once by every run: what is missing may be what failed."""
    _require_one_site(table)
    _require_crossed_seeds(table)
    twice = table.duplicated([*case, *RUN])
    _refuse(twice, table, "occurs twice", "one row a score", remedy="remove the repeated rows")
    cases, runs = table[case].drop_duplicates(), table[RUN].drop_duplicates()
    if len(table) == len(cases) * len(runs):
        return
    full = cases.merge(runs, how="cross")
    found = full.merge(table[[*case, *RUN]], how="left", on=[*case, *RUN], indicator=True)
    absent = found["_merge"] == "left_only"
    _refuse(absent, found, "is missing", "every run scores every frame; an undefined score has a row with its reason")


def _require_one_site(table: pd.DataFrame) -> None:
    sites = table[["subject_id", "site"]].drop_duplicates()
    twice = sites[sites.duplicated("subject_id", keep=False)]
    if len(twice):
        raise UserError(
            f"patient '{twice['subject_id'].iloc[0]}' is at two sites",
            got=", ".join(twice["site"].iloc[:2]),
            expected="an id for each patient",
            remedy="give patients of different sites different ids",
        )


def _require_crossed_seeds(table: pd.DataFrame) -> None:
    """Every generator seed of an arm must have every segmenter seed, or the seeds' shares cannot be told apart."""
    for arm, runs in table[RUN].drop_duplicates().groupby("arm", sort=False):
        wanted = pd.MultiIndex.from_product([sorted(set(runs[seed])) for seed in RUN[1:]])
        absent = wanted.difference(pd.MultiIndex.from_frame(runs[RUN[1:]]))
        if len(absent):
            generator_seed, segmenter_seed = absent[0]
            raise UserError(
                f"arm '{arm}' has no run with generator seed {generator_seed} and segmenter seed {segmenter_seed}",
                got=f"{len(runs)} runs",
                expected=f"{len(wanted)} runs: every generator seed with every segmenter seed",
                remedy=_REMEDY,
            )


def _refuse(wrong: pd.Series, table: pd.DataFrame, what: str, expected: str, remedy: str = _REMEDY) -> None:
    """Raises UserError for the first wrong row, named by all that identifies it."""
    if not wrong.any():
        return
    row = table[wrong].iloc[0]
    frame = f", frame '{row['frame_id']}'" if "frame_id" in row else ""
    value = f"; the first has value {row['value']}" if "value" in row else ""
    raise UserError(
        f"the score of patient '{row['subject_id']}'{frame} {what}: arm '{row['arm']}', generator seed "
        f"'{row['generator_seed']}', segmenter seed '{row['segmenter_seed']}', {row['view']} {row['structure']}, "
        f"{row['metric']}",
        got=f"{int(wrong.sum())} such scores of {len(table)}{value}",
        expected=expected,
        remedy=remedy,
    )


def score_cube(cell: pd.DataFrame, subjects: list[str]) -> np.ndarray:
    """Scores of one arm in one cell of view, structure and metric as (subjects, generator seeds, segmenter seeds).

    Args:
        cell: rows of `require_per_patient` for one cell and arm.
        subjects: order of the first axis; a subject without rows is NaN throughout.
    """
    wide = cell.set_index(["subject_id", *RUN[1:]])["value"].unstack(RUN[1:]).reindex(subjects)
    seeds = [sorted(set(cell[seed])) for seed in RUN[1:]]
    wide = wide.reindex(columns=pd.MultiIndex.from_product(seeds, names=RUN[1:]))
    return wide.to_numpy(dtype=float).reshape(len(subjects), len(seeds[0]), len(seeds[1]))
