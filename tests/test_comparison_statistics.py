"""Tests, verdict words and variance components: hand values, other implementations, simulations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from augbench.comparison.components import VarianceComponent, variance_components
from augbench.comparison.rows import percent_variation
from augbench.comparison.tests import holm, signed_rank_p
from augbench.comparison.verdict import verdict
from augbench.core.verdicts import VERDICTS

Scores = NDArray[np.float64]

# The first example pays for late imports, so no single one has a deadline.
relaxed = settings(deadline=None, max_examples=40)


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


def value(part: VarianceComponent | None) -> float:
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
    """Difference, limits of the 90% interval, corrected p, margin, direction -> the word."""

    @pytest.mark.parametrize(
        ("difference", "ci90", "p", "margin", "higher", "expected"),
        [
            (0.0, (-0.005, 0.005), 0.9, 0.01, True, "equivalent"),
            (-0.002, (-0.009, 0.005), 0.9, 0.01, True, "equivalent"),
            (-0.005, (-0.008, -0.003), 0.001, 0.01, True, "significant but negligible"),
            (-0.005, (-0.008, -0.003), 0.2, 0.01, True, "equivalent"),
            (-0.02, (-0.028, -0.012), 0.001, 0.01, True, "worse"),
            (0.02, (0.012, 0.028), 0.001, 0.01, True, "better"),
            (0.007, (0.003, 0.012), 0.001, 0.01, True, "better"),
            (-0.02, (-0.028, -0.012), 0.2, 0.01, True, "inconclusive"),
            (0.0, (-0.017, 0.017), 0.99, 0.01, True, "inconclusive"),
            # HD95 and area error: lower is better.
            (-2.0, (-2.8, -1.2), 0.001, None, False, "better"),
            (2.0, (1.2, 2.8), 0.001, None, False, "worse"),
            # Without a margin nothing is ever equivalent, however narrow.
            (0.0, (-1e-9, 1e-9), 1.0, None, True, "inconclusive"),
            # A limit on the margin is not inside it.
            (-0.004, (-0.010, 0.002), 0.9, 0.01, True, "inconclusive"),
            # What could not be computed proves nothing.
            (NAN, (NAN, NAN), NAN, 0.01, True, "inconclusive"),
            (0.015, (0.012, 0.018), NAN, 0.001, True, "inconclusive"),
            (0.0, (NAN, 0.0), 1.0, 0.01, True, "inconclusive"),
        ],
    )
    def test_truth_table(
        self,
        difference: float,
        ci90: tuple[float, float],
        p: float,
        margin: float | None,
        higher: bool,
        expected: str,
    ) -> None:
        assert verdict(difference, *ci90, p, margin=margin, higher_is_better=higher) == expected

    @relaxed
    @given(
        st.lists(st.floats(-0.05, 0.05), min_size=3, max_size=3).map(sorted),
        st.floats(0, 1),
        st.sampled_from([None, 0.01]),
        st.booleans(),
    )
    def test_laws(self, limits: list[float], p: float, margin: float | None, higher: bool) -> None:
        low90, difference, high90 = limits
        word = verdict(difference, low90, high90, p, margin=margin, higher_is_better=higher)
        assert word in VERDICTS
        if word in ("equivalent", "significant but negligible"):
            assert margin is not None
            assert max(-low90, high90) < margin
        assert (word in ("better", "worse", "significant but negligible")) == (p < 0.05)
        # Swapping the arms turns better into worse, and changes nothing else.
        if difference:
            swapped = verdict(-difference, -high90, -low90, p, margin=margin, higher_is_better=higher)
            assert swapped == {"better": "worse", "worse": "better"}.get(word, word)
