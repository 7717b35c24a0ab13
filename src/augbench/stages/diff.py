"""diff: the reports of two revisions -> what changed for each patient, in every form it is shown in."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pandas as pd

from augbench.comparison.revision import revision_table
from augbench.comparison.rows import Endpoint
from augbench.core.artifacts import write_text
from augbench.core.errors import UserError
from augbench.core.layout import STUDY
from augbench.core.reports import schema_of
from augbench.core.study import Names, read_study
from augbench.report.since import Since, seeds_note
from augbench.revisions.changes import Changes, changes, notes, require_comparable
from augbench.revisions.reader import RevisionReports, read_revision
from augbench.stages.compare import rules_of, scores_of

#: Names the form of the JSON document among the reports' schemas.
DOCUMENT = "diff.json"


def run(base: str, head: str | None, *, markdown: bool, as_json: bool, html: Path | None) -> None:
    """Print the difference as a table, Markdown or JSON; with `html` also write a page."""
    if markdown and as_json:
        raise UserError("--markdown and --json exclude each other", got="both", expected="one", remedy="drop one")
    old, new = read_revision(base), read_revision(head)
    found = compared_changes(old, new)
    since = compare_revisions(old, new, found)
    if html is not None:
        from augbench.report.since_page import page

        write_text(html, page(since))
    if as_json:
        print(json.dumps(document(since, found, old, new), indent=2, allow_nan=False))
    elif markdown:
        from augbench.report.since_text import markdown as as_markdown

        print(as_markdown(since), end="")
    else:
        from rich.console import Console

        from augbench.report.since_text import print_since

        print_since(since, Console())
        if html is not None:
            print(f"\nwrote {html}")


def since(base: str) -> Since:
    """The working tree since `base`."""
    old, new = read_revision(base), read_revision(None)
    return compare_revisions(old, new, compared_changes(old, new))


def compared_changes(base: RevisionReports, head: RevisionReports) -> Changes:
    """What differs besides the scores; raises UserError where that forbids a comparison."""
    found = changes(base, head)
    require_comparable(found, base, head)
    return found


def compare_revisions(base: RevisionReports, head: RevisionReports, found: Changes) -> Since:
    """Every metric that head's params.yaml gives a margin, the primary one first, judged by head's margins and levels.

    Raises:
        UserError: no metric with a margin is in both.
    """
    judging = head.declared.judging()
    named = dict.fromkeys([judging.primary.metric, *judging.margins])
    both = set(base.per_patient["metric"]) & set(head.per_patient["metric"])
    common = [name for name in named if name in judging.margins and name in both]
    if not common:
        raise UserError(
            "no metric with a margin is in both revisions",
            got=", ".join(judging.margins) or "no margin",
            expected="an entry of comparison.margins that both score",
            remedy="add the margin to params.yaml",
        )
    scores = scores_of({name: head.declared.evaluation.metrics.get(name) or {} for name in common})
    table = revision_table(
        _of(base.per_patient, common),
        _of(head.per_patient, common),
        rules_of(
            scores,
            margins=judging.margins,
            alpha=judging.alpha,
            primary=Endpoint(judging.primary.metric, judging.primary.arm),
            controls=head.declared.controls,
        ),
    )
    return Since(
        base=base.label,
        head=head.label,
        table=table,
        margins=judging.margins,
        titles={name: score.title for name, score in scores.items()},
        notes=[note for note in (*notes(found, base, head), seeds_note(table)) if note],
        verdicts=_moved_verdicts(base.comparison, head.comparison, common),
        names=read_study().names if STUDY.is_file() else Names(),
    )


def document(shown: Since, found: Changes, base: RevisionReports, head: RevisionReports) -> dict[str, Any]:
    """The JSON form; undefined is null. Keys are only ever added within one schema."""
    rows = [{str(key): _plain(value) for key, value in row.items()} for row in shown.table.to_dict("records")]
    return {
        "schema": schema_of(DOCUMENT),
        "base": {"name": base.label, "commit": base.commit},
        "head": {"name": head.label, "commit": head.commit},
        "margins": dict(shown.margins),
        "notes": list(shown.notes),
        "arms": {"only_base": list(found.arms.lost), "only_head": list(found.arms.new)},
        "params": [{"key": key, "base": old, "head": new} for key, old, new in (*found.draws, *found.params)],
        "verdicts": [
            dict(zip(("arm", "view", "structure", "base", "head"), row, strict=True)) for row in shown.verdicts
        ],
        "rows": rows,
    }


def _of(per_patient: pd.DataFrame, metrics: list[str]) -> pd.DataFrame:
    """Rows of these metrics, in this order."""
    rows = per_patient[per_patient["metric"].isin(metrics)]
    return rows.sort_values("metric", key=lambda names: names.map(metrics.index), kind="stable")


def _moved_verdicts(
    base: pd.DataFrame | None, head: pd.DataFrame | None, metrics: list[str]
) -> list[tuple[str, str, str, str, str]]:
    """(arm, view, structure, old, new) of verdicts against the reference arm that are not the same word."""
    if base is None or head is None:
        return []
    place = ["metric", "arm", "view", "structure"]
    both = head[head["metric"].isin(metrics)].merge(base, on=place, suffixes=("_head", "_base"))
    moved = both[both["verdict_head"].fillna("") != both["verdict_base"].fillna("")]
    chosen = moved[["arm", "view", "structure", "verdict_base", "verdict_head"]].fillna("none")
    return [tuple(map(str, row)) for row in chosen.itertuples(index=False)]  # type: ignore[misc]


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value
