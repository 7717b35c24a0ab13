"""The memorisation test: neighbours by hand, copies that must be flagged, fresh and smooth frames that must not."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from augbench.audit.base import Sets
from augbench.audit.nn_distance import NearestNeighbours, NnDistance, nearest
from augbench.core.errors import UserError

Features = NDArray[np.float64]


def examine(
    synthetic: Features, training: Features, held_out: Features, subjects: NDArray[np.int64] | None = None
) -> NearestNeighbours:
    """The default test; without subjects every held-out frame is its own patient."""
    codes = np.arange(len(held_out)) if subjects is None else subjects
    return NnDistance().neighbours(Sets(synthetic, training, held_out, np.arange(len(training)), codes))


class TestNearest:
    def test_by_hand(self) -> None:
        points = np.array([[0.0, 0.0], [3.0, 4.0], [10.0, 0.0]])
        distances, rows = nearest(np.array([[3.0, 0.0], [9.0, 0.0], [3.0, 4.0]]), points)
        assert distances.tolist() == [3.0, 1.0, 0.0]
        assert rows.tolist() == [0, 2, 1]

    def test_against_scipy(self) -> None:
        from scipy.spatial.distance import cdist

        rng = np.random.default_rng(0)
        queries, points = rng.normal(size=(2100, 6)), rng.normal(size=(70, 6))
        distances, rows = nearest(queries, points)
        table = cdist(queries, points)
        assert np.allclose(distances, table.min(axis=1))
        assert (rows == table.argmin(axis=1)).all()

    def test_near_copies_keep_their_digits(self) -> None:
        # |a|^2 - 2ab + |b|^2 alone cannot tell 1e-9 from 0 at features of size 1000.
        points = 1000 + np.random.default_rng(1).normal(size=(30, 16))
        assert nearest(points + 1e-9, points)[0] == pytest.approx(np.full(30, 4e-9), rel=0.01)

    def test_own_patient_is_no_neighbour(self) -> None:
        points = np.array([[0.0], [0.1], [5.0]])
        codes = np.array([0, 0, 1])
        assert nearest(points, points, codes, codes)[0] == pytest.approx([5, 4.9, 4.9])


class TestMemorisation:
    rng = np.random.default_rng(0)
    training, held_out = rng.normal(size=(900, 32)), rng.normal(size=(150, 32))
    subjects = np.repeat(np.arange(30), 5)

    def copies(self, n: int, noise: float = 0.1) -> Features:
        rows = self.rng.integers(0, len(self.training), n)
        return self.training[rows] + noise * self.rng.normal(size=(n, 32))

    @pytest.mark.parametrize("n", [40, 2000])
    def test_a_memoriser_is_flagged(self, n: int) -> None:
        audit = examine(self.copies(n), self.training, self.held_out, self.subjects)
        assert audit.memorised
        assert audit.ratio_of_medians < 0.2
        assert audit.fraction_below_p1 == audit.fraction_below_p5 == audit.fraction_suspicious == 1
        assert audit.p_closer < 1e-6

    def test_one_copy_in_five_is_flagged(self) -> None:
        mixed = np.vstack([self.copies(200), self.rng.normal(size=(800, 32))])
        audit = examine(mixed, self.training, self.held_out, self.subjects)
        assert audit.memorised
        assert audit.suspicious[:200].all()
        assert audit.suspicious[200:].mean() < 0.05

    def test_it_names_the_copied_frame(self) -> None:
        audit = examine(self.training[40:80] + 0.01, self.training, self.held_out)
        assert audit.nearest_training.tolist() == list(range(40, 80))

    @pytest.mark.parametrize(("n_synthetic", "n_held_out", "n_training"), [(50, 400, 200), (3000, 60, 900)])
    def test_fresh_draws_are_rarely_flagged(self, n_synthetic: int, n_held_out: int, n_training: int) -> None:
        rng = np.random.default_rng(1)
        audits = [
            examine(*(rng.normal(size=(n, 16)) for n in (n_synthetic, n_training, n_held_out))) for _ in range(40)
        ]
        assert sum(audit.memorised for audit in audits) <= 1
        assert np.mean([audit.ratio_of_medians for audit in audits]) == pytest.approx(1, abs=0.02)
        assert np.mean([audit.fraction_below_p5 for audit in audits]) == pytest.approx(0.05, abs=0.02)
        # A test that never speaks would pass the first line too: its p-values must spread over (0, 1).
        assert np.mean([audit.p_memorised < 0.5 for audit in audits]) > 0.2

    def test_smooth_frames_are_not_mistaken_for_copies(self) -> None:
        # Shrunk to the mean, frames are nearer to every real frame; distance alone accuses all of them.
        audit = examine(0.5 * self.rng.normal(size=(1000, 32)), self.training, self.held_out, self.subjects)
        assert audit.fraction_below_p1 > 0.9
        assert audit.p_closer < 1e-6
        assert not audit.memorised

    def test_one_held_out_patient_is_refused(self) -> None:
        with pytest.raises(UserError, match="too few subjects for the memorisation test"):
            examine(self.copies(10), self.training, self.held_out, np.zeros(150, dtype=np.int64))
