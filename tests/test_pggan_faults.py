"""The progressive GAN stopped, resumed and broken on purpose: the same bytes, the right events, a clear end."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_generators import TINY, toy_frames
from torch import Tensor, nn

from augbench.core import layout
from augbench.core.component import create
from augbench.core.errors import UserError
from augbench.core.types import Frames
from augbench.generators.adversarial.batches import Batches
from augbench.generators.adversarial.frame_spec import GROUP, Scale, TrainingSet
from augbench.generators.adversarial.guard import MOST_RESCUES, Guard
from augbench.generators.adversarial.objective import Losses, Match
from augbench.generators.adversarial.trainer import Trainer
from augbench.generators.adversarial.watchdog import (
    COLLAPSED,
    D_WON,
    EXPLODED,
    GRADIENT_RATIO,
    PATIENCE,
    ROLLED_BACK,
    Watchdog,
)
from augbench.generators.base import FitContext, FittedGenerator, Generator, TrainingDiverged
from augbench.generators.pggan import PGGAN
from augbench.runtime.checkpoints import Checkpoints
from augbench.stages import train_generator

SIDE, SEED = 16, 3
#: 76 steps of 8 frames: rows end after 32, 63 and 76, growth begins after 19, every 8th step has an R1 penalty.
PARAMS: dict[str, Any] = {**TINY["pggan"], "channels": [8, 8, 4], "total_kimg": 0.608}
ROW_ENDS, STEPS = (32, 63, 76), 76


class Stopped(Exception):
    """Stands for the end of the process."""


class StopAfter(Checkpoints):
    """Checkpoints on the disk; a stop is requested after `steps` steps of this process."""

    def __init__(self, steps: int) -> None:
        super().__init__("train_generator@pggan-0", "key", every_seconds=1e9)
        self.left = steps

    def due(self) -> bool:
        self.left -= 1
        return self.left == 0

    def save(self, step: int, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        super().save(step, tensors, state)
        raise Stopped


def frames() -> Frames:
    return toy_frames(24, SIDE)


def fit(checkpoints: Checkpoints | None = None, **changes: Any) -> tuple[str, list[dict[str, float | str]]]:
    """Hash of the weights, and the curve."""
    context = FitContext(SEED, checkpoints=checkpoints)
    tensors, _ = create(Generator, "pggan", PARAMS | changes).fit(frames(), context).state()
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(tensors[name].contiguous().numpy().tobytes())
    return digest.hexdigest(), context.curve


def events(curve: list[dict[str, float | str]]) -> list[str]:
    return [event for row in curve for event in str(row["event"]).split("; ") if event]


def new_guard(**changes: Any) -> Guard:
    params = PGGAN(**PARAMS | {"growth_fraction": 0.0} | changes)
    context = FitContext(SEED)
    return Guard(Trainer(params, TrainingSet.of(frames(), "view"), context), context)


def finish(guard: Guard) -> list[str]:
    while guard.trainer.images < guard.trainer.model.total_images:
        guard.step()
    return events(guard.curve)


@pytest.fixture(scope="module")
def unkilled() -> tuple[str, list[dict[str, float | str]]]:
    return fit()


def stopped_and_resumed(stops: list[int]) -> tuple[str, list[dict[str, float | str]]]:
    """One process after another; process i is stopped after stops[i] of its own steps."""
    for steps in stops:
        with pytest.raises(Stopped), StopAfter(steps) as checkpoints:
            fit(checkpoints)
    with StopAfter(-1) as checkpoints:
        return fit(checkpoints)


# After the first step and an R1 step, at the end of a row, one step after that, at the end of the next, after the last
# step; after growth, then one step after the end of a row, at the end of the next one, in the last.
@pytest.mark.parametrize("stops", [[1, 9, 32, 1, 31, 13], [20, 33, 32, 5]])
def test_a_run_stopped_at_any_step_and_resumed_ends_in_the_same_bytes(
    stops: list[int], unkilled: tuple[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert stopped_and_resumed(stops) == unkilled


def test_rows_and_growth_lie_where_the_stops_are_chosen(unkilled: tuple[str, Any]) -> None:
    assert [row["kimg"] * 1000 / 8 for row in unkilled[1]] == list(ROW_ENDS)
    assert [PGGAN(**PARAMS).schedule(8 * step, SIDE).side for step in (18, 19)] == [8, 16]


@pytest.mark.parametrize("loss", ["nonsaturating-r1", "wgan-gp"])
def test_the_state_of_a_trainer_decides_its_next_steps(loss: str) -> None:
    one = new_guard(loss=loss, growth_fraction=0.25).trainer
    for step in range(22):
        one.step()
        if step in (0, 7, 18, 20):
            tensors, state = one.state()
            other = new_guard(loss=loss, growth_fraction=0.25).trainer
            other.load(tensors, state)
            one.means()
            for both in (one, other):
                both.step()
                both.step()
            assert one.means() == other.means()
            after, again = one.state(), other.state()
            assert after[1] == again[1]
            assert after[0].keys() == again[0].keys()
            assert all(torch.equal(after[0][name], again[0][name]) for name in after[0])


def test_a_healthy_run_has_no_event_and_every_row_the_same_columns(unkilled: tuple[str, Any]) -> None:
    curve = unkilled[1]
    assert events(curve) == []
    columns = ["kimg", "loss_d", "r1", "loss_g", "resolution", "alpha", "gradient_d", "gradient_g"]
    columns += ["event", "diversity"]
    assert list(curve[0]) == columns
    assert all(set(row) == set(columns) for row in curve)


def poison(monkeypatch: pytest.MonkeyPatch, wrong: Callable[[Tensor, Scale], bool]) -> None:
    """Make NaN of the batches that `wrong` picks by their content."""
    draw = Batches.draw

    def poisoned(self: Batches, scale: Scale) -> tuple[Tensor, Tensor]:
        x, condition = draw(self, scale)
        return (x * math.nan if wrong(x, scale) else x), condition

    monkeypatch.setattr(Batches, "draw", poisoned)


def content_of_batch(number: int) -> float:
    one = new_guard(growth_fraction=0.25).trainer
    for _ in range(number):
        one.step()
    return float(one.batches.draw(one.scale)[0].sum())


def test_a_poisoned_batch_costs_one_rollback_and_the_run_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    guard, left = new_guard(), [40]

    def wrong(x: Tensor, scale: Scale) -> bool:
        left[0] -= 1
        return left[0] == 0

    poison(monkeypatch, wrong)
    assert finish(guard) == [ROLLED_BACK]
    # The 40th step is in the second row, which ends where it would have.
    assert [row["event"] for row in guard.curve] == ["", ROLLED_BACK, ""]
    assert [row["kimg"] for row in guard.curve] == [8 * end / 1000 for end in ROW_ENDS]
    assert guard.trainer.finite()
    assert (guard.trainer.rescues, guard.trainer.rate) == (1, guard.trainer.model.learning_rate / 2)
    assert {group["lr"] for optimiser in guard.trainer.optimisers for group in optimiser.param_groups} == {
        guard.trainer.model.learning_rate / 2
    }


@pytest.mark.parametrize("stops", [[40], [41, 3]])
def test_a_rescued_run_stopped_before_or_after_the_rescue_ends_in_the_same_bytes(
    stops: list[int], unkilled: tuple[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = content_of_batch(40)
    poison(monkeypatch, lambda x, scale: float(x.sum()) == bad)
    rescued = fit()
    assert events(rescued[1]) == [ROLLED_BACK]
    assert rescued[0] != unkilled[0]
    monkeypatch.chdir(tmp_path)
    assert stopped_and_resumed(stops) == rescued


def test_weights_that_are_not_finite_are_never_a_good_state() -> None:
    guard = new_guard()
    for _ in range(ROW_ENDS[0] - 1):
        guard.step()
    # The averaged weights enter no loss: only the check of the weights can find this.
    name = next(iter(guard.trainer.average.weights))
    guard.trainer.average.weights[name].view(-1)[0] = math.nan
    guard.step()
    assert (guard.trainer.images, guard.trainer.rescues) == (0, 1)
    assert guard.trainer.finite()
    assert finish(guard) == [ROLLED_BACK]


def test_after_the_last_rescue_it_stops_with_the_last_good_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    poison(monkeypatch, lambda x, scale: scale.side == 16)
    with pytest.raises(TrainingDiverged, match=rf"(?s)diverged {MOST_RESCUES + 1} times.*learning_rate") as caught:
        fit()
    pairs = caught.value.pairs
    assert pairs.shape == (3 * GROUP, 2, SIDE, SIDE)
    assert pairs.dtype == np.uint8
    assert len(np.unique(pairs[:, 0])) > 10


def test_the_stage_saves_the_last_good_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Diverging(PGGAN):
        def fit(self, frames: Frames, context: FitContext) -> FittedGenerator:
            pairs = np.zeros((2, 2, SIDE, SIDE), np.uint8)
            raise TrainingDiverged("diverged", got="NaN", expected="finite", remedy="lower it", pairs=pairs)

    monkeypatch.chdir(tmp_path)
    sheet = layout.last_good("pggan", 0)
    with pytest.raises(UserError, match=rf"(?s)diverged\n.*remedy: +lower it\n.*file: +{sheet}"):
        train_generator.fit_or_show(Diverging(), frames(), FitContext(0), sheet)
    assert sheet.read_bytes().startswith(b"\x89PNG")


def test_a_learning_rate_of_ten_is_told() -> None:
    # More than params.yaml allows, so that the networks are broken for certain.
    guard = new_guard()
    object.__setattr__(guard.trainer.model, "learning_rate", 10.0)
    guard.trainer.set_rate()
    try:
        found = set(finish(guard))
    except TrainingDiverged:
        found = {ROLLED_BACK}
    assert found & {ROLLED_BACK, EXPLODED}


def test_a_frozen_generator_lets_the_discriminator_win() -> None:
    guard = new_guard(total_kimg=2.0, mask_noise=0.0)
    guard.trainer.optimisers[0].param_groups[0]["lr"] = 0.0
    assert D_WON in finish(guard)


def test_a_generator_that_ignores_its_latent_has_collapsed() -> None:
    guard = new_guard(total_kimg=1.0)
    # What is left of the input is the code of the condition.
    weight = guard.trainer.generator.get_parameter("dense.weight")
    nn.init.zeros_(weight[:, : guard.trainer.generator.latent_size])
    guard.trainer.optimisers[0].param_groups[0]["lr"] = 0.0
    assert COLLAPSED in finish(guard)
    assert all(row["diversity"] < 0.01 for row in guard.curve)


def test_gradients_that_explode_are_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    guard = new_guard(total_kimg=1.6)
    loss = guard.trainer.objective.generator

    def exploding(match: Match) -> Losses:
        # Adam does not care about the scale: the weights stay finite, which no rescue would tell.
        total, shown = loss(match)
        return total * (1e6 if guard.trainer.images > 1208 else 1.0), shown

    monkeypatch.setattr(guard.trainer.objective, "generator", exploding)
    assert finish(guard) == [EXPLODED]
    assert [row["kimg"] for row in guard.curve if row["event"]] == [1.256]


def test_diversity_of_real_frames_is_one_and_of_one_frame_repeated_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    guard = new_guard()
    batches = guard.trainer.batches
    real = batches.take(batches.of_each_condition(GROUP), Scale(SIDE))[0]
    monkeypatch.setattr(guard.probe, "frames", lambda: real)
    assert guard.probe.diversity() == pytest.approx(1.0, abs=0.35)
    same = real[::GROUP].repeat_interleave(GROUP, 0)
    monkeypatch.setattr(guard.probe, "frames", lambda: same)
    # Frames differ between the views, which is not the diversity that is asked for.
    assert guard.probe.diversity() == pytest.approx(0.0, abs=1e-3)


ROW = {"loss_d": 1.3, "gradient_d": 1.0, "gradient_g": 1.0, "diversity": 0.9}


def test_an_event_needs_patience_and_is_logged_once_an_episode() -> None:
    dog, low = Watchdog(won_below=0.1), ROW | {"loss_d": 0.01}
    observed = [dog.observe(row) for row in [low] * (PATIENCE - 1) + [ROW] + [low] * (PATIENCE + 2)]
    assert [event for row in observed for event in row] == [D_WON]
    assert observed[2 * PATIENCE - 1] == [D_WON]
    assert not any(Watchdog(won_below=None).observe(low) for _ in range(PATIENCE))


def test_gradients_are_judged_by_the_rows_before() -> None:
    dog = Watchdog(won_below=0.1)
    for _ in range(PATIENCE):
        assert not dog.observe(ROW)
    assert not dog.observe(ROW | {"gradient_g": GRADIENT_RATIO * 0.99})
    assert dog.observe(ROW | {"gradient_g": GRADIENT_RATIO * 1.01}) == [EXPLODED]
    resumed = Watchdog(won_below=0.1)
    resumed.load(dog.state())
    # Still the same episode, also for a run that was resumed within it; a later one is another.
    loud = ROW | {"gradient_d": math.nan}
    assert [resumed.observe(row) for row in (loud, ROW, loud)] == [[], [], [EXPLODED]]
