"""Two revisions side by side as one HTML page, and as a section of the report."""

from __future__ import annotations

from typing import Any

from augbench.report import charts
from augbench.report.since import Since, how, overall_rows, patients, structure_rows, title
from augbench.report.templates import environment


def page(since: Since) -> str:
    """The whole page: opens offline, loads nothing. Same data, same text."""
    return environment().get_template("since.html.j2").render(title=title(since), since=section(since), labels="")


def section(since: Since) -> dict[str, Any]:
    """What `section_since.html.j2` shows."""
    from markupsafe import Markup

    first = since.metrics[0]
    return {
        "base": since.base,
        "head": since.head,
        "patients": patients(since),
        "notes": list(since.notes),
        "unchanged": since.unchanged_names,
        "verdicts": since.moved,
        "margin": since.margins[first],
        "primary": since.titles[first],
        "forest": [Markup(text) for text in _forest(since, first)],
        "metrics": [
            {
                "name": since.titles[metric],
                "how": how(since, metric),
                "overall": overall_rows(since, metric),
                "arms": [
                    (since.display.arm(arm), rows)
                    for arm in since.changed
                    if (rows := structure_rows(since, metric, arm))
                ],
            }
            for metric in since.metrics
        ],
    }


def _forest(since: Since, metric: str) -> list[str]:
    """A panel per arm that changed."""
    table = since.table[since.table["arm"].isin(since.changed) & (since.table["metric"] == metric)]
    if table["mean_difference"].notna().sum() == 0:
        return []
    plot = charts.forest(table, since.margins[metric])
    return [charts.to_svg(panel, f"since-{index}") for index, panel in enumerate(charts.panels(plot))]
