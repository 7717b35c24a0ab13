"""How a score is shown: its title, unit, direction and decimals come from its component, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from augbench.report import words


@dataclass(frozen=True)
class Metric:
    """One score of a study.

    Attributes:
        kind: its key in every table.
        title: its name for readers; empty: the kind.
        unit: `mm`, `%`, or empty for a plain number.
        higher_is_better: direction.
        decimals: of a mean; a difference has one more, since it is held against a margin.
        learnt: mean that shows the task was learnt; None: no mean does.
        margin: half-width of the equivalence band in the score's unit; None: the study states none.
    """

    kind: str
    title: str = ""
    unit: str = ""
    higher_is_better: bool = True
    decimals: int = 3
    margin: float | None = None
    learnt: float | None = None

    @property
    def name(self) -> str:
        """`HD95 (mm)`."""
        title = self.title or self.kind.replace("_", " ")
        return f"{title} ({self.unit})" if self.unit else title

    @property
    def direction(self) -> str:
        """Which way is better, in words."""
        return "higher is better" if self.higher_is_better else "lower is better"

    @property
    def margin_text(self) -> str:
        """`±0.01 mm`, or `–`."""
        return f"±{self.margin:g}{self._unit}" if self.margin is not None else words.NOTHING

    @property
    def _unit(self) -> str:
        return f" {self.unit}" if self.unit else ""

    def number(self, value: Any) -> str:
        """A mean, without its unit."""
        return words.number(value, self.decimals)

    def full(self, value: Any) -> str:
        """A mean with its unit, for a sentence."""
        return self.number(value) + (self._unit if words.is_number(value) else "")

    def difference(self, value: Any) -> str:
        """A difference with its sign, one decimal finer than a mean."""
        return words.difference(value, self.decimals + 1)

    def interval(self, low: Any, high: Any) -> str:
        """Limits of a difference."""
        return words.interval(low, high, self.decimals + 1)

    def median_iqr(self, median: Any, q1: Any, q3: Any) -> str:
        """`median [lower quartile, upper quartile]` in the metric's decimals."""
        return words.median_iqr(median, q1, q3, self.decimals)

    def loss(self, before: float, after: float) -> float:
        """How much worse `after` is than `before`, in the score's unit."""
        return before - after if self.higher_is_better else after - before

    def at_least_as_good(self, value: float, other: float) -> bool:
        """Whether one mean is no worse than another, by the metric's direction."""
        return self.loss(other, value) <= 0

    def too_weak(self, reference: Any) -> bool:
        """Whether the reference arm itself fails, so that comparing with it says nothing."""
        if not words.is_number(reference):
            return True
        return self.learnt is not None and self.loss(self.learnt, reference) > 0


def from_component(kind: str, component: Any, margins: Mapping[str, float]) -> Metric:
    """The display facts that a score component carries as class variables."""
    return Metric(
        kind,
        component.title,
        component.unit,
        component.higher_is_better,
        component.decimals,
        margins.get(kind),
        component.learnt,
    )
