"""Charts hold the numbers of the tables they were drawn from, and their SVG can stand in a page."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from figures_factory import comparison_table, curves_table, per_subject_table, site_tables

from augbench.report import charts
from augbench.report.arms import sort_arms
from augbench.report.distribution import axis_floor, n_below, patient_means
from augbench.report.dose import dose_rows, line_rows
from augbench.report.forest import forest_rows
from augbench.report.seeds import run_means

PER_SUBJECT = per_subject_table({"sax": ("LV", "RV")}, subjects=8)
COMPARISON = comparison_table(PER_SUBJECT)
SITES, DOSE = site_tables(PER_SUBJECT)


def test_arms_are_ordered_real_synthetic_mixed_by_ratio_controls() -> None:
    arms = ["oracle/synthetic", "pggan/mixed-10", "pggan/mixed-2", "pggan/synthetic", "real", "dcgan/mixed-0.5"]
    assert sort_arms(arms) == [
        *("real", "dcgan/mixed-0.5", "pggan/synthetic", "pggan/mixed-2", "pggan/mixed-10", "oracle/synthetic")
    ]


def test_forest_draws_exactly_the_numbers_of_the_comparison() -> None:
    rows = COMPARISON[COMPARISON["metric"] == "dice"]
    drawn: list[pd.DataFrame] = []
    for panel in charts.panels(charts.forest(COMPARISON)):
        specification = panel.to_dict()
        tables = [table for table in specification["datasets"].values() if "mean_difference" in table[0]]
        assert len(tables) == 1
        drawn.append(pd.DataFrame(tables[0]).assign(arm=specification["title"]))
    found = pd.concat(drawn)
    assert len(found) == len(rows)
    numbers = ["mean_difference", "ci_low", "ci_high", "ci90_low", "ci90_high"]
    wanted = forest_rows(COMPARISON)[["arm", "label", *numbers]]
    merged = wanted.merge(found, on=["arm", "label"], suffixes=("", "_drawn"))
    for name in numbers:
        pd.testing.assert_series_equal(merged[name], merged[f"{name}_drawn"], check_names=False)
        assert set(wanted[name]) == set(rows[name])


def test_forest_band_is_the_margin() -> None:
    panel = charts.panels(charts.forest(COMPARISON, margin=0.02))[0].to_dict()
    assert [{"low": -0.02, "high": 0.02}] in panel["datasets"].values()


def test_forest_puts_the_overall_mean_last_and_keeps_undefined_rows_out() -> None:
    table = COMPARISON.copy()
    table.loc[(table["view"] == "sax") & (table["structure"] == "RV"), "mean_difference"] = float("nan")
    labels = forest_rows(table[table["arm"] == "pggan/synthetic"])["label"].to_list()
    assert labels == ["short axis LV", "mean of all"]


def test_patients_are_averaged_over_seeds_before_they_are_drawn() -> None:
    table = pd.DataFrame({"subject_id": ["a", "a", "b", "b"], "value": [0.8, 0.6, 0.9, 0.9], "arm": "real"})
    table = table.assign(view="sax", structure="LV", metric="dice", generator_seed="", segmenter_seed=["0", "1"] * 2)
    assert patient_means(table)["value"].to_list() == pytest.approx([0.7, 0.9])
    # The plausible mistake draws one point per network: four instead of two.
    assert len(patient_means(table)) == 2


def test_scores_left_of_the_axis_are_counted() -> None:
    values = [0.0, *[0.8 + 0.001 * index for index in range(199)]]
    table = pd.DataFrame({"subject_id": [f"s{index}" for index in range(200)], "value": values})
    table = table.assign(view="sax", structure="LV", metric="dice", arm="real", generator_seed="", segmenter_seed="0")
    assert axis_floor(table["value"]) == pytest.approx(0.8)
    assert n_below(table) == 1


def test_dose_lines_start_at_real_and_leave_synthetic_only_out() -> None:
    lines = line_rows(dose_rows(DOSE))
    assert set(lines["line"]) == {"pggan"}
    assert lines[lines["site"] == "external"]["label"].to_list() == ["real only", "1", "8"]
    assert "oracle" not in set(dose_rows(DOSE)["generator"])


def test_networks_are_averaged_over_structures_not_over_rows() -> None:
    table = pd.DataFrame({"structure": ["LV", "LV", "LV", "RV"], "value": [0.9, 0.9, 0.9, 0.5]})
    table = table.assign(view="sax", metric="dice", arm="real", generator_seed="", segmenter_seed="0")
    table["subject_id"] = ["a", "b", "c", "a"]
    assert run_means(table)["value"].to_list() == pytest.approx([0.7])


@pytest.mark.parametrize(
    "chart",
    [
        charts.dice_distribution(PER_SUBJECT),
        charts.forest(COMPARISON),
        charts.dose_response(DOSE),
        charts.site_drop(SITES),
        charts.training_curves(curves_table()),
        charts.seed_spread(PER_SUBJECT),
    ],
    ids=["dice", "forest", "dose", "sites", "curves", "seeds"],
)
def test_every_chart_renders_as_whole_and_well_formed(chart: Any) -> None:
    text = charts.to_svg(chart, "figure-1")
    root = ElementTree.fromstring(text)
    assert root.tag.endswith("svg")
    assert root.get("viewBox")
    assert "NaN" not in text
    assert "ext-0" not in text, "patients' names stay out of the drawing"
    assert all(name.startswith("figure-1-") for name in re.findall(r' id="([^"]*)"', text))
    assert set(re.findall(r"url\(#([^)]*)\)", text)) <= set(re.findall(r' id="([^"]*)"', text))


def test_events_stand_in_the_training_curves_as_words_where_they_happened() -> None:
    curve = curves_table().assign(event="")
    assert "rolled back" not in charts.to_svg(charts.training_curves(curve))
    hit = (curve["generator"] == "pggan") & (curve["seed"] == 1) & (curve["kimg"] == 30.0 * 2)
    text = charts.to_svg(charts.training_curves(curve.assign(event=np.where(hit, "rolled back", ""))))
    # In each of the three panels of that generator, with its seed, and in none of the other's.
    assert text.count("rolled back (seed 1)</text>") == 3


def test_the_same_table_gives_the_same_bytes() -> None:
    assert charts.to_svg(charts.forest(COMPARISON)) == charts.to_svg(charts.forest(COMPARISON))


def test_markup_in_a_name_stays_text_in_the_drawing() -> None:
    text = charts.to_svg(charts.site_drop(SITES.replace("real", "<script>alert(1)</script>")))
    assert "<script" not in text
    assert "&lt;script&gt;" in text
