"""The Markdown summary says what the tables say."""

from __future__ import annotations

from figures_factory import report_data

from augbench.report.markdown import summary


def test_every_arm_and_verdict_is_in_the_summary() -> None:
    data = report_data()
    text = summary(data.comparison, data.site_scores, data.audit)
    dice = data.comparison[(data.comparison["metric"] == "dice") & (data.comparison["view"] != "all")]
    for row in dice.to_dict("records"):
        expected = f"| {row['view']} | {row['structure']} | {row['n_subjects']} | {row['mean_arm']:.3f} |"
        assert any(line.startswith(expected) and row["verdict"] in line for line in text.splitlines())


def test_a_bar_in_a_name_does_not_break_the_table() -> None:
    data = report_data()
    comparison = data.comparison.assign(structure=data.comparison["structure"].replace("LV", "L|V"))
    text = summary(comparison, data.site_scores, data.audit)
    rows = [line for line in text.splitlines() if line.startswith("| 4ch")]
    assert len({line.replace("\\|", "").count("|") for line in rows}) == 1
