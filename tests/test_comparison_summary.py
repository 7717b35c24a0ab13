"""The short tables and the stage that writes them: another primary metric, other cohorts, arms of any name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from revision_factory import scores

from augbench.comparison.components import variance_table
from augbench.comparison.rows import Endpoint, Rules, overall_rows
from augbench.comparison.summary import dose_response, headline, mean_variance, site_means
from augbench.comparison.table import compare
from augbench.core import layout
from augbench.core.params import Params, parse_params
from augbench.core.reports import read_report_json, read_report_table, write_report_table
from augbench.stages import compare as stage

RUNS = {"plain": ("",), "some dose": ("0", "1", "2"), "no real frame": ("0", "1", "2")}
ARMS = pd.DataFrame(
    [
        ("plain", "reference", "real", np.nan, "", "few", "reference", "", ""),
        ("some dose", "studied", "mixed", 2.5, "gan", "few", "joint", "gan", "plain"),
        ("no real frame", "positive control", "synthetic", np.nan, "gan", "few", "joint", "gan", "plain"),
    ],
    columns=["arm", "role", "regime", "dose", "generator", "cohort", "labels", "synthetic", "against"],
).assign(segmenter="unet", augmented=True)


@pytest.fixture(scope="module")
def per_patient() -> pd.DataFrame:
    """Two metrics of patients in three arms; `area_error` is the lower-is-better one."""
    table = scores(arms=RUNS, shift=-0.06)
    errors = table[table["metric"] == "dice"].assign(metric="area_error", value=lambda rows: 100 * (1 - rows["value"]))
    return pd.concat([table[table["metric"] == "dice"], errors], ignore_index=True)


@pytest.fixture(scope="module")
def comparison(per_patient: pd.DataFrame) -> pd.DataFrame:
    rules = Rules({"dice": True, "area_error": False}, {"area_error": 1.0}, primary=Endpoint("area_error", "some dose"))
    return compare(per_patient, rules, reference_arm="plain")


def development(cohort: str, offset: float) -> pd.DataFrame:
    rows = [
        (cohort, arm, seed, "0", view, "LV", "area_error", offset + add)
        for arm, seeds in RUNS.items() for seed in seeds for view, add in (("4ch", 0.0), ("sax", 2.0))
    ]  # fmt: skip
    names = ["cohort", "arm", "generator_seed", "segmenter_seed", "view", "structure", "metric", "value"]
    return pd.DataFrame(rows, columns=names)


def test_the_headline_is_flat_and_short(comparison: pd.DataFrame) -> None:
    found = headline(comparison, Endpoint("area_error", "some dose"))
    row = overall_rows(comparison).query("metric == 'area_error' and arm == 'some dose'").iloc[0]
    assert list(found) == ["arm", "area_error", "reference", "difference", "ci_low", "ci_high", "verdict"]
    assert found["difference"] == pytest.approx(found["area_error"] - found["reference"], rel=1e-4)
    # Lower is better, and this arm's error is the higher one.
    assert (found["arm"], found["verdict"]) == ("some dose", "worse")
    assert found["area_error"] == pytest.approx(row["mean_arm"], rel=1e-5)


def test_an_undefined_headline_is_null(comparison: pd.DataFrame) -> None:
    found = headline(comparison.assign(ci_low=np.nan, mean_arm=np.nan), Endpoint("area_error", "some dose"))
    assert (found["ci_low"], found["area_error"]) == (None, None)
    json.dumps(found, allow_nan=False)


def test_means_by_site_weigh_views_alike_and_are_of_one_metric(comparison: pd.DataFrame) -> None:
    inner = [development("own", 10.0), development("other", 20.0).assign(metric="dice")]
    found = site_means(comparison, inner, metric="area_error", external="far away")
    assert list(found.columns) == ["arm", "site", "metric", "mean"]
    assert set(found["metric"]) == {"area_error"}
    means = found.set_index(["arm", "site"])["mean"]
    assert set(means.index.get_level_values("site")) == {"own", "far away"}
    assert means["some dose", "own"] == 11.0
    rows = overall_rows(comparison).query("metric == 'area_error'").set_index("arm")
    assert means["some dose", "far away"] == pytest.approx(rows.loc["some dose", "mean_arm"])
    assert means["plain", "far away"] == pytest.approx(rows.loc["some dose", "mean_reference"])


def test_no_development_cohort_at_all(comparison: pd.DataFrame) -> None:
    assert set(site_means(comparison, [], metric="dice", external="x")["site"]) == {"x"}


def test_doses_come_from_the_table_of_arms(comparison: pd.DataFrame) -> None:
    sites = site_means(comparison, [development("own", 10.0)], metric="area_error", external="far away")
    found = dose_response(sites, comparison, ARMS, external="far away").set_index(["arm", "site"])
    assert found.loc[("some dose", "own"), "dose"] == 2.5
    assert np.isnan(found.loc[("plain", "own"), "dose"])
    assert found.loc[("some dose", "own"), "generator"] == "gan"
    there, row = found.loc[("some dose", "far away")], overall_rows(comparison).set_index(["metric", "arm"])
    judged = row.loc[("area_error", "some dose")]
    assert there["ci_low"] == pytest.approx(judged["mean_reference"] + judged["ci_low"])
    assert there["ci_low"] < there["mean"] < there["ci_high"]
    # Neither the reference arm nor another site has an interval.
    assert found.loc[("plain", "far away"), ["ci_low", "ci_high"]].isna().all()
    assert found.loc[("some dose", "own"), ["ci_low", "ci_high"]].isna().all()


def test_mean_variance_is_a_root_mean_square_of_one_metric(per_patient: pd.DataFrame) -> None:
    long = variance_table(per_patient)
    found = mean_variance(long, "area_error").set_index(["arm", "component"])["sd"]
    own = long[(long["metric"] == "area_error") & (long["arm"] == "some dose")]["sd_residual"]
    assert found["some dose", "residual"] == pytest.approx(np.sqrt((own**2).mean()))
    assert ("plain", "generator_seed") not in found.index


@pytest.fixture
def params(root: Path) -> Params:
    """The default study's, with a primary metric of which less is better and cohorts of other names."""
    content: dict[str, Any] = yaml.safe_load((root / "params.yaml").read_text(encoding="utf-8"))
    names = {"development": "own", "external": "far-away"}
    content["dataset"]["cohorts"] = {names.get(key, key): value for key, value in content["dataset"]["cohorts"].items()}
    content["evaluation"] |= {"development": ["own"], "external": "far-away", "metrics": {"dice": {}, "area_error": {}}}
    arm = content["comparison"]["primary"]["arm"]
    content["comparison"] = {
        "primary": {"metric": "area_error", "arm": arm},
        "margins": {"area_error": 1.0},
        "alpha": 0.05,
    }
    return parse_params(content)


