"""How fast the phantom draws, on one core: target 200 frames a second at 64x64.

OMP_NUM_THREADS=1 python benchmarks/phantom.py
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import time

import numpy as np

from augbench.datasets.tof_phantom import TofPhantom
from augbench.datasets.tof_phantom.render import ANNOTATED

_VIEWS = tuple(ANNOTATED)
_TARGET_FRAMES_PER_S = 200
#: The cohorts of the default study.
_STUDY = TofPhantom(
    cohorts={
        "generator": {"site": "main", "subjects": 303},
        "segmenter": {"site": "main", "subjects": 42},
        "internal": {"site": "main", "subjects": 50},
        "development": {"site": "development", "subjects": 50},
        "external": {"site": "external", "subjects": 50},
    }
)


def cohort_rate(image_size: int, subjects: int) -> float:
    """Frames a second of CPU time, subjects in all views at ED and ES as a study draws them."""
    dataset = TofPhantom(cohorts={"some": {"site": "main", "subjects": subjects}})
    start = time.process_time()
    frames = sum(len(cohort) for cohort in dataset.cohorts(image_size, _VIEWS, seed=1).values())
    return frames / (time.process_time() - start)


def draw_rate(image_size: int, frames: int) -> float:
    """Frames a second of CPU time, a fresh subject for every frame as the oracle draws them."""
    views = [_VIEWS[i % len(_VIEWS)] for i in range(frames)]
    start = time.process_time()
    _STUDY.draw(views, np.arange(frames), image_size)
    return frames / (time.process_time() - start)


def main() -> None:
    draw_rate(64, 6)  # imports and caches
    print("| image size | cohorts, frames/s | fresh subjects, frames/s |")
    print("|---:|---:|---:|")
    rates = {}
    for image_size, subjects in ((64, 60), (128, 15), (256, 4)):
        rates[image_size] = cohort_rate(image_size, subjects)
        print(f"| {image_size} | {rates[image_size]:.0f} | {draw_rate(image_size, 4 * subjects):.0f} |")
    start = time.perf_counter()
    study = _STUDY.cohorts(64, _VIEWS, seed=1)
    total = sum(len(cohort) for cohort in study.values())
    print(f"\nthe whole study ({total} frames at 64x64, one process): {time.perf_counter() - start:.1f} s")
    verdict = "reached" if rates[64] >= _TARGET_FRAMES_PER_S else "missed"
    print(f"target {_TARGET_FRAMES_PER_S} frames/s per core at 64x64: {verdict}")


if __name__ == "__main__":
    main()
