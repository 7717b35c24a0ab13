"""The gate's rule: outcomes, limits, what is missing, and its error rates on a small simulation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from revision_factory import ARMS, scores
from scipy.stats import t

from augbench.comparison.absent import absent_scores
from augbench.comparison.blocks import Part
from augbench.comparison.estimate import Estimate
from augbench.comparison.gate import FAIL, INCONCLUSIVE, OVERALL, PASS, Clearing, bounds, decide
from augbench.comparison.gate_table import GatedMetric, GateResult, gate
from augbench.comparison.needed import limit
from augbench.core.errors import UserError

BASE = scores()
DICE = GatedMetric("dice", 0.01, higher_is_better=True)


def _gate(head: pd.DataFrame, base: pd.DataFrame = BASE, scale: GatedMetric = DICE, **options: object) -> GateResult:
    return gate(base, head, scale, **options)  # type: ignore[arg-type]


def _moved(change: float, rows: object = slice(None)) -> pd.DataFrame:
    head = BASE.copy()
    head.loc[rows, "value"] += change
    return head


def test_a_revision_passes_against_itself_with_limits_at_zero() -> None:
    result = _gate(BASE)
    assert result.outcome == PASS
    assert {row.name for row in result.rows} == {OVERALL, "plain", "synth", "LV", "RV"}
    assert all(row.change == row.at_worst == row.at_best == 0.0 for row in result.rows)


def test_a_loss_beyond_the_margin_fails_and_a_smaller_one_passes() -> None:
    assert _gate(_moved(-0.011)).outcome == FAIL
    assert _gate(_moved(-0.009)).outcome == PASS


def test_retraining_without_an_effect_does_not_fail() -> None:
    assert _gate(scores(runs_seed=1)).outcome in (PASS, INCONCLUSIVE)


@pytest.mark.parametrize(("column", "value"), [("structure", "LV"), ("arm", "plain")])
def test_a_loss_in_one_part_fails_although_the_mean_holds(column: str, value: str) -> None:
    result = _gate(_moved(-0.019, BASE[column] == value))
    outcomes = {row.name: row.outcome for row in result.rows}
    assert outcomes[OVERALL] == PASS
    assert outcomes[value] == FAIL
    assert result.outcome == FAIL


def test_few_patients_are_inconclusive_unless_nothing_changed() -> None:
    few = BASE[BASE["subject_id"].isin([f"e{number}" for number in range(5)])]
    assert _gate(few, few).outcome == PASS
    assert _gate(few.assign(value=few["value"] - 0.05), few).outcome == INCONCLUSIVE


@pytest.mark.parametrize(
    ("kept", "named"),
    [
        (BASE["arm"] == "plain", "arm synth"),
        (BASE["structure"] != "RV", "structure RV"),
        (BASE["subject_id"] != "e3", "patient e3"),
        ((BASE["subject_id"] != "e3") | (BASE["view"] != "sax"), "patient e3 in view sax"),
    ],
)
def test_what_is_missing_fails_by_its_largest_unit(kept: pd.Series, named: str) -> None:
    result = _gate(BASE[kept])
    assert (result.outcome, result.missing) == (FAIL, (named,))


LAST = (BASE["generator_seed"] != "1") | (BASE["segmenter_seed"] != "1")


@pytest.mark.parametrize(
    ("kept", "named"),
    [
        ((BASE["arm"] != "synth") | (BASE["view"] != "sax"), "structure RV in view sax of arm synth"),
        ((BASE["arm"] != "synth") | (BASE["subject_id"] != "e3"), "patient e3 of arm synth"),
        (
            (BASE["arm"] != "synth") | (BASE["subject_id"] != "e3") | (BASE["view"] != "sax"),
            "structure RV in view sax of patient e3 in arm synth",
        ),
        (LAST, "run synth with generator seed '1' and segmenter seed '1'"),
        (
            LAST | (BASE["subject_id"] != "e3") | (BASE["view"] != "sax"),
            "patient e3, RV of synth with generator seed '1' and segmenter seed '1'",
        ),
    ],
)
def test_a_table_with_holes_names_the_largest_missing_unit(kept: pd.Series, named: str) -> None:
    dice = BASE["metric"] == "dice"
    assert absent_scores(BASE[dice], BASE[dice & kept]) == [named]


def test_frames_that_head_did_not_score_are_missing() -> None:
    base = scores(frames=3)
    head = base.copy()
    head.loc[(head["subject_id"] == "e3") & (head["view"] == "sax"), "n_frames"] = 2
    result = _gate(head, base)
    assert (result.outcome, result.missing) == (FAIL, ("more than 2 of 3 frames of patient e3 in view sax",))


def test_a_score_that_became_undefined_is_missing() -> None:
    head = BASE.copy()
    index = head.index[(head["subject_id"] == "e0") & (head["metric"] == "dice")][0]
    head.loc[index, ["value", "n_undefined"]] = [np.nan, 1]
    result = _gate(head)
    assert result.outcome == FAIL
    assert result.missing == (
        "a defined score of patient e0, LV by plain with generator seed '' and segmenter seed '0'",
    )


def test_a_frame_that_became_undefined_is_missing_although_the_patient_has_a_score() -> None:
    base = scores(frames=3)
    head = base.copy()
    index = head.index[(head["subject_id"] == "e0") & (head["metric"] == "dice")][0]
    head.loc[index, "n_undefined"] = 1
    assert _gate(head, base).missing[0].startswith("a defined score of patient e0, LV")
    # In some run of base the score was undefined, too, but not in the best one.
    base.loc[index, "n_undefined"] = 1
    assert _gate(head, base).missing != ()
    others = (
        (base["arm"] == "plain") & (base["subject_id"] == "e0") & (base["view"] == "4ch") & (base["metric"] == "dice")
    )
    head.loc[others, "n_undefined"] = base.loc[others, "n_undefined"] = 1
    assert _gate(head, base).missing == ()


def test_other_seeds_are_no_missing_runs_and_more_seeds_are_allowed() -> None:
    assert _gate(scores(segmenter_seeds=(5, 6, 7))).missing == ()


def test_controls_are_not_gated() -> None:
    head = _moved(-0.2, BASE["arm"] == "synth")
    result = _gate(head, controls=["synth"])
    assert result.outcome == PASS
    assert result.not_gated == ("synth",)
    # A single arm is the overall row itself.
    assert [row.name for row in result.rows] == [OVERALL, "LV", "RV"]


def test_a_single_arm_and_structure_are_one_row_at_the_level_of_the_whole() -> None:
    one = BASE[(BASE["arm"] == "plain") & (BASE["structure"] == "LV")]
    result = _gate(one, one)
    assert (result.outcome, [row.name for row in result.rows]) == (PASS, [OVERALL])


def test_no_score_of_the_gated_metric() -> None:
    with pytest.raises(UserError, match="base has no 'hd95' to gate"):
        _gate(BASE, scale=GatedMetric("hd95", 1.0, higher_is_better=False))


class TestLowerIsBetter:
    """The gate on a distance: what is a loss for Dice is a gain here, and the other way round."""

    SCALE = GatedMetric("hd95", 2.0, higher_is_better=False)
    BASE = scores().assign(metric=BASE["metric"].replace("dice", "hd95"), value=100 * (1 - BASE["value"]))

    def judged(self, change: float, rows: object = slice(None), **options: object) -> GateResult:
        head = self.BASE.copy()
        head.loc[rows, "value"] += change
        return _gate(head, self.BASE, self.SCALE, **options)

    @pytest.mark.parametrize(("change", "outcome"), [(0.0, PASS), (-5.0, PASS), (1.9, PASS), (2.1, FAIL), (5.0, FAIL)])
    def test_more_is_worse(self, change: float, outcome: str) -> None:
        result = self.judged(change)
        assert result.outcome == outcome
        overall = result.rows[0]
        assert overall.change == pytest.approx(change)
        assert overall.head - overall.base == pytest.approx(change)

    def test_at_worst_lies_above_the_change_and_at_best_below(self) -> None:
        rng = np.random.default_rng(1)
        row = self.judged(rng.normal(0.5, 1.0, len(self.BASE))).rows[0]
        assert row.at_best < row.change < row.at_worst

    def test_a_floor_is_a_ceiling(self) -> None:
        left = self.BASE[(self.BASE["structure"] == "LV") & (self.BASE["metric"] == "hd95")]
        mean = left[left["arm"] == "plain"]["value"].mean()
        assert self.judged(0.0, floors={"LV": mean + 5}).outcome == PASS
        broken = [floor for floor in self.judged(0.0, floors={"LV": mean - 0.001}).floors if floor.broken]
        assert ("LV", "plain") in {(floor.structure, floor.arm) for floor in broken}


@pytest.mark.parametrize(
    ("arms", "segmenter_seeds", "one_generator", "one_segmenter"),
    [
        (ARMS, (0, 1), (), ()),
        ({"plain": ("",), "synth": ("0",)}, (0, 1), ("synth",), ()),
        ({"plain": ("",), "synth": ("0",), "more": ("0", "1")}, (0, 1), ("synth",), ()),
        ({"plain": ("",)}, (0, 1), (), ()),
        ({"plain": ("",)}, (0,), (), ("plain",)),
        (ARMS, (0,), (), ("plain", "synth")),
    ],
)
def test_arms_with_a_single_seed_are_named(
    arms: dict[str, tuple[str, ...]],
    segmenter_seeds: tuple[int, ...],
    one_generator: tuple[str, ...],
    one_segmenter: tuple[str, ...],
) -> None:
    """Several segmenter seeds say nothing about another generator, and the other way round."""
    table = scores(arms=arms, segmenter_seeds=segmenter_seeds)
    result = _gate(table, table)
    assert (result.one_generator, result.one_segmenter) == (one_generator, one_segmenter)


def test_a_broken_floor_fails_and_names_structure_and_arm() -> None:
    assert _gate(BASE, floors={"LV": 0.5}).outcome == PASS
    result = _gate(
        _moved(-0.008), floors={"LV": float(BASE.query("structure == 'LV' and metric == 'dice'").value.min())}
    )
    assert result.outcome == PASS
    mean = BASE.query("structure == 'LV' and metric == 'dice' and arm == 'plain'").value.mean()
    result = _gate(_moved(-0.008), floors={"LV": mean - 0.004})
    assert result.outcome == FAIL
    assert ("LV", "plain") in {(floor.structure, floor.arm) for floor in result.floors if floor.broken}
    with pytest.raises(UserError, match="unknown structure 'LA'"):
        _gate(BASE, floors={"LA": 0.5})


def test_limits_of_patients_alone_are_student_s() -> None:
    rng = np.random.default_rng(3)
    change = rng.normal(0, 0.02, (30, 1, 1))
    mean = Estimate.of([Part(change, 1.0, (), ("0",))])
    low, high = mean.limits(0.05, 0.01)
    error = change.std(ddof=1) / np.sqrt(30)
    assert low == pytest.approx(change.mean() - t.ppf(0.95, 29) * error)
    assert high == pytest.approx(change.mean() + t.ppf(0.99, 29) * error)


def test_needed_patients_are_the_fewest_whose_interval_clears_the_margin() -> None:
    values = np.tile([-0.04, 0.04], 15)[:, None, None]
    mean = Estimate.of([Part(values, 1.0, (), ("0",))])
    found = limit(mean, Clearing(float(mean.mean), bounds(True, 4, 0.01, 0.05)))
    sd = float(values.std(ddof=1))
    clears = [n for n in range(31, 200) if t.ppf(0.95, n - 1) * sd / np.sqrt(n) < 0.01]
    assert (found.source, found.share, found.patients, found.seeds) == ("patients", 1.0, clears[0], None)


def test_needed_seeds_are_asked_for_where_seeds_make_the_variance() -> None:
    rng = np.random.default_rng(0)
    cube = np.tile([-0.01, 0.0, 0.01], (2, 1))[None] + rng.normal(0, 1e-4, (50, 2, 3))
    mean = Estimate.of([Part(cube, 1.0, ("0", "1"), ("0", "1", "2"))])
    found = limit(mean, Clearing(float(mean.mean), bounds(True, 4, 0.01, 0.05)))
    assert (found.source, found.patients) == ("segmenter seeds", None)
    assert found.share > 0.99
    # SD 0.01 a segmenter seed: t(0.95, S - 1) 0.01 / sqrt(S) < 0.01 holds from S = 5 on.
    assert found.seeds == 5


# --- error rates: 50 patients, 3 x 3 seeds, 4 arms, three of one generator, whose effect they share or not ---

SEEDS = tuple("abc")


def _change(change: float, repetitions: int, rng: np.random.Generator, shared: float) -> list[list[Part]]:
    """Head and base of every arm, all trained again."""
    parts: list[list[Part]] = [[] for _ in range(4)]
    for weight, moved in ((1.0, change), (-1.0, 0.0)):
        common = rng.normal(0, 0.004, (repetitions, 1, 3, 1))
        for index, own in enumerate(parts):
            g = 3 if index else 1
            cube = moved + rng.normal(0, 0.022, (repetitions, 50, g, 3)) + rng.normal(0, 0.004, (repetitions, 1, 1, 3))
            if index:
                cube += np.sqrt(shared) * common + np.sqrt(1 - shared) * rng.normal(0, 0.004, common.shape)
            own.append(Part(cube, weight, SEEDS if index else (), SEEDS))
    return parts


def _decided(parts: list[list[Part]]) -> tuple[float, float]:
    """Shares of pass and fail."""
    every = [replace(part, weight=part.weight / len(parts)) for own in parts for part in own]
    rows = {OVERALL: Estimate.of(every), **{str(index): Estimate.of(own) for index, own in enumerate(parts)}}
    passes, fails = decide(rows, 0.01, 0.05)
    return float(passes.mean()), float(fails.mean())


ALLOWED = 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)


@pytest.mark.parametrize("shared", [0.0, 0.9])
def test_error_rates_hold_and_the_gate_decides(shared: float) -> None:
    rng = np.random.default_rng(7)
    rates = {change: _decided(_change(change, 400, rng, shared)) for change in (0.0, -0.01, -0.02)}
    assert rates[0.0][0] > 0.4  # a gate that always says inconclusive makes no error either
    assert rates[0.0][1] <= 0.01
    assert max(rates[-0.01]) <= ALLOWED
    assert rates[-0.02][0] <= 0.01
    assert rates[-0.02][1] > 0.3


def test_patients_alone_would_pass_a_loss_at_the_margin_too_often() -> None:
    parts = _change(-0.01, 400, np.random.default_rng(8), 0.0)
    differences = np.mean([sum(part.per_patient() for part in own) for own in parts], axis=0)
    naive = differences.mean(axis=-1) - t.ppf(0.95, 49) * differences.std(axis=-1, ddof=1) / np.sqrt(50)
    assert (naive > -0.01).mean() > 0.2


def test_rows_each_at_alpha_would_fail_harmless_revisions_too_often() -> None:
    """20 independent parts at the margin exactly: without the shared level one of them fails more often than alpha."""
    rng = np.random.default_rng(9)
    parts = [Estimate.of([Part(rng.normal(-0.01, 0.02, (400, 50, 1, 1)), 1.0, (), ("0",))]) for _ in range(20)]
    rows = {OVERALL: parts[0], **{str(index): part for index, part in enumerate(parts[1:])}}
    naive = np.any([part.limits(0.05, 0.05)[1] < -0.01 for part in parts], axis=0)
    assert naive.mean() > 0.4
    assert decide(rows, 0.01, 0.05)[1].mean() <= ALLOWED
