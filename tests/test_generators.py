"""Contract of every generator: what a stage relies on, whatever the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray

from augbench.core.artifacts import load_weights, save_weights
from augbench.core.component import available, create
from augbench.core.device import torch_device
from augbench.core.errors import UserError
from augbench.core.types import FRAME_COLUMNS, Frames, LabelScheme, Pairs
from augbench.generators.adversarial import model
from augbench.generators.adversarial.model import AdversarialGenerator
from augbench.generators.base import FitContext, FittedGenerator, Generator

SIZE = 32
SCHEME = LabelScheme(
    ("LV", "MYO", "RV", "RA", "LA"),
    {"4ch": ("LV", "MYO", "RV", "RA", "LA"), "2ch": ("LV", "MYO", "LA"), "sax": ("LV", "MYO", "RV")},
)
TINY: dict[str, dict[str, Any]] = {
    "pggan": {"channels": [8, 8, 8, 4], "latent_size": 4, "total_kimg": 0.064, "batch_size": 8, "ema_kimg": 0.02},
    "oracle": {},
    "memoriser": {},
}
SEEDS = np.array([11, 2**62 + 5, 13, 14, 15, 16, 17], np.int64)
VIEWS = ["4ch", "2ch", "sax", "sax", "2ch", "4ch", "4ch"]


def toy_pair(view: str, rng: np.random.Generator, size: int) -> Pairs:
    """Discs whose place tells the view, with the view's structures inside and noise on top; (2, size, size)."""
    rows, columns = np.mgrid[:size, :size] / size
    pair = np.zeros((2, size, size), np.uint8)
    for number, structure in enumerate(SCHEME.annotated[view]):
        centre = 0.25 + 0.15 * number + rng.normal(0, 0.02)
        pair[1][np.hypot(rows - centre, columns - 0.5) < 0.12] = SCHEME.value(structure)
    pair[0] = np.clip(60 + 30 * pair[1] + rng.normal(0, 8, (size, size)), 0, 255)
    return pair


def toy_frames(count: int = 24, size: int = SIZE) -> Frames:
    rng = np.random.default_rng(0)
    views = [SCHEME.views[i % 3] for i in range(count)]
    pairs = np.stack([toy_pair(view, rng, size) for view in views])
    table = pd.DataFrame(dict.fromkeys(FRAME_COLUMNS, "x"), index=range(count))
    return Frames(pairs, table.assign(view=views, spacing_mm=2.0), SCHEME)


def toy_draw(views: list[str], seeds: NDArray[np.int64], image_size: int) -> Pairs:
    """The process behind the toy frames: what the oracle is given."""
    each = zip(views, seeds, strict=True)
    return np.stack([toy_pair(view, np.random.default_rng(int(seed)), image_size) for view, seed in each])


def fit(name: str, seed: int = 3, frames: Frames | None = None, **changes: Any) -> tuple[FittedGenerator, FitContext]:
    context = FitContext(seed, draw=toy_draw)
    return create(Generator, name, TINY.get(name, {}) | changes).fit(frames or toy_frames(), context), context


@pytest.fixture(scope="module", params=available(Generator))
def fitted(request: pytest.FixtureRequest) -> tuple[str, FittedGenerator]:
    return request.param, fit(request.param)[0]


def test_pairs_have_the_shape_type_and_labels_of_the_training_frames(fitted: tuple[str, FittedGenerator]) -> None:
    pairs = fitted[1].sample(VIEWS, SEEDS)
    assert pairs.shape == (len(VIEWS), 2, SIZE, SIZE)
    assert pairs.dtype == np.uint8
    for view, labels in zip(VIEWS, pairs[:, 1], strict=True):
        possible = {0} | {SCHEME.value(structure) for structure in SCHEME.annotated[view]}
        assert set(np.unique(labels)) <= possible, f"a {view} frame shows a structure that this view does not have"


