"""Neighbours under transforms: distances by hand and by scipy, patients, flips and shifts, order and blocks."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from augbench.audit import _search
from augbench.audit._copies import KINDS, copies, max_shift
from augbench.audit._search import Queries, Search, find_matches
from augbench.audit.features.base import flips
from augbench.audit.features.pixels import Pixels

Images = NDArray[np.uint8]


def gaussian_search(rng: np.random.Generator, n: int = 90) -> tuple[Search, NDArray[np.intp], NDArray[np.intp]]:
    """n queries, 120 training frames of 30 patients, 60 held-out ones of 20."""
    synthetic, training, held_out = (rng.normal(size=(count, 8)) for count in (n, 120, 60))
    return Search(Queries.of(synthetic), training, held_out), np.repeat(np.arange(30), 4), np.repeat(np.arange(20), 3)


def textures(rng: np.random.Generator, n: int, side: int = 64) -> Images:
    """Smooth random frames, each unlike the others."""
    from scipy.ndimage import gaussian_filter

    noise = gaussian_filter(rng.normal(size=(n, side, side)), (0, 3, 3), mode="wrap")
    return np.clip(128 + 40 * noise / noise.std(), 0, 255).astype(np.uint8)


class TestMatches:
    def test_by_hand(self) -> None:
        # Whitening leaves these axes as they are up to one factor: cosines are those of the plane.
        real = np.array([[1.0, 0], [0, 1], [-1, 0], [0, -1]] * 2)
        search = Search(Queries.of(np.array([[1.0, 0.0], [1.0, 1.0]])), real[:4], real[4:])
        found = find_matches(search, np.array([0, 1, 2, 3]), np.array([0, 0, 1, 1]))
        assert (found.members, found.others) == (4, 2)
        assert found.training_row[0] == 0
        assert found.training_distance == pytest.approx([0, np.sqrt(2 - np.sqrt(2))], abs=1e-3)
        # Training patient 0 and held-out patient 0 have the same frame: nobody is nearer than the other.
        assert found.synthetic.nearness[0] == 0
        assert found.to_synthetic[:2] == pytest.approx([0, np.sqrt(2 - np.sqrt(2))], abs=1e-3)

    def test_against_scipy(self) -> None:
        from scipy.spatial.distance import cdist

        rng = np.random.default_rng(0)
        search, of_training, of_held_out = gaussian_search(rng)
        found = find_matches(search, of_training, of_held_out)
        real = np.concatenate([search.training, search.held_out])
        root = np.linalg.inv(np.linalg.cholesky(np.cov(real.T, bias=True)))
        white = [(part - real.mean(axis=0)) @ root.T for part in (*search.synthetic.variants(slice(None)), real)]
        # Any root of the precision gives the same angles.
        gaps = cdist(*(part / np.linalg.norm(part, axis=1, keepdims=True) for part in white))
        assert found.training_distance == pytest.approx(gaps[:, :120].min(axis=1), abs=1e-3)
        assert (found.held_out_row == gaps[:, 120:].argmin(axis=1)).all()
        assert found.to_synthetic == pytest.approx(gaps.min(axis=0), abs=1e-3)
        patients = np.concatenate([of_training, of_held_out + 30])
        by_patient = np.sort([gaps[:, patients == one].min(axis=1) for one in range(50)], axis=0)
        assert found.synthetic.nearness == pytest.approx(np.log(by_patient[1] / by_patient[0]), abs=0.01)

    def test_frames_of_the_same_patient_are_no_rivals(self) -> None:
        # A patient's frames resemble each other: the second nearest frame is his own, and hides the copy.
        rng = np.random.default_rng(1)
        patients = rng.normal(size=(20, 30))
        training = patients.repeat(4, axis=0) + 0.05 * rng.normal(size=(80, 30))
        search = Search(Queries.of(training[:5] + 0.01), training, rng.normal(size=(40, 30)))
        found = find_matches(search, np.repeat(np.arange(20), 4), np.arange(40))
        assert (found.synthetic.nearness > 1.5).all()
        assert (found.to_real > 0.5).all()

    def test_blocks_and_order_change_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        search, of_training, of_held_out = gaussian_search(np.random.default_rng(2))
        whole = find_matches(search, of_training, of_held_out)
        monkeypatch.setattr(_search, "_BLOCK", 7)
        order = np.random.default_rng(3).permutation(120)
        shuffled = Search(search.synthetic, search.training[order], search.held_out)
        parts = find_matches(shuffled, of_training[order], of_held_out)
        np.testing.assert_allclose(parts.synthetic.nearness, whole.synthetic.nearness, atol=3e-4)
        np.testing.assert_array_equal(parts.synthetic.patient, whole.synthetic.patient)
        np.testing.assert_array_equal(order[parts.training_row], whole.training_row)

    def test_frames_of_one_grey_level_are_no_copies(self) -> None:
        flat = np.full((3, 64, 64), 90, np.uint8)
        frames = textures(np.random.default_rng(4), 24)
        pixels = Pixels()
        queries = Queries(3, lambda rows: pixels.queries(flat[rows], None))
        search = Search(queries, pixels.targets(frames[:12], None), pixels.targets(frames[12:], None))
        found = find_matches(search, np.arange(12), np.arange(12))
        assert (found.synthetic.nearness < 1).all()
        assert (found.training_distance > 0.5).all()


class TestPixelQueries:
    rng = np.random.default_rng(5)
    frames = textures(rng, 40)

    def best(self, images: Images) -> NDArray[np.float64]:
        """Cosine of each image's best variant with its own original."""
        targets = Pixels().targets(self.frames, None)
        variants = Pixels().queries(images, None)
        return np.max([(variant * targets).sum(axis=1) for variant in variants], axis=0)

    def test_even_shifts_flips_and_brightness_are_undone_exactly(self) -> None:
        moved = np.roll(self.frames, (4, -6), axis=(1, 2))
        darker = (self.frames // 2 + 20).astype(np.uint8)
        for hidden in (self.frames, moved, self.frames[:, ::-1], self.frames[:, :, ::-1], moved[:, ::-1, ::-1]):
            assert self.best(np.ascontiguousarray(hidden)) == pytest.approx(np.ones(40), abs=1e-5)
        assert self.best(darker).min() > 0.999

    def test_odd_shifts_are_undone_nearly_and_far_ones_not(self) -> None:
        assert self.best(np.roll(self.frames, (5, -3), axis=(1, 2))).min() > 0.9
        assert np.median(self.best(np.roll(self.frames, (24, 24), axis=(1, 2)))) < 0.8

    @pytest.mark.parametrize("side", [16, 32, 48, 128])
    def test_every_size_of_frame_has_variants_of_one_width(self, side: int) -> None:
        images = textures(self.rng, 2, side)
        width = Pixels().targets(images, None).shape[1]
        variants = list(Pixels().queries(images, None))
        assert {variant.shape for variant in variants} == {(2, width)}
        targets = Pixels().targets(images, None)
        assert max(float((variant * targets).sum(axis=1).min()) for variant in variants) == pytest.approx(1, abs=1e-5)

    def test_flips_are_the_four(self) -> None:
        image = np.array([[[1, 2], [3, 4]]], np.uint8)
        assert [one[0].ravel().tolist() for one in flips(image)] == [
            [1, 2, 3, 4], [2, 1, 4, 3], [3, 4, 1, 2], [4, 3, 2, 1],
        ]  # fmt: skip


class TestCopies:
    originals = textures(np.random.default_rng(6), 30)
    partners = textures(np.random.default_rng(7), 30)

    def made(self, kind: str) -> NDArray[np.float64]:
        found = copies(self.originals, self.partners, kind, np.random.default_rng(8))
        assert found.dtype == np.uint8
        return found.astype(float)

    def test_by_hand(self) -> None:
        whole = self.originals.astype(float)
        assert (self.made("verbatim") == whole).all()
        assert np.abs(self.made("blended") - (whole + self.partners) / 2).max() <= 0.5
        assert self.made("noised")[:, 8:56, 8:56].std() > whole.std()
        assert np.abs(self.made("noised") - whole).std() == pytest.approx(16 * np.sqrt(1 - 2 / np.pi), rel=0.1)
        for copy, original in zip(self.made("flipped"), whole, strict=True):
            assert (copy == original[::-1]).all() or (copy == original[:, ::-1]).all()

    def test_shifted_frames_move_by_up_to_six_pixels_and_repeat_their_edge(self) -> None:
        found = set()
        for copy, original in zip(self.made("shifted"), self.originals.astype(float), strict=True):
            fits = [
                (down, right)
                for down in range(-6, 7)
                for right in range(-6, 7)
                if (np.roll(original, (down, right), (0, 1))[8:56, 8:56] == copy[8:56, 8:56]).all()
            ]
            assert len(fits) == 1
            found.add(fits[0])
            assert set(copy[0]) <= set(original[max(0, -fits[0][0])])
        assert len(found) > 10
        assert (max_shift(64), max_shift(128), max_shift(16)) == (6, 12, 1)

    def test_an_unknown_kind_is_refused(self) -> None:
        with pytest.raises(ValueError, match="rotated"):
            copies(self.originals, self.partners, "rotated", np.random.default_rng(0))
        assert len(KINDS) == 6
