"""gate: the reports of two revisions -> pass, fail or inconclusive, and the exit code that says so."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from augbench.comparison.gate import FAIL, INCONCLUSIVE, PASS
from augbench.comparison.gate_table import METRIC, Gate, Row, failed, gate
from augbench.core.component import invalid_parameter
from augbench.core.errors import UserError
from augbench.core.layout import REPORTS
from augbench.core.params import Gate as Settings
from augbench.core.reports import SCHEMA
from augbench.revisions.changes import changes, notes, require_comparable
from augbench.revisions.reader import WORKSPACE, NoReports, RevisionReports, read_revision

EXIT = {PASS: 0, FAIL: 1, INCONCLUSIVE: 3}


def run(base: str, head: str | None, *, markdown: bool, as_json: bool, inconclusive: str | None) -> int:
    """Print the result and return the exit code."""
    if markdown and as_json:
        raise UserError("--markdown and --json exclude each other", got="both", expected="one", remedy="drop one")
    if inconclusive not in (None, PASS, FAIL):
        raise UserError(
            f"--inconclusive does not know '{inconclusive}'", expected=f"{PASS} or {FAIL}", remedy="choose one of them"
        )
    document = judge(base, head, inconclusive)
    if as_json:
        print(json.dumps(document, indent=2, allow_nan=False))
    elif markdown:
        from augbench.report.gate_text import markdown as as_markdown

        print(as_markdown(document), end="")
    else:
        from rich.console import Console

        from augbench.report.gate_text import print_gate

        print_gate(document, Console())
    counted = inconclusive if document["outcome"] == INCONCLUSIVE and inconclusive else document["outcome"]
    return EXIT[counted]


def judge(base: str, head: str | None, inconclusive: str | None = None) -> dict[str, Any]:
    """The document: everything that is printed, undefined as null. Keys are only ever added within one schema.

    Raises:
        UserError: bad input: an unknown revision, a base without reports, revisions that cannot be compared.
    """
    old = read_revision(base)
    try:
        new = read_revision(head)
    except NoReports as error:
        label = "working tree" if head in (None, WORKSPACE) else str(head)
        return _document(failed(error.what, margin=_settings(old.params).margin), old, (label, None), [], inconclusive)
    settings = _settings(new.params)
    result = gate(
        old.per_case,
        new.per_case,
        margin=settings.margin,
        alpha=float((new.params.get("comparison") or {}).get("alpha", 0.05)),
        floors=settings.floors,
        controls=[str(name) for name in old.params.get("controls") or ()],
    )
    files = [f"file {path}" for path in old.files if Path(path).parent == REPORTS and path not in new.files]
    result = replace(result, missing=(*files, *result.missing))
    found = changes(_dice_only(old), _dice_only(new))
    if not result.missing:
        require_comparable(found, old, new)
    said = [*notes(found, old, new), *_notes(result, settings, _settings(old.params))]
    return _document(result, old, (new.label, new.commit), said, inconclusive)


def _settings(params: dict[str, Any]) -> Settings:
    """The section `gate`; a revision from before there was one has the defaults."""
    section = params.get("gate", {})
    try:
        return Settings(**section if isinstance(section, dict) else {"gate": section})
    except ValidationError as error:
        raise invalid_parameter(error, "gate", list(Settings.model_fields)) from error


def _dice_only(revision: RevisionReports) -> RevisionReports:
    """Another definition of a metric that is not gated forbids nothing."""
    return replace(revision, per_case=revision.per_case[revision.per_case["metric"] == METRIC])


def _notes(result: Gate, settings: Settings, before: Settings) -> list[str]:
    said = []
    if result.not_gated:
        said.append(f"not gated, as controls or arms that base does not have: {', '.join(result.not_gated)}")
    if settings != before:
        said.append(f"the gate itself changed: {before.model_dump()} -> {settings.model_dump()}")
    if result.rows and not result.seeds_seen:
        said.append("one generator seed and one segmenter seed: limits speak for patients alone, not for retraining")
    return said


def _document(
    result: Gate, base: RevisionReports, head: tuple[str, str | None], said: list[str], inconclusive: str | None
) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "outcome": result.outcome,
        "inconclusive": inconclusive,
        "base": {"name": base.label, "commit": base.commit},
        "head": {"name": head[0], "commit": head[1]},
        "margin": result.margin,
        "alpha": result.alpha,
        "patients": result.n_subjects,
        "seeds": list(result.seeds),
        "rows": [_row(row) for row in result.rows],
        "floors": [asdict(floor) | {"broken": floor.broken} for floor in result.floors],
        "missing": list(result.missing),
        "needed": _needed(result),
        "notes": said,
    }


def _row(row: Row) -> dict[str, Any]:
    return {
        "name": row.name,
        "kind": row.kind,
        "base": _plain(row.base),
        "head": _plain(row.head),
        "change": _plain(row.change),
        "lower_limit": _plain(row.low),
        "lower_level": row.bounds.lower_level,
        "lower_bound": row.bounds.lower,
        "upper_limit": _plain(row.high),
        "upper_level": row.bounds.upper_level,
        "outcome": row.outcome,
    }


def _needed(result: Gate) -> dict[str, Any] | None:
    """What would decide every inconclusive row: the most that any of them needs."""
    wanted = [row.needed for row in result.rows if row.needed is not None]
    if not wanted:
        return None
    patients, seeds = ([getattr(one, name) for one in wanted] for name in ("patients", "seeds"))
    added = None if None in seeds else max(seeds)
    return {
        "patients": None if None in patients else max(patients),
        "seeds": None if added is None else [count + added if count > 1 else count for count in result.seeds],
        "seed_share": _plain(max(one.seed_share for one in wanted)),
    }


def _plain(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None
