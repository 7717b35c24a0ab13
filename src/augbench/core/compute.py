"""How wide and how exactly torch computes in a stage."""

from __future__ import annotations

import os

from augbench.core.params import Compute


def configure(compute: Compute) -> None:
    """Set threads and determinism for this process."""
    # Read by cuBLAS when it starts; without it, its matrix products have no deterministic form.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    import torch

    torch.set_num_threads(compute.threads)
    torch.use_deterministic_algorithms(compute.deterministic)
    torch.backends.cudnn.benchmark = False
    # Nothing here reads memory before it writes it; filling it first costs time.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
