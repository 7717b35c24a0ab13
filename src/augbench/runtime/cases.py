"""Anybody's scores of cases as a table: a CSV, nnU-Net's summary.json, or a folder with such a file for each run."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pandas as pd

from augbench.core.artifacts import read_bytes
from augbench.core.errors import UserError

COLUMNS = ("case", "structure", "generator_seed", "segmenter_seed", "score")
_FORM = (
    "a CSV with columns case, score and, if any, structure, generator_seed, segmenter_seed; or nnU-Net's summary.json"
)


def read_cases(path: Path, metric: str) -> pd.DataFrame:
    """Scores as COLUMNS, all text but `score`; an empty or undefined score is NaN.

    Args:
        path: a file, or a folder of files of which each is a run; its name is then the segmenter seed.
        metric: which of a summary.json's metrics is the score.

    Raises:
        UserError: there is no such file, or it holds no scores in a known form.
    """
    if not path.is_dir():
        return checked(_read(path, metric), path)
    files = sorted(file for file in path.iterdir() if file.suffix in (".csv", ".json"))
    if not files:
        raise UserError(
            "the folder holds no scores",
            got="no .csv and no .json",
            expected=f"a file for each run: {_FORM}",
            remedy="name the folder that holds the scores, or a single file",
            file=path,
        )
    return pd.concat([checked(_read(file, metric), file).assign(segmenter_seed=file.stem) for file in files])


def _read(path: Path, metric: str) -> pd.DataFrame:
    content = read_bytes(path)
    try:
        if path.suffix == ".json":
            return _nnunet(json.loads(content), metric, path)
        return pd.read_csv(io.BytesIO(content), dtype=dict.fromkeys(COLUMNS[:-1], str))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            "file holds no scores",
            got=f"{type(error).__name__}: {error}",
            expected=_FORM,
            remedy="name another file, or write the scores in one of these forms",
            file=path,
        ) from error


def _nnunet(summary: dict[str, Any], metric: str, path: Path) -> pd.DataFrame:
    rows = []
    for entry in summary["metric_per_case"]:
        case = Path(str(entry["prediction_file"]).replace("\\", "/")).name.partition(".")[0]
        for structure, scores in entry["metrics"].items():
            if metric not in scores:
                raise UserError(
                    f"the summary has no metric '{metric}'",
                    got=", ".join(scores),
                    expected="one of them",
                    remedy="name it with --metric",
                    file=path,
                )
            rows.append((case, str(structure), scores[metric]))
    return pd.DataFrame(rows, columns=["case", "structure", "score"])


def checked(table: pd.DataFrame, path: Path | str) -> pd.DataFrame:
    """A table of scores as COLUMNS, with what may be left out filled in; `path` names it in errors."""
    absent = [name for name in ("case", "score") if name not in table.columns]
    if absent or table.empty:
        raise UserError(
            _missing(absent) if absent else "there are no scores",
            got=", ".join(map(str, table.columns)) if absent else "a header without rows",
            expected=_FORM,
            remedy="rename the columns" if absent else "add a row for each case",
            file=path,
        )
    try:
        found = table.assign(score=pd.to_numeric(table["score"]))
    except (ValueError, TypeError) as error:
        raise UserError(
            "a score is not a number",
            got=error,
            expected="numbers; an empty cell where a score is undefined",
            remedy="correct the column score",
            file=path,
        ) from error
    for name, default in (("structure", "all"), ("generator_seed", ""), ("segmenter_seed", "0")):
        found[name] = found[name].fillna(default).astype(str) if name in found.columns else default
    if found["case"].isna().any():
        raise UserError(
            "a score has no case",
            got="an empty cell",
            expected="the name of a patient in every row",
            remedy="fill in the column case, or remove the row",
            file=path,
        )
    found["case"] = found["case"].astype(str)
    twice = found[found.duplicated(list(COLUMNS[:-1]))]
    if len(twice):
        raise UserError(
            f"case '{twice['case'].iloc[0]}' has two scores of structure '{twice['structure'].iloc[0]}' in one run",
            got=f"{len(twice)} repeated rows",
            expected="one score for each case, structure and run",
            remedy="average the frames of a patient first; give runs seeds of their own in segmenter_seed",
            file=path,
        )
    return found[list(COLUMNS)]


def _missing(columns: list[str]) -> str:
    return f"columns {' and '.join(columns)} are missing" if len(columns) > 1 else f"column {columns[0]} is missing"
