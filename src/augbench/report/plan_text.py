"""A plan in plain sentences, and as tables on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from augbench.report import words
from augbench.report.metric import Metric

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


@dataclass(frozen=True)
class Decided:
    """What a design can decide (`comparison.plan.Prospect`).

    Attributes:
        width, low, high: of the interval: the median, and the range of four studies of five.
        degrees: of freedom.
        margin, difference: smallest that are decided in four studies of five.
        shares: source -> its share of the variance.
    """

    width: float
    low: float
    high: float
    degrees: float
    margin: float
    difference: float
    shares: dict[str, float]

    @property
    def limiting(self) -> str:
        """The source with the largest share."""
        return max(self.shares, key=lambda source: self.shares[source])


@dataclass(frozen=True)
class Option:
    """A design with its name and price.

    Attributes:
        generators: seeds; 1 where the arm has no generator.
        segmenters: seeds with each of them.
        reference: seeds of the reference arm.
        decided: None where a kind of seeds has a single one.
    """

    name: str
    generators: int
    segmenters: int
    reference: int
    patients: int
    core_minutes: float
    decided: Decided | None


@dataclass(frozen=True)
class Plan:
    """What `augbench plan` found.

    Attributes:
        options: the present design first, then the best for the budget, then those around it.
        metric, arm, reference: of the primary endpoint, as they are shown.
        correlation: of segmenter seeds' effects in both arms, where the pilot shows one.
        source: where times are from.
        pilot: the option whose results the variances are from.
        given_sd: SD between generator seeds that was stated.
    """

    options: Sequence[Option]
    best: Option
    budget: float
    metric: Metric
    arm: str
    reference: str
    has_generator: bool
    correlation: float
    source: str
    pilot: Option
    given_sd: float | None = None


def lines(plan: Plan) -> list[str]:
    """What the best design decides, what it does not, what limits it, and what this rests on."""
    found, best = plan.best.decided, plan.best
    assert found is not None  # no design with a single seed is considered
    low, high = (words.significant(value) for value in (found.low, found.high))
    margin, limiting = plan.metric.margin, found.limiting
    return [
        f"With {_counted(best, plan.has_generator)} and {best.patients} patients ({best.core_minutes:.0f} of "
        f"{plan.budget:.0f} core-minutes), the 95% interval of {plan.metric.name}, {plan.arm} minus {plan.reference}, "
        f"is expected to be {words.significant(found.width)} wide ({low} to {high} in four studies of five); "
        f"{_margin(found, margin)}; the source that limits is {limiting}, with {found.shares[limiting]:.0%} of the "
        "variance.",
        f"A true difference of {words.significant(found.difference)} would be told from 0 in four such studies of "
        "five; a smaller one would often be missed.",
        _rests_on(plan),
    ]


def _margin(found: Decided, margin: float | None) -> str:
    least = words.significant(found.margin)
    if margin is None:
        return f"equal arms would be shown to differ by less than {least}"
    if found.margin <= margin:
        return f"a margin of {margin:g} is decidable (equal arms: {least} in four studies of five)"
    return (
        f"a margin of {margin:g} is not decidable, the smallest that is (equal arms, four studies of five) is {least}"
    )


def _rests_on(plan: Plan) -> str:
    seeds = _counted(plan.pilot, plan.has_generator)
    sd = f"; the SD between generator seeds, {plan.given_sd:g}, was stated" if plan.given_sd is not None else ""
    together = (
        f"Segmenter seeds act alike in both arms (correlation {plan.correlation:.2f})."
        if plan.correlation
        else "Segmenter seeds are taken to act independently in both arms: these results show nothing else."
    )
    return (
        f"Variances are those of {seeds} and {plan.pilot.patients} patients{sd}: the range of the width holds how "
        f"little so few seeds tell. {together} Core-minutes are of the whole study, by {plan.source}."
    )


def _counted(design: Option, has_generator: bool) -> str:
    seeds = [f"{design.segmenters} segmenter seeds{' with each' if has_generator else ''}"]
    if has_generator:
        seeds.insert(0, f"{design.generators} generator seed{'s' if design.generators > 1 else ''}")
    return f"{', '.join(seeds)}, {design.reference} seeds of the reference arm"


_LEGEND = (
    "seeds: {0}, reference arm; width: of the 95% interval, median over such studies; margin, diff.: smallest that are "
    "decided in four studies of five"
)


def print_plan(plan: Plan, console: Console) -> None:
    """A line a design, the shares of their variance, then the sentences."""
    console.print(_table(plan), highlight=False)
    console.print(_LEGEND.format("generator x segmenter" if plan.has_generator else "segmenter"), style="dim")
    console.print()
    console.print(_shares(plan), highlight=False)
    for sentence in lines(plan):
        console.print()
        console.print(sentence, highlight=False, markup=False)


def _table(plan: Plan) -> Table:
    table = _empty("design", "seeds", "patients", "core-min", "width", "80% range", "margin", "diff.")
    for option in plan.options:
        first = f"{option.generators} x " if plan.has_generator else ""
        seeds = f"{first}{option.segmenters}, {option.reference}"
        numbers = (seeds, str(option.patients), f"{option.core_minutes:.0f}")
        table.add_row(option.name, *numbers, *(_decided(option.decided) if option.decided else [words.NOTHING] * 4))
    return table


def _decided(found: Decided) -> list[str]:
    low, high, *least = (words.significant(one, 2) for one in (found.low, found.high, found.margin, found.difference))
    return [words.significant(found.width), f"{low} to {high}", *least]


def _shares(plan: Plan) -> Table:
    shown = {option.name: option.decided.shares for option in plan.options if option.decided is not None}
    sources = dict.fromkeys(source for shares in shown.values() for source, share in shares.items() if share > 0)
    table = _empty("variance from", *(source.replace(" ", "\n") for source in sources))
    for name, shares in shown.items():
        table.add_row(name, *(f"{shares[source]:.0%}" for source in sources))
    return table


def _empty(first: str, *others: str) -> Table:
    from rich.table import Table

    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold", pad_edge=False)
    table.add_column(first, no_wrap=True)
    for name in others:
        table.add_column(name, justify="right", no_wrap=True)
    return table
