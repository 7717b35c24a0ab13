"""What differs between two revisions besides the scores, and what of it forbids a comparison."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from augbench.core import layout
from augbench.core.errors import UserError
from augbench.revisions.lock import differing
from augbench.revisions.reader import RevisionReports

Moved = tuple[tuple[str, Any, Any], ...]

_SCORE_CODE = Path("src/augbench/scores")
#: What the external images follow from, where dvc.lock does not tell.
_COHORT_KEYS = ("seed", "dataset", "image_size")
#: Randomness and sampling: a difference may be theirs and not the change's.
_DRAW_KEYS = ("seed", "sampling", "labelling", "label_source")
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
        """What only one of two collections holds."""
        old, new = list(dict.fromkeys(base)), list(dict.fromkeys(head))
        return cls(tuple(name for name in old if name not in new), tuple(name for name in new if name not in old))


@dataclass(frozen=True)
class Changes:
    """Differences between base and head.

    Attributes:
        patients, places: external patients, `view structure`; any difference forbids the comparison.
        frames: sentences on patients of both who have another number of frames; forbids.
        redefined: metrics of both whose parameters differ; forbids.
        cohort: name of base's external cohort.
        cohort_md5: (base, head) hashes of the external cohort that was scored; None where dvc.lock has none.
        cohort_params: (key, old, new) of parameters that the external images follow from.
        metrics, arms: present in one revision alone; listed.
        roles: (arm, old, new) of arms of both that play another role.
        draws: (key, old, new) of seeds and sampling.
        params: (key, old, new) of all others.
        score_code: whether the code of the scores differs by dvc.lock.
    """

    patients: Delta
    frames: tuple[str, ...]
    places: Delta
    redefined: tuple[str, ...]
    cohort: str
    cohort_md5: tuple[str | None, str | None]
    cohort_params: Moved
    metrics: Delta
    arms: Delta
    roles: Moved
    draws: Moved
    params: Moved
    score_code: bool

    @property
    def other_images(self) -> bool:
        """Whether the external images differ: by hash where both are known, else by the parameters they follow from."""
        if None in self.cohort_md5:
            return bool(self.cohort_params)
        return self.cohort_md5[0] != self.cohort_md5[1]


def changes(base: RevisionReports, head: RevisionReports) -> Changes:
    """Compare what was scored, how, and with which parameters."""
    old, new = base.per_patient, head.per_patient
    arms, roles = Delta.of(old["arm"], new["arm"]), [base.declared.roles, head.declared.roles]
    moved = tuple(differing(_of_common_arms(base.params, arms), _of_common_arms(head.params, arms)))
    draws = tuple(row for row in moved if _section(row[0]) in _DRAW_KEYS or row[0].endswith(".seeds"))
    scored = [declared.evaluation.metrics for declared in (base.declared, head.declared)]
    common = set(old["metric"]) & set(new["metric"])
    code = [_code_md5(revision) for revision in (base, head)]
    return Changes(
        patients=Delta.of(sorted(set(old["subject_id"])), sorted(set(new["subject_id"]))),
        frames=tuple(_other_frames(old, new)),
        places=Delta.of(_places(old), _places(new)),
        redefined=tuple(sorted(name for name in common if scored[0].get(name) != scored[1].get(name))),
        cohort=base.declared.evaluation.external,
        cohort_md5=(_cohort_md5(base), _cohort_md5(head)),
        cohort_params=tuple(row for row in moved if _section(row[0]) in _COHORT_KEYS),
        metrics=Delta.of(old["metric"], new["metric"]),
        arms=arms,
        roles=tuple((arm, role, roles[1][arm]) for arm, role in roles[0].items() if roles[1].get(arm, role) != role),
        draws=draws,
        params=tuple(row for row in moved if row not in draws),
        score_code=None not in code and code[0] != code[1],
    )


def require_comparable(found: Changes, base: RevisionReports, head: RevisionReports) -> None:
    """Refuse a comparison whose difference could come from what was measured and not from what was changed.

    Raises:
        UserError: other patients, frames, images, structures, views or metric definitions.
    """
    pair = f"{base.label} and {head.label} cannot be compared: "
    for delta, what in ((found.places, "structure"), (found.patients, "patient")):
        if delta:
            raise _refusal(pair + f"the scored {what}s differ", _listed(delta, what))
    if found.frames:
        raise _refusal(pair + "the scored frames differ", "; ".join(found.frames[:_SHOWN]))
    if found.redefined:
        names = ", ".join(found.redefined)
        definitions = [f"evaluation.metrics.{name}" for name in found.redefined]
        moved = tuple(row for row in found.params if row[0].startswith(tuple(definitions)))
        raise _refusal(pair + f"metric {names} is defined otherwise", _keys(moved))
    if found.other_images:
        md5 = f"md5 {found.cohort_md5[0]} against {found.cohort_md5[1]}" if None not in found.cohort_md5 else ""
        got = "; ".join(filter(None, (md5, _keys(found.cohort_params))))
        folder = layout.cohort(found.cohort)
        raise _refusal(pair + f"the external patients have the same names but other images ({folder})", got)


def _of_common_arms(params: dict[str, Any], arms: Delta) -> dict[str, Any]:
    """Without the declarations of arms that one revision alone has: these are named, and are no changed parameters."""
    groups = params.get("arms", {}).items()
    kept = {group: {n: arm for n, arm in own.items() if n not in arms.lost + arms.new} for group, own in groups}
    return params | {"arms": kept}


def _code_md5(revision: RevisionReports) -> str | None:
    return revision.lock.dep_md5(Path(revision.declared.code) / _SCORE_CODE)


def _cohort_md5(revision: RevisionReports) -> str | None:
    return revision.lock.dep_md5(layout.cohort(revision.declared.evaluation.external))


def _section(key: str) -> str:
    return key.partition(".")[0]


def _other_frames(base: pd.DataFrame, head: pd.DataFrame) -> list[str]:
    case = ["subject_id", "view"]
    counts = [
        side.groupby(case, sort=False)["n_frames"].max().rename(name) for side, name in ((base, "b"), (head, "h"))
    ]
    both = pd.concat(counts, axis=1, join="inner").reset_index()
    return [
        f"patient '{subject}' has {b} in base and {h} in head in view {view}"
        for subject, view, b, h in both[both["b"] != both["h"]].itertuples(index=False)
    ]


def _refusal(what: str, got: str) -> UserError:
    return UserError(
        what,
        got=got,
        expected="the same external test set, structures and metrics in both",
        remedy="run the older code on today's test set: take over params.yaml and `augbench repro` on a branch of it",
    )


def _places(per_patient: pd.DataFrame) -> list[str]:
    return [" ".join(pair) for pair in per_patient[["view", "structure"]].drop_duplicates().itertuples(index=False)]


def _listed(delta: Delta, what: str) -> str:
    parts = [
        f"{len(names)} {what}{'s' if len(names) > 1 else ''} in {side} alone, such as '{names[0]}'"
        for names, side in ((delta.lost, "base"), (delta.new, "head"))
        if names
    ]
    return "; ".join(parts)


def _keys(rows: Moved) -> str:
    return ", ".join(f"{key} {old} -> {new}" for key, old, new in rows)


def notes(found: Changes, base: RevisionReports, head: RevisionReports) -> list[str]:
    """Sentences on everything but the scores that a reader must know: doubts, arms, seeds, parameters."""
    said = [*base.notes, *(note for note in head.notes if note not in base.notes)]
    for delta, what in ((found.arms, "arm"), (found.metrics, "metric")):
        for names, side in ((delta.lost, base.label), (delta.new, head.label)):
            if names:
                said.append(f"{what}{'s' if len(names) > 1 else ''} only in {side}, not compared: {', '.join(names)}")
    if found.roles:
        said.append(f"changed roles: {_keys(found.roles)}")
    if found.draws:
        said.append(f"changed seeds or sampling: {_keys(found.draws)}")
    if found.score_code:
        said.append(f"the code of the scores changed ({_SCORE_CODE}); a difference may be the ruler's")
    others = tuple(row for row in found.params if not row[0].endswith(".role"))
    if others:
        more = f", and {len(others) - _SHOWN} more" if len(others) > _SHOWN else ""
        said.append(f"other changed parameters: {_keys(others[:_SHOWN])}{more}")
    return said