def test_the_stage(params: Params, per_patient: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    arm = params.comparison.primary.arm
    write_report_table(layout.PER_PATIENT, per_patient.replace({"arm": {"some dose": arm}}))
    write_report_table(layout.ARMS, ARMS.replace({"arm": {"some dose": arm}}))
    write_report_table(layout.development("own"), development("own", 10.0).replace({"arm": {"some dose": arm}}))
    stage.run(params)
    found = read_report_json(layout.METRICS)
    assert (found["arm"], found["verdict"], found["schema"]) == (arm, "worse", 2)
    table = read_report_table(layout.COMPARISON, ["arm"])
    assert set(table["reference_arm"]) == {"plain"}
    # A score in per cent has no "variation"; Dice has.
    assert table["variation_arm"].notna().equals(table["metric"] == "dice")
    # The primary endpoint and the positive control are families of their own.
    assert table["endpoint"].value_counts().to_dict() == {"control": 6, "secondary": 5, "primary": 1}
    primary = table[table["endpoint"] == "primary"].iloc[0]
    assert (primary["arm"], primary["metric"], primary["view"]) == (arm, "area_error", "all")
    assert primary["p_adjusted"] == primary["p_value"]
    between = read_report_table(layout.CONTRASTS, ["arm", "other"])
    assert len(between) == 3
    assert set(between["metric"]) == {"area_error"}
    doses = read_report_table(layout.DOSE_RESPONSE, ["dose"])
    assert set(doses["site"]) == {"own", "far-away"}
    assert set(read_report_table(layout.SITES, ["mean"])["metric"]) == {"area_error"}
    assert "sd_run" in read_report_table(layout.VARIANCE, ["arm"]).columns
