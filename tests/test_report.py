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
from figures_factory import comparison_table, per_subject_table, report_data
from revision_factory import scores

from augbench.comparison.revision import revision_table
from augbench.comparison.table import compare
from augbench.comparison.unit import per_subject as averaged
from augbench.report.data import ReportData, empty
from augbench.report.headline import headline, is_flagged
from augbench.report.paper import TABLE_1
from augbench.report.report import render
from augbench.report.since import Since
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
    return report_data(per_subject=per_subject_table(SMALL, subjects=12))


@pytest.fixture(scope="module")
def html(small: ReportData) -> str:
    return render(small)


def test_the_page_is_well_formed_and_loads_nothing(html: str) -> None:
    page = Page(html)
    assert all(address.startswith("data:image/png;base64,") for address in page.loads)
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
    html = render(replace(small, scheme={**small.scheme, "labels_source": "pseudo"}))
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
            p_value(row["p_holm"]),
        ):
            assert wanted in text, (row["arm"], row["view"], row["structure"], wanted)


def test_the_papers_table_stands_beside_ours(small: ReportData, html: str) -> None:
    text = Page(html).text
    for row in TABLE_1:
        assert median_iqr(*row.synthetic) in text
        assert median_iqr(*row.real) in text
    dice = small.comparison[(small.comparison["metric"] == "dice") & (small.comparison["arm"] == "pggan/synthetic")]
    ours = dice[(dice["view"] == "sax") & (dice["structure"] == "RV")].iloc[0]
    assert median_iqr(ours["median_arm"], ours["q1_arm"], ours["q3_arm"]) in text
    assert "not scored in this run" in text, "4ch RV and RA are not in this study"


def test_the_headline_is_computed_from_the_overall_row(small: ReportData) -> None:
    rows = small.comparison[(small.comparison["metric"] == "dice") & (small.comparison["view"] == "all")]
    row = rows[rows["arm"] == "pggan/synthetic"].iloc[0]
    found = headline(small.comparison, small.audit)
    ratio = found["arms"]["pggan/synthetic"]["ratio"]
    assert ratio == pytest.approx(row["mean_arm"] / row["mean_reference"])
    # The plausible mistake averages the ratios of the structures.
    assert sum(found["verdicts"]["pggan/synthetic"].values()) == 3


@pytest.mark.parametrize(("mean", "words"), [(0.99, "met met"), (0.98, "met missed"), (0.9699, "missed missed")])
def test_targets_are_met_or_missed_without_rounding(small: ReportData, mean: float, words: str) -> None:
    table = small.comparison.copy()
    place = (table["metric"] == "dice") & (table["view"] == "all") & (table["arm"] == "pggan/synthetic")
    table.loc[place, ["mean_arm", "mean_reference"]] = [mean, 1.0]
    targets = headline(table, small.audit)["targets"]
    found = [target["status"] for target in targets if target["name"].startswith("Dice ratio pggan")]
    assert found == words.split()


def test_each_control_target_can_be_missed(small: ReportData) -> None:
    def status(data: ReportData) -> dict[str, str]:
        return {one["name"]: one["status"] for one in headline(data.comparison, data.audit)["targets"]}

    names = ("Oracle below no generator", "Privacy audit: memoriser flagged", "Privacy audit: oracle not flagged")
    assert [status(small)[name] for name in names] == ["met"] * 3
    table = small.comparison.copy()
    table.loc[(table["view"] == "all") & (table["arm"] == "oracle/synthetic"), "mean_arm"] = 0.1
    audit = small.audit.copy()
    audit["flag"] = audit["flag"].map({"flagged": "not flagged", "not flagged": "flagged"}).fillna("")
    assert [status(replace(small, comparison=table, audit=audit))[name] for name in names] == ["missed"] * 3
    mixed = (table["view"] == "all") & (table["arm"] == "pggan/mixed-1")
    table.loc[mixed, "mean_difference"] = -0.0051
    assert status(replace(small, comparison=table))["pggan/mixed-1 not below real"] == "missed"


def test_a_reference_that_learnt_nothing_makes_no_target_met(small: ReportData) -> None:
    table = small.comparison.copy()
    table.loc[table["metric"] == "dice", "mean_reference"] = 0.01
    statuses = {one["name"]: one["status"] for one in headline(table, small.audit)["targets"]}
    assert [name for name, status in statuses.items() if status == "met"] == [
        *("Privacy audit: memoriser flagged", "Privacy audit: oracle not flagged")
    ]
    assert "it has not learnt the task" in Page(render(replace(small, comparison=table))).text


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
    subjects = small.per_subject.replace(
        {"subject_id": {"ext-003": evil}, "arm": {"fastgan/synthetic": f"{evil}/synthetic"}}
    )
    table = small.comparison.replace({"arm": {"fastgan/synthetic": f"{evil}/synthetic"}})
    scheme = {**small.scheme, "dataset": evil, "notes": [evil]}
    html = render(replace(small, per_subject=subjects, comparison=table, scheme=scheme))
    assert "<script" not in html
    assert "script" not in Page(html).tags
    assert "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;" in html


def test_the_same_data_give_the_same_bytes(small: ReportData, html: str) -> None:
    assert render(small) == html


