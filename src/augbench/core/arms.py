"""Arms: ways to train the segmenter that a study compares. Declared once, in params.yaml, and carried as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from augbench.core.errors import unknown_name
from augbench.core.synthetic import synthetic_set

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
        generator_seed: None in an arm without a generator's frames.
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
        synthetic: set of synthetic frames that it may use; None without.
        generator, generator_seeds: who made the images of that set; None and () without, or where they are patients'.
        labels: who made its masks besides real ones: `joint`, the kind of a labelling, or `reference`.
        augmented: False where it trains without classical augmentation.
        against: arm that it is compared with; '' of the reference arm.
    """

    name: str
    role: str
    regime: str
    regime_options: dict[str, Any]
    cohort: str
    segmenter: str
    segmenter_options: dict[str, Any]
    segmenter_seeds: tuple[int, ...]
    synthetic: str | None = None
    generator: str | None = None
    generator_seeds: tuple[int, ...] = ()
    labels: str = "reference"
    augmented: bool = True
    against: str = ""

    @property
    def entry(self) -> str:
        """Where it stands in params.yaml."""
        return f"arms.{'patients' if self.synthetic is None else 'generated'}.{self.name}"

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

    @property
    def real_share(self) -> float | None:
        """Share of real frames in every batch, where the regime fixes it whatever the dose."""
        share: float | None = self.regime_options.get("real_share")
        return share


def arms_of(params: Params) -> list[Arm]:
    """Every arm, the reference first, the others as they are declared."""
    entries = {**params.arms.patients, **params.arms.generated}
    reference = next(name for name, entry in entries.items() if entry.role == REFERENCE)
    found = [_arm(name, entry, params, reference) for name, entry in entries.items()]
    return sorted(found, key=lambda arm: arm.role != REFERENCE)


def arm_named(params: Params, name: str) -> Arm:
    """The arm of this name.

    Raises:
        UserError: there is none; names the nearest.
    """
    arms = {arm.name: arm for arm in arms_of(params)}
    if name not in arms:
        raise unknown_name("arm", name, list(arms))
    return arms[name]


def reference_arm(params: Params) -> Arm:
    """The arm that all others are compared with, if they name no other."""
    return next(arm for arm in arms_of(params) if arm.role == REFERENCE)


def require_generator(params: Params, name: str) -> None:
    """A stage runs for a generator of params.yaml alone: dvc.yaml knows no other.

    Raises:
        UserError: there is none of this name; names the nearest.
    """
    if name not in params.generators:
        raise unknown_name("generator", name, list(params.generators))


def _arm(name: str, entry: ArmEntry, params: Params, reference: str) -> Arm:
    generated = params.arms.generated.get(name)
    made = None if generated is None else synthetic_set(params, generated.synthetic)
    return Arm(
        name=name,
        role=entry.role,
        regime=entry.regime.kind,
        regime_options=entry.regime.options,
        cohort=entry.cohort,
        segmenter=entry.segmenter.kind,
        segmenter_options=entry.segmenter.options,
        segmenter_seeds=tuple(entry.seeds),
        synthetic=None if made is None else made.name,
        generator=None if made is None else made.generator,
        generator_seeds=() if made is None else made.seeds,
        labels="reference" if made is None else made.labels,
        augmented=entry.augmented,
        against="" if name == reference else entry.against or reference,
    )
