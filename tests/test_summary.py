"""Short tables from the long ones, by hand."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from augbench.comparison.summary import Endpoint, dose_response, headline, mean_variance, site_means

ARMS = pd.DataFrame({"arm": ["plain", "drawn", "both"], "generator": ["", "g", "g"], "dose": [np.nan, np.nan, 4.0]})


def _comparison() -> pd.DataFrame:
    """Two structures and the overall row of two arms; the reference arm has 0.8 and 0.6."""
    rows = []
    for arm, values in (("drawn", (0.7, 0.5)), ("both", (0.9, 0.7))):
        places = [("sax", "LV", values[0], 0.8), ("sax", "RV", values[1], 0.6)]
        places.append(("all", "mean", sum(values) / 2, 0.7))
        for view, structure, mean, reference in places:
            row = {"view": view, "structure": structure, "metric": "score", "arm": arm, "reference_arm": "plain"}
            row |= {"ci_low": mean - reference - 0.02, "ci_high": mean - reference + 0.02, "overall": view == "all"}
            row |= {"mean_arm": mean, "mean_reference": reference, "mean_difference": mean - reference}
            rows.append(row | {"verdict": "worse"})
    other = pd.DataFrame(rows).assign(metric="other", mean_arm=9.0, mean_difference=8.0)
    return pd.concat([pd.DataFrame(rows), other], ignore_index=True)


def _development() -> pd.DataFrame:
    rows = [
        ("home", arm, seed, structure, value)
        for arm, values in (("plain", (0.9, 0.8)), ("drawn", (0.6, 0.4)))
        for seed, shift in (("0", 0.0), ("1", 0.02))
        for structure, value in zip(("LV", "RV"), np.asarray(values) + shift, strict=True)
    ]
    table = pd.DataFrame(rows, columns=["cohort", "arm", "segmenter_seed", "structure", "value"])
    return table.assign(generator_seed="", view="sax", metric="score")


def _sites() -> pd.DataFrame:
    return site_means(_comparison(), [_development()], metric="score", external="away")


def test_headline_is_the_primary_endpoint_alone() -> None:
    found = headline(_comparison(), Endpoint("score", "drawn"))
    assert found["mean"] == pytest.approx(0.6)
    assert found["reference"] == pytest.approx(0.7)
    assert found["difference"] == pytest.approx(-0.1)
    assert found["verdict"] == "worse"


def test_site_means_weigh_structures_equally_and_average_seeds() -> None:
    found = _sites().set_index(["arm", "site"])["mean"]
    assert found["plain", "home"] == pytest.approx(0.86)
    assert found["drawn", "home"] == pytest.approx(0.51)
    assert found["plain", "away"] == pytest.approx(0.7)
    assert found["both", "away"] == pytest.approx(0.8)
    assert list(dict.fromkeys(_sites()["site"])) == ["home", "away"], "the external cohort comes last"


def test_dose_response_takes_doses_from_the_arms_and_sets_the_interval_on_the_reference() -> None:
    found = dose_response(_sites(), _comparison(), ARMS, external="away")
    away = found[found["site"] == "away"].set_index("arm")
    assert away.loc["both", "dose"] == 4
    assert math.isnan(away.loc["drawn", "dose"])
    # The interval of the paired difference, set on the mean of the reference arm.
    assert away.loc["both", "ci_low"] == pytest.approx(0.8 - 0.02)
    assert found[found["site"] == "home"]["ci_low"].isna().all()


def test_variance_is_averaged_as_variance_not_as_deviation() -> None:
    table = pd.DataFrame({"metric": "score", "arm": "plain", "sd_patient": [0.3, 0.4], "sd_run": [np.nan, np.nan]})
    found = mean_variance(table, "score")
    assert found.to_dict("records") == [
        {"arm": "plain", "component": "patient", "sd": pytest.approx(math.sqrt((0.09 + 0.16) / 2))}
    ]
