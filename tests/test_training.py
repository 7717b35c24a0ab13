"""The training loop: equal steps in every arm, draws that follow from a seed, masks that stay masks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from augbench.core.component import available, create
from augbench.core.errors import UserError
from augbench.core.params import Augmentation, Params
from augbench.core.types import FRAME_COLUMNS, Frames, LabelScheme
from augbench.regimes.base import Regime, Span
from augbench.segmenters.base import Segmenter
from augbench.training.augment import augment, normalise
from augbench.training.batches import AugmentedBatches, draw_order
from augbench.training.fit import Pool, fit, predict, validation_dice

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


def alone(frames: Frames) -> Pool:
    """A pool of these frames and no synthetic one."""
    return Pool(frames.pairs, frames.pairs[:0], [Span(1.0, len(frames), 0)])


def _fit(smoke: Params, frames: Frames, seed: int, **changes: Any) -> tuple[Any, list[dict[str, float]]]:
    settings = {"steps": 12, "batch_size": 4, "validate_every": 6, "selection": "best"} | changes
    training = smoke.training.model_copy(update=settings)
    torch.manual_seed(seed)
    network = create(Segmenter, "monai_unet", {"features": [8, 8, 16, 16, 32, 8]}).build(3, frames.image_size)
    validation = frames.take(range(2))
    curve = fit(
        network, alone(frames), validation, training, smoke.augmentation, smoke.compute, seed=seed, description="test"
    )
    return network, curve


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


def _batches(frames: Frames, places: int, batch_size: int, params: Augmentation, seed: int) -> AugmentedBatches:
    order = draw_order([Span(1.0, len(frames), 0)], places, 1, len(frames), seed)
    return AugmentedBatches(frames.pairs, frames.pairs[:0], order, batch_size, params, seed)


def test_a_place_follows_from_the_seed_alone_whatever_its_batch(smoke: Params) -> None:
    """Place 6 in a batch of four and in one of two, and another seed."""
    frames = discs(5)
    images, labels = _batches(frames, 12, 4, smoke.augmentation, seed=9)[1]
    image, label = (of[2:3] for of in (images, labels))
    for batch_size, seed, same in ((4, 9, True), (2, 9, True), (2, 8, False)):
        batch = _batches(frames, 12, batch_size, smoke.augmentation, seed)[6 // batch_size]
        at = 6 % batch_size
        assert torch.equal(batch[0][at : at + 1], image) == same
        assert not same or torch.equal(batch[1][at : at + 1], label)


def test_every_frame_of_the_pool_is_drawn_once_before_any_is_drawn_again() -> None:
    order = draw_order([Span(1.0, 3, 4)], steps=7, batch_size=3, real=10, seed=1)
    assert len(order) == 21
    # Real frames are the first of ten, synthetic ones stand behind all ten.
    assert all(set(order[at : at + 7]) == {0, 1, 2, 10, 11, 12, 13} for at in (0, 7, 14))


def test_a_real_share_holds_in_every_batch_whatever_the_dose() -> None:
    for dose in (4, 400):
        order = draw_order([Span(1.0, 8, dose, real_share=0.25)], steps=50, batch_size=4, real=8, seed=1)
        batches = order.reshape(50, 4)
        assert ((batches < 8).sum(axis=1) == 1).all()
        assert np.bincount(batches[batches < 8], minlength=8).max() <= 7  # 50 draws of 8 frames, evenly
        assert len(np.unique(batches[batches >= 8])) == min(dose, 150)


def test_spans_follow_one_another_at_the_stated_steps() -> None:
    order = draw_order([Span(0.3, 0, 5), Span(1.0, 4, 0)], steps=10, batch_size=2, real=4, seed=1)
    assert (order[:6] >= 4).all()
    assert (order[6:] < 4).all()
    assert len(order) == 20


def _only(smoke: Params, **chosen: float) -> Augmentation:
    """Every transform off but those named, which are always on."""
    off: dict[str, float] = {"rotation_deg": 0, "scaling": 0, "translation": 0, "gamma": 1, "blur_px": 0}
    off |= {"bias_field": 0, "rician_noise": 0, "probability": 1}
    return smoke.augmentation.model_copy(update=off | chosen)


def _augmented(pairs: np.ndarray, params: Augmentation) -> tuple[torch.Tensor, torch.Tensor]:
    """Images and labels of frames (n, 2, H, W) at places 0, 1, ..."""
    images, labels = torch.from_numpy(pairs[:, :1] / np.float32(255)), torch.from_numpy(pairs[:, 1:].astype(np.float32))
    return augment(images, labels, params, 3, range(len(pairs)))


def test_at_probability_0_frames_are_as_the_network_sees_them_unaugmented(smoke: Params) -> None:
    """What an arm with `augmented: false` trains on."""
    frames = discs(4)
    off = smoke.augmentation.model_copy(update={"probability": 0.0})
    pairs = torch.from_numpy(frames.pairs).float()
    images, labels = augment(pairs[:, :1] / 255, pairs[:, 1:], off, 3, range(4))
    torch.testing.assert_close(images, normalise(frames.images), rtol=0, atol=1e-4)
    np.testing.assert_array_equal(labels[:, 0].numpy(), frames.labels)


def test_augmentation_makes_no_new_label_and_moves_mask_with_image(smoke: Params) -> None:
    images, labels = _augmented(discs(8).pairs, _only(smoke, rotation_deg=45, scaling=0.3, translation=0.1))
    for image, label in zip(images, labels, strict=True):
        assert set(label.unique().tolist()) <= {0, 1, 2}
        assert abs(float(image.mean())) < 1e-4
        # The disc stays the brightest and its ring the darkest part, wherever they went.
        means = [float(image[label == value].mean()) for value in (0, 1, 2)]
        assert means[1] > means[0] > means[2]


def test_without_transforms_a_frame_is_only_normalised(smoke: Params) -> None:
    frames = discs(3)
    images, labels = _augmented(frames.pairs, _only(smoke))
    assert torch.allclose(images, normalise(frames.images), atol=1e-4)
    assert np.array_equal(labels[:, 0].numpy(), frames.labels)


def test_every_frame_is_augmented_in_its_own_way(smoke: Params) -> None:
    """One frame eight times: a transform drawn once for a batch would give eight equal images."""
    same = np.repeat(discs(1).pairs, 8, axis=0)
    for name, value in (("rotation_deg", 30), ("scaling", 0.4), ("translation", 0.2), ("gamma", 2.0), ("blur_px", 2.0)):
        images, _ = _augmented(same, _only(smoke, **{name: value}))
        assert len(torch.unique(images.flatten(1), dim=0)) == 8, name
    for name in ("bias_field", "rician_noise"):
        images, labels = _augmented(same, _only(smoke, **{name: 0.5}))
        assert len(torch.unique(images.flatten(1), dim=0)) == 8, name
        assert (labels == labels[0]).all(), name


def test_zoom_and_shift_are_drawn_from_the_stated_range_evenly(smoke: Params) -> None:
    """400 discs of 61 pixels: area and centre say how each was zoomed and shifted."""
    size = 64
    rows, columns = np.mgrid[:size, :size]
    disc = (np.hypot(rows - 31.5, columns - 31.5) < 4.4).astype(np.uint8)
    pairs = np.repeat(np.stack([disc * 200, disc])[None], 400, axis=0)
    _, labels = _augmented(pairs, _only(smoke, scaling=0.5))
    zoom = np.sqrt(labels.numpy().sum((1, 2, 3)) / disc.sum())
    assert 0.6 < zoom.min() < 0.75
    assert 1.4 < zoom.max() < 1.6
    assert abs(np.median(np.log(zoom))) < 0.06
    _, labels = _augmented(pairs, _only(smoke, translation=0.25))
    right = (labels[:, 0].numpy() * columns).sum((1, 2)) / labels.numpy().sum((1, 2, 3)) - 31.5
    assert 14 < right.max() < 17
    assert -17 < right.min() < -14
    assert abs(right.mean()) < 1


def test_each_transform_is_on_in_the_stated_share_of_frames(smoke: Params) -> None:
    same = np.repeat(discs(1, size=16).pairs, 400, axis=0)
    images, _ = _augmented(same, _only(smoke, gamma=2.0, probability=0.25))
    plain = normalise(same[:1, 0])
    changed = ((images - plain).abs().amax((1, 2, 3)) > 1e-3).float().mean()
    assert 0.18 < float(changed) < 0.32


def test_predictions_do_not_depend_on_the_batch(smoke: Params) -> None:
    frames = discs(7)
    network, _ = _fit(smoke, frames, 6)
    assert np.array_equal(predict(network, frames.images, batch_size=7), predict(network, frames.images, batch_size=2))


def test_a_constant_image_is_normalised_to_zero() -> None:
    assert torch.equal(normalise(np.full((1, 4, 4), 7, np.uint8)), torch.zeros(1, 1, 4, 4))


@pytest.mark.parametrize(
    ("name", "options"), [("monai_unet", {}), ("light_unet", {}), ("smp_unet", {"encoder": "resnet18"})]
)
def test_segmenters_keep_the_contract(name: str, options: dict[str, Any]) -> None:
    segmenter = create(Segmenter, name, options)
    network = segmenter.build(4, 64).eval()
    with torch.inference_mode():
        assert network(torch.zeros(2, 1, 64, 64)).shape == (2, 4, 64, 64)
        assert segmenter.encode(network, torch.zeros(2, 1, 64, 64)).ndim == 2
    with pytest.raises(UserError, match=r"image is too small[\s\S]*multiple of"):
        segmenter.build(4, 24)


def test_the_light_u_net_has_the_levels_it_is_given() -> None:
    """Its deepest level has the last number of features; frames that cannot be halved so often are refused."""
    segmenter = create(Segmenter, "light_unet", {"features": [4, 8, 12]})
    network = segmenter.build(2, 20).eval()
    sizes: list[tuple[int, ...]] = []
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.register_forward_hook(lambda _, __, output: sizes.append(tuple(output.shape[1:])))
    with torch.inference_mode():
        assert segmenter.encode(network, torch.randn(1, 1, 20, 20)).shape == (1, 12)
        sizes.clear()
        network(torch.randn(1, 1, 20, 20))
    assert sizes == [(4, 20, 20), (8, 10, 10), (12, 5, 5), (8, 10, 10), (4, 20, 20)]
    with pytest.raises(UserError, match="multiple of 4"):
        segmenter.build(2, 22)


def test_encoder_weights_come_from_a_local_file_or_not_at_all(tmp_path: Any) -> None:
    from safetensors.torch import save_file

    network = create(Segmenter, "smp_unet", {}).build(2, 64)
    path = tmp_path / "encoder.safetensors"
    save_file(network.encoder.state_dict(), path)
    loaded = create(Segmenter, "smp_unet", {"encoder_weights": path}).build(2, 64)
    name = next(iter(network.encoder.state_dict()))
    assert torch.equal(loaded.encoder.state_dict()[name], network.encoder.state_dict()[name])
    with pytest.raises(UserError, match="encoder weights cannot be used"):
        create(Segmenter, "smp_unet", {"encoder_weights": tmp_path / "none.safetensors"}).build(2, 64)
    with pytest.raises(UserError, match="unknown encoder 'resnet-18'"):
        create(Segmenter, "smp_unet", {"encoder": "resnet-18"}).build(2, 64)


@pytest.mark.parametrize(
    ("regime", "options", "expected"),
    [
        ("real", {}, [Span(1.0, 10, 0)]),
        ("synthetic", {}, [Span(1.0, 0, 50)]),
        ("mixed", {"synthetic_per_real": 2.5}, [Span(1.0, 10, 25)]),
        ("mixed", {"synthetic_per_real": 1, "real_share": 0.5}, [Span(1.0, 10, 10, 0.5)]),
        ("mixed", {}, [Span(1.0, 10, 50)]),
        ("pretrain", {"fraction": 0.4}, [Span(0.4, 0, 50), Span(1.0, 10, 0)]),
    ],
)
def test_regimes_say_what_is_drawn_when(regime: str, options: dict[str, float], expected: list[Span]) -> None:
    assert create(Regime, regime, options).spans(10, 50) == expected


@pytest.mark.parametrize("kind", available(Regime))
def test_every_regime_fills_the_whole_training_with_frames_it_may_use(kind: str) -> None:
    """The contract: spans in order that end at 1, and no synthetic frame in a regime that says it needs none."""
    options = {"mixed": {"synthetic_per_real": 2}, "pretrain": {"fraction": 0.5}}.get(kind, {})
    regime = create(Regime, kind, options)
    spans = regime.spans(10, 50 if regime.needs_synthetic else 0)
    ends = [span.until for span in spans]
    assert ends == sorted(ends)
    assert ends[-1] == 1.0
    assert all(span.real + span.synthetic > 0 for span in spans)
    assert any(span.synthetic for span in spans) == regime.needs_synthetic


def test_a_regime_that_asks_for_too_many_frames_says_how_many() -> None:
    with pytest.raises(UserError, match=r"more frames than were sampled[\s\S]*at least 60[\s\S]*raise sampling.frames"):
        create(Regime, "mixed", {"synthetic_per_real": 6}).spans(10, 50)


def test_best_selection_without_validation_patients_is_refused(smoke: Params) -> None:
    frames = discs(4)
    training = smoke.training.model_copy(update={"selection": "best"})
    network = create(Segmenter, "monai_unet", {"features": [8, 8, 16, 16, 32, 8]}).build(3, 32)
    with pytest.raises(UserError, match=r"no validation patients[\s\S]*selection to last"):
        fit(
            network,
            alone(frames),
            frames.take([]),
            training,
            smoke.augmentation,
            smoke.compute,
            seed=1,
            description="t",
        )


def test_a_missing_gpu_is_one_message(smoke: Params) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    frames = discs(4)
    compute = smoke.compute.model_copy(update={"accelerator": "gpu"})
    network = create(Segmenter, "monai_unet", {"features": [8, 8, 16, 16, 32, 8]}).build(3, 32)
    with pytest.raises(UserError, match="no GPU was found"):
        fit(network, alone(frames), frames, smoke.training, smoke.augmentation, compute, seed=1, description="test")
