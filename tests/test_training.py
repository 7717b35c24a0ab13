"""The training loop: equal steps in every arm, draws that follow from a seed, masks that stay masks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from augbench.core.component import create
from augbench.core.errors import UserError
from augbench.core.params import Params
from augbench.core.types import FRAME_COLUMNS, Frames, LabelScheme
from augbench.training.augment import normalise
from augbench.training.batches import AugmentedFrames
from augbench.training.fit import fit, predict, validation_dice

SCHEME = LabelScheme(("LV", "MYO"), {"sax": ("LV", "MYO")})


def discs(count: int, size: int = 32) -> Frames:
    """Bright discs in dark rings: small enough to learn in seconds."""
    rng = np.random.default_rng(5)
    rows, columns = np.mgrid[:size, :size]
    pairs = np.zeros((count, 2, size, size), np.uint8)
    for pair in pairs:
        y, x = rng.uniform(0.35, 0.65, 2) * size
        distance = np.hypot(rows - y, columns - x)
        pair[1] = np.where(distance < 0.12 * size, 1, np.where(distance < 0.2 * size, 2, 0))
        pair[0] = np.clip(np.array([90, 220, 30])[pair[1]] + rng.normal(0, 8, (size, size)), 0, 255)
    table = pd.DataFrame({column: [f"{column}-{i}" for i in range(count)] for column in FRAME_COLUMNS})
    return Frames(pairs, table.assign(view="sax", spacing_mm=1.0), SCHEME)


def _fit(smoke: Params, frames: Frames, seed: int, **changes: Any) -> tuple[Any, list[dict[str, float]]]:
    training = smoke.training.model_copy(update={"steps": 12, "batch_size": 4, "validate_every": 6} | changes)
    torch.manual_seed(seed)
    network = create("segmenters", "monai_unet", {"features": [8, 8, 16, 16, 32, 8]}).build(3, frames.image_size)
    options = {"seed": seed, "accelerator": "cpu", "description": "test"}
    return network, fit(network, frames.pairs, frames.take(range(2)), training, smoke.augmentation, **options)


def test_every_arm_takes_the_same_number_of_optimiser_steps(smoke: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pools of 3 and of 40 frames, with either selection: the optimiser steps exactly as often."""
    steps: list[int] = []
    original = torch.optim.AdamW.step

    def counted(self: Any, *args: Any, **options: Any) -> Any:
        steps[-1] += 1
        return original(self, *args, **options)

    monkeypatch.setattr(torch.optim.AdamW, "step", counted)
    for pool, selection in ((3, "best"), (40, "best"), (40, "last")):
        steps.append(0)
        _fit(smoke, discs(pool), 0, selection=selection)
    assert steps == [12, 12, 12]


