"""gate: the reports of two revisions -> pass, fail or inconclusive, and the exit code that says so."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from augbench.comparison.gate import FAIL, INCONCLUSIVE, PASS
from augbench.comparison.gate_table import GatedMetric, GatedRow, GateResult, gate
from augbench.core.errors import UserError
from augbench.core.layout import REPORTS
from augbench.core.reports import schema_of
from augbench.revisions.changes import changes, notes, require_comparable
from augbench.revisions.reader import WORKSPACE, NoReports, RevisionReports, read_revision
from augbench.scores.base import SegmentationScore
from augbench.stages.compare import scores_of

EXIT = {PASS: 0, FAIL: 1, INCONCLUSIVE: 3}
#: Names the form of the JSON document among the reports' schemas.
DOCUMENT = "gate.json"


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
        score, scale, alpha = _judged(old)
        return _document(GateResult(scale, alpha, missing=(error.what,)), score, old, (label, None), [], inconclusive)
    score, scale, alpha = _judged(new)
    result = gate(
        old.per_patient,
        new.per_patient,
        scale,
        alpha=alpha,
        floors=new.declared.gating().floors,
        controls=old.declared.controls,
        generators=old.declared.generators,
    )
    files = [f"file {path}" for path in old.files if Path(path).parent == REPORTS and path not in new.files]
    result = replace(result, missing=(*files, *result.missing))
    found = changes(*(_gated_only(side, scale.metric) for side in (old, new)))
    if not result.missing:
        require_comparable(found, old, new)
    said = [*notes(found, old, new), *_notes(result, old, new)]
    return _document(result, score, old, (new.label, new.commit), said, inconclusive)


def _judged(revision: RevisionReports) -> tuple[SegmentationScore, GatedMetric, float]:
    """The revision's primary metric, what of it may be lost, and the level."""
    judging, settings = revision.declared.judging(), revision.declared.gating()
    metric = judging.primary.metric
    score = scores_of({metric: revision.declared.evaluation.metrics.get(metric) or {}})[metric]
    return score, GatedMetric(metric, settings.margin, score.higher_is_better), judging.alpha


def _gated_only(revision: RevisionReports, metric: str) -> RevisionReports:
    """Another definition of a metric that is not gated forbids nothing."""
    return replace(revision, per_patient=revision.per_patient[revision.per_patient["metric"] == metric])


def _notes(result: GateResult, base: RevisionReports, head: RevisionReports) -> list[str]:
    said = []
    if result.not_gated:
        said.append(f"not gated, as controls or arms that base does not have: {', '.join(result.not_gated)}")
    if base.declared.passes != head.declared.passes:
        said.append(f"the gate itself changed: {base.declared.passes} -> {head.declared.passes}")
    for arms, what in ((result.one_generator, "generator"), (result.one_segmenter, "segmenter")):
        if arms:
            said.append(
                f"one {what} seed in {', '.join(arms)}: the limits do not speak for another {what} trained in the same "
                "way, and the stated error rates do not hold for a change that trains it again"
            )
    return said


def _document(
    result: GateResult,
    score: SegmentationScore,
    base: RevisionReports,
    head: tuple[str, str | None],
    said: list[str],
    inconclusive: str | None,
) -> dict[str, Any]:
    return {
        "schema": schema_of(DOCUMENT),
        "outcome": result.outcome,
        "inconclusive": inconclusive,
        "base": {"name": base.label, "commit": base.commit},
        "head": {"name": head[0], "commit": head[1]},
        "metric": {
            "name": result.scale.metric,
            "title": score.title,
            "unit": score.unit,
            "decimals": score.decimals,
            "higher_is_better": score.higher_is_better,
        },
        "margin": result.scale.margin,
        "alpha": result.alpha,
        "patients": result.n_subjects,
        "seeds": list(result.seeds),
        "rows": [_row(row, result.scale) for row in result.rows],
        "floors": [asdict(floor) for floor in result.floors],
        "missing": list(result.missing),
        "notes": said,
    }


def _row(row: GatedRow, scale: GatedMetric) -> dict[str, Any]:
    """Limits and bound are changes in the metric's unit."""
    lacks = row.limit
    return {
        "name": row.name,
        "kind": row.kind,
        "base": _plain(row.base),
        "head": _plain(row.head),
        "change": _plain(row.change),
        "at_worst": _plain(row.at_worst),
        "at_worst_level": row.bounds.lower_level,
        "allowed": scale.sign * row.bounds.lower,
        "at_best": _plain(row.at_best),
        "at_best_level": row.bounds.upper_level,
        "outcome": row.outcome,
        "seeds_unknown": list(row.unknown),
        "limited_by": lacks.source if lacks else None,
        "limited_share": _plain(lacks.share) if lacks else None,
        "patients_needed": lacks.patients if lacks else None,
        "seeds_needed": lacks.seeds if lacks else None,
    }


def _plain(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None
