"""Two revisions side by side as one HTML page, and as a section of the report."""

from __future__ import annotations

from typing import Any

from augbench.report import charts
from augbench.report.since import (
    Since,
    how,
    metric_name,
    overall_rows,
    patients,
    structure_rows,
    title,
)
from augbench.report.templates import environment


def page(since: Since) -> str:
    """The whole page: opens offline, loads nothing. Same data, same text."""
    return environment().get_template("since.html.j2").render(title=title(since), since=section(since), labels="")


def section(since: Since) -> dict[str, Any]:
    """What `section_since.html.j2` shows."""
    from markupsafe import Markup

    changed = [row["name"] for row in overall_rows(since, since.metrics[0]) if row["name"] not in since.unchanged]
    return {
        "base": since.base,
        "head": since.head,
        "patients": patients(since),
        "notes": list(since.notes),
        "unchanged": since.unchanged,
        "verdicts": list(since.verdicts),
        "margin": since.margins.get("dice"),
        "forest": [Markup(text) for text in _forest(since, changed)],
        "metrics": [
            {
                "name": metric_name(metric),
                "how": how(since, metric),
                "overall": overall_rows(since, metric),
                "arms": {arm: structure_rows(since, metric, arm) for arm in changed},
            }
            for metric in since.metrics
        ],
    }


def _forest(since: Since, arms: list[str]) -> list[str]:
    """A panel per arm that changed; only Dice has the forest plot's axis."""
    table = since.table[since.table["arm"].isin(arms) & (since.table["metric"] == "dice")]
    if table["mean_difference"].notna().sum() == 0:
        return []
    plot = charts.forest(table, since.margins["dice"])
    return [charts.to_svg(panel, f"since-{index}") for index, panel in enumerate(charts.panels(plot))]
