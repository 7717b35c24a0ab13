"""Short tables from the long ones, by hand."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from augbench.comparison.summary import dose_response, headline, mean_variance, site_means


def _comparison() -> pd.DataFrame:
    """Two structures and the overall row of two arms; real is 0.8 and 0.6."""
    rows = []
    for arm, values in (("g/synthetic", (0.7, 0.5)), ("g/mixed-4", (0.9, 0.7))):
        places = [("sax", "LV", values[0], 0.8), ("sax", "RV", values[1], 0.6)]
        places.append(("all", "mean", sum(values) / 2, 0.7))
        for view, structure, mean, reference in places:
            row = {"view": view, "structure": structure, "metric": "dice", "arm": arm, "reference_arm": "real"}
            limits = {"ci_low": mean - reference - 0.02, "ci_high": mean - reference + 0.02}
            rows.append(row | limits | {"mean_arm": mean, "mean_reference": reference, "verdict": "worse"})
    hd95 = pd.DataFrame(rows).assign(metric="hd95", mean_arm=9.0)
    return pd.concat([pd.DataFrame(rows), hd95], ignore_index=True)


def _development() -> pd.DataFrame:
    rows = [
        ("internal", generator, regime, seed, structure, value)
        for generator, regime, values in (("", "real", (0.9, 0.8)), ("g", "synthetic", (0.6, 0.4)))
        for seed, shift in (("0", 0.0), ("1", 0.02))
        for structure, value in zip(("LV", "RV"), np.asarray(values) + shift, strict=True)
    ]
    table = pd.DataFrame(rows, columns=["cohort", "generator", "regime", "segmenter_seed", "structure", "value"])
    return table.assign(generator_seed="", view="sax", metric="dice")


def test_headline_holds_the_overall_dice_alone() -> None:
    found = headline(_comparison())
    assert found["dice"] == {"real": 0.7, "g/synthetic": 0.6, "g/mixed-4": 0.8}
    assert found["ratio_to_real"]["g/mixed-4"] == pytest.approx(0.8 / 0.7, rel=1e-5)
    assert found["verdict"] == {"g/synthetic": "worse", "g/mixed-4": "worse"}


def test_site_means_weigh_structures_equally_and_average_seeds() -> None:
    found = site_means(_comparison(), _development()).set_index(["arm", "site"])["mean_dice"]
    assert found["real", "internal"] == pytest.approx(0.86)
    assert found["g/synthetic", "internal"] == pytest.approx(0.51)
    assert found["real", "external"] == pytest.approx(0.7)
    assert found["g/mixed-4", "external"] == pytest.approx(0.8)


def test_dose_response_places_real_at_zero_and_synthetic_apart() -> None:
    found = dose_response(site_means(_comparison(), _development()), _comparison())
    external = found[found["site"] == "external"].set_index("arm")
    assert external.loc["real", "synthetic_per_real"] == 0
    assert external.loc["g/mixed-4", "synthetic_per_real"] == 4
    assert math.isnan(external.loc["g/synthetic", "synthetic_per_real"])
    # The interval of the paired difference, set on the mean of real.
    assert external.loc["g/mixed-4", "ci_low"] == pytest.approx(0.8 - 0.02)


def test_variance_is_averaged_as_variance_not_as_deviation() -> None:
    table = pd.DataFrame({"metric": "dice", "arm": "real", "sd_patient": [0.3, 0.4], "sd_run": [np.nan, np.nan]})
    found = mean_variance(table)
    assert found.to_dict("records") == [
        {"arm": "real", "component": "patient", "sd": pytest.approx(math.sqrt((0.09 + 0.16) / 2))}
    ]
