"""The HTML report: self-contained, true to its tables, safe against names, whole when parts are missing."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pandas as pd
import pytest
from figures_factory import (
    ARMS,
    DICE,
    DISPLAY,
    HD95,
    STUDY,
    arm,
    per_patient_table,
    report_data,
)
from revision_factory import scores

from augbench.comparison.revision import revision_table
from augbench.comparison.rows import Rules
from augbench.core.study import Target
from augbench.core.verdicts import VERDICTS
from augbench.report import colours, prose
from augbench.report.data import ReportData, empty
from augbench.report.metric import Metric
from augbench.report.report import figures, render
from augbench.report.since import Since
from augbench.report.targets import Judge, is_flagged
from augbench.report.verdicts import verdict_sentence
from augbench.report.words import difference, duration, interval, median_iqr, number, p_value, significant

SMALL = {"sax": ("LV", "RV"), "4ch": ("LV",)}
VOID = {"meta", "link", "br", "img", "hr", "input", "col"}


class Page(HTMLParser):
    """Tags, addresses, visible text and the table cells of a page; fails on tags that do not close."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.loads: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in ("src", "srcset", "data", "poster", "xlink:href") or (name == "href" and tag != "a"):
                self.loads.append(value or "")
            elif name == "href":
                self.links.append(value or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def small() -> ReportData:
    return report_data(per_patient=per_patient_table(SMALL, subjects=12))


@pytest.fixture(scope="module")
def html(small: ReportData) -> str:
    return render(small)


def test_the_page_is_well_formed_and_loads_nothing(html: str) -> None:
    page = Page(html)
    assert all(address.startswith("data:image/webp;base64,") for address in page.loads)
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    assert all(link.startswith(("#", "https://doi.org/")) for link in page.links)
    assert not re.search(r"@import|url\((?!#)", html.partition("</style>")[0])


def test_every_entry_of_the_contents_leads_somewhere_and_ids_are_unique(html: str) -> None:
    page = Page(html)
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))


def test_figures_and_tables_are_numbered_without_gaps(html: str) -> None:
    text = Page(html).text
    for name in ("Figure", "Table", "Table S"):
        found = [int(no) for no in re.findall(rf"{name}{' ' if name != 'Table S' else ''}(\d+)\.", text)]
        assert found == list(range(1, len(found) + 1)), name
        assert found


def test_every_table_names_the_label_source(small: ReportData) -> None:
    html = render(replace(small, arms=[replace(one, labels="pseudo") for one in ARMS]))
    captions = re.findall(r'<p class="caption".*?</p>', html, re.S)
    assert len(captions) == html.count("<table")
    assert all("Labels of synthetic frames: pseudo." in caption for caption in captions)


def test_every_number_of_the_comparison_is_printed_as_it_is(small: ReportData, html: str) -> None:
    text = Page(html).text
    for row in small.comparison[small.comparison["metric"] == "dice"].to_dict("records"):
        for wanted in (
            number(row["mean_arm"]),
            difference(row["mean_difference"]),
            interval(row["ci_low"], row["ci_high"]),
            interval(row["ci90_low"], row["ci90_high"]),
            p_value(row["p_adjusted"]),
        ):
            assert wanted in text, (row["arm"], row["view"], row["structure"], wanted)


def test_the_published_table_stands_beside_ours(small: ReportData, html: str) -> None:
    text = Page(html).text
    assert STUDY.published is not None
    for row in STUDY.published.rows:
        assert median_iqr(*row.arm) in text
        assert median_iqr(*row.reference) in text
    dice = small.comparison[(small.comparison["metric"] == "dice") & (small.comparison["arm"] == "pggan-synthetic")]
    ours = dice[(dice["view"] == "sax") & (dice["structure"] == "RV")].iloc[0]
    assert median_iqr(ours["median_arm"], ours["q1_arm"], ours["q3_arm"]) in text
    assert "not scored in this run" in text, "4ch RV and RA are not in this study"
    assert "Variation" in text


def test_variation_is_printed_only_where_the_publication_has_it(small: ReportData) -> None:
    assert STUDY.published is not None
    rows = [row.model_copy(update={"variation_arm": None, "variation_reference": None}) for row in STUDY.published.rows]
    published = STUDY.published.model_copy(update={"rows": rows})
    text = Page(render(replace(small, study=STUDY.model_copy(update={"published": published})))).text
    assert "ariation" not in text.partition("Verdict per structure")[0].partition("The published table")[2]


