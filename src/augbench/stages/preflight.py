"""What the run will need, estimated before it starts: memory of its largest stage and disk of all it writes.

The estimate is a model fitted to measured peaks (reports/provenance.json and the smoke preset; both within 20%), no
promise. It is meant to stop a run that cannot end, not to plan a machine to the megabyte. Other machines' libraries
may take more: stages are given a tenth above the model.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augbench.core import layout
from augbench.core.artifacts import read_json
from augbench.core.component import create
from augbench.core.errors import UserError
from augbench.core.params import Params
from augbench.core.runs import all_runs
from augbench.core.shards import SHARD_FRAMES
from augbench.core.types import COHORTS

MIB = 2**20
GIB = 2**30
#: Measured in a stage with hardly any data: the interpreter with the libraries that the stage imports, in MiB.
#: `sample` with the network of pseudo labels, which takes 120 more than the generator's own masks.
_LIBRARIES_MIB = {
    "prepare": 825, "train_generator": 755, "sample": 785, "audit": 850, "train_segmenter": 880, "develop": 880,
    "evaluate": 880, "compare": 190, "report": 320,
}  # fmt: skip
#: Bytes held per output value of a layer: outputs, gradients and what backward keeps of norm and activation.
_SEGMENTER_COPIES, _GENERATOR_COPIES, _INFERENCE_COPIES = 24, 20, 4
_INFERENCE_BATCH = 64
_FLOAT_BYTES = 4
_RESERVE = 1.1
#: Values per pixel of full size and weights of a resnet34 U-Net, for a segmenter whose section names no features.
_UNSTATED_WIDTH, _UNSTATED_WEIGHTS = 65.0, 25_000_000
#: DVC keeps a copy of every output in its cache where the file system cannot share blocks.
_COPIES_ON_DISK = 2


@dataclass(frozen=True)
class Need:
    """What a run needs, in bytes: `memory` of `stage`, its largest one, times the stages at a time; `disk` of all."""

    memory: int
    stage: str
    disk: int

    def __str__(self) -> str:
        return (
            f"estimate: {self.memory / GIB:.1f} GiB of memory (most in {self.stage}), {self.disk / GIB:.2f} GiB of disk"
        )


def require_room(params: Params, stages: Iterable[str] | None = None, jobs: int = 1) -> Need:
    """Estimate what the stages need and refuse a machine that has less free.

    Args:
        stages: the names as DVC has them, such as `sample@pggan-0`; None for all.
        jobs: stages at the same time.

    Raises:
        UserError: too little memory or disk; shows the estimate and what there is.
    """
    kinds = set(_LIBRARIES_MIB) if stages is None else {_kind(stage) for stage in stages} & set(_LIBRARIES_MIB)
    need = estimate(params, kinds, jobs)
    free = shutil.disk_usage(Path.cwd()).free
    if free < need.disk:
        raise _too_little(
            "disk", need, free, "free space, or lower sampling.frames, image_size or the number of generators and seeds"
        )
    memory = available_memory()
    if memory is not None and memory < need.memory:
        raise _too_little(
            "memory", need, memory, "end other programs, run fewer --jobs, or lower batch_size, frames or image_size"
        )
    return need


def estimate(params: Params, kinds: set[str], jobs: int = 1) -> Need:
    """What stages of the given kinds need; see the module's note on its limits."""
    frame = 2 * params.image_size**2
    frames = _cohort_frames(params, fresh="prepare" in kinds)
    synthetic = params.sampling.frames * frame
    sets = len(params.generators) * len(params.generator_seeds)
    runs = len(all_runs(params))
    width, weights = _segmenter_size(params)
    hosted = params.compute.accelerator == "cpu"  # a GPU holds the networks' share in its own memory
    inference = _INFERENCE_COPIES * _INFERENCE_BATCH * _FLOAT_BYTES * width * params.image_size**2 * hosted
    # No scored cohort of the presets holds more than a quarter of all frames.
    scored = inference + (runs + 1) * frames * params.image_size**2 // 4
    training = _SEGMENTER_COPIES * _FLOAT_BYTES * width * params.image_size**2 * params.training.batch_size * hosted
    generators = [_generator_memory(params, name) for name in params.generators]
    working = {
        "prepare": 2 * frames * frame,
        "train_generator": max(generators) * hosted + 2 * frames * frame,
        "sample": 3 * min(params.sampling.frames, SHARD_FRAMES) * frame,
        "audit": inference + 2 * frames * frame + synthetic,
        "train_segmenter": training + 5 * _FLOAT_BYTES * weights * hosted + 2 * synthetic,
        "develop": scored,
        "evaluate": scored,
        "compare": 0,
        "report": 0,
    }
    peaks = {kind: int(_RESERVE * (_LIBRARIES_MIB[kind] * MIB + working[kind])) for kind in kinds}
    stored = {
        "prepare": frames * frame,
        "train_generator": sets * (frames * frame + max(generators) // _GENERATOR_COPIES),
        "sample": sets * synthetic,
        "train_segmenter": runs * weights * _FLOAT_BYTES,
        "evaluate": 4 * MIB,
        "report": 20 * MIB,
    }
    largest = max(peaks, key=lambda kind: (peaks[kind], kind), default="nothing")
    disk = _COPIES_ON_DISK * sum(stored.get(kind, 0) for kind in kinds)
    return Need(jobs * peaks.get(largest, 0), largest, disk)


def available_memory() -> int | None:
    """Bytes that a new program could take here, or None where the system does not say (no Linux).

    The smaller of the kernel's own estimate and what a container's limit leaves.
    """
    found = [_kernel_available(), *(_left_in(*names) for names in _CGROUPS)]
    return min((value for value in found if value is not None), default=None)


#: Limit and use of a container's memory, of version 2 and version 1 of the kernel's control groups.
_CGROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory.stat"),
    (
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes",
        "/sys/fs/cgroup/memory/memory.stat",
    ),
)


