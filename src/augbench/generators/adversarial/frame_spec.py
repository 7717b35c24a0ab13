"""What the frames of a training are: side, classes and conditions; and at which scale networks see them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from augbench.core.errors import UserError
from augbench.core.types import Frames, Pairs

#: Frames of one condition that stand together in a batch and may share a statistic over the batch.
GROUP = 4


class Scale(NamedTuple):
    """The scale at which networks work: `side` in pixels; below 1, `alpha` mixes it with half that side upsampled."""

    side: int
    alpha: float = 1.0


@dataclass(frozen=True)
class FrameSpec:
    """What networks have to know of the frames.

    Attributes:
        image_size: height and width in pixels.
        conditions: names; condition number k is `conditions[k]`.
        allowed: per condition, which classes (background first) it can show.
    """

    image_size: int
    conditions: tuple[str, ...]
    allowed: tuple[tuple[bool, ...], ...]

    @property
    def classes(self) -> int:
        """Number of classes with background."""
        return len(self.allowed[0])


@dataclass(frozen=True)
class TrainingSet:
    """Frames to train on.

    Attributes:
        spec: of these frames.
        pairs: (n, 2, H, H) uint8; may be a memory map.
        condition: (n,) condition numbers.
    """

    spec: FrameSpec
    pairs: Pairs
    condition: NDArray[np.int64]

    @classmethod
    def of(cls, frames: Frames, column: str) -> TrainingSet:
        """Frames conditional on a column of their table. A condition can show what is annotated in any of its views.

        Raises:
            UserError: the table has no such column.
        """
        if column not in frames.table:
            raise UserError(
                f"frames have no column '{column}' to be conditional on",
                got=column,
                expected=", ".join(map(str, frames.table.columns)),
                remedy="correct 'condition' of this generator",
                file="params.yaml",
            )
        scheme, values = frames.scheme, [str(value) for value in frames.table[column]]
        views: dict[str, set[str]] = {}
        for value, view in zip(values, frames.views, strict=True):
            views.setdefault(value, set()).add(view)
        order = {view: number for number, view in enumerate(scheme.views)}
        names = sorted(views, key=lambda name: (order.get(name, len(order)), name))
        shown = [{structure for view in views[name] for structure in scheme.annotated[view]} for name in names]
        allowed = tuple((True, *(structure in one for structure in scheme.structures)) for one in shown)
        number = {name: index for index, name in enumerate(names)}
        condition = np.array([number[value] for value in values], np.int64)
        return cls(FrameSpec(frames.image_size, tuple(names), allowed), frames.pairs, condition)

    @classmethod
    def random(cls, image_size: int, classes: int, conditions: int) -> TrainingSet:
        """Noise, GROUP frames a condition: for timing."""
        condition = np.repeat(np.arange(conditions), GROUP)
        pairs = np.random.default_rng(0).integers(
            0, classes, (len(condition), 2, image_size, image_size), dtype=np.uint8
        )
        allowed = ((True,) * classes,) * conditions
        return cls(FrameSpec(image_size, tuple(map(str, range(conditions))), allowed), pairs, condition)
