"""What a revision lacks of another's scores: what is missing may be what failed."""

from __future__ import annotations

import pandas as pd

from augbench.comparison.unit import RUN

_PLACE, _CASE = ["arm", "view", "structure"], ["subject_id", "frame_id"]


def absent_scores(base: pd.DataFrame, head: pd.DataFrame) -> list[str]:
    """Names of what base scored and head did not, each by its largest missing unit; empty where nothing is missing.

    Every run of head must have scored every frame that base scored; a score that is defined in some run of base must
    be so in every run of head.

    Args:
        base, head: rows of one metric, columns arm, view, structure, subject_id, frame_id, generator_seed,
            segmenter_seed, value (NaN: undefined).
    """
    wanted = base[[*_PLACE, *_CASE]].drop_duplicates()
    named, wanted = _units(wanted, head, ["arm"], "arm {arm}")
    for unit, text in (
        (["structure"], "structure {structure}"),
        (["view", "structure"], "structure {structure} in view {view}"),
        (["subject_id"], "patient {subject_id}"),
        (["frame_id"], "frame {frame_id}"),
        (_PLACE, "structure {structure} in view {view} of arm {arm}"),
        (["arm", "subject_id"], "patient {subject_id} of arm {arm}"),
        (["arm", "frame_id"], "frame {frame_id} of arm {arm}"),
        ([*_PLACE, *_CASE], "structure {structure} in frame {frame_id} of arm {arm}"),
    ):
        more, wanted = _units(wanted, head, unit, text)
        named += more
    expected = wanted.merge(_crossed_runs(head), on="arm")
    text = "{arm} with generator seed '{generator_seed}' and segmenter seed '{segmenter_seed}'"
    more, expected = _units(expected, head, RUN, f"run {text}")
    lost, expected = _units(expected, head, [*_PLACE, *_CASE, *RUN[1:]], f"frame {{frame_id}}, {{structure}} of {text}")
    defined = base.dropna(subset=["value"])[[*_PLACE, *_CASE]].drop_duplicates()
    undefined, _ = _units(
        defined.merge(expected, on=[*_PLACE, *_CASE]),
        head.dropna(subset=["value"]),
        [*_PLACE, *_CASE, *RUN[1:]],
        f"a defined score of frame {{frame_id}}, {{structure}} by {text}",
    )
    return [*named, *more, *lost, *undefined]


def _units(wanted: pd.DataFrame, head: pd.DataFrame, unit: list[str], text: str) -> tuple[list[str], pd.DataFrame]:
    """Names of the units that head lacks, and what remains to be looked for."""
    marked = wanted.merge(head[unit].drop_duplicates(), on=unit, how="left", indicator=True)
    lost = marked["_merge"] == "left_only"
    units = marked.loc[lost, wanted.columns].drop_duplicates(unit)
    names = [text.format_map({str(key): value for key, value in row.items()}) for row in units.to_dict("records")]
    return names, marked.loc[~lost, wanted.columns]


def _crossed_runs(head: pd.DataFrame) -> pd.DataFrame:
    """Every generator seed of an arm with every segmenter seed."""
    generators, segmenters = (head[["arm", name]].drop_duplicates() for name in RUN[1:])
    return generators.merge(segmenters, on="arm")