def test_the_overall_row_of_the_primary_metric_is_the_headline(small: ReportData) -> None:
    rows = small.comparison[(small.comparison["metric"] == "dice") & (small.comparison["view"] == "all")]
    row = rows[rows["arm"] == "pggan-synthetic"].iloc[0]
    # The plausible mistake averages the ratios of the structures.
    assert small.overall["pggan-synthetic"]["ratio"] == pytest.approx(row["mean_arm"] / row["mean_reference"])


def test_one_view_and_structure_need_no_row_of_their_own() -> None:
    """Such a study has no row `all`: its only row is the overall one, and is drawn and counted once."""
    patients = per_patient_table({"sax": ("LV",)}, subjects=6)
    data = report_data(per_patient=patients)
    assert "all" not in set(data.comparison["view"])
    assert set(data.overall) == {one.name for one in ARMS[1:]}
    text = Page(render(data)).text
    assert "mean of all" not in text
    assert "Only LV has a reference in the external set" in text


ROW = {
    "mean_arm": 0.99, "mean_reference": 1.0, "mean_difference": -0.01, "ratio": 0.99, "ci_width": 0.03,
    "ratio_low": 0.975, "ratio_high": 1.005, "ci_low": -0.025, "ci_high": 0.005,
}  # fmt: skip
NO_CONTRASTS = pd.DataFrame(columns=["arm", "other", "ci_low", "ci_high"])


def _status(
    target: Target,
    rows: dict[str, Any],
    flags: dict[str, bool] | None = None,
    metric: Metric = DICE,
    contrasts: pd.DataFrame = NO_CONTRASTS,
) -> str:
    return Judge(rows, contrasts, flags or {}, metric, DISPLAY).judge([target])[0].status


@pytest.mark.parametrize(
    ("target", "change", "status"),
    [
        ({"kind": "ratio", "at_least": 0.975}, {}, "shown"),
        # Met by the estimate, and not by its limits.
        ({"kind": "ratio", "at_least": 0.9751}, {}, "not shown"),
        ({"kind": "ratio", "at_least": 1.005}, {}, "not shown"),
        ({"kind": "ratio", "at_least": 1.0051}, {}, "refuted"),
        ({"kind": "ratio", "at_least": 0.97}, {"ratio_low": None}, "not judged"),
        ({"kind": "difference", "at_least": -0.025}, {}, "shown"),
        ({"kind": "difference", "at_least": -0.005}, {}, "not shown"),
        ({"kind": "difference", "at_least": 0.01}, {}, "refuted"),
        ({"kind": "difference", "at_most": -0.03}, {}, "refuted"),
        ({"kind": "difference", "at_least": -0.03, "at_most": 0.01}, {}, "shown"),
        ({"kind": "interval", "at_most": 0.03}, {}, "shown"),
        ({"kind": "interval", "at_most": 0.03}, {"ci_width": 0.0301}, "refuted"),
        ({"kind": "ratio", "at_least": 0.97}, {"mean_reference": 0.4}, "not judged"),
        ({"kind": "ratio", "at_least": 0.97, "arm": "gone"}, {}, "not judged"),
    ],
)
def test_targets_are_judged_by_limits_without_rounding(
    target: dict[str, Any], change: dict[str, Any], status: str
) -> None:
    wanted = Target(**({"name": "t", "arm": "pggan-synthetic"} | target))
    assert _status(wanted, {"pggan-synthetic": ROW | change}) == status


@pytest.mark.parametrize(
    ("limits", "dice", "hd95"),
    [
        ((0.01, 0.03), "shown", "refuted"),
        ((-0.01, 0.03), "not shown", "not shown"),
        ((-0.03, -0.01), "refuted", "shown"),
    ],
)
def test_not_below_follows_the_direction_of_the_metric(limits: tuple[float, float], dice: str, hd95: str) -> None:
    target = Target(name="t", kind="not below", arm="oracle", others=["pggan-synthetic"])
    low, high = limits
    forth = pd.DataFrame([("oracle", "pggan-synthetic", low, high)], columns=NO_CONTRASTS.columns)
    back = pd.DataFrame([("pggan-synthetic", "oracle", -high, -low)], columns=NO_CONTRASTS.columns)
    for contrasts in (forth, back):
        assert _status(target, {"oracle": ROW}, contrasts=contrasts) == dice
        assert _status(target, {"oracle": ROW}, metric=HD95, contrasts=contrasts) == hd95
    assert _status(target, {"oracle": ROW}) == "not judged"


