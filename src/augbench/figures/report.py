"""The study as one HTML page that opens offline: text, tables, inline SVG and base64 PNG, nothing loaded."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from augbench.figures import charts, tables, words
from augbench.figures.arms import (
    CONTROLS,
    REAL,
    STRUCTURE_COLOURS,
    VIEWS,
    generator_of,
    kind,
    sort_arms,
    sort_by,
)
from augbench.figures.distribution import n_below
from augbench.figures.headline import flags, headline
from augbench.figures.paper import CITATION, DOI, PATIENTS, REFERENCES
from augbench.figures.prose import limits, summary

COMPARISON = (
    "view structure metric arm reference_arm n_subjects mean_arm mean_reference mean_difference ci_low ci_high "
    "ci90_low ci90_high sd_paired p_wilcoxon p_holm verdict median_arm q1_arm q3_arm median_reference q1_reference "
    "q3_reference variation_arm variation_reference n_needed n_undefined"
).split()
PER_SUBJECT = "view structure metric arm generator_seed segmenter_seed subject_id value".split()
SITE_SCORES = ["arm", "site", "mean_dice"]
DOSE = "arm generator synthetic_per_real site mean_dice ci_low ci_high".split()
AUDIT = "generator seed axis metric features value ci_low ci_high flag".split()
CURVES = "generator seed kimg name value".split()
VARIANCE = ["component", "sd"]


def _empty(columns: list[str]) -> Any:
    return field(default_factory=lambda: pd.DataFrame(columns=columns))


@dataclass(frozen=True)
class ReportData:
    """Everything the report shows. Tables may be empty; the page then says that the part was not run.

    Attributes:
        scheme: `dataset`, `labels_source`, `scored` (view -> structures), `notes` (sentences for the limits); optional
            `margin` (equivalence margin, Dice, default 0.01), `title`, `selection` (model selection), `cohorts` (rows
            cohort, site, subjects, frames).
        provenance: `params` (nested), `versions`, `hardware`, `stages` (rows stage, seconds, peak_mib).
        comparison: COMPARISON; Dice in [0, 1]; the overall row has view `all`, structure `mean`.
        per_subject: PER_SUBJECT, on the external cohort; generator_seed is undefined for `real`.
        site_scores: SITE_SCORES; site is internal, development or external.
        dose: DOSE; the category on the axis follows from the arm.
        audit: AUDIT; axis is fidelity, coverage or privacy; flag `flagged`, `not flagged` or empty.
        curves: CURVES; kimg = thousands of training images.
        variance: VARIANCE; sd in Dice; optional column `arm`.
        sheets: name (`real` or a generator) -> PNG of `sheets.contact_sheet`.
        examples: PNG of `sheets.example_segmentations`.
    """

    scheme: Mapping[str, Any]
    provenance: Mapping[str, Any] = field(default_factory=dict)
    comparison: pd.DataFrame = _empty(COMPARISON)
    per_subject: pd.DataFrame = _empty(PER_SUBJECT)
    site_scores: pd.DataFrame = _empty(SITE_SCORES)
    dose: pd.DataFrame = _empty(DOSE)
    audit: pd.DataFrame = _empty(AUDIT)
    curves: pd.DataFrame = _empty(CURVES)
    variance: pd.DataFrame = _empty(VARIANCE)
    sheets: Mapping[str, bytes] = field(default_factory=dict)
    examples: bytes | None = None

    @property
    def margin(self) -> float:
        return float(self.scheme.get("margin", 0.01))


def figures(data: ReportData) -> dict[str, list[str]]:
    """Every chart of the report as SVG texts, one per panel so that the page can stack them on a narrow screen."""
    drawn: dict[str, list[str]] = {}
    dice = data.per_subject[data.per_subject["metric"] == "dice"].dropna(subset=["value"])
    views = sort_by(dice["view"], VIEWS)
    drawn["dice"] = [
        charts.to_svg(charts.dice_distribution(dice[dice["view"] == view]), f"dice-{view}") for view in views
    ]
    rows = data.comparison[(data.comparison["metric"] == "dice") & data.comparison["mean_difference"].notna()]
    for name, wanted in (("forest", False), ("forest-controls", True)):
        part = rows[[(kind(arm) == "control") == wanted for arm in rows["arm"]]]
        drawn[name] = [charts.to_svg(chart, f"{name}-{index}") for index, chart in enumerate(_panels(part, data.margin))]
    dose = data.dose.dropna(subset=["mean_dice"])
    drawn["dose"] = [charts.to_svg(charts.dose_response(dose), "dose")] if len(dose) else []
    drawn["sites"] = [charts.to_svg(charts.site_drop(data.site_scores), "sites")] if len(data.site_scores) else []
    drawn["curves"] = [
        charts.to_svg(charts.training_curves(part), f"curves-{index}")
        for index, (_, part) in enumerate(data.curves.groupby(["generator", "name"], sort=True))
    ]
    drawn["seeds"] = [charts.to_svg(charts.seed_spread(dice), "seeds")] if len(dice) else []
    return drawn


def _panels(rows: pd.DataFrame, margin: float) -> list[Any]:
    """The forest's panels apart, on the one axis they share."""
    return list(charts.forest(rows, margin).hconcat) if len(rows) else []


