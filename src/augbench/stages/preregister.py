"""preregister: what a study fixes before its external patients are scored -> a file with its hash, to be committed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from augbench.core import layout
from augbench.core.artifacts import read_json
from augbench.core.component import create
from augbench.core.errors import UserError
from augbench.core.params import Params, read_params
from augbench.core.reports import read_report_json, write_report_json
from augbench.core.study import read_study
from augbench.datasets.base import Dataset
from augbench.report.registration import Registration
from augbench.runtime import provenance
from augbench.stages.installed import augbench_version

REGISTRATION = layout.REPORTS / "preregistration.json"
#: Sections of params.yaml that decide the external scores or what is concluded from them. The others do not (`gate`,
#: `compute`), or look at no external patient (`audit`).
_SECTIONS = ("seed", "dataset", "image_size", "views", "generators", "sampling", "labelling", "arms",
             "training", "augmentation", "comparison")  # fmt: skip


def run() -> None:
    """Write the registration and print its hash.

    Raises:
        UserError: the external patients were scored already, or something else was registered before.
    """
    params = read_params()
    fixed = content(params)
    _require_unscored(params)
    if REGISTRATION.is_file():
        found = _read()
        _require_same(found["content"], fixed)
        print(f"registered already, on {found['registered']}, and nothing has changed\nsha256 {found['sha256']}")
        return
    from augbench.revisions.git import head

    document = {
        "sha256": digest(fixed),
        "registered": provenance.now(),
        "augbench": augbench_version(),
        "revision": head(),
        "content": fixed,
    }
    write_report_json(REGISTRATION, document)
    print(f"wrote {REGISTRATION}\nsha256 {document['sha256']}")
    print("Commit the file now, before `augbench repro` runs the stage `evaluate`.")


def content(params: Params) -> dict[str, Any]:
    """What is registered: endpoint, margins, arms, seeds, sizes, targets and the external cohort's definition."""
    values = params.model_dump(mode="json")
    fixed = {name: values[name] for name in _SECTIONS}
    targets = [target.model_dump(mode="json") for target in read_study().targets]
    scored = {name: values["evaluation"][name] for name in ("external", "metrics")}
    return fixed | {"evaluation": scored, "targets": targets}


def digest(fixed: dict[str, Any]) -> str:
    """sha256 of the content as JSON with sorted keys, without spaces, in UTF-8."""
    text = json.dumps(fixed, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def registration(params: Params, facts: dict[str, Any]) -> Registration | None:
    """What the report shows; None where nothing was registered.

    Args:
        facts: of `runtime.provenance.collect`.
    """
    if not REGISTRATION.is_file():
        return None
    found = _read()
    return Registration(
        sha256=str(found["sha256"]),
        registered=str(found["registered"]),
        scored=str((_evaluation(facts) or {}).get("ended", "")),
        changed=changed_keys(found["content"], content(params)),
        intact=digest(found["content"]) == found["sha256"],
        revision=str(found["revision"] or ""),
        version=str(found["augbench"]),
    )


def _read() -> dict[str, Any]:
    found: dict[str, Any] = read_report_json(REGISTRATION)
    if absent := {"sha256", "registered", "augbench", "revision", "content"} - set(found):
        raise UserError(
            "the registration is damaged",
            got=f"no {min(absent)}",
            expected="what `augbench preregister` wrote",
            remedy="take it back out of git",
            file=REGISTRATION,
        )
    return found


def changed_keys(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Keys, dots between the levels, whose value differs or that only one of the two has."""
    old, new = dict(_flat(before)), dict(_flat(now))
    return [key for key in dict.fromkeys([*old, *new]) if old.get(key) != new.get(key)]


def _flat(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """A list is one value, except that targets are told apart by their names."""
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _flat(inner, f"{key}.{name}" if key else name)
    elif key == "targets":
        for target in value:
            yield f"target '{target['name']}'", json.dumps(target, sort_keys=True)
    else:
        yield key, json.dumps(value, sort_keys=True)


def _require_unscored(params: Params) -> None:
    """Scores of a phantom's other draw, made with another seed, tell nothing of the patients that are to come."""
    scored = [path for path in (layout.SCORES, layout.PER_PATIENT) if path.exists()]
    if not scored or _of_another_draw(params):
        return
    raise UserError(
        "the external patients have been scored already",
        got=" and ".join(map(str, scored)),
        expected="a study whose external patients nobody has seen",
        remedy="a drawn cohort is new with another `seed` in params.yaml; patients who were scored stay so",
        file=scored[0],
    )


def _of_another_draw(params: Params) -> bool:
    """Whether the scores at hand are of a phantom's earlier draw, and no later ones were made here."""
    dataset = create(Dataset, params.dataset.kind, params.dataset.options)
    if not dataset.can_draw or not layout.PROVENANCE.is_file():
        return False
    reported = read_json(layout.PROVENANCE)
    last = _evaluation(provenance.collect())
    scored_since = last is not None and last not in reported.get("stages", [])
    return not scored_since and reported.get("params", {}).get("seed", params.seed) != params.seed


def _evaluation(facts: dict[str, Any]) -> dict[str, Any] | None:
    return next((row for row in facts["stages"] if row["stage"] == "evaluate"), None)


def _require_same(before: dict[str, Any], now: dict[str, Any]) -> None:
    changed = changed_keys(before, now)
    if changed:
        raise UserError(
            "another content was registered before",
            got=f"changed since: {', '.join(changed)}",
            expected="the registered values",
            remedy=f"put them back; or, for another question, make a new study with `augbench new`. {REGISTRATION} is "
            "never overwritten",
            file=REGISTRATION,
        )