def test_a_row_with_unknown_seeds_says_so() -> None:
    row = {"view": "sax", "structure": "LV", "verdict": "equivalent", "mean_difference": 0.001, "ci_low": -0.004}
    row |= {"ci_high": 0.006, "seeds_unknown": "generator seeds", "endpoint": "primary", "p_adjusted": 0.4}
    said = verdict_sentence(row, DICE, DISPLAY)
    assert "equivalent (seed variance unknown)" in said
    assert "one seed of the generator was run" in said
    assert "unknown" not in verdict_sentence(row | {"seeds_unknown": float("nan")}, DICE, DISPLAY)


@pytest.mark.parametrize(
    ("kind", "flags", "status"),
    [
        ("flagged", {"memoriser": True}, "shown"),
        ("flagged", {"memoriser": False}, "refuted"),
        ("not flagged", {"memoriser": True}, "refuted"),
        ("flagged", {}, "not judged"),
    ],
)
def test_the_audit_of_the_arms_generator_is_a_target(kind: Any, flags: dict[str, bool], status: str) -> None:
    assert _status(Target(name="t", kind=kind, arm="memoriser"), {}, flags) == status


def test_a_reference_that_learnt_nothing_makes_no_target_met(small: ReportData) -> None:
    table = small.comparison.copy()
    table.loc[table["metric"] == "dice", "mean_reference"] = 0.01
    data = replace(small, comparison=table)
    assert {one.name for one in data.targets if one.status == "shown"} == {
        "The audit flags the memoriser",
        "The audit does not flag the oracle",
    }
    assert "it has not learnt the task" in Page(render(data)).text


def test_a_control_of_any_name_stands_among_the_controls_alone(small: ReportData) -> None:
    """One definition of a control: its role."""
    arms = [replace(one, role="negative control") if one.name == "fastgan-synthetic" else one for one in small.arms]
    html = render(replace(small, arms=arms))
    text = Page(html).text
    assert "<h3>fastgan-synthetic</h3>" not in html
    assert "Fastgan-synthetic (negative control" in text
    assert "the audit is blind to copies" in text, "its generator is not flagged"
    assert "<h3>fastgan-synthetic</h3>" in render(small)


def test_terms_are_explained_before_they_are_used(html: str) -> None:
    text = Page(html).text
    before = text.partition("Summary")[0]
    for term in ("Arm :", "Regime :", "Dose :", "Oracle : positive control", "Memoriser : negative control"):
        assert term in before, term


@pytest.mark.parametrize(
    ("selection", "words"), [("last", "no arm saw a validation label"), ("best", "saw the labels")]
)
def test_the_page_says_whether_validation_labels_were_seen(small: ReportData, selection: str, words: str) -> None:
    text = Page(render(replace(small, selection=selection))).text
    assert words in text
    assert ("no arm saw a validation label" in text) is (selection == "last")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"limited_by": "generator seeds", "limited_share": 0.71},
            "generator seeds, 71% of the variance, prevents",
        ),
        ({"limited_by": "single trainings", "seeds_needed": 9.0}, "about 9 segmenter seeds would allow one"),
        (
            {"limited_by": "patients", "patients_needed": 132, "seeds_needed": 9},
            "132 patients or 9 segmenter seeds",
        ),
        ({"limited_by": "patients"}, "no sensible number of patients or seeds alone would allow one"),
        ({"limited_by": ""}, "the data decide neither way"),
        ({"ci_low": 0.001, "p_adjusted": 0.07}, "p is 0.070 after Holm correction."),
        (
            {"ci_low": 0.001, "p_adjusted": 0.07, "limited_by": "generator seeds", "seeds_needed": 5.0},
            "p is 0.070 after Holm correction; about 5 generator seeds would decide.",
        ),
    ],
)
def test_an_undecided_row_says_what_prevents_a_decision(change: dict[str, Any], words: str) -> None:
    row = {"view": "sax", "structure": "LV", "verdict": "inconclusive", "mean_difference": 0.002, "n_subjects": 50}
    row |= {"ci_low": -0.01, "ci_high": 0.014, "p_adjusted": 0.5, "patients_needed": float("nan"), "seeds_needed": None}
    said = verdict_sentence(row | change, DICE, DISPLAY)
    assert said.startswith("short-axis left ventricle: inconclusive, +0.0020")
    assert words in said


@pytest.mark.parametrize(("metric", "verdict", "side"), [(DICE, "better", "above"), (HD95, "better", "below")])
def test_better_lies_on_the_side_of_the_direction(metric: Metric, verdict: str, side: str) -> None:
    row = {"view": "sax", "structure": "LV", "verdict": verdict, "mean_difference": 1, "ci_low": 1, "ci_high": 2}
    row |= {"endpoint": "primary", "p_adjusted": 0.01}
    assert f"lies {side} 0" in verdict_sentence(row, metric, DISPLAY)


