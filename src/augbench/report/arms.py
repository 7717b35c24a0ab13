"""Keys as `since` shows them: it compares two revisions, whose studies may give a key different names."""

from __future__ import annotations

from augbench.report.display import Display
from augbench.report.rows import sort_by as sort_arms
from augbench.report.rows import verdict_word

__all__ = ["sort_arms", "verdict_word", "view_name"]

view_name = Display().view