def test_a_frame_depends_on_its_seed_and_view_alone(fitted: tuple[str, FittedGenerator]) -> None:
    together = fitted[1].sample(VIEWS, SEEDS)
    for i in (6, 0, 3):
        np.testing.assert_array_equal(fitted[1].sample([VIEWS[i]], SEEDS[i : i + 1])[0], together[i])
    # More frames than one inner batch, in another order.
    order = np.random.default_rng(1).integers(0, len(SEEDS), 40)
    np.testing.assert_array_equal(fitted[1].sample([VIEWS[i] for i in order], SEEDS[order]), together[order])


def test_another_seed_is_another_frame_and_another_view_another_mask(fitted: tuple[str, FittedGenerator]) -> None:
    first, second = fitted[1].sample(["4ch", "4ch"], SEEDS[:2])
    assert (first[0] != second[0]).any()
    four, two = fitted[1].sample(["4ch", "2ch"], np.array([5, 5]))
    assert (four != two).any()


def test_fitting_again_gives_the_same_bytes_and_curve(fitted: tuple[str, FittedGenerator]) -> None:
    again, context = fit(fitted[0])
    np.testing.assert_array_equal(again.sample(VIEWS, SEEDS), fitted[1].sample(VIEWS, SEEDS))
    assert context.curve == fit(fitted[0])[1].curve


def test_a_fit_leaves_the_global_generators_alone(fitted: tuple[str, FittedGenerator]) -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    fit(fitted[0])
    assert torch.equal(before, torch.get_rng_state())


def test_state_goes_through_files_and_back(fitted: tuple[str, FittedGenerator], tmp_path: Path) -> None:
    name, generator = fitted
    save_weights(tmp_path / "generator.safetensors", *generator.state())
    weights = load_weights(tmp_path / "generator.safetensors")
    restored = create(Generator, name, TINY.get(name, {})).restore(*weights, draw=toy_draw)
    np.testing.assert_array_equal(restored.sample(VIEWS, SEEDS), generator.sample(VIEWS, SEEDS))


def test_a_restored_generator_samples_where_it_is_told_to(
    fitted: tuple[str, FittedGenerator], monkeypatch: pytest.MonkeyPatch
) -> None:
    name, generator = fitted
    component = create(Generator, name, TINY.get(name, {}))
    again = component.restore(*generator.state(), accelerator="cpu", draw=toy_draw)
    np.testing.assert_array_equal(again.sample(VIEWS, SEEDS), generator.sample(VIEWS, SEEDS))
    if not isinstance(component, AdversarialGenerator):
        return
    monkeypatch.setattr(model, "torch_device", lambda accelerator: torch.device("meta"))
    network = component.restore(*generator.state(), accelerator="gpu").network  # type: ignore[attr-defined]
    assert {tensor.device.type for tensor in network.state_dict().values()} == {"meta"}


def test_a_component_answers_for_its_needs(fitted: tuple[str, FittedGenerator]) -> None:
    component = create(Generator, fitted[0], TINY.get(fitted[0], {}))
    component.require(SIZE, SCHEME.classes, len(SCHEME.views))
    trained = isinstance(component, AdversarialGenerator)
    assert (component.memory_bytes(SIZE, SCHEME.classes) > 0) == trained
    seconds = component.fit_seconds(SIZE, SCHEME.classes, len(SCHEME.views))
    assert (0 < seconds < 60) if trained else seconds == 0


def test_the_oracle_needs_something_to_draw_from() -> None:
    with pytest.raises(UserError, match=r"(?s)nothing to draw from.*remove the oracle"):
        create(Generator, "oracle").fit(toy_frames(3), FitContext(0))


def test_a_gpu_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match=r"no GPU was found[\s\S]*compute\.accelerator"):
        torch_device("gpu")
    assert torch_device("cpu").type == "cpu"
    with pytest.raises(UserError, match="no GPU was found"):
        create(Generator, "pggan", TINY["pggan"]).fit(toy_frames(3), FitContext(0, accelerator="gpu"))


