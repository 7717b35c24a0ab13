"""The share of an opponent's lead that an arm recovers: Fieller's interval from the one inference engine."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from figures_factory import report_data
from numpy.typing import NDArray
from scipy.stats import t as student

from augbench.comparison.recovered import Trio, recovered, share_limits
from augbench.report import recovered as shown

#: Arm -> role, cohort, synthetic set, seeds of generator, seeds of segmenter.
STUDY: dict[str, tuple[str, str, str, tuple[str, ...], tuple[str, ...]]] = {
    "few": ("reference", "few", "", ("",), ("0",)),
    "all": ("opponent", "all", "", ("",), ("0",)),
    "made": ("studied", "few", "gan", ("0",), ("0",)),
}


def arms(study: dict[str, Any] = STUDY, against: str = "few") -> pd.DataFrame:
    rows = [
        {"arm": arm, "role": role, "cohort": cohort, "synthetic": made, "against": "" if arm == against else against}
        for arm, (role, cohort, made, _, _) in study.items()
    ]
    return pd.DataFrame(rows)


def scores(means: dict[str, float], n: int = 20, study: dict[str, Any] = STUDY, noise: float = 0.01) -> pd.DataFrame:
    """Scores of two structures with the arms' means and noise of every patient and run."""
    rng = np.random.default_rng(5)
    rows = []
    for structure in ("A", "B"):
        patient = rng.normal(0, 0.03, n)
        for arm, mean in means.items():
            _, _, _, generators, segmenters = study[arm]
            for generator in generators:
                for segmenter in segmenters:
                    values = mean + patient + rng.normal(0, noise, n)
                    rows += [
                        {
                            **{"view": "v", "structure": structure, "metric": "dice", "arm": arm},
                            **{"generator_seed": generator, "segmenter_seed": segmenter, "subject_id": f"p{k:02d}"},
                            **{"site": "out", "value": value, "n_frames": 1, "n_undefined": 0},
                        }
                        for k, value in enumerate(values)
                    ]
    return pd.DataFrame(rows)


def found(table: pd.DataFrame, study: dict[str, Any] = STUDY) -> dict[str, Any]:
    rows = recovered(table, arms(study), metric="dice", alpha=0.05).to_dict("records")
    assert len(rows) == 1
    return {str(key): value for key, value in rows[0].items()}


def by_patient(table: pd.DataFrame, arm: str) -> NDArray[np.float64]:
    own = table[table["arm"] == arm]
    return own.groupby("subject_id")["value"].mean().to_numpy()


def test_by_hand_single_runs_give_fiellers_closed_form() -> None:
    """With one training each only patients vary: roots of the quadratic of Fieller 1954, with n - 1 degrees."""
    table = scores({"few": 0.80, "all": 0.90, "made": 0.86})
    gain, lead = (by_patient(table, arm) - by_patient(table, "few") for arm in ("made", "all"))
    n, quantile = len(gain), student.ppf(0.975, len(gain) - 1)
    variance = quantile**2 * np.cov(gain, lead) / n
    a = lead.mean() ** 2 - variance[1, 1]
    b = -2 * (gain.mean() * lead.mean() - variance[0, 1])
    c = gain.mean() ** 2 - variance[0, 0]
    low, high = sorted(np.roots([a, b, c]))
    row = found(table)
    assert row["share"] == pytest.approx(gain.mean() / lead.mean())
    assert (row["ci_low"], row["ci_high"]) == (pytest.approx(low, abs=1e-6), pytest.approx(high, abs=1e-6))
    assert row["lead"] == pytest.approx(lead.mean())
    assert (row["arm"], row["opponent"], row["reference_arm"], row["n_subjects"]) == ("made", "all", "few", n)


def test_the_lead_is_not_taken_for_known() -> None:
    """The plausible mistake: limits of the gain divided by the lead."""
    table = scores({"few": 0.80, "all": 0.82, "made": 0.86}, noise=0.02)
    row = found(table)
    gain = by_patient(table, "made") - by_patient(table, "few")
    reach = student.ppf(0.975, len(gain) - 1) * gain.std(ddof=1) / np.sqrt(len(gain))
    assert row["ci_high"] - row["ci_low"] > 1.5 * 2 * reach / row["lead"]
    # Fieller's interval reaches further on the side of the larger share.
    assert row["ci_high"] - row["share"] > row["share"] - row["ci_low"]


