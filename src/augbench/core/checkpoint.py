"""What a long task may save, and how networks' state is put into it; where it is kept is the runtime's business.

A killed and resumed task ends in the same bytes as one that was not killed (docs/resume.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class Checkpoint(NamedTuple):
    """Where a task stood.

    Attributes:
        step: steps done; the task's own unit.
        tensors: contiguous, on the CPU.
        state: JSON; integers of any size and floats come back exactly.
    """

    step: int
    tensors: dict[str, Tensor]
    state: dict[str, Any]


class Checkpoints(Protocol):
    """The checkpoints of one task; `runtime.checkpoints` keeps them in files."""

    @property
    def folder(self) -> Path:
        """Where the task may lay larger files beside its checkpoints."""

    def latest(self) -> Checkpoint | None:
        """The newest sound one; None: start from the beginning."""

    def due(self) -> bool:
        """Whether it is time to `save`."""

    def save(self, step: int, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Keep where the task stands: `step` never falls, `tensors` are copied, `state` is JSON."""


def optimiser_state(optimiser: torch.optim.Optimizer, prefix: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """An optimiser as tensors named `<prefix>.<parameter>.<name>` and JSON."""
    content = optimiser.state_dict()
    tensors, numbers = {}, {}
    for parameter, held in content["state"].items():
        for name, value in held.items():
            if hasattr(value, "detach"):
                tensors[f"{prefix}.{parameter}.{name}"] = value
            else:
                numbers[f"{parameter}.{name}"] = value
    return tensors, {"param_groups": content["param_groups"], "numbers": numbers}


def restore_optimiser(
    optimiser: torch.optim.Optimizer, prefix: str, tensors: Mapping[str, Tensor], content: Mapping[str, Any]
) -> None:
    """Put back what `optimiser_state` gave, each tensor in the memory format of its parameter."""
    import torch

    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Any]] = {}
    for full, value in tensors.items():
        if not full.startswith(f"{prefix}."):
            continue
        number, name = full.removeprefix(f"{prefix}.").split(".")
        like = parameters[int(number)]
        # Adam runs over values in memory order: another order may round differently.
        shaped = torch.empty_like(like).copy_(value) if value.shape == like.shape else value
        state.setdefault(int(number), {})[name] = shaped
    for full, number_value in content["numbers"].items():
        number, name = full.split(".")
        state.setdefault(int(number), {})[name] = number_value
    optimiser.load_state_dict({"state": state, "param_groups": content["param_groups"]})


def random_state() -> dict[str, Tensor]:
    """torch's own generators: of the CPU, and of every GPU in use."""
    import torch

    gpus = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
    return {"cpu": torch.get_rng_state()} | {f"gpu{number}": state for number, state in enumerate(gpus)}


def set_random_state(states: Mapping[str, Tensor]) -> None:
    """Put back what `random_state` gave."""
    import torch

    torch.set_rng_state(states["cpu"])
    for number in range(len(states) - 1):
        torch.cuda.set_rng_state(states[f"gpu{number}"], number)


def with_prefix(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Those whose name starts with `prefix`, without it."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