def test_the_verdicts_of_the_report_are_those_of_the_comparison() -> None:
    assert tuple(colours.VERDICT_COLOURS) == VERDICTS


@pytest.mark.parametrize(
    ("flag", "found"),
    [
        *(("flagged", True), ("not flagged", False), (True, True), (np.False_, False)),
        *(("", None), (None, None), (float("nan"), None)),
    ],
)
def test_flags_are_read_as_words_or_booleans(flag: Any, found: bool | None) -> None:
    assert is_flagged(flag) is found


def test_a_name_with_markup_stays_text(small: ReportData) -> None:
    evil = "<script>alert('x')</script>"
    names = {"arm": {"fastgan-synthetic": evil}}
    study = STUDY.model_copy(update={"title": evil, "notes": [evil], "question": evil})
    data = replace(
        small,
        study=study,
        arms=[replace(one, name=names["arm"].get(one.name, one.name)) for one in small.arms],
        comparison=small.comparison.replace(names),
        per_patient=small.per_patient.replace({**names, "subject_id": {"ext-003": evil}}),
    )
    html = render(data)
    assert "<script" not in html
    assert "script" not in Page(html).tags
    assert "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;" in html


def test_the_same_data_give_the_same_bytes(small: ReportData, html: str) -> None:
    assert render(small) == html


def _without_controls(data: ReportData) -> ReportData:
    arms = [one for one in data.arms if not one.is_control]
    keep = [one.name for one in arms]
    return replace(
        data,
        arms=arms,
        comparison=data.comparison[data.comparison["arm"].isin(keep)],
        per_patient=data.per_patient[data.per_patient["arm"].isin(keep)],
        audit=data.audit[~data.audit["generator"].isin(["oracle", "memoriser"])],
    )


def _no_verdicts(data: ReportData) -> ReportData:
    """What `compare` writes when too few patients have a defined score."""
    table = data.comparison.copy()
    numbers = [name for name in table.columns if table[name].dtype.kind == "f"]
    table.loc[table["view"] == "sax", numbers] = np.nan
    table["verdict"] = table["verdict"].where(table["view"] != "sax", np.nan)
    return replace(data, comparison=table)


def _no_extras(data: ReportData) -> ReportData:
    gone = {name: empty(name) for name in ("curves", "audit", "dose", "sites", "variance", "cohorts")}
    return replace(data, **gone, provenance={}, sheets={}, examples=None)


def _bare(data: ReportData) -> ReportData:
    """A study in which nothing was compared, and which says as little as it may."""
    study = STUDY.model_copy(update={"published": None, "targets": [], "references": [], "notes": []})
    return ReportData(study, [arm("real")], [DICE], "pggan-synthetic")


PARTS: dict[str, tuple[Callable[[ReportData], ReportData], list[str]]] = {
    "extras": (
        _no_extras,
        [
            *("No training curves were recorded", "No audit was made", "The dose was not varied"),
            *("Only one site was scored", "No contact sheets were made", "No costs were recorded"),
            "The audit flags the memoriser not judged",
        ],
    ),
    "patients": (lambda data: replace(data, per_patient=empty("per_patient")), ["No per-patient scores"]),
    "controls": (_without_controls, ["This study has no control", "no arm oracle in this run"]),
    "verdicts": (_no_verdicts, ["no verdict, for lack of patients"]),
    "everything": (_bare, ["it has no headline result"]),
}


@pytest.mark.parametrize("part", PARTS)
def test_the_page_stands_when_a_part_is_missing(small: ReportData, part: str) -> None:
    change, wanted = PARTS[part]
    text = Page(render(change(small))).text
    assert [sentence for sentence in wanted if sentence not in text] == []
    assert not re.search(r"\bnan\b|\bNone\b|Undefined\(", text)


def test_a_table_without_a_column_is_refused(small: ReportData) -> None:
    with pytest.raises(ValueError, match="'comparison' lacks verdict"):
        replace(small, comparison=small.comparison.drop(columns="verdict"))


def test_numbers_are_written_in_one_form() -> None:
    assert number(-0.00001) == "0.000"
    assert difference(0.00004) == "0.0000"
    assert difference(0.0123) == "+0.0123"
    assert difference(-0.0123) == "−0.0123"
    assert number(float("nan")) == "–"
    assert number(np.int64(3), 0) == "3"
    assert interval(-0.01, None) == "–"
    assert [p_value(p) for p in (1e-9, 0.00031, 0.45)] == ["<0.0001", "0.0003", "0.450"]
    assert significant(-0.0000831) == "−0.0000831"
    assert [significant(value) for value in (0.031, 1, 12.34, 123.4, 5678.0, 0)] == [
        *("0.0310", "1.00", "12.3", "123", "5,678", "0")
    ]
    assert [duration(seconds) for seconds in (9.6, 59.7, 912.4, 7500)] == [
        *("9.6 s", "1 min 00 s", "15 min 12 s", "2 h 05 min")
    ]