def render(data: ReportData) -> str:
    """The whole page. Same data, same text."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("augbench.figures", "."),
        # Names of cases, arms and datasets come from the user's files and stay text whatever they contain.
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["words"] = words
    dice = data.comparison[data.comparison["metric"] == "dice"]
    head = headline(data.comparison, data.audit)
    arms = sort_arms(dice["arm"])
    studied = [arm for arm in arms if kind(arm) != "control"]
    page = environment.get_template("report.html.j2")
    return page.render(
        data=data,
        scheme=data.scheme,
        labels=data.scheme.get("labels_source", "not stated"),
        margin=data.margin,
        head=head,
        summary=summary(data.scheme, head, data.margin),
        limits=limits(data.scheme, data.comparison, data.per_subject),
        svg={name: [Markup(text) for text in texts] for name, texts in figures(data).items()},
        sheets={name: _base64(data.sheets[name]) for name in _sheet_order(data.sheets)},
        examples=_base64(data.examples) if data.examples else "",
        studied=studied,
        controls=[arm for arm in arms if kind(arm) == "control"],
        generators=sorted({generator_of(arm) for arm in studied} - {""}),
        paper={"doi": DOI, "citation": CITATION, "patients": PATIENTS, "references": REFERENCES},
        paper_blocks=tables.paper_table(data.comparison, [arm for arm in studied if kind(arm) == "synthetic"]),
        verdicts={arm: tables.verdict_table(data.comparison, arm) for arm in arms},
        secondary=[
            {"name": tables.METRIC_NAMES.get(metric, metric), "arms": {arm: tables.verdict_table(data.comparison, arm, metric) for arm in arms}}
            for metric in sorted(set(data.comparison["metric"]) - {"dice"})
        ],
        sites=tables.site_table(data.site_scores),
        audits=tables.audit_tables(data.audit),
        flags=flags(data.audit),
        undefined=tables.undefined_table(data.comparison),
        hardest=tables.hardest(data.per_subject, sort_arms(data.per_subject["arm"])),
        hardest_arms=sort_arms(data.per_subject["arm"]),
        below=n_below(data.per_subject),
        params=tables.flattened(data.provenance.get("params", {})),
        stages=tables.stage_table(list(data.provenance.get("stages", []))),
        colours=STRUCTURE_COLOURS,
    )


def _sheet_order(sheets: Mapping[str, bytes]) -> list[str]:
    """Real first, then the generators, the controls last."""
    place = {REAL: 0} | dict.fromkeys(CONTROLS, 2)
    return sorted(sheets, key=lambda name: (place.get(name, 1), name))


def _base64(image: bytes) -> str:
    return base64.b64encode(image).decode("ascii")
