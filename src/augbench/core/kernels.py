"""Which machine code the numerical libraries choose, before they load: it decides the last bits of every result.

Each library asks the processor what it can do and takes its fastest code, whose sums run in another order on each kind
of processor. `portable` holds them all to the instructions that every x86-64 processor with AVX2 has
(docs/kernels.md has the measurements).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from augbench.core.errors import UserError
from augbench.core.yaml_file import load_yaml

Kernels = Literal["portable", "native"]
DEFAULT: Kernels = "portable"

#: Read by torch, its oneDNN and MKL, by numpy, and by the OpenBLAS of numpy and scipy, when they load or first compute.
#: MKL_CBWR is not AVX2, with which MKL takes other code on Intel's processors than on AMD's (docs/kernels.md).
PORTABLE = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "DNNL_MAX_CPU_ISA": "AVX2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "MKL_CBWR": "COMPATIBLE",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
    "OPENBLAS_CORETYPE": "Haswell",
}


def choose(kernels: Kernels) -> None:
    """For this process and those that it starts; without effect on a library that is loaded already."""
    if kernels == "portable":
        os.environ.update(PORTABLE)
    else:
        # What a parent or the shell has set would make other bytes than the parameter says.
        for name in PORTABLE:
            os.environ.pop(name, None)


def kernels_of(params_file: Path) -> Kernels:
    """`compute.kernels` of a study, read before anything else; what is wrong there the command itself reports."""
    try:
        content = load_yaml(params_file)
    except (UserError, OSError):
        return DEFAULT
    compute = content.get("compute") if isinstance(content, dict) else None
    native = isinstance(compute, dict) and compute.get("kernels") == "native"
    return "native" if native else DEFAULT
