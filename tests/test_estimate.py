"""The one inference: against other implementations where there are any, and by simulation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import ttest_1samp, ttest_ind

from augbench.comparison.blocks import GENERATOR_SEEDS, REFERENCE_SEEDS, SEGMENTER_SEEDS, Part
from augbench.comparison.estimate import Estimate, Precision

Cube = NDArray[np.float64]
REPETITIONS = 1500
#: Three standard errors of a share near 5% of the repetitions.
SLACK = 3 * np.sqrt(0.05 * 0.95 / REPETITIONS)


def arms(
    rng: np.random.Generator,
    seeds: tuple[int, int, int],
    n: int = 30,
    *,
    patient: float = 0.02,
    generator: float = 0.0,
    segmenter: float = 0.0,
    training: float = 0.0,
    residual: float = 0.01,
    correlation: float = 0.0,
) -> list[Part]:
    """Studies of an arm and a reference of equal mean; seeds of generator, segmenter and reference."""
    g, s, s0 = seeds
    draw = rng.standard_normal
    common, own, other = (draw((REPETITIONS, 1, 1, max(s, s0))) for _ in range(3))
    shared, alone = np.sqrt(correlation), np.sqrt(1 - correlation)
    arm = patient * draw((REPETITIONS, n, 1, 1)) + generator * draw((REPETITIONS, 1, g, 1))
    arm = arm + segmenter * (shared * common + alone * own)[..., :s] + training * draw((REPETITIONS, 1, g, s))
    reference = segmenter * (shared * common + alone * other)[..., :s0]
    names = tuple(range(max(s, s0)))
    return [
        Part(arm + residual * draw((REPETITIONS, n, g, s)), 1.0, tuple(("gan", seed) for seed in range(g)), names[:s]),
        Part(reference + residual * draw((REPETITIONS, n, 1, s0)), -1.0, (), names[:s0], of_reference=True),
    ]


def missed(estimate: Estimate, level: float = 0.025) -> float:
    """Share of two-sided limits that leave out the true 0."""
    return float((np.abs(estimate.mean) > estimate.precision().reach(level)).mean())


class TestAgainstOthers:
    def test_single_runs_are_a_paired_t_test(self) -> None:
        rng = np.random.default_rng(0)
        arm, reference = rng.normal(0.01, 0.02, (20, 1, 1)), rng.normal(0, 0.02, (20, 1, 1))
        found = Estimate.of([Part(arm, 1.0, (), ("0",)), Part(reference, -1.0, (), ("0",))])
        theirs = ttest_1samp((arm - reference).ravel(), 0)
        low, high = found.limits(0.025, 0.025)
        assert (low, high) == pytest.approx(tuple(theirs.confidence_interval()))
        assert 2 * found.precision().below(-abs(found.mean)) == pytest.approx(theirs.pvalue, rel=1e-6)
        assert found.unknown == (SEGMENTER_SEEDS,)

    def test_without_noise_the_seeds_alone_are_a_two_sample_test(self) -> None:
        rng = np.random.default_rng(1)
        arm, reference = (
            rng.normal(0, 1, (1, 1, 5)) + np.zeros((9, 1, 1)),
            rng.normal(0, 1, (1, 1, 5)) + np.zeros((9, 1, 1)),
        )
        apart = Estimate.of([Part(arm, 1.0, (), tuple("abcde")), Part(reference, -1.0, (), tuple("fghij"), True)])
        theirs = ttest_ind(arm[0, 0], reference[0, 0], equal_var=False)
        assert apart.mean / apart.precision().error == pytest.approx(theirs.statistic)
        # Welch's degrees of freedom: both shares are known alike, so that caution changes nothing.
        assert apart.precision().degrees() == pytest.approx(theirs.df)
        together = Estimate.of([Part(arm, 1.0, (), tuple("abcde")), Part(reference, -1.0, (), tuple("abcde"), True)])
        paired = ttest_1samp((arm - reference)[0, 0], 0)
        assert together.mean / together.precision().error == pytest.approx(paired.statistic)
        assert together.precision().degrees() == pytest.approx(4)

    @settings(deadline=None, max_examples=30)
    @given(st.floats(-6, 6), st.floats(0.1, 3), st.integers(1, 4))
    def test_a_p_value_is_the_level_whose_limit_is_zero(self, value: float, share: float, degrees: int) -> None:
        precision = Precision(((np.asarray(1.0), 20.0), (np.asarray(share), float(degrees))))
        p = precision.below(np.asarray(-abs(value)))
        if 1e-8 < p < 0.499:
            assert precision.reach(p) == pytest.approx(abs(value), rel=1e-4, abs=1e-6)

    def test_nothing_varies(self) -> None:
        still = Precision(((np.asarray(0.0), 9.0),))
        assert [float(still.below(np.asarray(value))) for value in (-1.0, 0.0, 1.0)] == [0.0, 0.5, 1.0]


@pytest.mark.parametrize(
    "sources",
    [
        {"patient": 0.05},
        {"generator": 0.01},
        {"segmenter": 0.01},
        {"segmenter": 0.01, "correlation": 0.9},
        {"training": 0.01},
        {"patient": 0.001, "residual": 0.06},
        {"patient": 0.02, "generator": 0.003, "segmenter": 0.003, "training": 0.003},
    ],
)
@pytest.mark.parametrize("seeds", [(2, 3, 3), (3, 3, 3), (3, 3, 9), (3, 1, 4), (5, 5, 5)])
def test_limits_hold_whatever_varies(sources: dict[str, float], seeds: tuple[int, int, int]) -> None:
    found = Estimate.of(arms(np.random.default_rng(3), seeds, **sources))
    assert found.unknown == ()
    assert missed(found) <= 0.07 + SLACK / 2
    # Not by limits that never miss: with five seeds they are near what they state.
    if seeds == (5, 5, 5):
        assert missed(found) >= 0.015


def test_averaging_the_runs_away_would_miss_what_seeds_do() -> None:
    parts = arms(np.random.default_rng(4), (3, 3, 3), generator=0.01)
    naive = Estimate.of([Part(p.scores.mean(axis=(-2, -1), keepdims=True), p.weight, (), ("0",)) for p in parts])
    assert missed(naive) > 0.2


def test_seeds_taken_apart_that_go_together_are_several_times_too_wide() -> None:
    arm, reference = arms(np.random.default_rng(5), (3, 5, 5), segmenter=0.02, correlation=0.97, patient=0.01)
    other = Part(reference.scores, -1.0, (), tuple("abcde"), True)
    paired, apart = (Estimate.of([arm, one]).precision().error.mean() for one in (reference, other))
    assert apart > 2 * paired


def test_the_residual_of_patients_is_counted_once() -> None:
    # Multiplied weights of patients and seeds count it seven times here.
    found = Estimate.of(arms(np.random.default_rng(6), (5, 5, 5), patient=0.0, residual=0.05))
    truth = 0.05**2 / 30 * (1 / 25 + 1 / 5)
    # Shares below 0 count as 0, so that the mean is somewhat above the truth.
    assert 1 < (found.precision().error ** 2).mean() / truth < 1.5


def test_arms_of_one_generator_share_its_seeds() -> None:
    rng = np.random.default_rng(7)
    effect = rng.normal(0, 0.01, (REPETITIONS, 1, 3, 1))
    cubes = [effect + rng.normal(0, 0.01, (REPETITIONS, 30, 3, 3)) for _ in range(3)]

    def mean(names: list[str]) -> Estimate:
        seeds = [tuple((name, seed) for seed in range(3)) for name in names]
        return Estimate.of([Part(cube, 1 / 3, own, (0, 1, 2)) for cube, own in zip(cubes, seeds, strict=True)])

    assert missed(mean(["gan"] * 3)) <= 0.07
    assert missed(mean(["a", "b", "c"])) > 0.2


class TestUnknown:
    @pytest.mark.parametrize(
        ("seeds", "unknown"),
        [((1, 3, 3), (GENERATOR_SEEDS,)), ((3, 1, 1), (SEGMENTER_SEEDS,)), ((3, 1, 3), ()), ((3, 3, 1), ())],
    )
    def test_what_nobody_saw_is_named(self, seeds: tuple[int, int, int], unknown: tuple[str, ...]) -> None:
        assert Estimate.of(arms(np.random.default_rng(8), seeds)).unknown == unknown

    def test_single_seeds_of_arms_that_are_added_up_are_unknown(self) -> None:
        rng = np.random.default_rng(11)
        reference = [Part(rng.normal(size=(9, 1, 3)), sign / 3, (), (0, 1, 2)) for sign in (1.0, -1.0)]
        of_arms = [
            Part(rng.normal(size=(9, 3, 1)), sign / 3, ("a", "b", "c"), (0,)) for sign in (1.0, -1.0) for _ in "xy"
        ]
        assert Estimate.of([*reference, *of_arms]).unknown == (SEGMENTER_SEEDS,)

    def test_a_single_seed_is_given_the_variance_of_the_others(self) -> None:
        one = Estimate.of(arms(np.random.default_rng(9), (3, 1, 6), segmenter=0.01, patient=0.001))
        shares: dict[str, Any] = {source: float(np.mean(value)) for source, value in one.shares().items()}
        assert shares[SEGMENTER_SEEDS] == pytest.approx(0.01**2, rel=0.15)
        assert shares[REFERENCE_SEEDS] == pytest.approx(0.01**2 * 5 / 36 + 0.01**2 / 36, rel=0.2)


def test_equivalence_at_the_margin_is_declared_in_five_percent_at_most() -> None:
    for seeds in ((3, 3, 3), (5, 5, 5)):
        found = Estimate.of(arms(np.random.default_rng(10), seeds, generator=0.003, segmenter=0.002))
        reach = found.precision().reach(0.05)
        at_margin = found.mean + 0.02
        assert ((at_margin + reach < 0.02) & (at_margin - reach > -0.02)).mean() <= 0.05 + SLACK
