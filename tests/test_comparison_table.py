"""Patients as the unit, and the comparison table from per-case scores to verdicts."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pandas as pd
import pytest

from augbench.comparison.table import COLUMNS, compare
from augbench.comparison.unit import PER_CASE_COLUMNS, per_subject, score_cube
from augbench.comparison.variance import variance_table
from augbench.core.errors import UserError

ARMS = [("", "real", ""), ("pggan", "synthetic", "0"), ("pggan", "synthetic", "1"), ("oracle", "synthetic", "0")]


def study(
    n_subjects: int = 20,
    cells: tuple[tuple[str, str], ...] = (("4ch", "LV"), ("4ch", "RV"), ("sax", "LV")),
    seed: int = 0,
) -> pd.DataFrame:
    """Per-case scores of three arms, two frames a patient and view, two segmenter seeds, Dice and HD95."""
    rng = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    offset = {"": 0.0, "pggan": -0.02, "oracle": 0.001}
    for subject in range(n_subjects):
        level = rng.normal(0.9, 0.02)
        for generator, regime, generator_seed in ARMS:
            for segmenter_seed in (0, 1):
                for view, structure in cells:
                    for frame in range(2):
                        dice = level + offset[generator] + rng.normal(0, 0.004)
                        case = {
                            "frame_id": f"s{subject}-{view}-{frame}", "subject_id": f"s{subject}", "site": "external",
                            "view": view, "generator": generator, "regime": regime, "generator_seed": generator_seed,
                            "segmenter_seed": segmenter_seed, "structure": structure, "reason": "",
                        }  # fmt: skip
                        rows.append(case | {"metric": "dice", "value": dice})
                        rows.append(case | {"metric": "hd95", "value": 20 * (1 - dice)})
    return pd.DataFrame(rows)[list(PER_CASE_COLUMNS)]


def table(per_case: pd.DataFrame, **options: Any) -> pd.DataFrame:
    chosen: dict[str, Any] = {"margins": {"dice": 0.01}, "n_boot": 500, "rng": np.random.default_rng(0)} | options
    return compare(per_case, **chosen)


def row(comparison: pd.DataFrame, **equals: str) -> pd.Series:
    keep = np.logical_and.reduce([comparison[column] == wanted for column, wanted in equals.items()])
    assert keep.sum() == 1
    return comparison[keep].iloc[0]


def undefine(per_case: pd.DataFrame, rows: pd.Series) -> pd.DataFrame:
    changed = per_case.copy()
    changed.loc[rows, "value"] = np.nan
    changed.loc[rows, "reason"] = "both empty"
    return changed


class TestUnit:
    def test_frames_are_averaged_within_a_patient(self) -> None:
        per_case = study(2)
        subjects = per_subject(per_case)
        assert len(subjects) == len(per_case) / 2
        mine = (per_case["subject_id"] == "s1") & (per_case["view"] == "sax") & (per_case["metric"] == "dice")
        mine &= (per_case["generator_seed"] == "1") & (per_case["segmenter_seed"] == 0)
        got = row(
            subjects, subject_id="s1", view="sax", metric="dice", arm="pggan/synthetic",
            generator_seed="1", segmenter_seed="0",
        )  # fmt: skip
        assert got["value"] == pytest.approx(per_case[mine]["value"].mean())
        assert (got["n_frames"], got["n_undefined"]) == (2, 0)

    def test_a_patient_with_many_frames_weighs_as_much_as_one_with_few(self) -> None:
        per_case = study(12, (("4ch", "LV"),))
        extra = per_case[per_case["subject_id"] == "s0"]
        copies = [extra.assign(frame_id=extra["frame_id"] + f"-copy{copy}") for copy in range(10)]
        before, after = table(per_case), table(pd.concat([per_case, *copies]))
        assert after["mean_difference"].to_list() == pytest.approx(before["mean_difference"].to_list())
        assert (after["n_subjects"] == 12).all()

    def test_arm_names(self) -> None:
        assert list(per_subject(study(1))["arm"].unique()) == ["real", "pggan/synthetic", "oracle/synthetic"]

    def test_undefined_frames_are_counted_and_not_scored(self) -> None:
        per_case = study(1, (("4ch", "LV"),))
        per_case = undefine(per_case, per_case["frame_id"].str.endswith("-0"))
        subjects = per_subject(per_case)
        assert (subjects["n_undefined"] == 1).all()
        kept = per_case[per_case["frame_id"].str.endswith("-1")]
        assert subjects["value"].to_list() == pytest.approx(kept["value"].to_list())

    def test_the_cube_has_its_axes_in_order(self) -> None:
        subjects = per_subject(study(3, (("4ch", "LV"),)))
        cell = subjects[(subjects["arm"] == "pggan/synthetic") & (subjects["metric"] == "dice")]
        cube = score_cube(cell, ["s2", "s0", "absent"])
        assert cube.shape == (3, 2, 2)
        assert cube[0, 1, 0] == row(cell, subject_id="s2", generator_seed="1", segmenter_seed="0")["value"]
        assert np.isnan(cube[2]).all()

    def test_a_csv_gives_the_same_table(self) -> None:
        # Empty generator seeds of the real arm make pandas read the others as 0.0 and 1.0.
        per_case = study(8)
        read = pd.read_csv(io.StringIO(per_case.to_csv(index=False)))
        assert read["generator_seed"].dtype == float
        assert list(per_subject(read)["generator_seed"].unique()) == ["", "0", "1"]
        pd.testing.assert_frame_equal(table(read), table(per_case))


class TestRefused:
    """Nothing that is missing may pass as a smaller study."""

    @pytest.mark.parametrize(
        ("drop", "named"),
        [
            ({"subject_id": "s3", "generator": "oracle"}, ["no score", "'s3'", "'oracle/synthetic'"]),
            ({"subject_id": "s3", "generator": ""}, ["no score", "'s3'", "'real'"]),
            ({"frame_id": "s2-sax-1", "generator_seed": "1", "segmenter_seed": 1}, ["'s2-sax-1'", "seed '1'"]),
            ({"generator_seed": "1", "segmenter_seed": 0}, ["no run", "generator seed 1 and segmenter seed 0"]),
            ({"view": "sax", "generator": "oracle"}, ["no score", "'oracle/synthetic'", "sax"]),
            ({"metric": "hd95", "generator": "pggan"}, ["no score", "hd95"]),
        ],
    )
    def test_missing_scores_are_named(self, drop: dict[str, Any], named: list[str]) -> None:
        per_case = study(5)
        gone = np.logical_and.reduce([per_case[column] == value for column, value in drop.items()])
        assert gone.any()
        with pytest.raises(UserError) as raised:
            table(per_case[~gone])
        for part in named:
            assert part in str(raised.value)

    def test_repeated_scores(self) -> None:
        per_case = study(2)
        with pytest.raises(UserError, match="occurs twice"):
            table(pd.concat([per_case, per_case.iloc[[7]]]))

    def test_an_undefined_score_without_reason(self) -> None:
        per_case = study(2)
        per_case.loc[3, "value"] = np.nan
        with pytest.raises(UserError, match="does not fit its reason"):
            table(per_case)

    def test_an_infinite_score(self) -> None:
        per_case = study(2)
        per_case.loc[3, "value"] = np.inf
        with pytest.raises(UserError, match="does not fit its reason"):
            table(per_case)

    def test_missing_column_and_empty_table(self) -> None:
        with pytest.raises(UserError, match="reason is missing"):
            table(study(2).drop(columns="reason"))
        with pytest.raises(UserError, match="no scores"):
            table(study(2).iloc[:0])

    def test_unknown_reference_arm(self) -> None:
        with pytest.raises(UserError, match="no reference arm"):
            table(study(2), reference_arm="pggan/mixed-1")

    def test_only_the_reference_arm(self) -> None:
        per_case = study(2)
        with pytest.raises(UserError, match="nothing to be compared with"):
            table(per_case[per_case["generator"] == ""])

    def test_a_metric_without_direction(self) -> None:
        per_case = study(8)
        per_case["metric"] = per_case["metric"].replace("hd95", "volume_error")
        with pytest.raises(UserError, match="'volume_error' has no direction"):
            table(per_case)
        assert len(table(per_case, higher_is_better={"dice": True, "volume_error": False})) == 16

    def test_synthetic_scores_without_a_generator(self) -> None:
        per_case = study(2)
        per_case.loc[per_case["generator"] == "oracle", "generator"] = ""
        with pytest.raises(UserError, match="'synthetic' has no generator"):
            table(per_case)


class TestCompare:
    def test_columns_and_rows(self) -> None:
        comparison = table(study())
        assert tuple(comparison.columns) == COLUMNS
        # 3 cells and the overall row, 2 metrics, 2 arms.
        assert len(comparison) == 16
        assert set(comparison["reference_arm"]) == {"real"}

    def test_numbers_against_scipy_and_numpy(self) -> None:
        from scipy import stats

        per_case = study()
        comparison = table(per_case)
        got = row(comparison, view="4ch", structure="RV", metric="dice", arm="pggan/synthetic")
        cell = per_case.query("view == '4ch' and structure == 'RV' and metric == 'dice'")
        arm, reference = (
            cell[cell["generator"] == generator].groupby("subject_id")["value"].mean() for generator in ("pggan", "")
        )
        difference = arm - reference
        assert got["n_subjects"] == 20
        assert got["mean_arm"] == pytest.approx(arm.mean())
        assert got["mean_reference"] == pytest.approx(reference.mean())
        assert got["mean_difference"] == pytest.approx(difference.mean())
        assert got["sd_paired"] == pytest.approx(difference.std())
        assert got["p_wilcoxon"] == pytest.approx(stats.wilcoxon(difference).pvalue)
        quartiles = [got[f"{name}_arm"] for name in ("q1", "median", "q3")]
        assert quartiles == pytest.approx(np.percentile(arm, [25, 50, 75]).tolist())
        assert got["variation_reference"] == pytest.approx(np.median(1 - reference))
        assert got["ci_low"] < got["ci90_low"] < got["mean_difference"] < got["ci90_high"] < got["ci_high"]

    def test_the_overall_row_averages_a_patient_first(self) -> None:
        per_case = study()
        got = row(table(per_case), view="all", structure="mean", metric="dice", arm="oracle/synthetic")
        dice = per_case[per_case["metric"] == "dice"]
        by_cell = dice.groupby(["generator", "subject_id", "view", "structure"])["value"].mean()
        by_patient = by_cell.groupby(["generator", "subject_id"]).mean()
        difference = by_patient["oracle"] - by_patient[""]
        assert got["mean_difference"] == pytest.approx(difference.mean())
        assert got["sd_paired"] == pytest.approx(difference.std())
        assert got["n_subjects"] == 20

    def test_seeds_are_not_patients(self) -> None:
        # 20 patients with 4 runs are 20 pairs. Taken as 80, the same difference would get a far smaller p.
        from scipy import stats

        per_case = study()
        got = row(table(per_case), view="sax", structure="LV", metric="dice", arm="oracle/synthetic")
        cell = per_case.query("view == 'sax' and metric == 'dice'")
        pooled = [
            cell[(cell["generator"] == generator) & (cell["generator_seed"] != "1")]["value"].to_numpy()
            for generator in ("oracle", "")
        ]
        assert got["n_subjects"] == 20
        assert got["p_wilcoxon"] != pytest.approx(stats.wilcoxon(pooled[0], pooled[1]).pvalue, rel=0.1)

    def test_verdicts(self) -> None:
        comparison = table(study())
        for metric, of_pggan in (("dice", "worse"), ("hd95", "worse")):
            got = comparison[(comparison["metric"] == metric) & (comparison["arm"] == "pggan/synthetic")]
            assert set(got["verdict"]) == {of_pggan}
        oracle = comparison[comparison["arm"] == "oracle/synthetic"]
        assert set(oracle[oracle["metric"] == "dice"]["verdict"]) <= {"equivalent", "significant but negligible"}
        # HD95 has no margin, so nothing about it can be equivalent or negligible.
        assert set(oracle[oracle["metric"] == "hd95"]["verdict"]) <= {"better", "worse", "inconclusive"}

    def test_margin_columns_need_a_margin(self) -> None:
        comparison = table(study())
        without = comparison["metric"] == "hd95"
        for column in ("n_needed", "p_tost", "variation_arm", "variation_reference"):
            assert comparison[without][column].isna().all()
            assert comparison[~without][column].notna().all()

    def test_holm_runs_over_all_rows_of_a_metric(self) -> None:
        from statsmodels.stats.multitest import multipletests

        comparison = table(study())
        for _, family in comparison.groupby("metric"):
            assert len(family) == 8
            expected = multipletests(family["p_wilcoxon"], method="holm")[1]
            assert family["p_holm"].to_list() == pytest.approx(list(expected))

    def test_same_rng_same_table_and_other_arms_do_not_matter(self) -> None:
        per_case = study()
        first, again = table(per_case), table(per_case.sample(frac=1, random_state=1))
        keys = ["metric", "arm", "view", "structure"]
        pd.testing.assert_frame_equal(
            first.sort_values(keys, ignore_index=True), again.sort_values(keys, ignore_index=True), rtol=1e-12
        )
        alone = table(per_case[per_case["generator"] != "oracle"])
        kept = first[first["arm"] == "pggan/synthetic"].reset_index(drop=True)
        unadjusted = [column for column in COLUMNS if column not in ("p_holm", "verdict")]
        pd.testing.assert_frame_equal(alone[unadjusted], kept[unadjusted])

    def test_another_reference_arm(self) -> None:
        forth = row(table(study()), view="4ch", structure="LV", metric="dice", arm="pggan/synthetic")
        back = row(
            table(study(), reference_arm="pggan/synthetic"), view="4ch", structure="LV", metric="dice", arm="real"
        )
        assert back["mean_difference"] == pytest.approx(-forth["mean_difference"])
        assert (forth["verdict"], back["verdict"]) == ("worse", "better")

    def test_a_patient_without_a_view_is_not_undefined(self) -> None:
        per_case = study()
        per_case = per_case[~((per_case["subject_id"] == "s4") & (per_case["view"] == "sax"))]
        comparison = table(per_case)
        assert (comparison["n_undefined"] == 0).all()
        assert set(comparison[comparison["view"] == "sax"]["n_subjects"]) == {19}
        assert set(comparison[comparison["view"] == "all"]["n_subjects"]) == {20}

    def test_too_few_patients_give_no_interval_and_no_verdict(self) -> None:
        comparison = table(study(5))
        assert comparison[["ci_low", "ci90_high", "p_wilcoxon", "p_holm", "n_needed"]].isna().all(axis=None)
        assert comparison["mean_difference"].notna().all()
        assert set(comparison["verdict"]) == {"inconclusive"}


class TestUndefined:
    """Undefined scores are counted; they are never scored, and never leave one side of a pair alone."""

    def test_a_patient_undefined_in_one_run_of_one_arm_makes_no_pair(self) -> None:
        per_case = study()
        lost = (per_case["subject_id"] == "s7") & (per_case["view"] == "sax") & (per_case["metric"] == "dice")
        lost &= (per_case["generator_seed"] == "1") & (per_case["segmenter_seed"] == 1)
        comparison = table(undefine(per_case, lost))
        mine = row(comparison, view="sax", structure="LV", metric="dice", arm="pggan/synthetic")
        assert (mine["n_subjects"], mine["n_undefined"]) == (19, 1)
        without = table(per_case[~((per_case["subject_id"] == "s7") & (per_case["view"] == "sax"))])
        same = row(without, view="sax", structure="LV", metric="dice", arm="pggan/synthetic")
        assert mine["mean_reference"] == pytest.approx(same["mean_reference"])
        assert mine["mean_difference"] == pytest.approx(same["mean_difference"])
        # The other arm keeps its pair, and so does the other metric.
        other = row(comparison, view="sax", structure="LV", metric="dice", arm="oracle/synthetic")
        assert (other["n_subjects"], other["n_undefined"]) == (20, 0)
        assert row(comparison, view="sax", metric="hd95", arm="pggan/synthetic")["n_undefined"] == 0

    def test_undefined_in_the_reference_alone(self) -> None:
        per_case = study()
        lost = (per_case["subject_id"] == "s7") & (per_case["structure"] == "RV") & (per_case["generator"] == "")
        comparison = table(undefine(per_case, lost & (per_case["segmenter_seed"] == 0)))
        right = comparison[comparison["structure"] == "RV"]
        assert set(right["n_subjects"]) == {19}
        assert set(right["n_undefined"]) == {1}
        assert right["mean_difference"].notna().all()

    def test_the_overall_row_leaves_the_place_out_of_both_arms(self) -> None:
        # s7 is easy in sax. If only one arm lost sax, his difference would be one between views, not between arms.
        per_case = study()
        per_case.loc[(per_case["subject_id"] == "s7") & (per_case["view"] == "sax"), "value"] += 0.5
        lost = (per_case["subject_id"] == "s7") & (per_case["view"] == "sax") & (per_case["generator"] == "oracle")
        got = row(table(undefine(per_case, lost)), view="all", metric="dice", arm="oracle/synthetic")
        assert (got["n_subjects"], got["n_undefined"]) == (20, 1)
        assert abs(got["mean_difference"]) < 0.005

    def test_undefined_is_not_scored_one(self) -> None:
        # Scored 1, an arm that never finds anything in empty frames would gain on every such patient.
        per_case = study(8, (("4ch", "LV"),))
        subjects = per_case["subject_id"].isin([f"s{index}" for index in range(4)])
        got = table(undefine(per_case, subjects & (per_case["generator"] == "pggan")))
        mine = row(got, view="4ch", metric="dice", arm="pggan/synthetic")
        assert mine["mean_arm"] < 0.95
        assert (mine["n_subjects"], mine["n_undefined"], mine["verdict"]) == (4, 4, "inconclusive")

    def test_nothing_defined_at_all(self) -> None:
        per_case = study(8)
        comparison = table(undefine(per_case, per_case["structure"] == "RV"))
        gone = comparison[comparison["structure"] == "RV"]
        assert (gone["n_subjects"] == 0).all()
        assert (gone["n_undefined"] == 8).all()
        assert gone[["mean_arm", "mean_difference", "ci_low"]].isna().all(axis=None)
        assert set(gone["verdict"]) == {"inconclusive"}
        overall = comparison[comparison["view"] == "all"]
        assert overall["mean_difference"].notna().all()


def test_variance_table() -> None:
    per_case = study(30)
    lost = (per_case["subject_id"] == "s7") & (per_case["view"] == "sax")
    variances = variance_table(undefine(per_case, lost))
    got = row(variances, view="4ch", structure="LV", metric="dice", arm="pggan/synthetic")
    assert got["n_subjects"] == 30
    # Frames' noise of 0.004, averaged over two.
    assert got["sd_residual"] == pytest.approx(0.004 / np.sqrt(2), rel=0.25)
    assert got["sd_patient"] == pytest.approx(0.02, rel=0.3)
    assert got["sd_generator_seed"] < 0.002
    real = row(variances, view="sax", structure="LV", metric="dice", arm="real")
    assert real["n_subjects"] == 29
    assert np.isnan(real["sd_generator_seed"])
