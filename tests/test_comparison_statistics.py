"""Bootstrap, tests, power and variance components: hand values, other implementations, simulations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from augbench.comparison.bootstrap import nested_bootstrap, paired_differences
from augbench.comparison.components import Component, variance_components
from augbench.comparison.rows import percent_variation
from augbench.comparison.tests import holm, signed_rank_p, tost_p
from augbench.comparison.verdict import VERDICTS, inside_margin, verdict

Scores = NDArray[np.float64]

# The first example pays for late imports, so no single one has a deadline.
relaxed = settings(deadline=None, max_examples=40)


def simulate(
    rng: np.random.Generator, shape: tuple[int, int, int], *, patient_sd: float, seed_sd: float, noise_sd: float = 0.01
) -> tuple[Scores, Scores]:
    """Two arms of equal true mean: (n, G, S) as in `shape` and (n, 1, S)."""
    n, generators, segmenters = shape
    patients = 0.9 + rng.normal(0, 0.05, (n, 1, 1))
    response = rng.normal(0, patient_sd, (n, 1, 1))

    def runs(count: int) -> Scores:
        return rng.normal(0, seed_sd, (1, 1, segmenters)) + rng.normal(0, noise_sd, (n, count, segmenters))

    # The real arm has no generator, and so no share of variance from one.
    return patients + response + rng.normal(0, seed_sd, (1, generators, 1)) + runs(generators), patients + runs(1)


class TestNestedBootstrap:
    def test_differences_by_hand(self) -> None:
        arm = np.array([[[0.9, 0.7], [0.8, 0.8]], [[0.5, 0.5], [0.5, 0.9]]])
        reference = np.array([[[0.7, 0.8, 0.9]], [[0.6, 0.6, 0.6]]])
        assert paired_differences(arm, reference) == pytest.approx([0.0, 0.0])

    def test_without_seed_variance_against_scipy(self) -> None:
        from scipy.stats import bootstrap

        rng = np.random.default_rng(0)
        differences = rng.normal(0.004, 0.03, 50)
        ours = nested_bootstrap(
            differences[:, None, None].repeat(3, axis=2), np.zeros((50, 1, 1)), n_boot=20_000, rng=rng
        )
        for level, low, high in ((0.95, ours.ci_low, ours.ci_high), (0.9, ours.ci90_low, ours.ci90_high)):
            theirs = bootstrap(
                (differences,), np.mean, confidence_level=level, n_resamples=20_000, method="percentile", rng=rng
            ).confidence_interval
            # Ours is stretched to the unbiased variance.
            stretched = differences.mean() + (np.array(theirs) - differences.mean()) * np.sqrt(50 / 49)
            assert [low, high] == pytest.approx(stretched, abs=3e-4)

    @pytest.mark.parametrize(
        ("shape", "patient_sd", "seed_sd", "at_least"),
        [
            ((50, 2, 3), 0.03, 0.0, 0.93),
            ((50, 2, 3), 0.03, 0.003, 0.92),
            ((50, 5, 5), 0.01, 0.005, 0.9),
            ((12, 2, 3), 0.03, 0.003, 0.9),
        ],
    )
    def test_coverage(self, shape: tuple[int, int, int], patient_sd: float, seed_sd: float, at_least: float) -> None:
        rng = np.random.default_rng(1)
        covered = []
        for _ in range(250):
            arms = simulate(rng, shape, patient_sd=patient_sd, seed_sd=seed_sd)
            interval = nested_bootstrap(*arms, n_boot=500, rng=rng)
            covered.append(interval.ci_low <= 0 <= interval.ci_high)
        assert np.mean(covered) >= at_least

    def test_patients_alone_would_miss_what_seeds_do(self) -> None:
        # The plausible mistake: average the runs away and draw patients only.
        rng = np.random.default_rng(2)
        covered, mistaken = [], []
        for _ in range(250):
            arm, reference = simulate(rng, (50, 2, 3), patient_sd=0.01, seed_sd=0.01)
            interval = nested_bootstrap(arm, reference, n_boot=500, rng=rng)
            covered.append(interval.ci_low <= 0 <= interval.ci_high)
            means = arm.mean(axis=(1, 2), keepdims=True), reference.mean(axis=(1, 2), keepdims=True)
            interval = nested_bootstrap(*means, n_boot=500, rng=rng)
            mistaken.append(interval.ci_low <= 0 <= interval.ci_high)
        # Two generators and three networks cannot show all that seeds do: docs/statistics.md says how far they get.
        assert np.mean(covered) > 0.83
        assert np.mean(mistaken) < 0.35

    def test_two_seeds_show_all_of_their_variance(self) -> None:
        # Plain counts would give half of it: variance of the mean of 2 seeds is (0.02 ** 2 / 2) / 2 = 0.01 ** 2.
        arm = np.full((20, 2, 1), 0.9) + np.array([-0.01, 0.01])[None, :, None]
        interval = nested_bootstrap(arm, np.full((20, 1, 1), 0.9), n_boot=4000, rng=np.random.default_rng(3))
        # Weights (1, 0), (1/2, 1/2), (0, 1) stretched by sqrt(2).
        assert interval.ci_high == pytest.approx(0.01 * np.sqrt(2))
        assert interval.ci_low == pytest.approx(-0.01 * np.sqrt(2))

    def test_pairing_is_kept(self) -> None:
        # Patients differ by 0.1, arms by a constant: resampling arms apart would give a wide interval.
        rng = np.random.default_rng(4)
        reference = rng.normal(0.8, 0.1, (30, 1, 1))
        interval = nested_bootstrap(reference + 0.01, reference, n_boot=500, rng=rng)
        assert (interval.ci_low, interval.ci_high) == pytest.approx((0.01, 0.01))

    def test_90_lies_within_95_and_alpha_moves_both(self) -> None:
        arms = simulate(np.random.default_rng(5), (50, 2, 3), patient_sd=0.03, seed_sd=0.003)
        usual, strict = (
            nested_bootstrap(*arms, n_boot=2000, rng=np.random.default_rng(0), alpha=alpha) for alpha in (0.05, 0.01)
        )
        assert strict.ci_low < usual.ci_low < usual.ci90_low < usual.ci90_high < usual.ci_high < strict.ci_high
        assert strict.ci90_low < usual.ci90_low


class TestWilcoxon:
    def test_by_hand(self) -> None:
        # All six positive: 2 of 2^6 sign patterns are as extreme.
        assert signed_rank_p(np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])) == pytest.approx(2 / 64)

    @pytest.mark.parametrize(
        ("n", "zeros"), [(6, 0), (9, 0), (9, 1), (9, 3), (13, 0), (14, 0), (14, 3), (50, 0), (50, 9)]
    )
    def test_against_scipy(self, n: int, zeros: int) -> None:
        from scipy.stats import wilcoxon

        differences = np.random.default_rng(n + zeros).normal(0.3, 1, n)
        differences[:zeros] = 0
        assert signed_rank_p(differences) == pytest.approx(wilcoxon(differences, zero_method="pratt").pvalue)

    def test_no_difference_at_all(self) -> None:
        assert signed_rank_p(np.zeros(20)) == 1.0

    def test_rounding_is_no_difference(self) -> None:
        # 0.1 + 0.2 - 0.3 is 5.6e-17 in binary; ranked as positive, twenty of them would be "significant".
        assert signed_rank_p(np.full(20, 0.1 + 0.2 - 0.3)) == 1.0

    def test_zeros_are_evidence_for_no_difference(self) -> None:
        from scipy.stats import wilcoxon

        rng = np.random.default_rng(1)
        differences = np.concatenate([np.zeros(40), np.abs(rng.normal(0.01, 0.003, 8)), -np.array([0.05, 0.06])])
        dropped = wilcoxon(differences, zero_method="wilcox").pvalue
        assert signed_rank_p(differences) != pytest.approx(dropped, rel=0.05)

    @relaxed
    @given(hnp.arrays(float, 20, elements=st.floats(-1, 1)))
    def test_swapping_the_arms_changes_nothing(self, differences: Scores) -> None:
        assert signed_rank_p(differences) == pytest.approx(signed_rank_p(-differences))


class TestHolm:
    def test_by_hand(self) -> None:
        assert holm(np.array([0.04, 0.01, 0.03])) == pytest.approx([0.06, 0.03, 0.06])

    @relaxed
    @given(hnp.arrays(float, st.integers(1, 12), elements=st.floats(0, 1)))
    def test_against_statsmodels(self, p_values: Scores) -> None:
        from statsmodels.stats.multitest import multipletests

        assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])

    def test_a_test_that_was_not_possible_costs_nothing(self) -> None:
        adjusted = holm(np.array([0.02, np.nan, 0.03]))
        assert adjusted[[0, 2]] == pytest.approx([0.04, 0.04])
        assert np.isnan(adjusted[1])

    def test_it_is_not_bonferroni_and_keeps_the_order(self) -> None:
        p_values = np.array([0.001, 0.02, 0.021])
        assert holm(p_values) == pytest.approx([0.003, 0.04, 0.04])


class TestTost:
    def test_by_hand(self) -> None:
        # Mean 0, SD 1, n = 4: t = 2 / 0.5 on 3 degrees of freedom on either side.
        differences = np.array([-1.0, 1.0, -1.0, 1.0]) * np.sqrt(3) / 2
        assert tost_p(differences, 2.0) == pytest.approx(0.0140, abs=1e-4)

    @relaxed
    @given(hnp.arrays(float, 20, elements=st.floats(-0.05, 0.05)).filter(lambda d: d.std() > 1e-6))
    def test_against_statsmodels(self, differences: Scores) -> None:
        from statsmodels.stats.weightstats import ttost_paired

        theirs = ttost_paired(differences, np.zeros(20), -0.01, 0.01)[0]
        assert tost_p(differences, 0.01) == pytest.approx(theirs, abs=1e-12)

    def test_error_rate_at_the_margin(self) -> None:
        # Arms that truly differ by the margin may be called equivalent in 5% of studies at most.
        rng = np.random.default_rng(0)
        by_interval, by_t = [], []
        for _ in range(600):
            differences = rng.normal(0.01, 0.02, 50)
            interval = nested_bootstrap(differences[:, None, None], np.zeros((50, 1, 1)), n_boot=400, rng=rng)
            by_interval.append(inside_margin(interval.ci90_low, interval.ci90_high, 0.01))
            by_t.append(tost_p(differences, 0.01) < 0.05)
        limit = 0.05 + 2.5 * np.sqrt(0.05 * 0.95 / 600)
        assert np.mean(by_interval) < limit
        assert np.mean(by_t) < limit
        assert np.mean(by_interval) > 0.02
        # The interval and the t-test are one decision, but for cases on the edge.
        assert np.mean(np.array(by_interval) == np.array(by_t)) > 0.97

    def test_not_significant_is_not_equivalent(self) -> None:
        # Six noisy patients: nothing is significant, and nothing is shown to be equal.
        differences = np.array([-0.06, 0.05, -0.04, 0.07, -0.03, 0.02])
        assert signed_rank_p(differences) > 0.5
        assert tost_p(differences, 0.01) > 0.05

    def test_no_margin_no_equivalence(self) -> None:
        assert not inside_margin(0.0, 0.0, None)
        assert not inside_margin(float("nan"), 0.0, 0.01)

    def test_constant_differences(self) -> None:
        assert tost_p(np.full(8, 0.25), 0.5) == 0
        assert tost_p(np.full(8, 0.5), 0.5) == 1


def value(part: Component | None) -> float:
    """A variance as it is shown: never below 0."""
    assert part is not None
    return float(part.clipped().value)


class TestVarianceComponents:
    def test_by_hand_without_noise(self) -> None:
        # Additive effects alone: each component is the plain variance of its effects.
        patient, generator, segmenter = np.array([0.0, 3.0, 6.0]), np.array([0.0, 2.0]), np.array([0.0, 1.0, 5.0])
        scores = patient[:, None, None] + generator[None, :, None] + segmenter[None, None, :]
        parts = variance_components(scores)
        assert [value(part) for part in (parts.patient, parts.generator_seed, parts.segmenter_seed)] == pytest.approx(
            [9, 2, 7]
        )
        assert [value(part) for part in (parts.run, parts.residual)] == pytest.approx([0, 0])

    def test_against_the_mean_squares_of_statsmodels(self) -> None:
        import pandas as pd
        from statsmodels.formula.api import ols
        from statsmodels.stats.anova import anova_lm

        rng = np.random.default_rng(0)
        n, g, s = 8, 3, 4
        scores = (
            rng.normal(0, 2, (n, 1, 1)) + rng.normal(0, 1, (1, g, 1)) + rng.normal(0, 1, (1, 1, s))
            + rng.normal(0, 1, (1, g, s)) + rng.normal(0, 1, (n, g, s))
        )  # fmt: skip
        index = np.indices(scores.shape).reshape(3, -1)
        data = pd.DataFrame({"p": index[0], "g": index[1], "s": index[2], "y": scores.ravel()})
        squares = anova_lm(ols("y ~ C(p) + C(g) * C(s)", data).fit())
        ms = squares["sum_sq"] / squares["df"]
        parts = variance_components(scores)
        assert value(parts.residual) == pytest.approx(ms["Residual"])
        assert value(parts.run) == pytest.approx((ms["C(g):C(s)"] - ms["Residual"]) / n)
        assert value(parts.patient) == pytest.approx((ms["C(p)"] - ms["Residual"]) / (g * s))
        assert value(parts.generator_seed) == pytest.approx(max(0, (ms["C(g)"] - ms["C(g):C(s)"]) / (n * s)))
        assert value(parts.segmenter_seed) == pytest.approx(max(0, (ms["C(s)"] - ms["C(g):C(s)"]) / (n * g)))

    def test_recovers_what_was_put_in(self) -> None:
        rng = np.random.default_rng(1)
        found = []
        for _ in range(200):
            scores = (
                rng.normal(0, 4, (30, 1, 1)) + rng.normal(0, 3, (1, 6, 1)) + rng.normal(0, 2, (1, 1, 6))
                + rng.normal(0, 1, (30, 6, 6))
            )  # fmt: skip
            parts = variance_components(scores)
            found.append(
                [value(part) for part in (parts.patient, parts.generator_seed, parts.segmenter_seed, parts.residual)]
            )
        assert np.mean(found, axis=0) == pytest.approx([16, 9, 4, 1], rel=0.12)

    def test_noise_between_patients_is_not_a_seed_effect(self) -> None:
        # The variance of the seeds' means is above 0 with no seed effect at all.
        rng = np.random.default_rng(2)
        draws = [rng.normal(0, 1, (10, 4, 1)) for _ in range(300)]
        naive = [scores.mean(axis=(0, 2)).var(ddof=1) for scores in draws]
        parts = [value(variance_components(scores).generator_seed) for scores in draws]
        assert np.mean(naive) == pytest.approx(0.1, rel=0.15)
        assert np.mean(parts) < 0.05

    def test_leading_axes_are_cases_of_their_own(self) -> None:
        scores = np.random.default_rng(4).normal(size=(5, 10, 2, 3))
        together = variance_components(scores)
        for index in range(5):
            alone = variance_components(scores[index])
            for name in ("patient", "generator_seed", "segmenter_seed", "run", "residual"):
                one, many = getattr(alone, name), getattr(together, name)
                assert one.value == pytest.approx(many.value[index])
                assert one.variance == pytest.approx(many.variance[index])

    def test_one_level_is_unknown_and_not_zero(self) -> None:
        parts = variance_components(np.random.default_rng(3).normal(size=(10, 1, 3)))
        assert parts.generator_seed is None
        assert parts.run is None
        assert parts.segmenter_seed is not None
        alone = variance_components(np.random.default_rng(3).normal(size=(10, 1, 1)))
        assert (alone.segmenter_seed, alone.residual) == (None, None)
        assert alone.patient is not None


# Median, quartiles and "percent variation" of Diller et al. 2020, Table 1: PG-GAN and real, five structures.
PAPER = [
    (0.978, 0.973, 0.983, 0.021), (0.986, 0.982, 0.988, 0.014), (0.981, 0.976, 0.984, 0.019),
    (0.984, 0.978, 0.988, 0.016), (0.986, 0.983, 0.989, 0.014), (0.989, 0.985, 0.991, 0.011),
    (0.987, 0.982, 0.991, 0.013), (0.987, 0.983, 0.990, 0.013), (0.965, 0.958, 0.975, 0.035),
    (0.964, 0.951, 0.972, 0.036),
]  # fmt: skip


class TestVariation:
    @pytest.mark.parametrize(("median", "q1", "q3", "printed"), PAPER)
    def test_reproduces_the_paper(self, median: float, q1: float, q3: float, printed: float) -> None:
        assert percent_variation(np.array([q1, median, q3])) == pytest.approx(printed, abs=0.0011)

    def test_a_coefficient_of_variation_would_not(self) -> None:
        coefficients = [(q3 - q1) / 1.349 / median for median, q1, q3, _ in PAPER]
        errors = np.abs(np.array(coefficients) - [printed for *_, printed in PAPER])
        assert (errors > 0.005).sum() >= 8


NAN = float("nan")


class TestVerdict:
    """Limits of the 95% interval, of the 90% interval, p_holm, margin, direction -> the word."""

    @pytest.mark.parametrize(
        ("ci", "ci90", "p_holm", "margin", "higher", "expected"),
        [
            ((-0.006, 0.006), (-0.005, 0.005), 0.9, 0.01, True, "equivalent"),
            ((-0.011, 0.006), (-0.009, 0.005), 0.9, 0.01, True, "equivalent"),
            ((-0.009, -0.002), (-0.008, -0.003), 0.001, 0.01, True, "significant but negligible"),
            ((-0.009, -0.002), (-0.008, -0.003), 0.2, 0.01, True, "equivalent"),
            ((-0.006, 0.006), (-0.005, 0.005), 0.001, 0.01, True, "equivalent"),
            ((-0.030, -0.010), (-0.028, -0.012), 0.001, 0.01, True, "worse"),
            ((0.010, 0.030), (0.012, 0.028), 0.001, 0.01, True, "better"),
            ((0.002, 0.013), (0.003, 0.012), 0.001, 0.01, True, "better"),
            ((-0.030, -0.010), (-0.028, -0.012), 0.2, 0.01, True, "inconclusive"),
            ((-0.030, 0.001), (-0.028, -0.001), 0.001, 0.01, True, "inconclusive"),
            ((-0.02, 0.02), (-0.017, 0.017), 0.99, 0.01, True, "inconclusive"),
            # HD95 and area error: lower is better.
            ((-3.0, -1.0), (-2.8, -1.2), 0.001, None, False, "better"),
            ((1.0, 3.0), (1.2, 2.8), 0.001, None, False, "worse"),
            # Without a margin nothing is ever equivalent, however narrow.
            ((-1e-9, 1e-9), (-1e-9, 1e-9), 1.0, None, True, "inconclusive"),
            # A limit on the margin is not inside it.
            ((-0.011, 0.003), (-0.010, 0.002), 0.9, 0.01, True, "inconclusive"),
            # What could not be computed proves nothing.
            ((NAN, NAN), (NAN, NAN), NAN, 0.01, True, "inconclusive"),
            ((0.01, 0.02), (0.012, 0.018), NAN, 0.001, True, "inconclusive"),
        ],
    )
    def test_truth_table(
        self,
        ci: tuple[float, float],
        ci90: tuple[float, float],
        p_holm: float,
        margin: float | None,
        higher: bool,
        expected: str,
    ) -> None:
        assert verdict(*ci, *ci90, p_holm, margin=margin, higher_is_better=higher) == expected

    @relaxed
    @given(
        st.lists(st.floats(-0.05, 0.05), min_size=4, max_size=4).map(sorted),
        st.floats(0, 1),
        st.sampled_from([None, 0.01]),
        st.booleans(),
    )
    def test_laws(self, limits: list[float], p_holm: float, margin: float | None, higher: bool) -> None:
        low, low90, high90, high = limits
        word = verdict(low, high, low90, high90, p_holm, margin=margin, higher_is_better=higher)
        assert word in VERDICTS
        if word in ("equivalent", "significant but negligible"):
            assert margin is not None
            assert max(-low90, high90) < margin
        if word in ("better", "worse", "significant but negligible"):
            assert p_holm < 0.05
            assert low > 0 or high < 0
        # Swapping the arms turns better into worse, and changes nothing else.
        swapped = verdict(-high, -low, -high90, -low90, p_holm, margin=margin, higher_is_better=higher)
        assert swapped == {"better": "worse", "worse": "better"}.get(word, word)
