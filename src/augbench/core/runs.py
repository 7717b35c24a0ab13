"""The runs of an experiment: one trained segmenter each, named by arm and seeds."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from augbench.core.errors import UserError
from augbench.core.params import Params


@dataclass(frozen=True)
class Run:
    """One training of the segmenter.

    Attributes:
        regime: `real`, `synthetic` or `mixed`.
        segmenter_seed: seed of initialisation, order and augmentation.
        generator, generator_seed: None in the real arm.
        synthetic_per_real: dose of the mixed regime, else None.
    """

    regime: str
    segmenter_seed: int
    generator: str | None = None
    generator_seed: int | None = None
    synthetic_per_real: int | float | None = None

    @property
    def regime_label(self) -> str:
        """Regime with its dose where there is one: `mixed-1`."""
        return self.regime if self.synthetic_per_real is None else f"{self.regime}-{self.synthetic_per_real}"

    @property
    def arm(self) -> str:
        """`real` or `<generator>/<regime>`, the name used in every table."""
        return self.regime if self.generator is None else f"{self.generator}/{self.regime_label}"

    @property
    def name(self) -> str:
        """Folder name: `real-0`, `pggan-mixed-1-0-2` (generator seed, then segmenter seed)."""
        parts = [self.generator, self.regime_label, self.generator_seed, self.segmenter_seed]
        return "-".join(str(part) for part in parts if part is not None)


def mask_source(params: Params, generator: str | None) -> str:
    """Who made the masks that an arm trains on, besides real ones: `joint`, `pseudo`, `manual`, or `reference`.

    People annotate no control: the masks of the memoriser and the oracle are references already, and stay.
    """
    if generator is None:
        return "reference"
    return "joint" if params.labelling == "manual" and generator in params.controls else params.labelling


def require_listed(params: Params, generator: str, seed: int) -> None:
    """A stage is run for a generator and a seed of params.yaml alone: dvc.yaml knows no other.

    Raises:
        UserError: names what there is.
    """
    if generator not in params.generators or seed not in params.generator_seeds:
        raise UserError(
            f"params.yaml has no generator '{generator}' with seed {seed}",
            got=f"{generator} {seed}",
            expected=f"one of {', '.join(params.generators)}; seeds {', '.join(map(str, params.generator_seeds))}",
            remedy="correct the command, or add the generator or seed to params.yaml",
            file="params.yaml",
        )


def require_run(params: Params, task: Run) -> None:
    """As `require_listed`, for a run of the segmenter.

    Raises:
        UserError: names the nearest run.
    """
    names = [run.name for run in all_runs(params)]
    if task.name not in names:
        near = difflib.get_close_matches(task.name, names, n=1)
        raise UserError(
            f"params.yaml makes no run '{task.name}'",
            got=task.name,
            expected=f"{', '.join(names[:8])}{', ...' if len(names) > 8 else ''}",
            remedy=f"did you mean '{near[0]}'?" if near else "correct the regime, generator, dose or seeds",
            file="params.yaml",
        )


def all_runs(params: Params) -> list[Run]:
    """Every run that dvc.yaml's matrices make, in table order."""
    found = [Run("real", seed) for seed in params.segmenter_seeds]
    for generator in params.compared:
        seeds = [(g, s) for g in params.generator_seeds for s in params.segmenter_seeds]
        found += [Run("synthetic", s, generator, g) for g, s in seeds]
        for dose in params.regimes.mixed.synthetic_per_real:
            found += [Run("mixed", s, generator, g, dose) for g, s in seeds]
    first = params.generator_seeds[0]
    for control in params.controls:
        found += [Run("synthetic", seed, control, first) for seed in params.segmenter_seeds]
    return found
