"""What a revision lacks of another's scores: what is missing may be what failed."""

from __future__ import annotations

import pandas as pd

from augbench.core.tables import RUN

_PLACE, _PATIENT = ["arm", "view", "structure"], ["subject_id"]
_CASE = [*_PLACE, *_PATIENT]
_RUN_TEXT = "{arm} with generator seed '{generator_seed}' and segmenter seed '{segmenter_seed}'"


def absent_scores(base: pd.DataFrame, head: pd.DataFrame) -> list[str]:
    """Names of what base scored and head did not, each by its largest missing unit; empty where nothing is missing.

    Every run of head must have scored every patient and frame that base scored, and must have a defined score of as
    many frames as the run of base that has most.

    Args:
        base, head: rows of `unit.require_per_patient` of one metric.
    """
    wanted = base[_CASE].drop_duplicates()
    named, wanted = _units(wanted, head, ["arm"], "arm {arm}")
    for unit, text in (
        (["structure"], "structure {structure}"),
        (["view", "structure"], "structure {structure} in view {view}"),
        (_PATIENT, "patient {subject_id}"),
        (["view", "subject_id"], "patient {subject_id} in view {view}"),
        (_PLACE, "structure {structure} in view {view} of arm {arm}"),
        (["arm", "subject_id"], "patient {subject_id} of arm {arm}"),
        (_CASE, "structure {structure} in view {view} of patient {subject_id} in arm {arm}"),
    ):
        more, wanted = _units(wanted, head, unit, text)
        named += more
    runs, expected = _units(wanted.merge(_crossed_runs(head), on="arm"), head, RUN, f"run {_RUN_TEXT}")
    lost, expected = _units(expected, head, [*_CASE, *RUN[1:]], f"patient {{subject_id}}, {{structure}} of {_RUN_TEXT}")
    return [*named, *runs, *lost, *_fewer_frames(base, head.merge(expected, on=[*_CASE, *RUN[1:]]))]


def _fewer_frames(base: pd.DataFrame, head: pd.DataFrame) -> list[str]:
    """Frames that head did not score, or found undefined."""
    counted = base.assign(n_defined=base["n_frames"] - base["n_undefined"])
    most = counted.groupby(_CASE)[["n_frames", "n_defined"]].max().reset_index()
    both = head.merge(most, on=_CASE, suffixes=("", "_base"))
    unscored = both[both["n_frames"] < both["n_frames_base"]]
    undefined = both[both["n_frames"] - both["n_undefined"] < both["n_defined"]].drop(unscored.index, errors="ignore")
    text = "{n_frames} of {n_frames_base} frames of patient {subject_id} in view {view}"
    names = [f"more than {text.format_map(row)}" for row in _records(unscored.drop_duplicates(["subject_id", "view"]))]
    return names + [f"a defined score of patient {row['subject_id']}, {row['structure']} by {_RUN_TEXT.format_map(row)}"
                    for row in _records(undefined)]  # fmt: skip


def _units(wanted: pd.DataFrame, head: pd.DataFrame, unit: list[str], text: str) -> tuple[list[str], pd.DataFrame]:
    """Names of the units that head lacks, and what remains to be looked for."""
    marked = wanted.merge(head[unit].drop_duplicates(), on=unit, how="left", indicator=True)
    lost = marked["_merge"] == "left_only"
    units = marked.loc[lost, wanted.columns].drop_duplicates(unit)
    return [text.format_map(row) for row in _records(units)], marked.loc[~lost, wanted.columns]


def _records(table: pd.DataFrame) -> list[dict[str, object]]:
    return [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]


def _crossed_runs(head: pd.DataFrame) -> pd.DataFrame:
    """Every generator seed of an arm with every segmenter seed."""
    generators, segmenters = (head[["arm", name]].drop_duplicates() for name in RUN[1:])
    return generators.merge(segmenters, on="arm")
