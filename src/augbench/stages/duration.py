"""How long a study will take here: a few real training steps of each network, multiplied by what the study asks for."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from augbench.core.arms import arms_of
from augbench.core.bars import Bar
from augbench.core.component import create
from augbench.core.compute import configure
from augbench.core.params import Params
from augbench.core.types import FRAME_COLUMNS, Frames, LabelScheme
from augbench.datasets.base import Dataset
from augbench.generators.base import Generator
from augbench.regimes.base import Span
from augbench.segmenters.base import Segmenter
from augbench.stages.check import distinct_segmenters, segmenter_key
from augbench.stages.preflight import cohort_frames, labelled_frames

#: Steps of a probe; the first ones, in which libraries load and allocate, are not counted.
_WARM, _STEPS = 2, 6
_LARGEST_BATCH = 16
#: A process with its libraries, measured on two cores.
_START_SECONDS = 8.0
#: Costs as shares of a segmenter's training step a frame, measured: a prediction with its scores, a sampled frame of a
#: trained generator, a frame in the features of an audit (or labelled by a network).
_SCORED, _SAMPLED, _AUDITED = 0.6, 0.5, 0.4
#: An imported frame; comparisons and figures, with 10 000 resamples.
_IMPORT_SECONDS, _COMPARE_SECONDS, _REPORT_SECONDS = 0.005, 12.0, 10.0
#: The range that is shown: what the estimate leaves out, other load and a warm machine make up for.
_RANGE = (0.8, 1.5)


class Duration(NamedTuple):
    """Wall time of a whole study in seconds, from its shortest to its longest."""

    shortest: float
    longest: float

    def __str__(self) -> str:
        for unit, seconds in (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0)):
            if self.longest >= 2 * seconds or unit == "minutes":
                low, high = (max(round(value / seconds), 1) for value in self)
                return f"{low} to {high} {unit}" if low < high else f"about {high} {unit if high > 1 else unit[:-1]}"
        raise AssertionError("minutes take every length")


def duration(params: Params, jobs: int) -> Duration:
    """Estimate by a probe of some seconds.

    Args:
        jobs: stages at the same time.
    """
    work, fits = probe(params)
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    at_once = max(min(jobs, processors // params.compute.threads), 1)
    wall = work.alone() + max(work.parallel(fits) / at_once, work.longest_chain(fits))
    return Duration(_RANGE[0] * wall, _RANGE[1] * wall)


def probe(params: Params) -> tuple[Work, dict[str, float]]:
    """What the study takes here, by a few real training steps; and the seconds of one fit of each generator."""
    configure(params.compute)
    dataset = create(Dataset, params.dataset.kind, params.dataset.options, entry="dataset")
    scheme = dataset.scheme(tuple(params.views))
    step = {key: seconds_per_frame(segmenter, params, scheme) for key, segmenter in distinct_segmenters(params).items()}
    work = Work(params, cohort_frames(params, dataset, fresh=True), _draw_seconds(params, dataset), step)
    return work, _fit_seconds(params, scheme.classes)


class Work:
    """What a study does, in seconds of one process.

    Args:
        frames: of all cohorts.
        draw: seconds of a drawn frame; 0 where nothing can be drawn.
        step: seconds of a training step a frame, by segmenter.
    """

    def __init__(self, params: Params, frames: int, draw: float, step: dict[str, float]) -> None:
        self._params, self._frames, self._draw, self._step = params, frames, draw, step
        self._typical = max(step.values())

    def alone(self) -> float:
        """Of stages beside which nothing runs: prepare, evaluate, compare, report."""
        draw = self._frames * (self._draw or _IMPORT_SECONDS)
        return 4 * _START_SECONDS + draw + self._scoring() + _COMPARE_SECONDS + _REPORT_SECONDS

    def parallel(self, fits: dict[str, float]) -> float:
        """Of all other stages, given the seconds of one fit of each generator."""
        entries = self._params.generators
        made = sum(len(entry.seeds) * self.generator_seed(fits[name]) for name, entry in entries.items())
        develop = len(self._params.evaluation.development) * self._scoring()
        arms = arms_of(self._params)
        trained = sum(len(arm.runs) * self.training(segmenter_key(arm)) for arm in arms)
        labelling = self._params.labelling
        labelled = sum(labelled_frames(self._params, name, self._frames) for name in labelling) * _AUDITED
        stages = 3 * len(entries) + len(labelling) + len(arms) + len(self._params.evaluation.development)
        return made + labelled * self._typical + develop + trained + stages * _START_SECONDS

    def generator_seed(self, fit: float) -> float:
        """Of a generator seed's fit of so many seconds, its frames and their audit."""
        audited = min(self._params.audit.frames, self._params.sampling.frames) + self._frames // 2
        return fit + self._sample(fit) + audited * _AUDITED * self._typical

    def training(self, segmenter: str) -> float:
        """Of one training of a segmenter (`check.segmenter_key`)."""
        return self._params.training.steps * self._params.training.batch_size * self._step[segmenter]

    @property
    def scored_frame(self) -> float:
        """Of one frame scored by one network."""
        return _SCORED * self._typical

    @property
    def scored_cohort(self) -> float:
        """Of a cohort of usual size scored by one network."""
        return self._frames / len(self._params.dataset.cohorts) * self.scored_frame

    def longest_chain(self, fits: dict[str, float]) -> float:
        """Of stages that wait for one another: a fit, its frames, a training on them."""
        chains = [fit + self._sample(fit) for fit in fits.values()]
        return max(chains, default=0.0) + max(map(self.training, self._step)) + 3 * _START_SECONDS

    def _sample(self, fit: float) -> float:
        frame = _SAMPLED * self._typical if fit else self._draw
        return self._params.sampling.frames * frame

    def _scoring(self) -> float:
        runs = sum(len(arm.runs) for arm in arms_of(self._params))
        return runs * self.scored_cohort