def test_an_unknown_view_is_named(fitted: tuple[str, FittedGenerator]) -> None:
    with pytest.raises(UserError, match="3ch"):
        fitted[1].sample(["3ch"], SEEDS[:1])


def test_memoriser_returns_training_masks_and_noisy_training_images() -> None:
    frames = toy_frames()
    pairs = fit("memoriser", noise_sd=4.0)[0].sample(VIEWS, SEEDS)
    for view, (image, labels) in zip(VIEWS, pairs, strict=True):
        training = frames.where(view=view)
        same = (training.labels == labels).all((1, 2))
        assert same.any()
        difference = image - training.images[same].astype(float)
        assert 3.5 < difference.std((1, 2)).min() < 4.5
    exact = fit("memoriser", noise_sd=0.0)[0].sample(VIEWS[:1], SEEDS[:1])[0]
    assert any((exact == pair).all() for pair in frames.pairs)


def test_pggan_writes_a_finite_curve_without_times() -> None:
    context = fit("pggan", total_kimg=0.6)[1]
    assert [row["kimg"] for row in context.curve] == [0.256, 0.504, 0.6]
    for row in context.curve:
        numbers = {"kimg", "loss_d", "loss_g", "r1", "resolution", "alpha", "gradient_d", "gradient_g", "diversity"}
        assert set(row) == numbers | {"event"}
        assert np.isfinite([row[name] for name in numbers]).all()


def test_pggan_learns_one_view_when_only_one_is_given() -> None:
    context = FitContext(0)
    generator = create(Generator, "pggan", TINY["pggan"]).fit(toy_frames().where(view="sax"), context)
    assert generator.sample(["sax"], SEEDS[:1]).shape == (1, 2, SIZE, SIZE)
    with pytest.raises(UserError, match="2ch"):
        generator.sample(["2ch"], SEEDS[:1])


@pytest.mark.parametrize("loss", ["nonsaturating-r1", "wgan-gp"])
@pytest.mark.parametrize("noise_injection", [True, False])
def test_pggan_options_train_and_differ_by_seed(loss: str, noise_injection: bool) -> None:
    one, two = (fit("pggan", seed, loss=loss, noise_injection=noise_injection)[0] for seed in (1, 2))
    assert (one.sample(VIEWS, SEEDS) != two.sample(VIEWS, SEEDS)).any()


def test_pggan_augmentation_trains() -> None:
    curve = fit("pggan", augment_translation=0.1, augment_brightness=0.3)[1].curve
    assert curve


def test_pggan_stops_with_a_message_when_a_loss_is_not_finite() -> None:
    with pytest.raises(UserError, match=r"(?s)diverged.*learning_rate"):
        fit("pggan", total_kimg=0.6, learning_rate=0.1, r1_weight=1e39)  # beyond what 32 bits hold


@pytest.mark.parametrize(
    ("params", "size", "message"),
    [
        ({"channels": [8, 8]}, 32, "extend 'channels' of this generator"),
        ({"start_size": 64}, 32, "power of two from 64"),
        ({}, 48, "48 pixels"),
    ],
)
def test_pggan_refuses_frames_that_do_not_fit(params: dict[str, Any], size: int, message: str) -> None:
    generator = create(Generator, "pggan", TINY["pggan"] | params)
    with pytest.raises(UserError, match=message):
        generator.fit(toy_frames(3, size), FitContext(0))
    with pytest.raises(UserError, match=message):
        generator.require(size, SCHEME.classes, 3)


@pytest.mark.parametrize(
    "wrong", [{"batch_size": 6}, {"accumulation": 8}, {"start_size": 12}, {"channels": [8, 0]}, {"loss": "hinge"}]
)
def test_pggan_refuses_wrong_parameters(wrong: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=next(iter(wrong))):
        create(Generator, "pggan", wrong)
