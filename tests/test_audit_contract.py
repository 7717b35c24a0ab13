"""What every audit test and feature extractor promises to the stage and the report, whatever its name."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from augbench.audit.base import FLOOR, AuditTest, PrivacyTest, SetDistance, Sets
from augbench.audit.features.base import FeatureExtractor, NetworkEncoder
from augbench.audit.frechet import Frechet
from augbench.audit.neighbours import Neighbours
from augbench.core.component import available, create
from augbench.core.errors import UserError


def sets(copies: bool = False) -> Sets:
    """300 training frames of 60 patients, 100 held-out ones of 20 others; 80 fresh synthetic ones, or 300 copies."""
    rng = np.random.default_rng(0)
    training, held_out = rng.normal(size=(300, 6)), rng.normal(size=(100, 6))
    synthetic = training + 0.01 if copies else rng.normal(size=(80, 6))
    patients = np.array([f"patient-{number}" for number in range(80)])
    return Sets(synthetic, training, held_out, patients[:60].repeat(5), patients[60:].repeat(5))


@pytest.mark.parametrize("name", available(AuditTest))
class TestEveryAuditTest:
    def test_shows_itself(self, name: str) -> None:
        test = create(AuditTest, name)
        assert test.axis in ("fidelity", "coverage", "privacy")
        assert test.title.strip()
        assert isinstance(test.higher_is_better, bool)

    def test_result_is_json_with_axis_and_value(self, name: str) -> None:
        test = create(AuditTest, name)
        result = test.measure(sets(), np.random.default_rng(1))
        assert json.loads(json.dumps(result, allow_nan=False)) == result
        assert result["axis"] == test.axis
        assert type(result["value"]) is float

    def test_same_rng_same_result(self, name: str) -> None:
        results = [create(AuditTest, name).measure(sets(), np.random.default_rng(2)) for _ in range(2)]
        assert results[0] == results[1]

    def test_one_patient_is_refused(self, name: str) -> None:
        whole = sets()
        alone = Sets(whole.synthetic, whole.training, whole.held_out, whole.training_subjects, np.zeros(100))
        with pytest.raises(UserError, match="too few subjects"):
            create(AuditTest, name).measure(alone, np.random.default_rng(3))


@pytest.mark.parametrize(
    "name", [name for name in available(AuditTest) if isinstance(create(AuditTest, name), SetDistance)]
)
def test_a_distance_carries_its_interval_and_its_floor(name: str) -> None:
    result = create(AuditTest, name).measure(sets(), np.random.default_rng(4))
    assert set(result) == {"axis", "value", "ci_low", "ci_high", "n_reference", "n_sample", FLOOR}
    assert set(result[FLOOR]) == {"value", "ci_low", "ci_high", "n_reference", "n_sample"}
    for part in (result, result[FLOOR]):
        assert part["ci_low"] < part["value"] < part["ci_high"]
        assert (part["n_reference"], part["n_sample"]) == (100, 80)


def test_the_floor_is_training_against_held_out_and_knows_its_patients() -> None:
    whole = sets()
    frechet, rng = Frechet(), np.random.default_rng(5)
    result = frechet.measure(whole, rng)
    rng = np.random.default_rng(5)
    frechet.distance(whole.held_out, whole.synthetic, rng, whole.held_out_subjects)
    rows = rng.permutation(300)[:80]
    patients = whole.training_subjects[rows]
    floor = frechet.distance(whole.held_out, whole.training[rows], rng, whole.held_out_subjects, patients)
    assert result[FLOOR]["value"] == floor.value
    assert (result[FLOOR]["ci_low"], result[FLOOR]["ci_high"]) == (floor.ci_low, floor.ci_high)


def test_copies_gain_nothing_in_fidelity_and_are_flagged_in_privacy() -> None:
    # Measured against the training frames instead of held-out ones, copies would be far below the floor.
    fidelity = Frechet().measure(sets(copies=True), np.random.default_rng(6))
    assert fidelity["value"] > fidelity[FLOOR]["ci_low"]
    for copies in (True, False):
        found = Neighbours().measure(sets(copies), np.random.default_rng(7))
        assert found["flagged"] == copies
        assert isinstance(Neighbours(), PrivacyTest)


@pytest.mark.parametrize(
    "name", [name for name in available(AuditTest) if isinstance(create(AuditTest, name), PrivacyTest)]
)
def test_a_verdict_follows_the_rate_that_it_is_given_and_can_be_undefined(name: str) -> None:
    test = create(AuditTest, name)
    found = [test.measure(sets(copies), np.random.default_rng(8)) for copies in (True, False)]
    assert [one["flagged"] for one in found] == [True, False]
    for one, copies in zip(found, (True, False), strict=True):
        assert (one["p_value"] <= 0.05) == copies
        strict = test.measure(sets(copies), np.random.default_rng(8), alpha=one["p_value"] / 2)
        assert strict["flagged"] is False
    assert test.undefined("why") == {"axis": "privacy", "value": None, "flagged": None, "undefined": "why"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"synthetic": np.zeros((80, 5))}, "one width"),
        ({"training": np.zeros(300)}, r"\(n, d\)"),
        ({"held_out": np.full((100, 6), np.nan)}, "finite"),
        ({"held_out_subjects": np.arange(99)}, "100 frames but 99 subjects"),
        ({"training_subjects": np.arange(99)}, "300 frames but 99 subjects"),
    ],
)
def test_sets_that_do_not_fit_are_refused(change: dict[str, NDArray[np.float64]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Sets(**(vars(sets()) | change))


def encode(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """A network of two features: mean and SD of an image."""
    flat = images.reshape(len(images), -1).astype(np.float32)
    return np.stack([flat.mean(axis=1), flat.std(axis=1)], axis=1)


@pytest.mark.parametrize("name", available(FeatureExtractor))
def test_every_extractor_gives_a_row_an_image_and_says_whether_it_needs_a_network(name: str) -> None:
    images = np.random.default_rng(0).integers(0, 256, (7, 32, 32), dtype=np.uint8)
    extractor = create(FeatureExtractor, name)
    found = extractor.extract(images, encode if extractor.needs_network else None)
    assert found.dtype == np.float64
    assert found.shape[0] == 7
    assert found.ndim == 2
    # A row depends on its own image alone.
    again = extractor.extract(images[3:5], encode if extractor.needs_network else None)
    np.testing.assert_allclose(again, found[3:5], rtol=1e-6)
    if extractor.needs_network:
        with pytest.raises(ValueError, match="network"):
            extractor.extract(images, None)


class TestPixels:
    def test_by_hand(self) -> None:
        image = np.kron(np.arange(16, dtype=np.uint8).reshape(4, 4) * 15, np.ones((2, 2), np.uint8))
        found = create(FeatureExtractor, "pixels", {"size": 4}).extract(image[None], None)
        assert found[0] == pytest.approx(np.arange(16) * 15 / 255)

    def test_a_thumbnail_that_does_not_divide_the_image_is_refused(self) -> None:
        with pytest.raises(UserError, match="does not divide"):
            create(FeatureExtractor, "pixels", {"size": 12}).extract(np.zeros((2, 32, 32), np.uint8), None)


class OnDevice:
    """Stands for a tensor or network: knows where it was sent, since a test machine has no GPU."""

    def __init__(self, held: Any = None) -> None:
        self.held, self.device = held, "cpu"

    def to(self, device: str) -> OnDevice:
        self.device = device
        return self

    def eval(self) -> OnDevice:
        self.trains = False
        return self

    def cpu(self) -> Any:
        return self.held


def test_network_and_every_batch_go_to_the_device_and_features_come_back() -> None:
    torch = pytest.importorskip("torch")
    network, sent = OnDevice(), []

    def deepest(moved: OnDevice, batch: OnDevice) -> OnDevice:
        sent.append((moved.device, batch.device, len(batch.held)))
        return OnDevice(torch.from_numpy(encode(batch.held)))

    images = np.random.default_rng(0).integers(0, 256, (150, 8, 8), dtype=np.uint8)
    found = NetworkEncoder(network, deepest, OnDevice, "the gpu")(images)
    assert sent == [("the gpu", "the gpu", n) for n in (64, 64, 22)]
    assert network.trains is False
    np.testing.assert_array_equal(found, encode(images))
