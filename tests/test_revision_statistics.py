"""Head minus base: paired by patient and seed, against hand values, scipy and simulation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from revision_factory import ARMS, scores

from augbench.comparison.blocks import Part
from augbench.comparison.estimate import Estimate
from augbench.comparison.revision import COLUMNS, revision_pairs, revision_table
from augbench.comparison.rows import Endpoint, Rules
from augbench.core.tables import PER_PATIENT_COLUMNS

PLAIN = {"plain": ARMS["plain"]}


def table(base: pd.DataFrame, head: pd.DataFrame, **options: Any) -> pd.DataFrame:
    chosen: dict[str, Any] = {"margins": {"dice": 0.01}} | options
    rules = Rules({"dice": True, "nsd": True}, **chosen)
    return revision_table(base, head, rules)


def dice(found: pd.DataFrame, arm: str, view: str = "all") -> pd.Series:
    rows = found[(found["metric"] == "dice") & (found["arm"] == arm) & (found["view"] == view)]
    assert len(rows) == 1
    return rows.iloc[0]


def test_a_difference_by_hand() -> None:
    cases = [("s1", 0.8, 0.9), ("s2", 0.7, 0.6), ("s3", 0.5, 0.8)]
    base, head = (
        pd.DataFrame(
            [("4ch", "LV", "dice", "plain", "", "0", name, "external", pair[side], 1, 0) for name, *pair in cases],
            columns=list(PER_PATIENT_COLUMNS),
        )
        for side in (0, 1)
    )
    row = dice(table(base, head), "plain", "4ch")
    assert (row["mean_base"], row["mean_head"], row["mean_difference"]) == pytest.approx((2 / 3, 2.3 / 3, 0.1))
    assert row["n_changed"] == 3
    # Three patients give a mean but no interval and no verdict beyond `inconclusive`.
    assert np.isnan(row["ci_low"])
    assert row["verdict"] == "inconclusive"


def test_a_revision_against_itself_is_exactly_nothing() -> None:
    found = table(scores(), scores())
    assert list(found.columns) == list(COLUMNS)
    limits = ["mean_difference", "ci_low", "ci_high", "ci90_low", "ci90_high", "sd_paired", "n_changed"]
    assert (found[limits].to_numpy(dtype=float) == 0).all()
    assert (found["p_adjusted"] == 1).all()
    assert set(found.loc[found["metric"] == "dice", "verdict"]) == {"equivalent"}


def test_swapping_the_sides_flips_every_sign() -> None:
    base, head = scores(), scores(shift=0.006, runs_seed=5)
    forward, back = table(base, head), table(head, base)
    assert (forward["mean_difference"] != 0).all()
    for ours, theirs in (("mean_difference", "mean_difference"), ("ci_low", "ci_high"), ("ci90_high", "ci90_low")):
        np.testing.assert_allclose(forward[ours], -back[theirs], atol=1e-12)
    np.testing.assert_allclose(forward["p_wilcoxon"], back["p_wilcoxon"])
    np.testing.assert_allclose(forward["p_value"], back["p_value"])


def test_patients_alone_against_scipy() -> None:
    from scipy.stats import ttest_1samp, wilcoxon

    base, head = (
        scores(40, arms=PLAIN, segmenter_seeds=(0,), places=(("4ch", "LV"),), runs_seed=seed) for seed in (1, 2)
    )
    row = dice(table(base, head), "plain", "4ch")
    both = head[head["metric"] == "dice"].merge(base[base["metric"] == "dice"], on="subject_id")
    differences = (both["value_x"] - both["value_y"]).to_numpy()
    theirs = ttest_1samp(differences, 0)
    low, high = theirs.confidence_interval()
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((low, high), abs=1e-9)
    assert row["p_value"] == pytest.approx(theirs.pvalue)
    assert row["seeds_unknown"] == "segmenter seeds"
    assert row["p_wilcoxon"] == pytest.approx(wilcoxon(differences, zero_method="pratt").pvalue)


def test_the_overall_row_weighs_views_and_structures_alike() -> None:
    arms = {"synth": ("0", "1", "2")}
    base, head = (scores(arms=arms, shift=shift, runs_seed=seed) for shift, seed in ((0.0, 0), (0.06, 3)))
    found = table(base, head, primary=Endpoint("dice", "synth"))
    places = [dice(found, "synth", view)["mean_difference"] for view in ("4ch", "sax")]
    assert dice(found, "synth")["mean_difference"] == pytest.approx(np.mean(places))
    assert dice(found, "synth")["verdict"] == "better"


def test_an_undefined_score_on_either_side_makes_no_pair_and_is_counted() -> None:
    base, head = scores(), scores(runs_seed=2)
    for side, subject in ((base, "e1"), (head, "e2")):
        lost = (side["subject_id"] == subject) & (side["view"] == "4ch") & (side["segmenter_seed"] == "1")
        side.loc[lost, ["value", "n_undefined"]] = [np.nan, 1]
    found = table(base, head)
    row = dice(found, "synth", "4ch")
    assert (row["n_subjects"], row["n_undefined"]) == (10, 2)
    overall = dice(found, "synth")
    assert (overall["n_subjects"], overall["n_undefined"]) == (12, 2)


def test_other_seed_labels_are_named() -> None:
    found = table(scores(), scores(segmenter_seeds=(0, 1, 2)))
    assert set(found["seeds"]) == {"segmenter seeds differ"}
    pairs = {pair.arm: pair for pair in revision_pairs(scores(), scores(segmenter_seeds=(5, 6)))}
    assert pairs["synth"].apart == ("segmenter",)


def test_an_arm_of_one_side_alone_is_left_out() -> None:
    assert set(table(scores(arms=PLAIN), scores())["arm"]) == {"plain"}


def cubes(rng: np.random.Generator, correlation: float) -> tuple[np.ndarray, np.ndarray]:
    """Two revisions of equal true mean, 30 patients, 4 x 4 seeds; their runs share a part of the seeds' effects."""
    shape, shared, own = (30, 4, 4), np.sqrt(correlation), np.sqrt(1 - correlation)

    def runs() -> np.ndarray:
        return rng.normal(0, 0.01, (1, 4, 1)) + rng.normal(0, 0.01, (1, 1, 4))

    common, patients = runs(), rng.normal(0.9, 0.05, (30, 1, 1))
    head, base = (patients + shared * common + own * runs() + rng.normal(0, 0.002, shape) for _ in range(2))
    return head, base


@pytest.mark.parametrize("correlation", [0.0, 0.95])
def test_limits_hold_whether_or_not_the_runs_of_two_revisions_are_alike(correlation: float) -> None:
    rng, names = np.random.default_rng(7), tuple("abcd")
    both = [cubes(rng, correlation) for _ in range(400)]
    head, base = (np.array([pair[side] for pair in both]) for side in (0, 1))
    paired = Estimate.of([Part(head, 1.0, names, names), Part(base, -1.0, names, names)])
    apart = Estimate.of([Part(head, 1.0, names, names), Part(base, -1.0, tuple("wxyz"), tuple("wxyz"))])
    reach, apart_reach = paired.precision().reach(0.025), apart.precision().reach(0.025)
    assert 0.93 <= np.mean(abs(paired.mean) <= reach) <= 0.99
    # The pairing is there and thrown away: several times too wide.
    assert (apart_reach.mean() > 3 * reach.mean()) == bool(correlation)
