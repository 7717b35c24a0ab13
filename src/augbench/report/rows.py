"""Rows of the tidy tables: which stand for what, and in which order they are shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from augbench.core.tables import ALL_VIEWS
from augbench.core.verdicts import VERDICTS


def sort_by(values: Iterable[Any], order: Sequence[Any] = ()) -> list[Any]:
    """Values of `order` in its order, others after them as they first appear."""
    found = list(dict.fromkeys(values))
    return [value for value in order if value in found] + [value for value in found if value not in order]


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as plain dictionaries."""
    return [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]


def single(comparison: pd.DataFrame) -> pd.DataFrame:
    """Rows of one view and one structure."""
    return comparison[comparison["view"] != ALL_VIEWS]


def overall(comparison: pd.DataFrame) -> pd.DataFrame:
    """The row that speaks for all views and structures of an arm: with a single place, the place's own."""
    return comparison[comparison["overall"].astype(bool)]


def ordered(
    comparison: pd.DataFrame, arms: Sequence[str] = (), views: Sequence[str] = (), structures: Sequence[str] = ()
) -> pd.DataFrame:
    """Rows by arm, view and structure, each in the given order, the overall row of an arm last."""
    arms, views = sort_by(comparison["arm"], arms), sort_by(comparison["view"], views)
    structures = sort_by(comparison["structure"], structures)
    places = [
        (arms.index(arm), view == ALL_VIEWS, views.index(view), structures.index(structure))
        for arm, view, structure in comparison[["arm", "view", "structure"]].itertuples(index=False, name=None)
    ]
    order = sorted(range(len(places)), key=places.__getitem__)
    return comparison.iloc[order].reset_index(drop=True)


def text(cell: object) -> str:
    """A cell of words, `` where a file has none."""
    return cell if isinstance(cell, str) else ""


def verdict_word(verdict: object) -> str:
    """The verdict if it is one of the five, otherwise `` (undefined: too few patients)."""
    return verdict if isinstance(verdict, str) and verdict in VERDICTS else ""
