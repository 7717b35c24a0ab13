"""Which environment variables decide the bytes of a study, and what portable kernels cost.

    python benchmarks/kernels.py [--emulate Haswell] [--parts cohort generator ...] [--costs]

Tiny versions of the smoke study's stages run in a process for each set of variables of `core.kernels`: none, all, each
alone, all but one. A line a set: the part's letter tells which other sets gave the same bytes. With `--emulate`, the
chosen parts also run on a processor that qemu emulates (`apt install qemu-user`), with no variable set at all: one
without AVX-512 must give the bytes of "all". With `--costs` only a training step is timed, in processor time and
processes that take turns. On a processor without AVX-512 all lines are the same.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from augbench.core.kernels import PORTABLE

_ROOT = Path(__file__).parent.parent
_STEPS = 50
#: Steps timed at once, and how often in a process.
_TIMED, _ROUNDS = 16, 5


def tiny_study() -> Any:
    """The smoke study with few frames and steps, one generator and two arms, and the default study's network too."""
    from augbench.core.params import parse_params
    from augbench.core.yaml_file import load_yaml

    content, default = (load_yaml(_ROOT / path / "params.yaml") for path in ("studies/smoke", "."))
    content["generators"] = {name: content["generators"][name] for name in ("pggan", "oracle")}
    content["generators"]["pggan"] |= {"seeds": [0], "total_kimg": _STEPS * 16 / 1000}
    content["sampling"]["frames"] = 64
    content["arms"]["patients"]["real"]["seeds"] = [0]
    light = {"role": "studied", "seeds": [0], "segmenter": default["segmenters"]["unet"]}
    content["arms"]["patients"]["light"] = content["arms"]["patients"]["real"] | light
    content["arms"]["generated"] = {"synthetic": content["arms"]["generated"]["pggan-synthetic"] | {"seeds": [0]}}
    content["training"] |= {"steps": _STEPS, "validate_every": _STEPS}
    content["comparison"]["primary"]["arm"] = "synthetic"
    content["audit"] |= {"frames": 64, "features": {"pixels": {"size": 16}}}
    return parse_params(content)


def _muon(params: Any) -> Any:
    return params.model_copy(update={"training": params.training.model_copy(update={"optimiser": "muon"})})


def _comparison() -> None:
    """Tables of the smoke study's committed scores: they follow from numpy and scipy alone."""
    from augbench.core.params import read_params
    from augbench.stages import compare

    reports = _ROOT / "studies/smoke/reports"
    shutil.copytree(reports, "reports", ignore=shutil.ignore_patterns("figures", "*.html"), dirs_exist_ok=True)
    for name in ("comparison", "contrasts", "variance", "sites", "dose_response"):
        Path(f"reports/{name}.csv").unlink()
    compare.run(read_params(_ROOT / "studies/smoke/params.yaml"))


def _parts(params: Any) -> dict[str, tuple[Callable[[], None], list[str]]]:
    """Part -> what makes it, in order, and its files; later ones read what earlier ones wrote."""
    from augbench.stages import audit, develop, prepare, sample, train_generator, train_segmenter

    def sampled() -> None:
        sample.run(params, "pggan")

    def scored() -> None:
        train_segmenter.run(params, "synthetic")
        develop.run(params, "internal")

    def audited() -> None:
        train_generator.run(params, "oracle")
        sample.run(params, "oracle")
        audit.run(params, "oracle")

    return {
        "comparison": (_comparison, ["reports/*.csv", "reports/metrics.json"]),
        "cohort": (lambda: prepare.run(params), ["data/cohort/*/*"]),
        "audit": (audited, ["data/synthetic/oracle/*/*", "reports/audit/oracle.json"]),
        "segmenter": (lambda: train_segmenter.run(params, "real"), ["data/models/real/*/*"]),
        "muon": (lambda: train_segmenter.run(_muon(params), "light"), ["data/models/light/*/*"]),
        "generator": (lambda: train_generator.run(params, "pggan"), ["data/generators/pggan/*/*"]),
        "sample": (sampled, ["data/synthetic/pggan/*/*"]),
        "scores": (scored, ["reports/development/internal.csv"]),
    }


PARTS = ("comparison", "cohort", "audit", "segmenter", "muon", "generator", "sample", "scores")


def _digest(patterns: list[str]) -> str:
    found = hashlib.sha256()
    for path in sorted(path for pattern in patterns for path in Path().glob(pattern) if path.is_file()):
        found.update(path.read_bytes())
    return found.hexdigest()