def test_a_base_revision_adds_a_section_in_its_place(small: ReportData, html: str) -> None:
    assert 'id="since"' not in html
    base, head = (table[table["metric"] == "dice"] for table in (scores(), scores(shift=-0.05)))
    rules = Rules({"dice": True}, {"dice": 0.01})
    table = revision_table(base, head, rules)
    since = Since("main <b>", "working tree", table, {"dice": 0.01}, {"dice": "Dice"}, ["a doubt"])
    page = render(replace(small, since=since))
    titles = re.findall(r'<h2 id="([a-z]+)"><span class="no">([0-9]+)', page)
    assert [int(number) for _, number in titles] == list(range(1, len(titles) + 1))
    names = [name for name, _ in titles]
    assert names[names.index("since") - 1 : names.index("since") + 2] == ["differences", "since", "dose"]
    assert re.findall(r'<a href="#([a-z]+)">', page)[: len(names)] == names
    assert "Since main &lt;b&gt;" in page
    assert "A doubt." in page
    assert "\u22120.0500" in page


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(text: str, ground: str) -> float:
    light, dark = sorted((_luminance(text), _luminance(ground)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_contrast_is_that_of_wcag() -> None:
    assert _contrast("#000000", "#ffffff") == pytest.approx(21)
    assert _contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_every_text_of_the_page_can_be_read(small: ReportData, html: str) -> None:
    """WCAG 2, level AA: 4.5 against the background, on paper and on the wash of the summary."""
    style = html.partition("<style>")[2].partition("</style>")[0]
    named = dict(re.findall(r"--([a-z]+):(#[0-9a-fA-F]{6})", style))
    used = re.findall(r"(?<![-a-z])color:(?:var\(--([a-z]+)\)|([^;}]+))", style)
    assert len(used) > 10
    texts = {named[name] if name else plain for name, plain in used}
    assert all(re.fullmatch("#[0-9a-fA-F]{6}", colour) for colour in texts), texts
    poor = [colour for colour in texts for ground in ("paper", "wash") if _contrast(colour, named[ground]) < 4.5]
    assert poor == []


def test_every_text_of_the_charts_can_be_read(small: ReportData) -> None:
    fills = {
        match
        for panels in figures(small).values()
        for svg in panels
        for match in re.findall(r"<text[^>]*?fill=\"([^\"]+)\"", svg)
    }
    assert fills
    black = {"black": "#000000", "#000": "#000000"}
    assert [fill for fill in fills if _contrast(black.get(fill, fill), colours.PAPER) < 4.5] == []


def test_no_two_arms_or_structures_share_a_colour() -> None:
    lines = colours.line_colours([f"arm {index}" for index in range(25)])
    assert len(set(lines.values())) == 25
    assert next(iter(lines.values())) == colours.BLACK
    tints = colours.tints([f"s{index}" for index in range(20)], {"s3": colours.GREEN})
    assert len(set(tints.values())) == 20
    assert tints["s3"] == colours.GREEN


def test_the_default_study_has_the_palettes_first_colours() -> None:
    assert colours.tints(list(STUDY.colours)) == STUDY.colours


def test_an_arm_has_one_colour_in_every_figure() -> None:
    everyone = DISPLAY.arm_colours([one.name for one in ARMS])
    assert DISPLAY.arm_colours(["oracle", "real"]) == {key: everyone[key] for key in ("real", "oracle")}


def test_limits_name_the_views_that_were_not_scored(small: ReportData) -> None:
    assert any("2-chamber" in item and "no such frame" in item for item in prose.limits(small))


@pytest.mark.parametrize(
    ("metric", "reference", "weak"),
    [
        (DICE, 0.49, True),
        (DICE, 0.5, False),
        # Half of a score that says nothing of the kind is no failure.
        (Metric("nsd", "NSD"), 0.3, False),
        (replace(HD95, learnt=20.0), 21.0, True),
        (replace(HD95, learnt=20.0), 19.0, False),
        (DICE, None, True),
    ],
)
def test_a_score_itself_says_below_which_mean_nothing_was_learnt(
    metric: Metric, reference: float | None, weak: bool
) -> None:
    assert metric.too_weak(reference) is weak