def test_a_lead_that_is_not_shown_bounds_no_share() -> None:
    row = found(scores({"few": 0.80, "all": 0.801, "made": 0.83}))
    assert row["lead_low"] < 0 < row["lead_high"]
    assert np.isfinite(row["share"])
    assert np.isnan(row["ci_low"])
    assert np.isnan(row["ci_high"])


def test_seeds_widen_the_interval_and_unknown_ones_are_named() -> None:
    seeds = {arm: (*entry[:3], ("0", "1") if entry[2] else ("",), ("0", "1", "2")) for arm, entry in STUDY.items()}
    table = scores({"few": 0.80, "all": 0.90, "made": 0.86}, study=seeds)
    narrow = found(table, seeds)
    assert narrow["seeds_unknown"] == ""
    assert (
        found(scores({"few": 0.80, "all": 0.90, "made": 0.86}))["seeds_unknown"]
        == "generator seeds and segmenter seeds"
    )
    apart = table.assign(value=table["value"] + 0.02 * (table["generator_seed"] == "1"))
    wide = found(apart, seeds)
    assert wide["ci_high"] - wide["ci_low"] > 3 * (narrow["ci_high"] - narrow["ci_low"])


def test_a_patient_without_a_score_in_one_of_the_three_arms_leaves_all_three() -> None:
    table = scores({"few": 0.80, "all": 0.90, "made": 0.86})
    lost = (table["subject_id"] == "p03") & (table["arm"] == "all")
    gone = table.assign(value=table["value"].mask(lost), n_undefined=lost.astype(int))
    row, without = found(gone), found(table[table["subject_id"] != "p03"])
    assert {key: row[key] for key in ("share", "ci_low", "n_subjects")} == pytest.approx(
        {key: without[key] for key in ("share", "ci_low", "n_subjects")}
    )


def test_below_six_patients_there_is_no_number() -> None:
    row = found(scores({"few": 0.80, "all": 0.90, "made": 0.86}, n=5))
    assert row["n_subjects"] == 5
    assert pd.isna(row["share"])


@pytest.mark.parametrize(
    ("name", "entry"),
    [
        ("all", ("opponent", "few", "", ("",), ("0",))),  # the reference's own patients: no augmentation, say
        ("all", ("studied", "all", "", ("",), ("0",))),
        ("all", ("opponent", "all", "gan", ("0",), ("0",))),
        ("made", ("negative control", "few", "gan", ("0",), ("0",))),
        ("made", ("studied", "few", "", ("",), ("0",))),
    ],
)
def test_what_is_no_opponent_with_other_patients_or_no_synthetic_arm_makes_no_row(name: str, entry: Any) -> None:
    study = STUDY | {name: entry}
    table = scores({"few": 0.80, "all": 0.90, "made": 0.86}, study=study)
    assert recovered(table, arms(study), metric="dice", alpha=0.05).empty


def test_limits_are_where_the_contrast_is_just_significant() -> None:
    from augbench.comparison.pairs import cells

    table = scores({"few": 0.80, "all": 0.90, "made": 0.86})
    trio = Trio.of(cells(table, sorted(set(table["subject_id"]))), "made", "all", "few")
    for limit in share_limits(trio, 0.6, 0.05):
        estimate = trio.estimate(1.0, -limit)
        assert abs(float(estimate.mean)) == pytest.approx(float(estimate.precision().reach(0.025)), rel=1e-6)


def test_the_report_says_it_in_a_sentence_and_says_why_there_is_no_interval() -> None:
    row = {
        **{"arm": "pggan-synthetic", "opponent": "memoriser", "reference_arm": "real", "n_subjects": 50},
        **{"lead": 0.0312, "lead_low": 0.02, "lead_high": 0.04, "share": -0.123, "ci_low": -0.31, "ci_high": 0.04},
        "seeds_unknown": "generator seeds",
    }
    unbounded = row | {"arm": "pggan-mixed-1", "ci_low": np.nan, "ci_high": np.nan, "seeds_unknown": ""}
    data = report_data(recovered=pd.DataFrame([row, unbounded]))
    (sentence,) = shown.sentences(data)
    assert "by +0.0312 (95% CI 0.0200 to 0.0400)" in sentence
    assert "recovers −12% (95% CI −31% to 4%; generator seeds unknown)" in sentence
    assert "(no interval: the lead itself is not shown to differ from 0)" in sentence
    assert [cells["ci"] for cells in shown.table(data)] == ["−31% to 4%", "unbounded"]
    behind = data.recovered.assign(lead=-0.01)
    assert "does not lead" in shown.sentences(report_data(recovered=behind))[0]
