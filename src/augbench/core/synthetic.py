"""Sets of synthetic frames that arms train on: a generator's own pairs, or other masks for images that are there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from augbench.core.errors import unknown_name

if TYPE_CHECKING:
    from augbench.core.params import Params

#: Who made the masks of a generator's own pairs: it made image and mask together.
JOINT = "joint"


@dataclass(frozen=True)
class SyntheticSet:
    """Pairs whose masks no study's reader drew, in data/synthetic/<name>.

    Attributes:
        name: of a generator or of an entry of `labelling`.
        labels: who made the masks: `joint`, or the kind of the labelling.
        generator: who made the images; None where they are patients'.
        seeds: of the generator, a part of the set each; () without, and the set is one part.
    """

    name: str
    labels: str
    generator: str | None
    seeds: tuple[int, ...]

    @property
    def parts(self) -> tuple[int | None, ...]:
        """The seed of each part."""
        return self.seeds or (None,)


def synthetic_set(params: Params, name: str) -> SyntheticSet:
    """The set of this name."""
    entry = params.labelling.get(name)
    labels, generator = (JOINT, name) if entry is None else (entry.kind, entry.generator)
    seeds = () if generator is None else tuple(params.generators[generator].seeds)
    return SyntheticSet(name, labels, generator, seeds)


def require_labelling(params: Params, name: str) -> None:
    """A stage runs for an entry of `labelling` alone: dvc.yaml knows no other.

    Raises:
        UserError: there is none of this name; names the nearest.
    """
    if name not in params.labelling:
        raise unknown_name("labelling", name, list(params.labelling))
