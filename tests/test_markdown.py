"""The Markdown summary says what the tables say."""

from __future__ import annotations

from figures_factory import DICE, DISPLAY, report_data

from augbench.report.markdown import document, summary


def test_every_arm_and_verdict_is_in_the_summary() -> None:
    data = report_data()
    text = summary(data)
    dice = data.comparison[(data.comparison["metric"] == "dice") & (data.comparison["view"] != "all")]
    for row in dice.to_dict("records"):
        place = DISPLAY.place(row["view"], row["structure"])
        expected = f"| {place} | {row['n_subjects']} | {DICE.number(row['mean_arm'])} |"
        assert any(line.startswith(expected) and row["verdict"] in line for line in text.splitlines())
    for target in data.targets:
        assert f"| {target.name} | {target.wanted} | {target.found} | {target.status} |" in text


def test_a_bar_in_a_name_does_not_break_the_table() -> None:
    data = report_data()
    comparison = data.comparison.assign(structure=data.comparison["structure"].replace("LV", "L|V"))
    text = summary(report_data(comparison=comparison))
    rows = [line for line in text.splitlines() if line.startswith("| 4-chamber")]
    assert len(rows) > 10
    assert len({line.replace("\\|", "").count("|") for line in rows}) == 1


def test_the_document_holds_the_numbers_of_the_overall_rows() -> None:
    data = report_data()
    found = document(data)
    assert found["reference_arm"] == "real"
    assert set(found["arms"]) == set(data.overall)
    row = data.overall["oracle"]
    assert found["arms"]["oracle"]["mean_difference"] == float(f"{row['mean_difference']:.6g}")
    assert found["arms"]["oracle"]["role"] == "positive control"
    assert len(found["sites"]) == len(data.sites)