def _kernel_available() -> int | None:
    kibibytes = _table("/proc/meminfo").get("MemAvailable:")
    return None if kibibytes is None else 1024 * kibibytes


def _left_in(limit: str, use: str, statistics: str) -> int | None:
    try:
        allowed, taken = (int(Path(name).read_text(encoding="ascii")) for name in (limit, use))
    except (OSError, ValueError):  # no such control group, or "max": no limit
        return None
    # Pages of files that nobody uses are counted as taken, and are given back on demand.
    return allowed - taken + _table(statistics).get("inactive_file", 0)


def _table(name: str) -> dict[str, int]:
    try:
        lines = Path(name).read_text(encoding="ascii").splitlines()
    except OSError:
        return {}
    return {words[0]: int(words[1]) for words in map(str.split, lines) if len(words) > 1 and words[1].isdigit()}


def _kind(stage: str) -> str:
    """`train_segmenter_mixed@pggan-0-1-2` -> `train_segmenter`."""
    name = stage.partition("@")[0]
    return "train_segmenter" if name.startswith("train_segmenter") else name


def _cohort_frames(params: Params, *, fresh: bool) -> int:
    """Frames of all cohorts: those on disk, or before they are made what the dataset says it will make."""
    manifests = [layout.cohort(role) / "manifest.json" for role in COHORTS]
    if not fresh and all(path.is_file() for path in manifests):
        return sum(shard["frames"] for path in manifests for shard in read_json(path)["shards"])
    dataset = create("datasets", params.dataset, params.datasets[params.dataset])
    return int(dataset.expected_frames(tuple(params.views)))


def _segmenter_size(params: Params) -> tuple[float, int]:
    """Values per pixel of full size that one pass makes in one layer of each level, and number of weights."""
    features = _widths(params.segmenters[params.segmenter].get("features"))
    if not features:
        return _UNSTATED_WIDTH, _UNSTATED_WEIGHTS
    levels, last = features[:-1], features[-1]
    width = last + sum(count / 4**level for level, count in enumerate(levels))
    return width, 20 * sum(count**2 for count in levels)


def _generator_memory(params: Params, name: str) -> int:
    """Bytes of activations and weights of a generator that names the `channels` of its levels from 4x4 on; others 0."""
    section = params.generators[name]
    channels = _widths(section.get("channels"))
    values = sum(count * 16 * 4**level for level, count in enumerate(channels))
    batch = section.get("batch_size", 16)
    weights = 2 * 18 * sum(count**2 for count in channels)
    return _FLOAT_BYTES * (_GENERATOR_COPIES * batch * values + 5 * weights)


def _widths(value: Any) -> list[int]:
    return [int(width) for width in value] if isinstance(value, (list, tuple)) else []


def _too_little(what: str, need: Need, free: int, remedy: str) -> UserError:
    return UserError(
        f"too little {what} for this run",
        got=f"{free / GIB:.2f} GiB of {what} free",
        expected=str(need),
        remedy=f"{remedy} in params.yaml" if what == "disk" else f"{remedy} (params.yaml)",
        file="params.yaml",
    )
