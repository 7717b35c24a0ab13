"""The privacy tests: exact ranks, tails, membership; copies of each kind are found, clean generators are not."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from numpy.typing import NDArray

from augbench.audit._copies import KINDS, copies
from augbench.audit._rank_path import RankPath, critical_counts, rank_path
from augbench.audit._search import Matches, Near, Queries, Search
from augbench.audit._whole import privacy_summary
from augbench.audit.base import Sets
from augbench.audit.features.pixels import Pixels
from augbench.audit.membership import Membership, area_with_interval, patient_scores
from augbench.audit.neighbours import Neighbours, Tail
from augbench.core.errors import UserError
from augbench.datasets.tof_phantom import TofPhantom

Images = NDArray[np.uint8]
VIEWS = ("4ch", "sax")


class TestRankPath:
    def test_by_hand(self) -> None:
        # Two of each: the walk is tested at 1 and 2. Both first are members in one order of six.
        assert RankPath(2, 2).p_value(np.array([True, True])) == pytest.approx(1 / 6)
        assert RankPath(3, 1).p_value(np.array([True, True])) == pytest.approx(1 / 2)
        assert RankPath(2, 2).p_value(np.array([], bool)) == 1

    def test_against_all_orders(self) -> None:
        # 4 members, 3 others: every order is counted; the p-value is the share with as small a smallest tail.
        from scipy.stats import hypergeom

        orders = np.array(sorted(set(permutations([True] * 4 + [False] * 3))))

        def smallest(order: NDArray[np.bool_]) -> float:
            return min(float(hypergeom.sf(order[:j].sum() - 1, 7, 4, j)) for j in (1, 2, 3))

        tails = np.array([smallest(order) for order in orders])
        for order, tail in zip(orders, tails, strict=True):
            assert RankPath(4, 3).p_value(order) == pytest.approx((tails <= tail * (1 + 1e-9)).mean())

    def test_a_p_value_that_ignores_the_many_lengths_would_be_too_small(self) -> None:
        from scipy.stats import hypergeom

        rng = np.random.default_rng(0)
        path, labels = rank_path(60, 40), np.arange(100) < 60
        orders = [rng.permutation(labels) for _ in range(250)]
        exact = np.array([path.p_value(order) for order in orders])
        naive = [min(hypergeom.sf(order[:j].sum() - 1, 100, 60, j) for j in range(1, 51)) for order in orders]
        assert (exact <= 0.05).mean() == pytest.approx(0.05, abs=0.045)
        assert (exact <= 0.5).mean() == pytest.approx(0.5, abs=0.1)
        assert np.mean(np.array(naive) <= 0.05) > 0.12

    @pytest.mark.parametrize(("members", "others"), [(303, 50), (42, 50), (5, 3)])
    def test_critical_counts_and_p_values_agree(self, members: int, others: int) -> None:
        critical = critical_counts(members, others, 0.01)
        rng = np.random.default_rng(1)
        for lead in (0, 4, 9, 30, 60):
            labels = np.arange(members + others) < members
            order = np.concatenate([labels[:lead], rng.permutation(labels[lead:])])[: len(critical)]
            crossed = bool((np.cumsum(order) >= critical[: len(order)]).any())
            assert crossed == (rank_path(members, others).p_value(order) <= 0.01)


class TestTail:
    def test_by_hand(self) -> None:
        # Quantiles of an exponential of scale 0.1: the median is 0.1 ln 2, the ninth decile 0.1 ln 10.
        values = -0.1 * np.log1p(-(np.arange(100_000) + 0.5) / 100_000)
        tail = Tail.of(values)
        assert (tail.top, tail.scale) == pytest.approx((0.1 * np.log(10), 0.1), rel=1e-3)
        assert tail.limit(1000, 0.01, 1.0) == pytest.approx(0.1 * np.log(1000 / 0.01), rel=1e-3)
        assert tail.expected(tail.limit(1000, 0.01, 2.0), 1000, 2.0) == pytest.approx(0.01)

    def test_ratios_of_neighbours_have_it(self) -> None:
        # Facco et al. 2017: evenly spread points in d dimensions have scale 1 / d, whatever their density.
        from scipy.spatial import cKDTree

        rng = np.random.default_rng(2)
        for dimension in (2, 5):
            points, queries = rng.random((20_000, dimension)), rng.random((4000, dimension)) * 0.6 + 0.2
            gaps = cKDTree(points).query(queries, k=2)[0]
            tail = Tail.of(np.log(gaps[:, 1] / gaps[:, 0]))
            assert tail.scale == pytest.approx(1 / dimension, rel=0.06)
            assert tail.top == pytest.approx(np.log(10) / dimension, rel=0.06)

    def test_single_copies_do_not_move_it(self) -> None:
        # A mean would be moved by them, and hide them.
        values = np.random.default_rng(3).exponential(0.03, 2000)
        spoilt = np.concatenate([values[:1960], np.full(40, 5.0)])
        assert Tail.of(spoilt).limit(2000, 0.001, 2) == pytest.approx(Tail.of(values).limit(2000, 0.001, 2), rel=0.1)
        assert spoilt.mean() > 4 * values.mean()


class World:
    """Frames of the phantom: 40 training patients, 24 held-out ones, 500 fresh frames."""

    def __init__(self) -> None:
        sizes = {"training": 40, "held": 24}
        cohorts = {name: {"site": "main", "subjects": size} for name, size in sizes.items()}
        self.phantom = TofPhantom(cohorts=cohorts)
        drawn = self.phantom.cohorts(32, VIEWS, seed=3)
        self.training, self.held_out = drawn["training"], drawn["held"]
        self.fresh = self.phantom.draw([VIEWS[i % 2] for i in range(500)], np.arange(500) + 777, 32)[:, 0]

    def with_copies(self, kind: str, count: int) -> Images:
        """The fresh frames; `count` of them are replaced by copies of training frames."""
        rng = np.random.default_rng(4)
        rows = rng.permutation(len(self.training))[:count] if count <= 160 else rng.integers(0, 160, count)
        spoilt = self.fresh.copy()
        spoilt[:count] = copies(self.training.images[rows], self.fresh[rows], kind, rng)
        return spoilt

    def sets(self, synthetic: Images, planted: bool = False, order: NDArray[np.intp] | None = None) -> Sets:
        def queries(images: Images) -> Queries:
            return Queries(len(images), lambda rows: pixels.queries(images[rows], None))

        pixels, rng = Pixels(), np.random.default_rng(5)
        training = self.training if order is None else self.training.take(order)
        rows = rng.integers(0, 160, 60)
        kinds = {
            kind: queries(copies(self.training.images[rows], self.fresh[rows], kind, rng)) for kind in KINDS if planted
        }
        targets = [pixels.targets(frames.images, None) for frames in (training, self.held_out)]
        features = [pixels.extract(images, None) for images in (synthetic, training.images, self.held_out.images)]
        patients = [frames.table["subject_id"].to_numpy() for frames in (training, self.held_out)]
        return Sets(*features, *patients, Search(queries(synthetic), *targets, kinds))


@pytest.fixture(scope="module")
def world() -> World:
    return World()


class TestNeighbours:
    @pytest.mark.parametrize(
        ("kind", "count"),
        [("verbatim", 1), ("flipped", 1), ("brightened", 2), ("noised", 2), ("shifted", 5), ("blended", 50)],
    )
    def test_a_planted_copy_of_each_kind_is_found(self, world: World, kind: str, count: int) -> None:
        sets = world.sets(world.with_copies(kind, count))
        found = Neighbours().measure(sets, np.random.default_rng(0), 0.05 / 8)
        assert found["flagged"]
        assert found["p_value"] <= 0.05 / 8
        assert found["detection_limit"] is None
        assert found["undefined"] == "the generator was flagged"
        if kind != "blended":
            assert found["n_suspicious"] >= 1
            assert found["value"] == found["n_suspicious"] / 500

    def test_copies_do_not_hide_each_other(self, world: World) -> None:
        # A tail fitted to all generated frames would take the copies for the rule.
        found = Neighbours().measure(world.sets(world.with_copies("noised", 500)), np.random.default_rng(0), 0.05 / 8)
        assert found["value"] > 0.95
        assert found["p_single"] < 1e-6

    def test_it_names_the_copied_frame(self, world: World) -> None:
        rows = np.random.default_rng(4).permutation(160)[:20]
        matches = world.sets(world.with_copies("flipped", 20)).matches
        assert matches.training_row[:20].tolist() == rows.tolist()

    def test_a_clean_oracle_is_not_flagged_and_its_limit_is_that_of_real_contamination(self, world: World) -> None:
        test = Neighbours(power_draws=40)
        found = test.measure(world.sets(world.fresh, planted=True), np.random.default_rng(0), 0.05 / 8)
        assert not found["flagged"]
        assert (found["value"], found["n_suspicious"]) == (0, 0)
        limits = found["detection_limits"]
        assert set(limits) == set(KINDS)
        assert found["detection_limit"] == max(limits.values())
        assert limits["verbatim"] == 1 / 500
        assert limits["verbatim"] <= limits["shifted"] <= limits["blended"] < 0.2
        for kind, limit in limits.items():
            spoilt = world.sets(world.with_copies(kind, round(2 * 500 * limit) + 1))
            assert Neighbours().measure(spoilt, np.random.default_rng(0), 0.05 / 8)["flagged"], kind

    def test_without_copies_to_plant_there_is_no_limit(self, world: World) -> None:
        found = Neighbours().measure(world.sets(world.fresh), np.random.default_rng(0))
        assert (found["detection_limit"], found["undefined"]) == (None, "no copies were planted")

    def test_order_changes_nothing(self, world: World) -> None:
        rng = np.random.default_rng(6)
        test = Neighbours(power_draws=20)
        usual = test.measure(world.sets(world.fresh, planted=True), np.random.default_rng(1))
        shuffled = world.sets(world.fresh[rng.permutation(500)], planted=True, order=rng.permutation(160))
        assert test.measure(shuffled, np.random.default_rng(1)) == usual

    def test_copies_of_held_out_frames_accuse_nobody(self, world: World) -> None:
        # Whoever looks at nearness alone would flag; the held-out patients show that this is no memory of the training.
        spoilt = world.fresh.copy()
        spoilt[:30] = world.held_out.images[:30]
        found = Neighbours().measure(world.sets(spoilt), np.random.default_rng(0))
        assert not found["flagged"]
        assert found["smallest_ratio_held_out"] < 0.01

    def test_smooth_frames_are_not_mistaken_for_copies(self, world: World) -> None:
        # Frames shrunk to the mean are nearer to every real frame; distance alone accuses all of them.
        mean = world.training.images.mean(axis=0)
        smooth = np.rint(0.7 * mean + 0.3 * world.fresh).astype(np.uint8)
        assert not Neighbours().measure(world.sets(smooth), np.random.default_rng(0))["flagged"]

    def test_a_collapsed_generator_is_not_called_a_memoriser(self, world: World) -> None:
        # One fresh frame again and again: its nearness has no spread, so a tail fitted to it alone accuses at random.
        one = np.repeat(world.fresh[:1], 500, axis=0)
        assert not Neighbours().measure(world.sets(one), np.random.default_rng(0))["flagged"]

    def test_clean_generators_are_flagged_as_rarely_as_stated(self) -> None:
        # Frames clustered by patient, few of them; a count of frames that ignores this alarms far more often.
        alarms = []
        for seed in range(150):
            rng = np.random.default_rng(seed)
            centres = rng.normal(size=(30, 12))
            frames = centres.repeat(5, axis=0) + 0.3 * rng.normal(size=(150, 12))
            synthetic = rng.normal(size=(200, 12)) + 0.3 * rng.normal(size=(200, 12))
            sets = Sets(synthetic, frames[:100], frames[100:], np.repeat(np.arange(20), 5), np.repeat(np.arange(10), 5))
            near = sets.matches.synthetic
            alarms.append(Neighbours().judge(near, sets.matches, 0.1).p_value <= 0.1)
        assert np.mean(alarms) <= 0.15

    def test_one_patient_is_refused(self, world: World) -> None:
        features = np.random.default_rng(0).normal(size=(30, 4))
        sets = Sets(features, features, features, np.arange(30), np.zeros(30))
        with pytest.raises(UserError, match="too few subjects"):
            Neighbours().measure(sets, np.random.default_rng(0))


def matches_of(to_real: list[float], to_synthetic: list[float]) -> Matches:
    """Three members and two others with two frames each; only what membership reads is filled."""
    empty = Near(np.zeros(0, np.intp), np.zeros(0))
    none, rows = np.zeros(0), np.zeros(0, np.intp)
    patients = np.repeat(np.arange(5), 2)
    gaps = np.repeat(to_real, 2), np.repeat(to_synthetic, 2)
    return Matches(3, 2, empty, rows, rows, none, none, {}, empty, patients, *gaps)


class TestMembership:
    def test_by_hand(self) -> None:
        # Members are twice as near to generated frames as to other patients, others half as near, one of them equal.
        scores = patient_scores(matches_of([1, 1, 1, 1, 1], [0.5, 0.5, 1, 2, 1]))
        assert scores == pytest.approx([np.log(2), np.log(2), 0, -np.log(2), 0], abs=1e-4)
        # Of six pairs the members win five; the pair of equals counts half.
        assert area_with_interval(scores[:3], scores[3:])[0] == pytest.approx(5.5 / 6)

    def test_against_scipy(self) -> None:
        from scipy.stats import mannwhitneyu

        rng = np.random.default_rng(0)
        members, others = rng.normal(size=40) + 0.5, rng.normal(size=30)
        area, low, high = area_with_interval(members, others)
        assert area == pytest.approx(mannwhitneyu(members, others).statistic / 1200)
        # The interval against a bootstrap of both groups.
        draws = [area_with_interval(rng.choice(members, 40), rng.choice(others, 30))[0] for _ in range(2000)]
        assert (low, high) == pytest.approx(tuple(np.quantile(draws, [0.025, 0.975])), abs=0.03)

    def test_a_memoriser_is_told_by_patient_and_the_control_is_not(self, world: World) -> None:
        found = Membership().measure(world.sets(world.with_copies("noised", 250)), np.random.default_rng(0), 0.05 / 8)
        assert found["flagged"]
        assert found["value"] > 0.9
        assert found["ci_low"] > found["control"]["ci_high"]
        assert found["control"]["value"] == pytest.approx(0.5, abs=0.03)

    def test_a_clean_oracle_stays_in_the_range_of_the_control(self, world: World) -> None:
        found = Membership().measure(world.sets(world.fresh), np.random.default_rng(0), 0.05 / 8)
        assert not found["flagged"]
        assert (found["n_members"], found["n_others"]) == (40, 24)
        assert found["control"]["ci_low"] < found["value"] < found["control"]["ci_high"]

    def test_frames_of_a_patient_are_not_patients(self) -> None:
        # Ten equal frames a patient: ranked by frame, the p-value would be far too small.
        matches = matches_of([1, 1, 1, 1, 1], [0.5, 0.6, 0.7, 0.8, 0.9])
        many = {name: np.repeat(getattr(matches, name), 10) for name in ("real_patient", "to_real", "to_synthetic")}
        from dataclasses import replace

        assert patient_scores(replace(matches, **many)) == pytest.approx(patient_scores(matches))


def result(flagged: bool | None, **limits: float | None) -> dict[str, object]:
    return {"flagged": flagged, "detection_limits": limits}


class TestWhole:
    def test_the_best_space_of_the_worst_seed(self) -> None:
        seeds = {
            "0": {"near": {"a": result(False, v=0.01, b=0.2), "b": result(False, v=0.02, b=None)}, "kid": {"a": {}}},
            "1": {"near": {"a": result(False, v=0.03, b=0.1), "b": result(None)}, "kid": {"a": {}}},
        }
        assert privacy_summary(seeds, 0.01) == {
            "flagged": False, "alpha": 0.01, "detection_limit": 0.2, "detection_limits": {"v": 0.03, "b": 0.2},
        }  # fmt: skip

    def test_one_flag_is_enough_and_what_is_unknown_stays_so(self) -> None:
        seeds = {"0": {"near": {"a": result(False, v=0.01)}}, "1": {"near": {"a": result(True)}}}
        assert privacy_summary(seeds, 0.01)["flagged"] is True
        assert privacy_summary(seeds, 0.01)["detection_limit"] is None
        assert privacy_summary({"0": {"near": {"a": {"flagged": None}}}}, 0.01)["flagged"] is None
