"""The unit of analysis is the patient: frames are averaged within a patient before any statistic sees them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from augbench.core.errors import UserError

#: Columns `per_subject` needs; `reason` says why `value` is empty.
PER_CASE_COLUMNS = (
    "frame_id",
    "subject_id",
    "site",
    "view",
    "generator",
    "regime",
    "generator_seed",
    "segmenter_seed",
    "structure",
    "metric",
    "value",
    "reason",
)
#: Read as text from a file: an id `007` or an empty seed must not become a number.
PER_CASE_TEXT = tuple(name for name in PER_CASE_COLUMNS if name != "value")

REAL = "real"
CELL = ["view", "structure", "metric"]
RUN = ["arm", "generator_seed", "segmenter_seed"]
_REMEDY = "run `dvc repro evaluate` again; if it recurs, a prediction is missing"


def per_subject(per_case: pd.DataFrame) -> pd.DataFrame:
    """Scores averaged over the frames of a patient, one row per view, structure, metric, run and patient.

    An arm is `real` (no generator) or `generator/regime`; a run is an arm with its two seeds. A frame whose score is
    undefined takes no part in the average, and is counted.

    Args:
        per_case: tidy rows with PER_CASE_COLUMNS, one a frame, structure, metric and run.

    Returns:
        Columns view, structure, metric, arm, generator_seed, segmenter_seed, subject_id, `value` (NaN when no frame
        of the patient has a defined score), `n_frames` and `n_undefined` (frames).

    Raises:
        UserError: a column, a run or a score is missing, a score occurs twice, or an undefined one has no reason.
    """
    table = _normalised(per_case.reset_index(drop=True))
    _require_crossed_seeds(table)
    _require_every_score(table)
    grouped = table.groupby([*CELL, *RUN, "subject_id"], sort=False)
    return grouped.agg(
        value=("value", "mean"), n_frames=("value", "size"), n_undefined=("undefined", "sum")
    ).reset_index()


def arm_names(per_case: pd.DataFrame) -> pd.Series:
    """`real`, or `generator/regime` such as `pggan/mixed-1`, of each row."""
    generator, regime = _text(per_case["generator"]), _text(per_case["regime"])
    stray = sorted(set(regime[(generator == "") & ~regime.isin(["", REAL])]))
    if stray:
        raise UserError(
            f"regime '{stray[0]}' has no generator",
            got="rows with an empty generator",
            expected="a generator in every row but those of the real arm",
            remedy=_REMEDY,
        )
    return (generator + "/" + regime).where(generator != "", REAL)


def _normalised(per_case: pd.DataFrame) -> pd.DataFrame:
    absent = [column for column in PER_CASE_COLUMNS if column not in per_case.columns]
    if absent:
        raise UserError(
            f"column {', '.join(absent)} is missing from the scores",
            got=", ".join(per_case.columns),
            expected=", ".join(PER_CASE_COLUMNS),
            remedy=_REMEDY,
        )
    if per_case.empty:
        raise UserError("there are no scores", got="an empty table", expected="a row a score", remedy=_REMEDY)
    names = ["frame_id", "subject_id", "generator_seed", "segmenter_seed", *CELL]
    table = pd.DataFrame({name: _text(per_case[name]) for name in names}).assign(arm=arm_names(per_case))
    table["value"] = pd.to_numeric(per_case["value"].replace("", np.nan))
    table["undefined"] = table["value"].isna()
    _require_reasons(table, _text(per_case["reason"]))
    return table


def _text(column: pd.Series) -> pd.Series:
    """As strings, missing as ''; a seed that pandas read as 1.0, because other rows have none, is '1' again."""
    if pd.api.types.is_float_dtype(column):
        column = column.astype("Int64")
    return column.astype(object).where(column.notna(), "").astype(str)


def _require_reasons(table: pd.DataFrame, reason: pd.Series) -> None:
    wrong = (table["undefined"] == (reason == "")) | np.isinf(table["value"])
    if wrong.any():
        row = table[wrong].iloc[0]
        raise UserError(
            f"a score of {_place(row)} does not fit its reason",
            got=f"value {row['value']}, reason '{reason[wrong].iloc[0]}'",
            expected="a finite value and no reason, or no value and the reason why",
            remedy=_REMEDY,
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


def _require_every_score(table: pd.DataFrame) -> None:
    """Each frame that any run scored must be scored once by every run: what is missing may be what failed."""
    case = [*CELL, "subject_id", "frame_id"]
    twice = table.duplicated([*case, *RUN])
    if twice.any():
        raise UserError(
            f"a score occurs twice: {_place(table[twice].iloc[0])}",
            got=f"{int(twice.sum())} repeated rows",
            expected="one row a frame, structure, metric and run",
            remedy="remove the repeated rows",
        )
    cases, runs = table[case].drop_duplicates(), table[RUN].drop_duplicates()
    if len(table) == len(cases) * len(runs):
        return
    full = cases.merge(runs, how="cross")
    found = full.merge(table[[*case, *RUN]], how="left", on=[*case, *RUN], indicator=True)
    absent = found[found["_merge"] == "left_only"]
    raise UserError(
        f"no score for {_place(absent.iloc[0])}",
        got=f"{len(absent)} of {len(full)} scores are missing",
        expected="every run scores every frame; an undefined score has a row with its reason",
        remedy=_REMEDY,
    )


def _place(row: pd.Series) -> str:
    return (
        f"subject '{row['subject_id']}', frame '{row['frame_id']}', arm '{row['arm']}', generator seed "
        f"'{row['generator_seed']}', segmenter seed '{row['segmenter_seed']}' ({row['view']}, {row['structure']}, "
        f"{row['metric']})"
    )


def score_cube(cell: pd.DataFrame, subjects: list[str]) -> np.ndarray:
    """Scores of one arm in one cell of view, structure and metric as (subjects, generator seeds, segmenter seeds).

    Args:
        cell: rows of `per_subject` for one cell and arm.
        subjects: order of the first axis; a subject without rows is NaN throughout.
    """
    wide = cell.set_index(["subject_id", *RUN[1:]])["value"].unstack(RUN[1:]).reindex(subjects)
    seeds = [sorted(set(cell[seed])) for seed in RUN[1:]]
    wide = wide.reindex(columns=pd.MultiIndex.from_product(seeds, names=RUN[1:]))
    return wide.to_numpy(dtype=float).reshape(len(subjects), len(seeds[0]), len(seeds[1]))