def _without_controls(data: ReportData) -> ReportData:
    keep = ["pggan/synthetic", "pggan/mixed-1"]
    return replace(
        data,
        comparison=data.comparison[data.comparison["arm"].isin(keep)],
        per_subject=data.per_subject[data.per_subject["arm"].isin(["real", *keep])],
        audit=data.audit[~data.audit["generator"].isin(["oracle", "memoriser"])],
    )


def _one_structure(data: ReportData) -> ReportData:
    subjects = per_subject_table({"sax": ("LV",)}, subjects=6)
    scheme = {**data.scheme, "scored": {"sax": ["LV"]}}
    return replace(data, scheme=scheme, per_subject=subjects, comparison=comparison_table(subjects))


def _no_verdicts(data: ReportData) -> ReportData:
    """What `compare` writes when too few patients have a defined score."""
    table = data.comparison.copy()
    numbers = [name for name in table.columns if table[name].dtype.kind == "f"]
    table.loc[table["view"] == "sax", numbers] = np.nan
    table["verdict"] = table["verdict"].where(table["view"] != "sax", np.nan)
    return replace(data, comparison=table)


def _no_extras(data: ReportData) -> ReportData:
    gone = {name: empty(name) for name in ("curves", "audit", "dose", "site_scores", "variance")}
    return replace(data, **gone, provenance={}, sheets={}, examples=None)


PARTS: dict[str, tuple[Callable[[ReportData], ReportData], list[str]]] = {
    "extras": (
        _no_extras,
        [
            *("No training curves were recorded", "No audit was made", "Mixing ratios were not varied"),
            *("Only one site was scored", "No contact sheets were made", "No wall times were recorded"),
            *("Every trained network", "memoriser flagged not judged"),
        ],
    ),
    "subjects": (lambda data: replace(data, per_subject=empty("per_subject")), ["No per-patient scores"]),
    "controls": (_without_controls, ["no oracle arm in this run"]),
    "structure": (_one_structure, ["Only the LV has a reference in the external set", "Only short axis frames"]),
    "verdicts": (_no_verdicts, ["no verdict, for lack of patients"]),
    "everything": (lambda data: ReportData(scheme={"dataset": "phantom"}), ["it has no headline result"]),
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


def test_the_comparison_family_writes_what_the_report_reads() -> None:
    rng = np.random.default_rng(3)
    rows = [
        {"frame_id": f"{subject}-{frame}", "subject_id": subject, "site": "external", "view": "sax", "structure": "LV"}
        | {"generator": generator, "regime": regime, "generator_seed": seed, "segmenter_seed": "0", "metric": "dice"}
        | {"value": rng.uniform(0.8, 0.9), "reason": ""}
        for subject in ("a", "b", "c", "d", "e", "f")
        for frame in range(2)
        for generator, regime, seed in (("", "real", ""), ("pggan", "synthetic", "0"), ("pggan", "mixed-1", "0"))
    ]
    per_case = pd.DataFrame(rows)
    table = compare(per_case, margins={"dice": 0.01}, n_boot=200, rng=rng)
    text = Page(render(ReportData({"dataset": "phantom"}, comparison=table, per_subject=averaged(per_case)))).text
    overall = table[(table["view"] == "all") & (table["arm"] == "pggan/synthetic")].iloc[0]
    assert difference(overall["mean_difference"]) in text
    assert overall["verdict"] in text


def test_numbers_are_written_in_one_form() -> None:
    assert number(-0.00001) == "0.000"
    assert difference(0.00004) == "0.0000"
    assert difference(0.0123) == "+0.0123"
    assert difference(-0.0123) == "−0.0123"
    assert number(float("nan")) == "–"
    assert number(np.int64(3), 0) == "3"
    assert interval(-0.01, None) == "–"
    assert [p_value(p) for p in (1e-9, 0.00031, 0.45)] == ["<0.0001", "0.0003", "0.450"]
    assert [significant(value) for value in (0.031, 1, 12.34, 123.4, 5678.0, 0)] == [
        *("0.0310", "1.00", "12.3", "123", "5,678", "0")
    ]
    assert [duration(seconds) for seconds in (9.6, 59.7, 912.4, 7500)] == [
        *("9.6 s", "1 min 00 s", "15 min 12 s", "2 h 05 min")
    ]


def test_a_base_revision_adds_a_section_in_its_place(small: ReportData, html: str) -> None:
    assert 'id="since"' not in html
    base = scores()
    table = revision_table(base, scores(shift=-0.05), margins={"dice": 0.01}, n_boot=200, rng=np.random.default_rng(0))
    since = Since("main <b>", "working tree", table[table["metric"] == "dice"], {"dice": 0.01}, ["a doubt"])
    page = render(replace(small, since=since))
    titles = re.findall(r'<h2 id="([a-z]+)"><span class="no">([0-9]+)', page)
    assert [int(number) for _, number in titles] == list(range(1, len(titles) + 1))
    names = [name for name, _ in titles]
    assert names[names.index("since") - 1 : names.index("since") + 2] == ["differences", "since", "dose"]
    assert re.findall(r'<a href="#([a-z]+)">', page)[: len(names)] == names
    assert "Since main &lt;b&gt;" in page
    assert "A doubt." in page
    assert "\u22120.0500" in page
