"""Patients as the unit, and the comparison table from per-case scores to verdicts."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pandas as pd
import pytest

from augbench.comparison.components import variance_table
from augbench.comparison.rows import Endpoint, Rules, overall_rows
from augbench.comparison.summary import site_means
from augbench.comparison.table import compare, contrasts
from augbench.comparison.unit import PER_FRAME_COLUMNS, per_patient, require_per_patient, score_cube
from augbench.core.errors import UserError
from augbench.core.tables import COMPARISON_COLUMNS, LIMIT_COLUMNS, PER_PATIENT_COLUMNS

#: Arm, generator seed; `check` is a control.
RUNS = [("plain", ""), ("gan", "0"), ("gan", "1"), ("check", "0")]


def study(
    n_subjects: int = 20,
    cells: tuple[tuple[str, str], ...] = (("4ch", "LV"), ("4ch", "RV"), ("sax", "LV")),
    seed: int = 0,
) -> pd.DataFrame:
    """Scores of frames of three arms, two frames a patient and view, two segmenter seeds, overlap and distance."""
    rng = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    offset = {"plain": 0.0, "gan": -0.02, "check": 0.001}
    for subject in range(n_subjects):
        level = rng.normal(0.9, 0.02)
        for arm, generator_seed in RUNS:
            for segmenter_seed in ("0", "1"):
                for view, structure in cells:
                    for frame in range(2):
                        overlap = level + offset[arm] + rng.normal(0, 0.004)
                        case = {
                            "frame_id": f"s{subject}-{view}-{frame}", "subject_id": f"s{subject}", "site": "external",
                            "view": view, "arm": arm, "generator_seed": generator_seed,
                            "segmenter_seed": segmenter_seed, "structure": structure, "reason": "",
                        }  # fmt: skip
                        rows.append(case | {"metric": "overlap", "value": overlap})
                        rows.append(case | {"metric": "distance", "value": 20 * (1 - overlap)})
    return pd.DataFrame(rows)[list(PER_FRAME_COLUMNS)]


def table(per_frame: pd.DataFrame, reference_arm: str = "plain", **options: Any) -> pd.DataFrame:
    chosen: dict[str, Any] = {
        "higher_is_better": {"overlap": True, "distance": False}, "margins": {"overlap": 0.01},
        "variation": ["overlap"],
    }  # fmt: skip
    rules = Rules(**chosen | options)
    return compare(per_patient(per_frame), rules, reference_arm=reference_arm)


def row(comparison: pd.DataFrame, **equals: str) -> pd.Series:
    keep = np.logical_and.reduce([comparison[column] == wanted for column, wanted in equals.items()])
    assert keep.sum() == 1
    return comparison[keep].iloc[0]


def undefine(per_frame: pd.DataFrame, rows: pd.Series) -> pd.DataFrame:
    changed = per_frame.copy()
    changed.loc[rows, "value"] = np.nan
    changed.loc[rows, "reason"] = "both empty"
    return changed


class TestUnit:
    def test_frames_are_averaged_within_a_patient(self) -> None:
        per_frame = study(2)
        subjects = per_patient(per_frame)
        assert len(subjects) == len(per_frame) / 2
        mine = (per_frame["subject_id"] == "s1") & (per_frame["view"] == "sax") & (per_frame["metric"] == "overlap")
        mine &= (per_frame["generator_seed"] == "1") & (per_frame["segmenter_seed"] == "0")
        got = row(
            subjects, subject_id="s1", view="sax", metric="overlap", arm="gan",
            generator_seed="1", segmenter_seed="0",
        )  # fmt: skip
        assert got["value"] == float(f"{per_frame[mine]['value'].mean():.6g}")
        assert (got["n_frames"], got["n_undefined"]) == (2, 0)

    def test_a_patient_with_many_frames_weighs_as_much_as_one_with_few(self) -> None:
        per_frame = study(12, (("4ch", "LV"),))
        extra = per_frame[per_frame["subject_id"] == "s0"]
        copies = [extra.assign(frame_id=extra["frame_id"] + f"-copy{copy}") for copy in range(10)]
        before, after = table(per_frame), table(pd.concat([per_frame, *copies]))
        assert after["mean_difference"].to_list() == pytest.approx(before["mean_difference"].to_list())
        assert (after["n_subjects"] == 12).all()

    def test_columns_and_what_is_made_is_accepted_back(self) -> None:
        made = per_patient(study(2))
        assert tuple(made.columns) == PER_PATIENT_COLUMNS
        pd.testing.assert_frame_equal(require_per_patient(made), made)

    def test_undefined_frames_are_counted_and_not_scored(self) -> None:
        per_frame = study(1, (("4ch", "LV"),))
        per_frame = undefine(per_frame, per_frame["frame_id"].str.endswith("-0"))
        subjects = per_patient(per_frame)
        assert (subjects["n_undefined"] == 1).all()
        kept = per_frame[per_frame["frame_id"].str.endswith("-1")]
        assert subjects["value"].to_list() == pytest.approx(kept["value"].to_list(), abs=1e-5)

    def test_the_cube_has_its_axes_in_order(self) -> None:
        subjects = per_patient(study(3, (("4ch", "LV"),)))
        cell = subjects[(subjects["arm"] == "gan") & (subjects["metric"] == "overlap")]
        cube = score_cube(cell, ["s2", "s0", "absent"])
        assert cube.shape == (3, 2, 2)
        assert cube[0, 1, 0] == row(cell, subject_id="s2", generator_seed="1", segmenter_seed="0")["value"]
        assert np.isnan(cube[2]).all()

    def test_a_csv_gives_the_same_table(self) -> None:
        # Empty generator seeds of an arm without a generator make pandas read the others as 0.0 and 1.0.
        per_frame = study(8)
        read = pd.read_csv(io.StringIO(per_frame.to_csv(index=False)))
        assert read["generator_seed"].dtype == float
        assert list(per_patient(read)["generator_seed"].unique()) == ["", "0", "1"]
        pd.testing.assert_frame_equal(table(read), table(per_frame))
        made = per_patient(per_frame)
        read = pd.read_csv(io.StringIO(made.to_csv(index=False)))
        pd.testing.assert_frame_equal(require_per_patient(read), made)


class TestRefused:
    """Nothing that is missing may pass as a smaller study."""

    @pytest.mark.parametrize(
        ("drop", "named"),
        [
            ({"subject_id": "s3", "arm": "check"}, ["is missing", "'s3'", "'check'"]),
            ({"subject_id": "s3", "arm": "plain"}, ["is missing", "'s3'", "'plain'"]),
            ({"frame_id": "s2-sax-1", "generator_seed": "1", "segmenter_seed": "1"}, ["'s2-sax-1'", "seed '1'"]),
            ({"generator_seed": "1", "segmenter_seed": "0"}, ["no run", "generator seed 1 and segmenter seed 0"]),
            ({"view": "sax", "arm": "check"}, ["is missing", "'check'", "sax"]),
            ({"metric": "distance", "arm": "gan"}, ["is missing", "distance"]),
        ],
    )
    def test_missing_scores_are_named(self, drop: dict[str, Any], named: list[str]) -> None:
        per_frame = study(5)
        gone = np.logical_and.reduce([per_frame[column] == value for column, value in drop.items()])
        assert gone.any()
        with pytest.raises(UserError) as raised:
            table(per_frame[~gone])
        for part in named:
            assert part in str(raised.value)

    def test_repeated_scores(self) -> None:
        per_frame = study(2)
        with pytest.raises(UserError, match="occurs twice"):
            table(pd.concat([per_frame, per_frame.iloc[[7]]]))

    def test_an_undefined_score_without_reason(self) -> None:
        per_frame = study(2)
        per_frame.loc[3, "value"] = np.nan
        with pytest.raises(UserError, match="does not fit its reason"):
            table(per_frame)

    def test_an_infinite_score(self) -> None:
        per_frame = study(2)
        per_frame.loc[3, "value"] = np.inf
        with pytest.raises(UserError, match="does not fit its reason"):
            table(per_frame)

    def test_missing_column_and_empty_table(self) -> None:
        with pytest.raises(UserError, match="reason is missing"):
            table(study(2).drop(columns="reason"))
        with pytest.raises(UserError, match="no scores"):
            table(study(2).iloc[:0])

    def test_unknown_reference_arm(self) -> None:
        with pytest.raises(UserError, match="no reference arm"):
            table(study(2), reference_arm="nothing")

    def test_only_the_reference_arm(self) -> None:
        per_frame = study(2)
        with pytest.raises(UserError, match="nothing to be compared with"):
            table(per_frame[per_frame["arm"] == "plain"])

    def test_a_metric_without_direction(self) -> None:
        per_frame = study(8)
        per_frame["metric"] = per_frame["metric"].replace("distance", "volume_error")
        with pytest.raises(UserError, match="'volume_error' has no direction"):
            table(per_frame)
        assert len(table(per_frame, higher_is_better={"overlap": True, "volume_error": False})) == 16

    def test_a_patient_at_two_sites(self) -> None:
        per_frame = study(2)
        per_frame.loc[per_frame["frame_id"] == "s1-sax-0", "site"] = "elsewhere"
        with pytest.raises(UserError, match="patient 's1' is at two sites"):
            table(per_frame)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"value": np.nan}, "does not fit its frames"),
            ({"value": np.inf}, "does not fit its frames"),
            ({"n_undefined": 2}, "does not fit its frames"),
            ({"n_undefined": 3, "value": np.nan}, "does not fit its frames"),
            ({"n_frames": 1}, "has fewer frames than in another run"),
            ({"subject_id": "s1"}, "occurs twice"),
            ({"arm": "gan", "generator_seed": "7"}, "has no run with generator seed 7 and segmenter seed 1"),
        ],
    )
    def test_a_table_of_patients_that_contradicts_itself(self, change: dict[str, Any], message: str) -> None:
        made = per_patient(study(2))
        made.loc[0, list(change)] = list(change.values())
        with pytest.raises(UserError, match=message):
            require_per_patient(made)

    def test_a_table_of_patients_that_lacks_one(self) -> None:
        made = per_patient(study(2))
        with pytest.raises(UserError, match="patient 's0' is missing"):
            require_per_patient(made.iloc[1:])


class TestCompare:
    def test_columns_and_rows(self) -> None:
        comparison = table(study())
        assert tuple(comparison.columns) == COMPARISON_COLUMNS
        # 3 cells and the overall row, 2 metrics, 2 arms.
        assert len(comparison) == 16
        assert set(comparison["reference_arm"]) == {"plain"}

    def test_numbers_against_scipy_and_numpy(self) -> None:
        from scipy import stats

        per_frame = study()
        comparison = table(per_frame)
        got = row(comparison, view="4ch", structure="RV", metric="overlap", arm="gan")
        cell = per_frame.query("view == '4ch' and structure == 'RV' and metric == 'overlap'")
        arm, reference = (
            cell[cell["arm"] == generator].groupby("subject_id")["value"].mean() for generator in ("gan", "plain")
        )
        difference = arm - reference
        assert got["n_subjects"] == 20
        # Scores of patients have six significant digits.
        assert got["mean_arm"] == pytest.approx(arm.mean(), abs=1e-6)
        assert got["mean_reference"] == pytest.approx(reference.mean(), abs=1e-6)
        assert got["mean_difference"] == pytest.approx(difference.mean(), abs=1e-6)
        assert got["sd_paired"] == pytest.approx(difference.std(), abs=1e-6)
        assert got["p_wilcoxon"] == pytest.approx(stats.wilcoxon(difference).pvalue)
        quartiles = [got[f"{name}_arm"] for name in ("q1", "median", "q3")]
        assert quartiles == pytest.approx(np.percentile(arm, [25, 50, 75]).tolist(), abs=1e-6)
        assert got["variation_reference"] == pytest.approx(np.median(1 - reference), abs=1e-6)
        assert got["ci_low"] < got["ci90_low"] < got["mean_difference"] < got["ci90_high"] < got["ci_high"]

    def test_the_overall_row_averages_a_patient_first(self) -> None:
        per_frame = study()
        got = row(table(per_frame), view="all", structure="mean", metric="overlap", arm="check")
        dice = per_frame[per_frame["metric"] == "overlap"]
        by_cell = dice.groupby(["arm", "subject_id", "view", "structure"])["value"].mean()
        by_patient = by_cell.groupby(["arm", "subject_id"]).mean()
        difference = by_patient["check"] - by_patient["plain"]
        assert got["mean_difference"] == pytest.approx(difference.mean(), abs=1e-6)
        assert got["sd_paired"] == pytest.approx(difference.std(), abs=1e-6)
        assert got["n_subjects"] == 20

    def test_seeds_are_not_patients(self) -> None:
        # 20 patients with 4 runs are 20 pairs. Taken as 80, the same difference would get a far smaller p.
        from scipy import stats

        per_frame = study()
        got = row(table(per_frame), view="sax", structure="LV", metric="overlap", arm="check")
        cell = per_frame.query("view == 'sax' and metric == 'overlap'")
        pooled = [
            cell[(cell["arm"] == generator) & (cell["generator_seed"] != "1")]["value"].to_numpy()
            for generator in ("check", "plain")
        ]
        assert got["n_subjects"] == 20
        assert got["p_wilcoxon"] != pytest.approx(stats.wilcoxon(pooled[0], pooled[1]).pvalue, rel=0.1)

    def test_verdicts(self) -> None:
        for metric in ("overlap", "distance"):
            comparison = table(study(), primary=Endpoint(metric, "gan"))
            assert comparison[comparison["endpoint"] == "primary"]["verdict"].item() == "worse"
        check = comparison[comparison["arm"] == "check"]
        assert set(check[check["metric"] == "overlap"]["verdict"]) <= {"equivalent", "significant but negligible"}
        # A distance has no margin, so nothing about it can be equivalent or negligible.
        assert set(check[check["metric"] == "distance"]["verdict"]) <= {"better", "worse", "inconclusive"}

    def test_margin_columns_need_a_margin(self) -> None:
        comparison = table(study())
        without = comparison["metric"] == "distance"
        for column in ("p_tost", "variation_arm", "variation_reference"):
            assert comparison[without][column].isna().all()
            assert comparison[~without][column].notna().all()

    def test_variation_is_printed_of_the_metrics_that_have_it(self) -> None:
        assert table(study(), variation=[])[["variation_arm", "variation_reference"]].isna().all(axis=None)

    @pytest.mark.parametrize(
        ("controls", "sizes"), [((), {"secondary": 16}), (("check",), {"secondary": 8, "control": 8})]
    )
    def test_holm_runs_over_all_metrics_and_leaves_controls_out(
        self, controls: tuple[str, ...], sizes: dict[str, int]
    ) -> None:
        from statsmodels.stats.multitest import multipletests

        comparison = table(study(), controls=controls)
        for _, family in comparison.groupby("endpoint"):
            expected = multipletests(family["p_value"], method="holm")[1]
            assert family["p_adjusted"].to_list() == pytest.approx(list(expected))
        assert comparison["endpoint"].value_counts().to_dict() == sizes

    def test_the_primary_endpoint_is_tested_by_itself(self) -> None:
        comparison = table(study(), primary=Endpoint("overlap", "gan"))
        first = comparison[comparison["endpoint"] == "primary"]
        assert first[["view", "metric", "arm"]].values.tolist() == [["all", "overlap", "gan"]]
        assert first["p_adjusted"].item() == first["p_value"].item()
        rest = comparison[comparison["endpoint"] == "secondary"]
        assert len(rest) == 15
        assert rest["p_adjusted"].min() == pytest.approx(min(1.0, 15 * rest["p_value"].min()))

    def test_a_single_seed_is_said_in_the_row(self) -> None:
        unknown = table(study()).groupby("arm")["seeds_unknown"].unique()
        assert (list(unknown["gan"]), list(unknown["check"])) == ([""], ["generator seeds"])

    def test_the_ratio_has_limits_of_its_own(self) -> None:
        got = row(table(study()), view="4ch", structure="LV", metric="overlap", arm="gan")
        assert got["ratio"] == pytest.approx(got["mean_arm"] / got["mean_reference"])
        # A difference of 0.02 of 0.9: the ratio's limits are those of the difference over the reference, nearly.
        assert got["ratio_low"] == pytest.approx(1 + got["ci_low"] / got["mean_reference"], abs=3e-4)
        assert got["ratio_high"] == pytest.approx(1 + got["ci_high"] / got["mean_reference"], abs=3e-4)

    def test_contrasts_hold_every_two_arms(self) -> None:
        rules = Rules({"overlap": True}, {})
        per_frame = study()
        found = contrasts(per_patient(per_frame), rules, metric="overlap").set_index(["arm", "other"])
        assert set(found.index) == {("plain", "gan"), ("plain", "check"), ("gan", "check")}
        against = row(table(per_frame), view="all", metric="overlap", arm="gan")
        assert found.loc[("plain", "gan"), "ci_low"] == pytest.approx(-against["ci_high"])

    def test_a_single_place_is_its_own_overall_row_and_is_tested_once(self) -> None:
        comparison = table(study(cells=(("4ch", "LV"),)))
        assert list(zip(comparison["view"], comparison["structure"], strict=True)) == [("4ch", "LV")] * 4
        assert comparison["overall"].all()
        # Two arms and metrics: the smallest p-value is taken four times, not eight as in a table with copies.
        assert comparison["p_adjusted"].min() == pytest.approx(4 * comparison["p_value"].min())

    def test_overall_rows_are_found_in_memory_and_in_a_file(self) -> None:
        for cells, place in (((("4ch", "LV"), ("sax", "LV")), ("all", "mean")), ((("sax", "LV"),), ("sax", "LV"))):
            comparison = table(study(8, cells))
            for found in (comparison, pd.read_csv(io.StringIO(comparison.to_csv(index=False)))):
                rows = overall_rows(found)
                assert set(zip(rows["view"], rows["structure"], strict=True)) == {place}
                assert sorted(zip(rows["metric"], rows["arm"], strict=True)) == [
                    ("distance", "check"), ("distance", "gan"), ("overlap", "check"), ("overlap", "gan"),
                ]  # fmt: skip

    def test_neither_the_order_of_rows_nor_other_arms_matter(self) -> None:
        per_frame = study()
        first, again = table(per_frame), table(per_frame.sample(frac=1, random_state=1))
        keys = ["metric", "arm", "view", "structure"]
        pd.testing.assert_frame_equal(
            first.sort_values(keys, ignore_index=True), again.sort_values(keys, ignore_index=True), rtol=1e-12
        )
        alone = table(per_frame[per_frame["arm"] != "check"])
        kept = first[first["arm"] == "gan"].reset_index(drop=True)
        unadjusted = [
            column for column in COMPARISON_COLUMNS if column not in ("p_adjusted", "verdict", *LIMIT_COLUMNS)
        ]
        pd.testing.assert_frame_equal(alone[unadjusted], kept[unadjusted])

    def test_another_reference_arm(self) -> None:
        forth = row(table(study()), view="4ch", structure="LV", metric="overlap", arm="gan")
        back = row(table(study(), reference_arm="gan"), view="4ch", structure="LV", metric="overlap", arm="plain")
        assert back["mean_difference"] == pytest.approx(-forth["mean_difference"])
        assert (forth["verdict"], back["verdict"]) == ("worse", "better")

    def test_a_patient_without_a_view_is_not_undefined(self) -> None:
        per_frame = study()
        per_frame = per_frame[~((per_frame["subject_id"] == "s4") & (per_frame["view"] == "sax"))]
        comparison = table(per_frame)
        assert (comparison["n_undefined"] == 0).all()
        assert set(comparison[comparison["view"] == "sax"]["n_subjects"]) == {19}
        assert set(comparison[comparison["view"] == "all"]["n_subjects"]) == {20}

    def test_too_few_patients_give_no_interval_and_no_verdict(self) -> None:
        comparison = table(study(5))
        assert comparison[["ci_low", "ci90_high", "p_wilcoxon", "p_adjusted", "patients_needed"]].isna().all(axis=None)
        assert comparison["mean_difference"].notna().all()
        assert set(comparison["verdict"]) == {"inconclusive"}
        assert set(comparison["limited_by"]) == {"patients"}


class TestUndefined:
    """Undefined scores are counted; they are never scored, and never leave one side of a pair alone."""

    def test_a_patient_undefined_in_one_run_of_one_arm_makes_no_pair(self) -> None:
        per_frame = study()
        lost = (per_frame["subject_id"] == "s7") & (per_frame["view"] == "sax") & (per_frame["metric"] == "overlap")
        lost &= (per_frame["generator_seed"] == "1") & (per_frame["segmenter_seed"] == "1")
        comparison = table(undefine(per_frame, lost))
        mine = row(comparison, view="sax", structure="LV", metric="overlap", arm="gan")
        assert (mine["n_subjects"], mine["n_undefined"]) == (19, 1)
        without = table(per_frame[~((per_frame["subject_id"] == "s7") & (per_frame["view"] == "sax"))])
        same = row(without, view="sax", structure="LV", metric="overlap", arm="gan")
        assert mine["mean_reference"] == pytest.approx(same["mean_reference"])
        assert mine["mean_difference"] == pytest.approx(same["mean_difference"])
        # The other arm keeps its pair, and so does the other metric.
        other = row(comparison, view="sax", structure="LV", metric="overlap", arm="check")
        assert (other["n_subjects"], other["n_undefined"]) == (20, 0)
        assert row(comparison, view="sax", metric="distance", arm="gan")["n_undefined"] == 0

    def test_undefined_in_the_reference_alone(self) -> None:
        per_frame = study()
        lost = (per_frame["subject_id"] == "s7") & (per_frame["structure"] == "RV") & (per_frame["arm"] == "plain")
        comparison = table(undefine(per_frame, lost & (per_frame["segmenter_seed"] == "0")))
        right = comparison[comparison["structure"] == "RV"]
        assert set(right["n_subjects"]) == {19}
        assert set(right["n_undefined"]) == {1}
        assert right["mean_difference"].notna().all()

    def test_the_overall_row_leaves_the_place_out_of_both_arms(self) -> None:
        # s7 is easy in sax. If only one arm lost sax, his difference would be one between views, not between arms.
        per_frame = study()
        per_frame.loc[(per_frame["subject_id"] == "s7") & (per_frame["view"] == "sax"), "value"] += 0.5
        lost = (per_frame["subject_id"] == "s7") & (per_frame["view"] == "sax") & (per_frame["arm"] == "check")
        got = row(table(undefine(per_frame, lost)), view="all", metric="overlap", arm="check")
        assert (got["n_subjects"], got["n_undefined"]) == (20, 1)
        assert abs(got["mean_difference"]) < 0.005

    def test_undefined_is_not_scored_one(self) -> None:
        # Scored 1, an arm that never finds anything in empty frames would gain on every such patient.
        per_frame = study(8, (("4ch", "LV"),))
        subjects = per_frame["subject_id"].isin([f"s{index}" for index in range(4)])
        got = table(undefine(per_frame, subjects & (per_frame["arm"] == "gan")))
        mine = row(got, view="4ch", metric="overlap", arm="gan")
        assert mine["mean_arm"] < 0.95
        assert (mine["n_subjects"], mine["n_undefined"], mine["verdict"]) == (4, 4, "inconclusive")

    def test_nothing_defined_at_all(self) -> None:
        per_frame = study(8)
        comparison = table(undefine(per_frame, per_frame["structure"] == "RV"))
        gone = comparison[comparison["structure"] == "RV"]
        assert (gone["n_subjects"] == 0).all()
        assert (gone["n_undefined"] == 8).all()
        assert gone[["mean_arm", "mean_difference", "ci_low"]].isna().all(axis=None)
        assert set(gone["verdict"]) == {"inconclusive"}
        overall = comparison[comparison["view"] == "all"]
        assert overall["mean_difference"].notna().all()


def test_variance_table() -> None:
    per_frame = study(30)
    lost = (per_frame["subject_id"] == "s7") & (per_frame["view"] == "sax")
    variances = variance_table(per_patient(undefine(per_frame, lost)))
    got = row(variances, view="4ch", structure="LV", metric="overlap", arm="gan")
    assert got["n_subjects"] == 30
    # Frames' noise of 0.004, averaged over two.
    assert got["sd_residual"] == pytest.approx(0.004 / np.sqrt(2), rel=0.25)
    assert got["sd_patient"] == pytest.approx(0.02, rel=0.3)
    assert got["sd_generator_seed"] < 0.002
    real = row(variances, view="sax", structure="LV", metric="overlap", arm="plain")
    assert real["n_subjects"] == 29
    assert np.isnan(real["sd_generator_seed"])


def test_an_arm_is_compared_with_the_arm_that_it_names() -> None:
    per_frame = study()
    other = per_frame[per_frame["arm"] == "plain"].assign(arm="plain-net", value=lambda rows: rows["value"] - 0.1)
    both = per_patient(pd.concat([per_frame, other]))
    rules = Rules(higher_is_better={"overlap": True, "distance": False}, margins={})
    found = compare(both, rules, reference_arm="plain", against={"gan": "plain-net", "check": "", "plain-net": "plain"})
    opponents = found.drop_duplicates("arm").set_index("arm")["reference_arm"].to_dict()
    assert opponents == {"gan": "plain-net", "check": "plain", "plain-net": "plain"}
    usual = compare(both, rules, reference_arm="plain")
    places = {"view": "all", "metric": "overlap"}
    shift = row(found, arm="gan", **places)["mean_difference"] - row(usual, arm="gan", **places)["mean_difference"]
    assert shift == pytest.approx(0.1)
    # Every arm has its means once, the reference's come from the rows of arms that are compared with it.
    means = site_means(found, [], metric="overlap", external="there").set_index("arm")["mean"]
    assert means.index.is_unique
    assert means["plain"] == pytest.approx(row(usual, arm="gan", **places)["mean_reference"])
    assert means["plain-net"] == pytest.approx(means["plain"] - 0.1)
