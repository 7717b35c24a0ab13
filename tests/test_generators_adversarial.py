"""The shared loop, through a model that is as small as one can be and through PG-GAN."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from test_generators import SCHEME, SEEDS, SIZE, TINY, VIEWS, toy_frames
from torch import Tensor, nn
from torch.nn import functional

from augbench.core.errors import UserError
from augbench.core.types import Frames
from augbench.generators.adversarial.frame_spec import GROUP, FrameSpec, Scale, TrainingSet
from augbench.generators.adversarial.model import AdversarialGenerator
from augbench.generators.adversarial.networks import DiscriminatorNetwork, GeneratorNetwork, MaskHead
from augbench.generators.adversarial.objective import Losses, Match, Objective
from augbench.generators.adversarial.trainer import Trainer
from augbench.generators.base import FitContext
from augbench.generators.pggan import PGGAN


class DenseGenerator(GeneratorNetwork):
    """One layer with a batch norm: a network with running statistics."""

    latent_size = 4

    def __init__(self, spec: FrameSpec, rng: torch.Generator) -> None:
        super().__init__()
        self.condition = nn.Parameter(torch.randn(len(spec.conditions), 4, generator=rng))
        self.norm = nn.BatchNorm1d(8)
        self.weight = nn.Parameter(0.1 * torch.randn(8, (1 + spec.classes) * 16, generator=rng))
        self.head = MaskHead(spec.allowed)

    def forward(self, code: Tensor, condition: Tensor, scale: Scale) -> Tensor:
        x = self.norm(torch.cat([code, self.condition[condition]], 1)) @ self.weight
        x = functional.interpolate(x.unflatten(1, (-1, 4, 4)), size=(scale.side, scale.side))
        out: Tensor = self.head(x[:, :1], x[:, 1:], condition)
        return out


class DenseDiscriminator(DiscriminatorNetwork):
    def __init__(self, spec: FrameSpec, rng: torch.Generator) -> None:
        super().__init__()
        self.weight = nn.Parameter(0.1 * torch.randn(len(spec.conditions), (1 + spec.classes) * 16, generator=rng))

    def forward(self, x: Tensor, condition: Tensor, scale: Scale) -> Tensor:
        return (functional.adaptive_avg_pool2d(x, 4).flatten(1) * self.weight[condition]).sum(1)


class Hinge(Objective):
    def discriminator(self, match: Match) -> Losses:
        loss = functional.relu(1 - match.score(match.real)).mean()
        loss = loss + functional.relu(1 + match.score(match.synthetic)).mean()
        return loss, {"loss_d": loss}

    def generator(self, match: Match) -> Losses:
        loss = -match.score(match.synthetic).mean()
        return loss, {"loss_g": loss}


class Dense(AdversarialGenerator):
    """A whole model: networks and objective; the schedule is the default one."""

    discriminator_steps: ClassVar[int] = 2

    def generator_network(self, spec: FrameSpec, rng: torch.Generator) -> GeneratorNetwork:
        return DenseGenerator(spec, rng)

    def discriminator_network(self, spec: FrameSpec, rng: torch.Generator) -> DiscriminatorNetwork:
        return DenseDiscriminator(spec, rng)

    def objective(self, generator: GeneratorNetwork, discriminator: DiscriminatorNetwork) -> Objective:
        return Hinge()

    def memory_bytes(self, image_size: int, classes: int) -> int:
        return 1


def trainer(model: AdversarialGenerator, precision: str = "fp32") -> Trainer:
    return Trainer(model, TrainingSet.of(toy_frames(), model.condition), FitContext(3, precision=precision))


def pggan(**changes: Any) -> PGGAN:
    return PGGAN(**TINY["pggan"] | {"growth_fraction": 0.0} | changes)


def test_a_model_is_its_networks_and_its_objective() -> None:
    model, context = Dense(total_kimg=0.6, batch_size=8), FitContext(3)
    fitted = model.fit(toy_frames(), context)
    assert [row["kimg"] for row in context.curve] == [0.256, 0.512, 0.608]
    assert list(context.curve[0])[:3] == ["kimg", "loss_d", "loss_g"]
    pairs = fitted.sample(VIEWS, SEEDS)
    for view, labels in zip(VIEWS, pairs[:, 1], strict=True):
        assert set(np.unique(labels)) <= {0} | {SCHEME.value(structure) for structure in SCHEME.annotated[view]}
    # What it was trained with stands in its weights, not in the component that restores it.
    np.testing.assert_array_equal(Dense().restore(*fitted.state()).sample(VIEWS, SEEDS), pairs)


def test_images_count_what_the_discriminator_saw() -> None:
    one = trainer(Dense(batch_size=8))
    one.step()
    assert (one.images, one.steps) == (16, 1)


def test_running_statistics_are_part_of_the_state() -> None:
    one, other = trainer(Dense(batch_size=8)), trainer(Dense(batch_size=8))
    one.step()
    tensors, state = one.state()
    assert tensors["generator.norm.num_batches_tracked"] == 2
    other.load(tensors, state)
    for each in (one, other):
        each.step()
    after, again = one.state()[0], other.state()[0]
    assert all(torch.equal(after[name], again[name]) for name in after)


def by_pathology() -> Frames:
    frames = toy_frames()
    pathology = ["TGA" if view == "sax" else "ToF" for view in frames.views]
    return Frames(frames.pairs, frames.table.assign(pathology=pathology), frames.scheme)


def test_any_column_can_be_the_condition() -> None:
    model = PGGAN(**TINY["pggan"], condition="pathology")
    fitted = model.fit(by_pathology(), FitContext(3))
    assert fitted.condition == "pathology"
    pairs = fitted.sample(["TGA", "ToF"], SEEDS[:2])
    assert pairs.shape == (2, 2, SIZE, SIZE)
    with pytest.raises(UserError, match="sax"):
        fitted.sample(["sax"], SEEDS[:1])
    with pytest.raises(UserError, match=r"(?s)no column 'ward'.*'condition'"):
        PGGAN(**TINY["pggan"], condition="ward").fit(by_pathology(), FitContext(3))


def test_a_condition_can_show_what_any_of_its_views_shows() -> None:
    examples = TrainingSet.of(by_pathology(), "pathology")
    assert examples.spec.conditions == ("TGA", "ToF")
    assert examples.spec.allowed == ((True, True, True, True, False, False), (True,) * 6)
    assert [examples.spec.conditions[number] for number in examples.condition[:3]] == ["ToF", "ToF", "TGA"]
    # Views keep the order of the scheme, whatever the alphabet says.
    assert TrainingSet.of(toy_frames(), "view").spec.conditions == SCHEME.views


@pytest.mark.parametrize("loss", ["nonsaturating-r1", "wgan-gp"])
def test_accumulated_parts_are_one_batch(loss: str) -> None:
    whole, parts = (trainer(pggan(batch_size=16, accumulation=count, loss=loss)) for count in (1, 4))
    for each in (whole, parts):
        each.step(measure=True)
    means = whole.means()
    assert {"gradient_d", "gradient_g"} <= means.keys()
    assert parts.means() == pytest.approx(means, rel=1e-3)
    assert all(torch.equal(one.get_state(), whole.rngs[name].get_state()) for name, one in parts.rngs.items())


def test_half_precision_trains_close_to_full_precision() -> None:
    full, half = trainer(pggan()), trainer(pggan(), "bf16")
    for each in (full, half):
        each.step(measure=True)
    means, expected = half.means(), full.means()
    assert means == pytest.approx(expected, rel=0.1)
    assert means != expected
    for _ in range(8):
        half.step()
    assert half.finite()
    assert {weight.dtype for weight in half.generator.parameters()} == {torch.float32}


def test_a_step_reads_no_loss_back_from_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    one = trainer(pggan())
    one.step()

    def refuse(tensor: Tensor) -> None:
        raise AssertionError("the host would wait for the device")

    tolist = Tensor.tolist
    with monkeypatch.context() as patched:
        for name in ("item", "__float__", "__bool__", "numpy"):
            patched.setattr(Tensor, name, refuse)
        # Row numbers are drawn on the CPU, and may be read.
        patched.setattr(Tensor, "tolist", lambda one: refuse(one) if one.is_floating_point() else tolist(one))
        for _ in range(8):
            one.step(measure=True)
    assert np.isfinite(list(one.means().values())).all()


def test_a_loss_that_was_not_finite_once_is_not_finite_in_the_mean() -> None:
    one = trainer(pggan())
    for value in (1.0, float("inf"), 2.0, -float("inf")):
        one._record("loss_d", torch.tensor(value))
    assert not np.isfinite(one.means()["loss_d"])


def test_memory_falls_with_parts_and_rises_with_size() -> None:
    model = PGGAN(batch_size=16)
    assert PGGAN(batch_size=16, accumulation=4).memory_bytes(64, 6) < model.memory_bytes(64, 6) / 2
    assert model.memory_bytes(32, 6) < model.memory_bytes(64, 6)
    # What the default study's training was measured to take (reports/provenance.json): tens of MiB, not GiB.
    assert 20 * 2**20 < model.memory_bytes(64, 6) < 500 * 2**20


def test_batches_hold_groups_of_one_condition_from_any_memory_map(tmp_path: Any) -> None:
    frames = toy_frames()
    np.save(tmp_path / "pairs.npy", frames.pairs)
    mapped = Frames(np.load(tmp_path / "pairs.npy", mmap_mode="r"), frames.table, frames.scheme)
    model = pggan(batch_size=16)
    one = Trainer(model, TrainingSet.of(mapped, "view"), FitContext(3))
    x, condition = one.batches.draw(Scale(SIZE))
    assert x.shape == (16, 1 + SCHEME.classes, SIZE, SIZE)
    assert all(len(set(group.tolist())) == 1 for group in condition.split(GROUP))
    assert torch.equal(x, trainer(model).batches.draw(Scale(SIZE))[0])