def child(wanted: list[str]) -> None:
    """Make the parts in this process and print their digests."""
    from augbench.core.compute import configure

    params = tiny_study()
    configure(params.compute)
    digests = {}
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for name, (make, files) in _parts(params).items():
            if name in wanted:
                make()
                digests[name] = _digest(files)
                print(f"{name} {time.process_time():.0f} s", file=sys.stderr)
    print(json.dumps(digests))


def _clean_environment(variables: dict[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in PORTABLE}
    return kept | variables | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(_ROOT / "src")}


def _run(variables: dict[str, str], *arguments: str, launcher: tuple[str, ...] = ()) -> Any:
    command = [*launcher, sys.executable, __file__, "--child", *arguments]
    done = subprocess.run(command, env=_clean_environment(variables), stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def _sets() -> Iterator[tuple[str, dict[str, str]]]:
    yield "none", {}
    yield "all", PORTABLE
    for name in PORTABLE:
        yield name, {name: PORTABLE[name]}
    for name in PORTABLE:
        yield f"all but {name}", {other: value for other, value in PORTABLE.items() if other != name}


def print_table(wanted: list[str], emulated: list[str]) -> None:
    """A line a set; `a` is what the first set gave, `b` the next other bytes, and so on."""
    seen: dict[str, list[str]] = {name: [] for name in wanted}

    def line(name: str, digests: dict[str, str]) -> None:
        letters = []
        for part in wanted:
            if digests[part] not in seen[part]:
                seen[part].append(digests[part])
            letters.append(chr(ord("a") + seen[part].index(digests[part])))
        print(f"| {name} | {' | '.join(letters)} |", flush=True)

    print(f"| variables set | {' | '.join(wanted)} |\n|---|{'---|' * len(wanted)}", flush=True)
    for name, variables in _sets():
        line(name, _run(variables, *wanted))
    for processor in emulated:
        line(f"none, on an emulated {processor}", _run({}, *wanted, launcher=("qemu-x86_64", "-cpu", processor)))


def time_steps() -> None:
    """Print milliseconds of processor time of a step of the default study's networks, 64 x 64 pixels, batches of 8."""
    import torch
    from gan_step import trainer

    torch.set_num_threads(1)
    print(
        json.dumps({"generator": _fastest(trainer(64, "nonsaturating-r1").step), "segmenter": _fastest(_segmenter())})
    )


def _fastest(step: Callable[[], object]) -> float:
    def once() -> float:
        start = time.process_time()
        for _ in range(_TIMED):
            step()
        return 1e3 * (time.process_time() - start) / _TIMED

    return min(once() for _ in range(_ROUNDS))


def _segmenter() -> Callable[[], object]:
    """A step without augmentation."""
    import torch

    from augbench.core.component import create
    from augbench.core.params import read_params
    from augbench.segmenters.base import Segmenter
    from augbench.training.muon import Muon

    reference = read_params(_ROOT / "params.yaml").arms.patients["real"].segmenter
    network: Any = create(Segmenter, reference.kind, reference.options).build(6, 64)
    optimiser = Muon(network, 0.05, 1e-4)
    images = torch.rand(8, 1, 64, 64).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(0, 6, (8, 64, 64))

    def step() -> None:
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(network(images), labels).backward()
        optimiser.step()

    return step


def print_costs(repetitions: int = 3) -> None:
    """Both kinds of kernels in processes that take turns."""
    times: dict[tuple[str, str], list[float]] = {}
    for _ in range(repetitions):
        for kernels, variables in (("native", {}), ("portable", PORTABLE)):
            for network, milliseconds in _run(variables, "time").items():
                times.setdefault((network, kernels), []).append(milliseconds)
    print("\n| a step of the | native, ms | portable, ms | ratio of the fastest |\n|---|---|---|---|")
    for network in ("segmenter", "generator"):
        native, portable = times[network, "native"], times[network, "portable"]
        shown = [", ".join(f"{one:.1f}" for one in row) for row in (native, portable)]
        print(f"| {network} | {shown[0]} | {shown[1]} | {min(portable) / min(native):.2f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--emulate", nargs="*", default=[], metavar="CPU", help="of qemu: Haswell, EPYC, Broadwell")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--costs", action="store_true")
    parser.add_argument("--child", nargs="*", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child == ["time"]:
        time_steps()
    elif arguments.child:
        child(arguments.child)
    elif arguments.costs:
        print_costs()
    else:
        print_table(arguments.parts, arguments.emulate)


if __name__ == "__main__":
    main()
