"""What the machine must have for a run, before it starts: a device, memory for its largest stage, disk for it all.

Components are asked what they take; libraries and frames are added. It is an estimate (measured peaks are within a
half of it), meant to stop a run that cannot end, not to plan a machine to the megabyte.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from augbench.core import layout
from augbench.core.arms import arms_of
from augbench.core.artifacts import read_json
from augbench.core.component import create
from augbench.core.device import torch_device
from augbench.core.errors import UserError
from augbench.core.params import Params
from augbench.core.shards import SHARD_FRAMES
from augbench.core.synthetic import synthetic_set
from augbench.datasets.base import Dataset
from augbench.generators.base import Generator
from augbench.stages.check import distinct_segmenters

MIB = 2**20
GIB = 2**30
#: Measured in a stage with hardly any data: the interpreter with the libraries that the stage imports, in MiB.
_LIBRARIES_MIB = {
    "prepare": 825, "train_generator": 755, "sample": 785, "label": 785, "audit": 850,
    "train_segmenter": 880, "develop": 880, "evaluate": 880, "compare": 190, "report": 320,
}  # fmt: skip
#: Stages that compute with torch on the device.
_ON_DEVICE = {"train_generator", "sample", "label", "audit", "train_segmenter", "develop", "evaluate"}
_INFERENCE_BATCH = 64
#: A row of per-frame scores while a stage holds it as a list.
_ROW_BYTES = 600
#: Pages of mapped frames that are counted.
_MAPPED = GIB // 4
_RESERVE = 1.1
#: DVC keeps a copy of every output in its cache where the file system cannot share blocks.
_COPIES_ON_DISK = 2


@dataclass(frozen=True)
class Need:
    """What a run needs, in bytes: `memory` of `stage`, its largest one, times the stages at a time; `disk` of all."""

    memory: int
    stage: str
    disk: int

    def __str__(self) -> str:
        return f"{self.memory / GIB:.1f} GiB of memory (most in {self.stage}), {self.disk / GIB:.2f} GiB of disk"


def require_room(params: Params, stages: Iterable[str] | None = None, jobs: int = 1) -> Need:
    """Estimate what the stages need and refuse a machine that lacks it.

    Args:
        stages: the names as DVC has them, such as `sample@pggan`; None for all.
        jobs: stages at the same time.

    Raises:
        UserError: no GPU where one is asked for, or too little memory or disk.
    """
    kinds = set(_LIBRARIES_MIB) if stages is None else {family(stage) for stage in stages} & set(_LIBRARIES_MIB)
    if kinds & _ON_DEVICE:
        torch_device(params.compute.accelerator)
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


def family(stage: str) -> str:
    """`train_segmenter_generated@oracle` -> `train_segmenter`."""
    name = stage.partition("@")[0]
    return "train_segmenter" if name.startswith("train_segmenter") else name


def estimate(params: Params, kinds: set[str], jobs: int = 1) -> Need:
    """What stages of the given kinds need; see the module's note on its limits."""
    dataset = create(Dataset, params.dataset.kind, params.dataset.options, entry="dataset")
    classes = dataset.scheme(tuple(params.views)).classes
    frames = cohort_frames(params, dataset, fresh="prepare" in kinds)
    frame = 2 * params.image_size**2
    hosted = params.compute.accelerator == "cpu"  # a GPU holds the networks' share in its own memory
    generators = {
        name: create(Generator, entry.kind, entry.options, entry=f"generators.{name}")
        for name, entry in params.generators.items()
    }
    fit = max((one.memory_bytes(params.image_size, classes) for one in generators.values()), default=0)
    runs = sum(len(arm.runs) for arm in arms_of(params))
    training = prediction = weights = 0
    if kinds & (_ON_DEVICE - {"train_generator"}):
        for segmenter in distinct_segmenters(params).values():
            size = (classes, params.image_size)
            training = max(training, segmenter.memory_bytes(*size, params.training.batch_size))
            prediction = max(prediction, segmenter.memory_bytes(*size, _INFERENCE_BATCH, training=False))
            weights = max(weights, segmenter.memory_bytes(*size, 0, training=False))
    # No scored cohort of the usual studies holds more than a quarter of all frames.
    scores = runs * (frames // 4) * (classes - 1) * len(params.evaluation.metrics) * _ROW_BYTES
    scored = hosted * prediction + frames // 4 * 3 * frame + scores
    synthetic = params.sampling.frames * frame
    working = {
        "prepare": 2 * frames * frame,
        "train_generator": hosted * fit + 2 * frames * frame,
        "sample": hosted * prediction + 3 * min(params.sampling.frames, SHARD_FRAMES) * frame,
        "label": hosted * prediction + 3 * min(max(params.sampling.frames, frames), SHARD_FRAMES) * frame,
        "audit": hosted * prediction + 2 * frames * frame + min(synthetic, 4 * params.audit.frames * frame),
        # Synthetic frames are mapped: the system takes their pages back where memory is short.
        "train_segmenter": hosted * training + min(synthetic, _MAPPED),
        "develop": scored,
        "evaluate": scored,
        "compare": 0,
        "report": 0,
    }
    peaks = {kind: int(_RESERVE * (_LIBRARIES_MIB[kind] * MIB + working[kind])) for kind in kinds}
    sets = sum(len(entry.seeds) for entry in params.generators.values())
    copies = sum(len(params.generators[name].seeds) for name, one in generators.items() if not one.memory_bytes(
        params.image_size, classes
    ))  # fmt: skip
    stored = {
        "prepare": frames * frame,
        # A generator without training keeps the frames that it copies, if any; a fit holds its weights many times.
        "train_generator": copies * frames * frame + (sets - copies) * fit // 20,
        "sample": sets * synthetic,
        "label": sum(labelled_frames(params, name, frames) for name in params.labelling) * frame,
        "train_segmenter": runs * weights,
        "evaluate": 4 * MIB + scores // 6,
        "report": 20 * MIB,
    }
    largest = max(peaks, key=lambda kind: (peaks[kind], kind), default="nothing")
    disk = _COPIES_ON_DISK * sum(stored.get(kind, 0) for kind in kinds)
    return Need(jobs * peaks.get(largest, 0), largest, disk)


def labelled_frames(params: Params, name: str, frames: int) -> int:
    """Frames of a labelling: those of its generator, or at most those of all cohorts."""
    made = synthetic_set(params, name)
    return frames if made.generator is None else len(made.seeds) * params.sampling.frames


def cohort_frames(params: Params, dataset: Dataset, *, fresh: bool) -> int:
    """Frames of all cohorts: those on disk, or before they are made what the dataset says it will make."""
    manifests = [layout.cohort(name) / "manifest.json" for name in params.dataset.cohorts]
    if not fresh and all(path.is_file() for path in manifests):
        return sum(shard["frames"] for path in manifests for shard in read_json(path)["shards"])
    return int(dataset.expected_frames(tuple(params.views)))


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


def _too_little(what: str, need: Need, free: int, remedy: str) -> UserError:
    return UserError(
        f"too little {what} for this run",
        got=f"{free / GIB:.2f} GiB of {what} free",
        expected=f"estimate: {need}",
        remedy=f"{remedy} (params.yaml)",
        file="params.yaml",
    )
