"""Arms: ways to train the segmenter that a study compares. Declared once, in params.yaml, and carried as values."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from augbench.core.errors import UserError

if TYPE_CHECKING:
    from augbench.core.params import ArmEntry, Params

REFERENCE, STUDIED = "reference", "studied"
#: Controls say whether the study's instruments work; nothing is concluded about them.
CONTROL_ROLES = ("positive control", "negative control")


@dataclass(frozen=True)
class Run:
    """One training of one arm.

    Attributes:
        arm: name of the arm.
        segmenter_seed: of initialisation, order and augmentation; the same in every arm.
        generator_seed: None in an arm without a generator.
    """

    arm: str
    segmenter_seed: int
    generator_seed: int | None = None

    @property
    def name(self) -> str:
        """Its folder within the arm's: `0`, or generator seed and segmenter seed, `1-0`."""
        return (
            str(self.segmenter_seed) if self.generator_seed is None else f"{self.generator_seed}-{self.segmenter_seed}"
        )

    @property
    def identity(self) -> dict[str, str]:
        """What names the run in every table."""
        seed = "" if self.generator_seed is None else str(self.generator_seed)
        return {"arm": self.arm, "generator_seed": seed, "segmenter_seed": str(self.segmenter_seed)}


@dataclass(frozen=True)
class Arm:
    """One way to train the segmenter.

    Attributes:
        name: of the user's choosing; never parsed.
        role: `reference`, `opponent`, `studied`, `positive control` or `negative control`.
        regime, regime_options: kind and options of the regime.
        cohort: whose real frames it may use.
        segmenter, segmenter_options: kind and options of the network.
        segmenter_seeds: of its trainings.
        generator, generator_seeds: whose synthetic frames it may use; None and () without.
        labels: who made the masks it learns from, besides real ones: `joint`, `pseudo`, `manual`, or `reference`.
    """

    name: str
    role: str
    regime: str
    regime_options: dict[str, Any]
    cohort: str
    segmenter: str
    segmenter_options: dict[str, Any]
    segmenter_seeds: tuple[int, ...]
    generator: str | None = None
    generator_seeds: tuple[int, ...] = ()
    labels: str = "reference"

    @property
    def entry(self) -> str:
        """Where it stands in params.yaml."""
        return f"arms.{'patients' if self.generator is None else 'generated'}.{self.name}"

    @property
    def is_control(self) -> bool:
        """Whether nothing is concluded about it."""
        return self.role in CONTROL_ROLES

    @property
    def runs(self) -> list[Run]:
        """Every training: generator seeds crossed with segmenter seeds."""
        generator_seeds: tuple[int | None, ...] = self.generator_seeds or (None,)
        return [Run(self.name, s, g) for g in generator_seeds for s in self.segmenter_seeds]

    @property
    def dose(self) -> int | float | None:
        """Synthetic frames for a real one, where the regime states such a number."""
        dose: int | float | None = self.regime_options.get("synthetic_per_real")
        return dose


def arms_of(params: Params) -> list[Arm]:
    """Every arm, the reference first, the others as they are declared."""
    found = [_arm(name, entry, params) for name, entry in params.arms.patients.items()]
    found += [_arm(name, entry, params, entry.generator) for name, entry in params.arms.generated.items()]
    return sorted(found, key=lambda arm: arm.role != REFERENCE)


def arm_named(params: Params, name: str) -> Arm:
    """The arm of this name.

    Raises:
        UserError: there is none; names the nearest.
    """
    arms = {arm.name: arm for arm in arms_of(params)}
    if name not in arms:
        raise _unknown("arm", name, list(arms))
    return arms[name]


def reference_arm(params: Params) -> Arm:
    """The arm that all others are compared with."""
    return next(arm for arm in arms_of(params) if arm.role == REFERENCE)


def require_generator(params: Params, name: str) -> None:
    """A stage runs for a generator of params.yaml alone: dvc.yaml knows no other.

    Raises:
        UserError: there is none of this name; names the nearest.
    """
    if name not in params.generators:
        raise _unknown("generator", name, list(params.generators))


def mask_source(params: Params, generator: str) -> str:
    """Who made the masks of a generator's frames: `joint`, `pseudo` or `manual`.

    People annotate no control: the masks of its frames are references already, and stay.
    """
    entries = [entry for entry in params.arms.generated.values() if entry.generator == generator]
    only_controls = bool(entries) and all(entry.role in CONTROL_ROLES for entry in entries)
    return "joint" if params.labelling == "manual" and only_controls else params.labelling


def _arm(name: str, entry: ArmEntry, params: Params, generator: str | None = None) -> Arm:
    return Arm(
        name=name,
        role=entry.role,
        regime=entry.regime.kind,
        regime_options=entry.regime.options,
        cohort=entry.cohort,
        segmenter=entry.segmenter.kind,
        segmenter_options=entry.segmenter.options,
        segmenter_seeds=tuple(entry.seeds),
        generator=generator,
        generator_seeds=() if generator is None else tuple(params.generators[generator].seeds),
        labels="reference" if generator is None else mask_source(params, generator),
    )


def _unknown(what: str, name: str, known: list[str]) -> UserError:
    near = difflib.get_close_matches(name, known, n=1)
    return UserError(
        f"params.yaml has no {what} '{name}'",
        got=name,
        expected=", ".join(known) or f"no {what} at all",
        remedy=f"did you mean '{near[0]}'?" if near else f"correct the name, or add the {what} to params.yaml",
        file="params.yaml",
    )
