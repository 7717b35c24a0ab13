"""What a study of another design would cost, from the times of one that was run, or else from a few training steps."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from augbench.comparison.plan import Design
from augbench.core import layout
from augbench.core.arms import Arm, arm_named, arms_of, reference_arm
from augbench.core.artifacts import read_json
from augbench.core.params import Params
from augbench.report.run_tables import processor_seconds
from augbench.stages.check import segmenter_key
from augbench.stages.train_segmenter import stage_of

MEASURED, PROBED = "times of its own run", "a few training steps on this machine"


@dataclass(frozen=True)
class Costs:
    """Core-seconds of a study's parts: processor time, summed over the threads.

    Attributes:
        fixed: of what no design changes: other generators, and arms that do not learn from the endpoint's generator.
        generator_seed: of one more of the endpoint's generator: fit, frames, audit, other arms' trainings on it.
        training, reference: of one training of the endpoint's arm, and of the reference arm.
        score: of one patient scored by one network.
        other_runs: trainings of other arms that no design changes.
        runs_per_generator: trainings of other arms for each seed of the endpoint's generator.
        source: MEASURED or PROBED.
    """

    fixed: float
    generator_seed: float
    training: float
    reference: float
    score: float
    other_runs: int
    runs_per_generator: int
    source: str

    def core_minutes(self, design: Design) -> float:
        """Of the whole study."""
        g = design.generators
        made = self.fixed + g * self.generator_seed + design.runs * self.training + design.reference * self.reference
        return (made + design.patients * self._per_patient(design)) / 60

    def most_patients(self, design: Design, core_minutes: float) -> int:
        """Patients that the budget leaves room for; below 0 where it does not suffice for the trainings."""
        left = 60 * (core_minutes - self.core_minutes(design)) / max(self._per_patient(design), 1e-9)
        return design.patients + int(left // 1)

    def _per_patient(self, design: Design) -> float:
        runs = design.runs + design.reference + self.other_runs + design.generators * self.runs_per_generator
        return runs * self.score


def costs(params: Params, patients: int, frames_per_patient: float) -> Costs:
    """From what the stages of the study in this folder took; where that is not known, from a probe of some seconds.

    Args:
        patients: of the external cohort.
        frames_per_patient: that are scored.
    """
    arm, reference = arm_named(params, params.comparison.primary.arm), reference_arm(params)
    measured = _Measured.of(params, patients)
    times: _Times = measured if measured and measured.knows(arms_of(params)) else _Probed(params, frames_per_patient)
    others = [one for one in arms_of(params) if one.name not in (arm.name, reference.name)]
    along = [one for one in others if arm.generator is not None and one.generator == arm.generator]
    apart = [one for one in others if one not in along]
    fixed = sum(len(one.runs) * times.training(one) for one in apart)
    fixed += sum(
        len(entry.seeds) * times.generator_seed(name)
        for name, entry in params.generators.items()
        if name != arm.generator
    )
    seed = times.generator_seed(arm.generator) if arm.generator is not None else 0.0
    return Costs(
        fixed=fixed,
        generator_seed=seed + sum(len(one.segmenter_seeds) * times.training(one) for one in along),
        training=times.training(arm),
        reference=times.training(reference),
        score=times.score,
        other_runs=sum(len(one.runs) for one in apart),
        runs_per_generator=sum(len(one.segmenter_seeds) for one in along),
        source=MEASURED if times is measured else PROBED,
    )


class _Times:
    """Core-seconds of the parts of a study; `score`: of one patient by one network."""

    score: float

    def training(self, arm: Arm) -> float:
        """Of one training, with its scores on the development cohorts."""
        raise NotImplementedError

    def generator_seed(self, name: str) -> float:
        """Of one seed: fit, frames, audit."""
        raise NotImplementedError


class _Measured(_Times):
    """By what the study's own stages noted: processor time, since beside other work a process computes no more."""

    def __init__(self, params: Params, stages: Iterable[Mapping[str, Any]], patients: int) -> None:
        self._params = params
        self._stages = {str(row["stage"]): processor_seconds(row) for row in stages}
        self._runs = sum(len(arm.runs) for arm in arms_of(params))
        self.score = self._stages.get("evaluate", 0.0) / (self._runs * patients)

    @classmethod
    def of(cls, params: Params, patients: int) -> _Measured | None:
        """From reports/provenance.json, where there is one."""
        if not layout.PROVENANCE.is_file():
            return None
        return cls(params, read_json(layout.PROVENANCE).get("stages", []), patients)

    def knows(self, arms: Iterable[Arm]) -> bool:
        """Whether every arm and every generator has a part with a time."""
        wanted = [stage_of(arm) for arm in arms] + [f"train_generator@{name}" for name in self._params.generators]
        return all(self._of(stage) for stage in wanted)

    def training(self, arm: Arm) -> float:
        """See the base class; the median of the arm's runs, since a resumed one has but its last process noted."""
        cohorts = self._params.evaluation.development
        developed = sum(self._stages.get(f"develop@{cohort}", 0.0) for cohort in cohorts) / self._runs
        return median(self._of(stage_of(arm))) + developed

    def generator_seed(self, name: str) -> float:
        """See the base class."""
        made = sum(median(self._of(f"{stage}@{name}") or [0.0]) for stage in ("train_generator", "sample"))
        return made + self._stages.get(f"audit@{name}", 0.0) / len(self._params.generators[name].seeds)

    def _of(self, stage: str) -> list[float]:
        return [seconds for part, seconds in self._stages.items() if part.startswith(f"{stage}+")]


class _Probed(_Times):
    def __init__(self, params: Params, frames_per_patient: float) -> None:
        from augbench.stages.duration import probe

        self._params = params
        wall, processor = time.perf_counter(), time.process_time()
        self._work, self._fits = probe(params)
        # Beside other work a step takes longer than it computes; on a device the processor waits.
        self._cores = float(params.compute.threads)
        if params.compute.accelerator == "cpu":
            self._cores = min((time.process_time() - processor) / (time.perf_counter() - wall), self._cores)
        self.score = self._cores * frames_per_patient * self._work.scored_frame

    def training(self, arm: Arm) -> float:
        cohorts = self._params.evaluation.development
        return self._cores * (self._work.training(segmenter_key(arm)) + len(cohorts) * self._work.scored_cohort)

    def generator_seed(self, name: str) -> float:
        return self._cores * self._work.generator_seed(self._fits[name])
