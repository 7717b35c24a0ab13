"""The results as a short Markdown text: for a terminal, a README or a pull request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from augbench.report.headline import headline


def summary(comparison: pd.DataFrame, sites: pd.DataFrame, audit: pd.DataFrame) -> str:
    """Arms against real, targets, verdict per structure; Dice only.

    Args:
        comparison: rows of `reports/comparison.csv`.
        sites: columns arm, site, mean_dice.
        audit: columns of `figures.report.AUDIT`.
    """
    dice = comparison[comparison["metric"] == "dice"]
    overall = dice[(dice["view"] == "all") & (dice["structure"] == "mean")]
    parts = [_arms(overall, sites), _targets(headline(comparison, audit)["targets"])]
    parts += [_structures(dice[dice["arm"] == arm], str(arm)) for arm in overall["arm"]]
    return "\n\n".join(parts) + "\n"


def _arms(overall: pd.DataFrame, sites: pd.DataFrame) -> str:
    means = {(row["arm"], row["site"]): float(row["mean_dice"]) for row in sites.to_dict("records")}
    rows = [["real", *_sites(means, "real"), "", "", ""]]
    for row in overall.to_dict("records"):
        ratio = row["mean_arm"] / row["mean_reference"] if row["mean_reference"] else float("nan")
        interval = f"{row['mean_difference']:+.4f} [{row['ci_low']:+.4f}, {row['ci_high']:+.4f}]"
        rows.append([row["arm"], *_sites(means, row["arm"]), f"{ratio:.3f}", interval, row["verdict"]])
    head = ["arm", "same site", "development", "external", "ratio to real", "difference [95% CI]", "verdict"]
    return markdown_table(head, rows)


def _sites(means: dict[tuple[str, str], float], arm: str) -> list[str]:
    return [f"{means[arm, site]:.3f}" for site in ("internal", "development", "external")]


def _targets(targets: Sequence[Any]) -> str:
    rows = [[target["name"], target["wanted"], target["found"], target["status"]] for target in targets]
    return markdown_table(["target", "wanted", "found", "result"], rows)


def _structures(rows: pd.DataFrame, arm: str) -> str:
    shown = [
        [
            row["view"],
            row["structure"],
            str(row["n_subjects"]),
            f"{row['mean_arm']:.3f}",
            f"{row['mean_reference']:.3f}",
            f"{row['mean_difference']:+.4f}",
            f"[{row['ci_low']:+.4f}, {row['ci_high']:+.4f}]",
            f"{row['p_holm']:.2g}",
            row["verdict"],
        ]
        for row in rows[rows["view"] != "all"].to_dict("records")
    ]
    head = ["view", "structure", "n", "arm", "real", "difference", "95% CI", "p (Holm)", "verdict"]
    return f"**{arm} against real**\n\n{markdown_table(head, shown)}"


def markdown_table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)