def test_training_follows_from_its_seed(smoke: Params) -> None:
    frames = discs(6)
    first, second, other = (_fit(smoke, frames, seed)[0].state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_training_learns(smoke: Params) -> None:
    frames = discs(12)
    network, _ = _fit(smoke, frames, 3, steps=100, validate_every=50, batch_size=8, learning_rate=1e-2)
    assert validation_dice(network, discs(20)) > 0.8


def test_best_selection_returns_the_best_weights_seen(smoke: Params) -> None:
    frames = discs(8)
    network, curve = _fit(smoke, frames, 4, steps=40, validate_every=5)
    best = max(row["validation_dice"] for row in curve)
    assert validation_dice(network, frames.take(range(2))) == pytest.approx(best)


def test_last_selection_never_looks_at_validation_labels(smoke: Params) -> None:
    _, curve = _fit(smoke, discs(8), 4, selection="last")
    assert all("validation_dice" not in row for row in curve)


def test_draws_are_even_and_follow_from_place_and_seed(smoke: Params) -> None:
    frames = discs(5)
    draws = AugmentedFrames(frames.pairs, 15, smoke.augmentation, seed=9)
    assert sorted(draws._order[:5]) == sorted(draws._order[5:10]) == list(range(5))
    again = AugmentedFrames(frames.pairs, 15, smoke.augmentation, seed=9)
    last = again[14]
    assert torch.equal(draws[14][0], last[0])
    assert torch.equal(draws[14][1], last[1])


def test_augmentation_makes_no_new_label_and_moves_mask_with_image(smoke: Params) -> None:
    params = smoke.augmentation.model_copy(
        update={"probability": 1.0, "rotation_deg": 45, "rician_noise": 0, "bias_field": 0, "gamma": 1, "blur_px": 0}
    )
    frames = discs(8)
    for place in range(8):
        image, label = AugmentedFrames(frames.pairs, 8, params, seed=2)[place]
        assert set(label.unique().tolist()) <= {0, 1, 2}
        assert abs(float(image.mean())) < 1e-4
        # The disc stays the brightest and its ring the darkest part, wherever they went.
        means = [float(image[label == value].mean()) for value in (0, 1, 2)]
        assert means[1] > means[0] > means[2]


def test_predictions_do_not_depend_on_the_batch(smoke: Params) -> None:
    frames = discs(7)
    network, _ = _fit(smoke, frames, 6)
    assert np.array_equal(predict(network, frames.images, batch_size=7), predict(network, frames.images, batch_size=2))


def test_a_constant_image_is_normalised_to_zero() -> None:
    assert torch.equal(normalise(np.full((1, 4, 4), 7, np.uint8)), torch.zeros(1, 1, 4, 4))


@pytest.mark.parametrize(("name", "options"), [("monai_unet", {}), ("smp_unet", {"encoder": "resnet18"})])
def test_segmenters_keep_the_contract(name: str, options: dict[str, Any]) -> None:
    segmenter = create("segmenters", name, options)
    network = segmenter.build(4, 64).eval()
    with torch.inference_mode():
        assert network(torch.zeros(2, 1, 64, 64)).shape == (2, 4, 64, 64)
        assert segmenter.encode(network, torch.zeros(2, 1, 64, 64)).ndim == 2
    with pytest.raises(UserError, match=r"image is too small[\s\S]*multiple of"):
        segmenter.build(4, 24)


def test_encoder_weights_come_from_a_local_file_or_not_at_all(tmp_path: Any) -> None:
    from safetensors.torch import save_file

    network = create("segmenters", "smp_unet", {}).build(2, 64)
    path = tmp_path / "encoder.safetensors"
    save_file(network.encoder.state_dict(), path)
    loaded = create("segmenters", "smp_unet", {"encoder_weights": path}).build(2, 64)
    name = next(iter(network.encoder.state_dict()))
    assert torch.equal(loaded.encoder.state_dict()[name], network.encoder.state_dict()[name])
    with pytest.raises(UserError, match="encoder weights cannot be used"):
        create("segmenters", "smp_unet", {"encoder_weights": tmp_path / "none.safetensors"}).build(2, 64)
    with pytest.raises(UserError, match="unknown encoder 'resnet-18'"):
        create("segmenters", "smp_unet", {"encoder": "resnet-18"}).build(2, 64)


@pytest.mark.parametrize(
    ("regime", "options", "expected"),
    [("real", {}, (10, 0)), ("synthetic", {}, (0, 50)), ("mixed", {"synthetic_per_real": 2.5}, (10, 25))],
)
def test_regimes_choose_their_pool(regime: str, options: dict[str, float], expected: tuple[int, int]) -> None:
    pool = create("regimes", regime, options).pool(10, 50)
    assert (pool.real, pool.synthetic) == expected


def test_a_regime_that_asks_for_too_many_frames_says_how_many() -> None:
    with pytest.raises(UserError, match=r"more frames than were sampled[\s\S]*at least 60[\s\S]*raise sampling.frames"):
        create("regimes", "mixed", {"synthetic_per_real": 6}).pool(10, 50)
