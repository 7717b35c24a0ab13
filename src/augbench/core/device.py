"""Where networks run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from augbench.core.errors import UserError

if TYPE_CHECKING:
    import torch


def torch_device(accelerator: str) -> torch.device:
    """The device of `compute.accelerator`.

    Raises:
        UserError: a GPU is asked for and torch sees none.
    """
    import torch

    if accelerator == "gpu" and not torch.cuda.is_available():
        raise UserError(
            "no GPU was found",
            got=f"torch {torch.__version__} without a usable CUDA device",
            expected="a GPU, as 'compute.accelerator' says",
            remedy="set compute.accelerator to cpu, or install torch with CUDA",
            file="params.yaml",
        )
    return torch.device("cuda" if accelerator == "gpu" else "cpu")
