"""What differs between two revisions besides the scores, and what of it forbids a comparison."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from augbench.comparison.unit import arm_names
from augbench.core import layout
from augbench.core.errors import UserError
from augbench.revisions.lock import differing
from augbench.revisions.reader import RevisionReports

_EXTERNAL = layout.cohort("external")
_METRIC_CODE = Path("src/augbench/metrics")
#: What the external images follow from, where dvc.lock does not tell.
_COHORT_KEYS = ("seed", "dataset", "datasets", "image_size")
#: Randomness and sampling: a difference may be theirs and not the change's.
_DRAW_KEYS = ("seed", "generator_seeds", "segmenter_seeds", "sampling", "labelling")
_SHOWN = 8


@dataclass(frozen=True)
class Delta:
    """Names that only one revision has, each sorted or in table order."""

    lost: tuple[str, ...] = ()
    new: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.lost or self.new)

    @classmethod
    def of(cls, base: Iterable[str], head: Iterable[str]) -> Delta:
        old, new = list(dict.fromkeys(base)), list(dict.fromkeys(head))
        return cls(tuple(name for name in old if name not in new), tuple(name for name in new if name not in old))


@dataclass(frozen=True)
class Changes:
    """Differences between base and head.

    Attributes:
        patients, frames, places: external patients, frames, `view structure`; any difference forbids the comparison.
        redefined: metrics of both whose parameters differ; forbids.
        cohort_md5: (base, head) hashes of the external cohort that was scored; None where dvc.lock has none.
        cohort_params: (key, old, new) of parameters that the external images follow from.
        metrics, arms: present in one revision alone; listed.
        draws: (key, old, new) of seeds and sampling.
        params: (key, old, new) of all others.
        metric_code: whether the code of the metrics differs by dvc.lock.
    """

    patients: Delta
    frames: Delta
    places: Delta
    redefined: tuple[str, ...]
    cohort_md5: tuple[str | None, str | None]
    cohort_params: tuple[tuple[str, Any, Any], ...]
    metrics: Delta
    arms: Delta
    draws: tuple[tuple[str, Any, Any], ...]
    params: tuple[tuple[str, Any, Any], ...]
    metric_code: bool

    @property
    def other_images(self) -> bool:
        """Whether the external images differ: by hash where both are known, else by the parameters they follow from."""
        if None in self.cohort_md5:
            return bool(self.cohort_params)
        return self.cohort_md5[0] != self.cohort_md5[1]


def changes(base: RevisionReports, head: RevisionReports) -> Changes:
    """Compare what was scored, how, and with which parameters."""
    old, new = base.per_case, head.per_case
    moved = differing(base.params, head.params)
    metrics = Delta.of(old["metric"], new["metric"])
    named = {key.split(".")[2] for key, *_ in moved if key.startswith("evaluation.metrics.")}
    common = set(old["metric"]) & set(new["metric"])
    code = [revision.lock.dep_md5(_METRIC_CODE) for revision in (base, head)]
    cohort = tuple(revision.lock.dep_md5(_EXTERNAL) for revision in (base, head))
    return Changes(
        patients=Delta.of(sorted(set(old["subject_id"])), sorted(set(new["subject_id"]))),
        frames=Delta.of(old["frame_id"], new["frame_id"]),
        places=Delta.of(_places(old), _places(new)),
        redefined=tuple(sorted(named & common)),
        cohort_md5=(cohort[0], cohort[1]),
        cohort_params=_under(moved, _COHORT_KEYS),
        metrics=metrics,
        arms=Delta.of(arm_names(old), arm_names(new)),
        draws=_under(moved, _DRAW_KEYS),
        params=tuple(row for row in moved if row not in _under(moved, _DRAW_KEYS)),
        metric_code=None not in code and code[0] != code[1],
    )


def require_comparable(found: Changes, base: RevisionReports, head: RevisionReports) -> None:
    """Refuse a comparison whose difference could come from what was measured and not from what was changed.

    Raises:
        UserError: other patients, frames, images, structures, views or metric definitions.
    """
    pair = f"{base.label} and {head.label} cannot be compared: "
    for delta, what in ((found.places, "structure"), (found.patients, "patient"), (found.frames, "frame")):
        if delta:
            raise _refusal(pair + f"the scored {what}s differ", _listed(delta, what))
    if found.redefined:
        raise _refusal(pair + f"metric {', '.join(found.redefined)} is defined otherwise", _keys(found.params))
    if found.other_images:
        md5 = f"md5 {found.cohort_md5[0]} against {found.cohort_md5[1]}" if None not in found.cohort_md5 else ""
        got = "; ".join(filter(None, (md5, _keys(found.cohort_params))))
        raise _refusal(pair + f"the external patients have the same names but other images ({_EXTERNAL})", got)


def _refusal(what: str, got: str) -> UserError:
    return UserError(
        what,
        got=got,
        expected="the same external test set, structures and metrics in both",
        remedy="run the older code on today's test set: take over params.yaml and `augbench repro` on a branch of it",
    )


def _places(per_case: pd.DataFrame) -> list[str]:
    return [" ".join(pair) for pair in per_case[["view", "structure"]].drop_duplicates().itertuples(index=False)]


def _listed(delta: Delta, what: str) -> str:
    parts = [
        f"{len(names)} {what}{'s' if len(names) > 1 else ''} in {side} alone, such as '{names[0]}'"
        for names, side in ((delta.lost, "base"), (delta.new, "head"))
        if names
    ]
    return "; ".join(parts)


def _keys(rows: Iterable[tuple[str, Any, Any]]) -> str:
    return ", ".join(f"{key} {old} -> {new}" for key, old, new in rows)


def _under(rows: Iterable[tuple[str, Any, Any]], sections: Iterable[str]) -> tuple[tuple[str, Any, Any], ...]:
    return tuple(row for row in rows if row[0].partition(".")[0] in sections)


def notes(found: Changes, base: RevisionReports, head: RevisionReports) -> list[str]:
    """Sentences on everything but the scores that a reader must know: doubts, arms, seeds, parameters."""
    said = [*base.notes, *(note for note in head.notes if note not in base.notes)]
    for delta, what in ((found.arms, "arm"), (found.metrics, "metric")):
        for names, side in ((delta.lost, base.label), (delta.new, head.label)):
            if names:
                said.append(f"{what}{'s' if len(names) > 1 else ''} only in {side}, not compared: {', '.join(names)}")
    if found.draws:
        said.append(f"changed seeds or sampling: {_keys(found.draws)}")
    if found.metric_code:
        said.append(f"the code of the metrics changed ({_METRIC_CODE}); a difference may be the ruler's")
    if found.params:
        more = f", and {len(found.params) - _SHOWN} more" if len(found.params) > _SHOWN else ""
        said.append(f"other changed parameters: {_keys(found.params[:_SHOWN])}{more}")
    return said
