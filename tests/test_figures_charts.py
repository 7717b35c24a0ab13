"""Charts hold the numbers of the tables they were drawn from, and their SVG can stand in a page."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from figures_factory import (
    ARMS,
    DICE,
    DISPLAY,
    HD95,
    arm,
    comparison_table,
    curves_table,
    per_patient_table,
    site_tables,
)

from augbench.core.study import Names
from augbench.report import charts
from augbench.report.display import Display
from augbench.report.distribution import axis_limits, n_outside, patient_means
from augbench.report.dose import dose_rows, line_rows
from augbench.report.forest import forest_rows
from augbench.report.seeds import run_means

PATIENTS = per_patient_table({"sax": ("LV", "RV")}, subjects=8)
SCORES = PATIENTS[PATIENTS["metric"] == "dice"]
COMPARISON = comparison_table(PATIENTS)
COMPARISON = COMPARISON[COMPARISON["metric"] == "dice"]
SITES, DOSE = site_tables(PATIENTS)


def test_arms_are_ordered_reference_studied_controls() -> None:
    """By role, then as they are declared: a name is never parsed."""
    assert DISPLAY.sort_arms(reversed([one.name for one in ARMS])) == [
        *("real", "pggan-synthetic", "pggan-mixed-1", "pggan-mixed-8", "fastgan-synthetic", "oracle", "memoriser")
    ]
    assert DISPLAY.sort_generators({"oracle", "fastgan", "memoriser", "pggan"}) == [
        *("pggan", "fastgan", "oracle", "memoriser")
    ]


def test_forest_draws_exactly_the_numbers_of_the_comparison() -> None:
    rows = COMPARISON
    drawn: list[pd.DataFrame] = []
    for panel in charts.panels(charts.forest(COMPARISON, 0.01)):
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
    panel = charts.panels(charts.forest(COMPARISON, 0.02))[0].to_dict()
    assert [{"low": -0.02, "high": 0.02}] in panel["datasets"].values()


def test_forest_puts_the_overall_mean_last_and_keeps_undefined_rows_out() -> None:
    table = COMPARISON.copy()
    table.loc[(table["view"] == "sax") & (table["structure"] == "RV"), "mean_difference"] = float("nan")
    labels = forest_rows(table[table["arm"] == "pggan-synthetic"], DISPLAY)["label"].to_list()
    assert labels == ["short-axis LV", "mean of all"]


def test_patients_are_averaged_over_seeds_before_they_are_drawn() -> None:
    table = pd.DataFrame({"subject_id": ["a", "a", "b", "b"], "value": [0.8, 0.6, 0.9, 0.9], "arm": "real"})
    table = table.assign(view="sax", structure="LV", metric="dice", generator_seed="", segmenter_seed=["0", "1"] * 2)
    assert patient_means(table)["value"].to_list() == pytest.approx([0.7, 0.9])
    # The plausible mistake draws one point per network: four instead of two.
    assert len(patient_means(table)) == 2


def test_without_a_margin_there_is_no_band() -> None:
    assert "mark_rect" not in str(charts.panels(charts.forest(COMPARISON, None))[0].to_dict())
    assert "rect" not in [
        layer["mark"]["type"] for layer in charts.forest(COMPARISON, None).to_dict()["hconcat"][0]["layer"]
    ]


@pytest.mark.parametrize("scale", [0.001, 1, 400])
def test_ticks_are_few_and_round_at_any_size(scale: float) -> None:
    numbers = ["mean_difference", "ci_low", "ci_high", "ci90_low", "ci90_high"]
    table = COMPARISON.assign(**{name: COMPARISON[name] * scale for name in numbers})
    panel = charts.panels(charts.forest(table, None))[0].to_dict()
    ticks = panel["layer"][-1]["encoding"]["x"]["axis"]["values"]
    assert 3 <= len(ticks) <= 5
    assert ticks[len(ticks) // 2] == 0
    assert len({round(high - low, 9) for low, high in pairwise(ticks)}) == 1


@pytest.mark.parametrize(("metric", "bad"), [(DICE, 0.0), (HD95, 90.0)])
def test_failures_beyond_the_axis_are_counted(metric: Any, bad: float) -> None:
    level = 0.8 if metric is DICE else 5.0
    values = [bad, *[level + 0.001 * index for index in range(199)]]
    table = pd.DataFrame({"subject_id": [f"s{index}" for index in range(200)], "value": values})
    table = table.assign(view="sax", structure="LV", arm="real", generator_seed="", segmenter_seed="0")
    low, high = axis_limits(table["value"], metric)
    assert (low, high) == ((0.8, 1.0) if metric is DICE else (5.0, 5.2))
    assert n_outside(table, metric) == 1


def test_dose_lines_start_at_real_and_leave_synthetic_only_out() -> None:
    rows = dose_rows(DOSE, DISPLAY)
    lines = line_rows(rows, "real")
    assert set(lines["line"]) == {"pggan"}
    assert lines[lines["site"] == "external"]["label"].to_list() == ["real", "1", "8"]
    assert not {"oracle", "memoriser"} & set(rows["generator"])
    assert set(rows.loc[rows["arm"] == "pggan-synthetic", "label"]) == {"synthetic"}


def test_a_held_share_of_real_frames_is_a_line_of_its_own_that_does_not_start_at_real() -> None:
    """More different frames at one half real; joined with the equal-steps curve they would zigzag."""
    held = [
        replace(arm("half-1", "pggan", 1), regime_options={"synthetic_per_real": 1, "real_share": 0.5}),
        replace(arm("half-8", "pggan", 8), regime_options={"synthetic_per_real": 8, "real_share": 0.5}),
    ]
    # Other masks for the same images, a real arm and an arm of another network.
    taught = replace(arm("taught-1", "pggan", 1), synthetic="pggan-teacher", labels="teacher")
    apart = [replace(arm("other-net", "pggan", 1), against="real-net"), replace(arm("real-all"), role="opponent")]
    apart[1] = replace(apart[1], against="real")
    more = DOSE[(DOSE["arm"] == "pggan-mixed-1")]
    table = pd.concat([DOSE, *(more.assign(arm=one.name, dose=one.dose) for one in (*held, taught, *apart))])
    display = replace(DISPLAY, arms=(*DISPLAY.arms, *held, taught, *apart))
    rows = dose_rows(table, display)
    assert not {"other-net", "real-all"} & set(rows["arm"])
    lines = line_rows(rows, "real").query("site == 'external'")
    assert {name: list(part["label"]) for name, part in lines.groupby("line")} == {
        "pggan": ["real", "1", "8"],
        "pggan 0.5": ["1", "8"],
        "pggan-teacher": ["real", "1"],
    }
    assert set(lines.loc[lines["held"].astype(bool), "line"]) == {"pggan 0.5"}
    drawn = [charts.to_svg(panel) for panel in charts.panels(charts.dose_response(table, DICE, display))]
    assert all('stroke-dasharray="5,3"' in svg for svg in drawn)


def test_networks_are_averaged_over_structures_not_over_rows() -> None:
    table = pd.DataFrame({"structure": ["LV", "LV", "LV", "RV"], "value": [0.9, 0.9, 0.9, 0.5]})
    table = table.assign(view="sax", metric="dice", arm="real", generator_seed="", segmenter_seed="0")
    table["subject_id"] = ["a", "b", "c", "a"]
    assert run_means(table)["value"].to_list() == pytest.approx([0.7])


@pytest.mark.parametrize(
    "chart",
    [
        charts.score_distribution(SCORES, DICE, DISPLAY),
        charts.forest(COMPARISON, 0.01, display=DISPLAY),
        charts.dose_response(DOSE, DICE, DISPLAY),
        charts.site_drop(SITES, DICE, DISPLAY),
        charts.training_curves(curves_table()),
        charts.seed_spread(SCORES, DICE, DISPLAY),
    ],
    ids=["scores", "forest", "dose", "sites", "curves", "seeds"],
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


def test_every_patient_is_drawn_once_although_dots_are_joined() -> None:
    """Each arm and structure has eight patients; those beyond the axis are triangles of their own."""
    panel = charts.panels(charts.score_distribution(SCORES, DICE, DISPLAY))[0]
    text = charts.to_svg(panel)
    dots = len(re.findall(r"M[-0-9.]+ [-0-9.]+h0", text))
    assert dots == len(patient_means(SCORES)) - n_outside(SCORES, DICE)


def test_the_same_table_gives_the_same_bytes() -> None:
    assert charts.to_svg(charts.forest(COMPARISON, 0.01)) == charts.to_svg(charts.forest(COMPARISON, 0.01))


def test_markup_in_a_name_stays_text_in_the_drawing() -> None:
    display = Display(Names(arms={"real": "<script>alert(1)</script>"}), ARMS)
    text = charts.to_svg(charts.site_drop(SITES, DICE, display))
    assert "<script" not in text
    assert "&lt;script&gt;" in text