def seconds_per_frame(segmenter: Segmenter, params: Params, scheme: LabelScheme) -> float:
    """A training step of the real loop, augmentation included, divided by its frames."""
    from augbench.training.fit import Pool, fit

    batch, size = min(params.training.batch_size, _LARGEST_BATCH), params.image_size
    rng = np.random.default_rng(0)
    pairs = rng.integers(0, 256, (batch, 2, size, size), dtype=np.uint8)
    pairs[:, 1] %= scheme.classes
    watch = _Stopwatch()
    fit(
        segmenter.build(scheme.classes, size),
        Pool(pairs, pairs[:0], [Span(1.0, batch, 0)]),
        _nobody(pairs, scheme),
        params.training.model_copy(
            update={"steps": _STEPS, "batch_size": batch, "validate_every": _STEPS, "selection": "last"}
        ),
        params.augmentation,
        params.compute,
        seed=0,
        description="",
        bars=watch.bars,
    )
    return watch.seconds_per_unit(_WARM) / batch


def _nobody(pairs: np.ndarray, scheme: LabelScheme) -> Frames:
    import pandas as pd

    return Frames(pairs[:0], pd.DataFrame(columns=list(FRAME_COLUMNS)), scheme)


class _Stopwatch:
    """A progress bar that notes when each unit was done."""

    def __init__(self) -> None:
        self._times: list[float] = []

    @contextmanager
    def bars(self, description: str, total: int, unit: str) -> Iterator[Bar]:
        yield self

    def advance(self, units: int = 1, note: str | None = None) -> None:
        self._times += [time.perf_counter()] * units

    def seconds_per_unit(self, warm: int) -> float:
        """Mean of the units behind the first `warm`."""
        counted = self._times[warm - 1 :]
        return (counted[-1] - counted[0]) / (len(counted) - 1)


def _draw_seconds(params: Params, dataset: Dataset) -> float:
    if not dataset.can_draw:
        return 0.0
    views = params.views * 2
    start = time.perf_counter()
    dataset.draw(views, np.arange(len(views), dtype=np.int64), params.image_size)
    return (time.perf_counter() - start) / len(views)


def _fit_seconds(params: Params, classes: int) -> dict[str, float]:
    """Generator -> seconds of one fit; entries that differ in cohort and seeds alone are measured once."""
    measured: dict[str, float] = {}
    found = {}
    for name, entry in params.generators.items():
        generator = create(Generator, entry.kind, entry.options, entry=f"generators.{name}")
        key = f"{entry.kind} {generator.model_dump_json()}"
        if key not in measured:
            measured[key] = generator.fit_seconds(
                params.image_size,
                classes,
                len(params.views),
                accelerator=params.compute.accelerator,
                precision=params.compute.precision,
            )
        found[name] = measured[key]
    return found
