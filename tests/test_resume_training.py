"""A training that is stopped and started again ends in the bytes of one that was not stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from augbench.core.component import create
from augbench.core.params import Params
from augbench.runtime.checkpoints import Checkpoints
from augbench.segmenters.base import Segmenter
from augbench.training.fit import fit
from tests.test_training import alone, discs

STEPS, VALIDATE_EVERY = 7, 3


class StopsAt(Checkpoints):
    """Ends the process at its first save, as a requested stop does: after `steps` steps or at the training's end."""

    def __init__(self, steps: int) -> None:
        super().__init__("train", "a-b-c-d", every_seconds=1e9)
        self._left = steps

    def due(self) -> bool:
        self._left -= 1
        return self._left == 0

    def save(self, *content: Any) -> None:
        super().save(*content)
        raise SystemExit(75)


def _train(
    smoke: Params, checkpoints: Checkpoints | None, selection: str, optimiser: str
) -> tuple[dict[str, Tensor], Any]:
    changes = {"steps": STEPS, "batch_size": 4, "validate_every": VALIDATE_EVERY, "selection": selection}
    changes |= {"optimiser": optimiser}
    torch.manual_seed(3)
    # Dropout draws from torch's own generator, which has to be saved, too.
    network = nn.Sequential(create(Segmenter, "light_unet", {"features": [16, 16, 16]}).build(3, 32), nn.Dropout(0.2))
    # What another part of the process drew must not matter.
    torch.manual_seed(int(torch.seed()))
    frames = discs(6)
    training = smoke.training.model_copy(update=changes)
    options: dict[str, Any] = {"seed": 5, "description": "test", "checkpoints": checkpoints}
    curve = fit(network, alone(frames), frames.take(range(2)), training, smoke.augmentation, smoke.compute, **options)
    return network.state_dict(), curve


@pytest.mark.parametrize(("selection", "optimiser"), [("best", "adamw"), ("last", "adamw"), ("last", "muon")])
def test_a_stopped_training_ends_in_the_same_bytes(
    smoke: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, selection: str, optimiser: str
) -> None:
    """Stopped after its first step, at a validation, right after one, and at its last step."""
    monkeypatch.chdir(tmp_path)
    weights, curve = _train(smoke, None, selection, optimiser)
    for steps in (1, VALIDATE_EVERY - 1, 1, STEPS):
        with pytest.raises(SystemExit):
            _train(smoke, StopsAt(steps), selection, optimiser)
    # Between the training's end and DVC's record of it: nothing is left to train.
    resumed, resumed_curve = _train(smoke, Checkpoints("train", "a-b-c-d", every_seconds=1e9), selection, optimiser)
    assert resumed_curve == curve
    assert resumed.keys() == weights.keys()
    assert all(torch.equal(resumed[name], weights[name]) for name in weights)
