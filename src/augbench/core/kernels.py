"""Which machine code the numerical libraries choose, before they load: it decides the last bits of every result.

Each library asks the processor what it can do and takes its fastest code, whose sums run in another order on each kind
of processor. `portable` holds them all to the instructions that every x86-64 processor with AVX2 has
(docs/kernels.md has the measurements).
"""

from __future__ import annotations

import json
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


#: Holds, as JSON, which of the variables the user's shell had set: `native` is what the shell says.
_SHELL = "AUGBENCH_SHELL_KERNELS"


def choose(kernels: Kernels) -> None:
    """For this process and those that it starts; without effect on a library that is loaded already."""
    shell = json.loads(os.environ.get(_SHELL) or json.dumps(in_force()))
    for name in PORTABLE:
        os.environ.pop(name, None)
    os.environ[_SHELL] = json.dumps(shell)
    os.environ.update(PORTABLE if kernels == "portable" else shell)


def in_force() -> dict[str, str]:
    """Those of the variables that are set now."""
    return {name: os.environ[name] for name in PORTABLE if name in os.environ}


def kernels_of(params_file: Path) -> Kernels:
    """`compute.kernels` of a study, read before anything else; what is wrong there the command itself reports."""
    try:
        content = load_yaml(params_file)
    except (UserError, OSError):
        return DEFAULT
    compute = content.get("compute") if isinstance(content, dict) else None
    native = isinstance(compute, dict) and compute.get("kernels") == "native"
    return "native" if native else DEFAULT
