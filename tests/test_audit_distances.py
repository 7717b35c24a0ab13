"""KID and Frechet distance: analytic Gaussians, other implementations, honest intervals, plausible mistakes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from augbench.audit.base import SetDistance
from augbench.audit.frechet import Frechet, frechet_distance
from augbench.audit.kid import Kid, mmd2_unbiased
from augbench.core.errors import UserError

Features = NDArray[np.float64]


def gaussian(rng: np.random.Generator, n: int, mean: list[float], covariance: list[list[float]]) -> Features:
    """n draws whose sample mean and unbiased covariance are exactly the given ones."""
    draws = rng.normal(size=(n, len(mean)))
    draws -= draws.mean(axis=0)
    whitened = draws @ np.linalg.inv(np.linalg.cholesky(np.cov(draws.T).reshape(len(mean), -1))).T
    return whitened @ np.linalg.cholesky(np.array(covariance)).T + mean


class TestMmd:
    def test_by_hand(self) -> None:
        # Kernel (xy + 1)^3: within {0, 1} 1, within {2, 3} 343, across 1, 1, 27, 64.
        reference, sample = np.array([[0.0], [1.0]]), np.array([[2.0], [3.0]])
        assert mmd2_unbiased(reference, sample) == pytest.approx(1 + 343 - 2 * 23.25)

    def test_against_the_double_sum(self) -> None:
        rng = np.random.default_rng(0)
        x, y = rng.normal(size=(7, 3)), rng.normal(size=(5, 3)) + 0.3

        def kernel(a: Features, b: Features) -> float:
            return float((sum(a[k] * b[k] for k in range(3)) / 3 + 1) ** 3)

        within_x = np.mean([kernel(x[i], x[j]) for i in range(7) for j in range(7) if i != j])
        within_y = np.mean([kernel(y[i], y[j]) for i in range(5) for j in range(5) if i != j])
        across = np.mean([kernel(a, b) for a in x for b in y])
        assert mmd2_unbiased(x, y) == pytest.approx(within_x + within_y - 2 * across)

    def test_of_gaussians_is_the_analytic_value(self) -> None:
        # In one dimension the cubic kernel compares moments: 3 (m1 - m1')^2 + 3 (m2 - m2')^2 + (m3 - m3')^2.
        rng = np.random.default_rng(1)
        shift = 0.5
        moments = np.array([shift, 1 + shift**2, 3 * shift + shift**3]) - np.array([0, 1, 0])
        expected = float(np.array([3, 3, 1]) @ moments**2)
        got = [mmd2_unbiased(rng.normal(size=(400, 1)), rng.normal(size=(400, 1)) + shift) for _ in range(60)]
        assert np.mean(got) == pytest.approx(expected, abs=4 * np.std(got) / np.sqrt(60))

    def test_is_unbiased_where_the_usual_v_statistic_is_not(self) -> None:
        rng = np.random.default_rng(2)
        unbiased, biased = [], []
        for _ in range(200):
            x, y = rng.normal(size=(2, 20, 8))
            unbiased.append(mmd2_unbiased(x, y))
            kernels = [(a @ b.T / 8 + 1) ** 3 for a, b in ((x, x), (y, y), (x, y))]
            biased.append(kernels[0].mean() + kernels[1].mean() - 2 * kernels[2].mean())
        error = 3 * np.std(unbiased) / np.sqrt(200)
        assert abs(np.mean(unbiased)) < error
        assert np.mean(biased) > 5 * error

    def test_frames_of_a_patient_do_not_make_a_distance(self) -> None:
        # 8 near-equal frames a patient; counted as 80 patients they look like a denser, other distribution.
        rng = np.random.default_rng(3)
        codes = np.repeat(np.arange(10), 8)
        naive, honest = [], []
        for _ in range(100):
            x, y = (rng.normal(size=(10, 8)).repeat(8, axis=0) + 0.1 * rng.normal(size=(80, 8)) for _ in range(2))
            naive.append(mmd2_unbiased(x, y))
            honest.append(mmd2_unbiased(x, y, codes, codes))
        assert abs(np.mean(honest)) < 3 * np.std(honest) / 10
        assert np.mean(naive) > 3 * np.std(honest) / 10


class TestFrechet:
    def test_by_hand(self) -> None:
        # Means 1 and 4, variances 4 and 9 (unbiased): 3^2 + (2 - 3)^2.
        rng = np.random.default_rng(0)
        got = frechet_distance(gaussian(rng, 10, [1.0], [[4.0]]), gaussian(rng, 15, [4.0], [[9.0]]))
        assert got == pytest.approx(10)

    def test_correlation_counts(self) -> None:
        # Equal means and variances, opposite correlation: comparing variances feature by feature would say 0.
        rng, r = np.random.default_rng(1), 0.6
        first = gaussian(rng, 50, [0, 0], [[1, r], [r, 1]])
        second = gaussian(rng, 50, [0, 0], [[1, -r], [-r, 1]])
        assert frechet_distance(first, second) == pytest.approx(2 * (np.sqrt(1 + r) - np.sqrt(1 - r)) ** 2)

    def test_against_the_matrix_square_root(self) -> None:
        from scipy.linalg import sqrtm

        rng = np.random.default_rng(2)
        x, y = rng.normal(size=(90, 12)) @ rng.normal(size=(12, 12)), rng.normal(size=(70, 12)) + 0.2
        root = sqrtm(np.cov(x.T) @ np.cov(y.T)).real
        gap = x.mean(axis=0) - y.mean(axis=0)
        assert frechet_distance(x, y) == pytest.approx(gap @ gap + np.trace(np.cov(x.T) + np.cov(y.T) - 2 * root))

    def test_fewer_frames_than_features(self) -> None:
        # Padding features with zeros changes nothing, so the low-dimensional value is the answer.
        rng = np.random.default_rng(3)
        x, y = rng.normal(size=(20, 4)), rng.normal(size=(15, 4)) + 1
        rotation = np.linalg.qr(rng.normal(size=(64, 64)))[0]
        wide = [np.pad(features, ((0, 0), (0, 60))) @ rotation for features in (x, y)]
        assert frechet_distance(wide[0], wide[1]) == pytest.approx(frechet_distance(x, y))

    @settings(max_examples=30, deadline=None)
    @given(st.integers(0, 2**32 - 1), st.integers(2, 12), st.integers(1, 10))
    def test_laws(self, seed: int, n: int, d: int) -> None:
        rng = np.random.default_rng(seed)
        x, y = rng.normal(size=(n, d)), rng.normal(size=(n + 3, d))
        assert frechet_distance(x, x) == pytest.approx(0, abs=1e-9)
        assert frechet_distance(x, y) >= 0
        assert frechet_distance(x, y) == pytest.approx(frechet_distance(y, x))
        assert frechet_distance(x + 5, y + 5) == pytest.approx(frechet_distance(x, y), abs=1e-8)

    def test_interval_covers_the_mean_at_this_n_where_a_bootstrap_does_not(self) -> None:
        rng = np.random.default_rng(4)
        sets = [(rng.normal(size=(60, 8)), rng.normal(size=(80, 8)) + 0.3) for _ in range(120)]
        at_this_n = np.mean([frechet_distance(x, y) for x, y in sets])
        estimates = [Frechet().distance(x, y, rng) for x, y in sets]
        covered = np.mean([estimate.ci_low <= at_this_n <= estimate.ci_high for estimate in estimates])
        assert covered >= 0.9
        x, y = sets[0]
        again = [frechet_distance(x[rng.integers(0, 60, 60)], y[rng.integers(0, 80, 80)]) for _ in range(200)]
        assert np.quantile(again, 0.025) > frechet_distance(x, y)


@pytest.mark.parametrize("metric", [Kid(), Frechet()])
class TestFidelityContract:
    def test_real_against_real_is_near_its_floor_and_a_shift_is_seen(self, metric: SetDistance) -> None:
        rng = np.random.default_rng(5)
        real, again, shifted = rng.normal(size=(400, 6)), rng.normal(size=(300, 6)), rng.normal(size=(300, 6)) + 0.5
        floor, far = metric.distance(real, again, rng), metric.distance(real, shifted, rng)
        assert floor.ci_low <= 0.15
        assert far.ci_low > floor.ci_high
        assert (far.n_reference, far.n_sample) == (400, 300)
        assert far.ci_low < far.value < far.ci_high

    def test_same_rng_same_result(self, metric: SetDistance) -> None:
        x, y = np.random.default_rng(6).normal(size=(2, 50, 4))
        assert metric.distance(x, y, np.random.default_rng(0)) == metric.distance(x, y, np.random.default_rng(0))

    def test_patients_widen_the_interval(self, metric: SetDistance) -> None:
        # 12 frames a patient are far fewer than 12 patients.
        rng = np.random.default_rng(7)
        patients = np.repeat(np.arange(24), 12)
        widths = []
        for _ in range(8):
            real = rng.normal(size=(24, 5)).repeat(12, axis=0) + 0.1 * rng.normal(size=(288, 5))
            sample = rng.normal(size=(300, 5)) + 0.5
            both = metric.distance(real, sample, rng, patients), metric.distance(real, sample, rng)
            widths.append([estimate.ci_high - estimate.ci_low for estimate in both])
        apart, pooled = np.mean(widths, axis=0)
        assert apart > 1.3 * pooled

    @pytest.mark.parametrize(
        ("reference", "sample", "message"),
        [
            (np.zeros((5, 3)), np.zeros((5, 4)), "one width"),
            (np.zeros(5), np.zeros((5, 4)), r"\(n, d\)"),
            (np.full((5, 3), np.nan), np.zeros((5, 3)), "finite"),
        ],
    )
    def test_bad_features_are_refused(
        self, metric: SetDistance, reference: Features, sample: Features, message: str
    ) -> None:
        with pytest.raises(ValueError, match=message):
            metric.distance(reference, sample, np.random.default_rng(0))


@pytest.mark.parametrize(("metric", "named"), [(Kid(), "KID"), (Frechet(), "Fréchet distance")])
def test_too_few_patients_are_refused(metric: SetDistance, named: str) -> None:
    features = np.random.default_rng(0).normal(size=(20, 3))
    with pytest.raises(UserError, match=f"too few subjects for {named}"):
        metric.distance(features, features, np.random.default_rng(0), np.repeat([0, 1], 10))


def test_kid_interval_covers_the_truth_where_overlapping_subsets_do_not() -> None:
    # With d = 8 the kernel has cross moments too, so the truth comes from many large sets.
    rng = np.random.default_rng(8)
    large = [mmd2_unbiased(rng.normal(size=(800, 8)), rng.normal(size=(800, 8)) + 0.5) for _ in range(40)]
    truth = np.mean(large)
    covered, usual = [], []
    for repeat in range(150):
        x, y = rng.normal(size=(200, 8)), rng.normal(size=(260, 8)) + 0.5
        estimate = Kid().distance(x, y, rng)
        covered.append(estimate.ci_low <= truth <= estimate.ci_high)
        if repeat >= 40:
            continue
        subsets = [mmd2_unbiased(rng.permutation(x)[:100], rng.permutation(y)[:100]) for _ in range(100)]
        usual.append(abs(np.mean(subsets) - truth) < 1.96 * np.std(subsets) / 10)
    assert np.mean(covered) >= 0.9
    assert np.mean(usual) < 0.5
