"""The one palette of charts, pictures and pages, and who is drawn in which of its colours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import count

from augbench.core.verdicts import VERDICTS

# Okabe & Ito, "Color universal design" (2008): distinguishable with every common colour-vision deficiency.
BLACK, ORANGE, SKY, GREEN = "#1a1a1a", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILLION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"
GREY = "#8a8a8a"

#: Tints of masks: they lie on grey images.
_TINTS = (ORANGE, GREEN, BLUE, SKY, YELLOW, VERMILLION, PURPLE)
#: Lines and points on white, on which yellow is lost.
_LINES = (VERMILLION, BLUE, GREEN, PURPLE, ORANGE, SKY)
#: Each further round of a palette is darker by this factor.
_DARKER = 0.6

#: The verdicts of a comparison, in the order in which they are counted.
VERDICT_COLOURS = dict(zip(VERDICTS, (GREEN, ORANGE, BLUE, VERMILLION, GREY), strict=True))
#: The same hues dark enough to be read as text on white and on the wash (WCAG 2 contrast 4.5), and the page's own.
TEXT = {
    "ink": "#1f2328",
    "soft": "#57606a",
    "caption": "#3b4148",
    "link": "#0b5394",
    "equivalent": "#00785a",
    "negligible": "#8a5d00",
    "better": "#005a94",
    "worse": "#b34700",
    "inconclusive": "#5f5f5f",
}
#: Ink of charts.
CHART_INK = "#333333"
PAPER, WASH = "#ffffff", "#f6f7f8"


def line_colours(names: Sequence[str]) -> dict[str, str]:
    """A colour of its own for each name, the first (the reference) in black."""
    return dict(zip(names, (BLACK, *_first(_LINES, max(len(names) - 1, 0))), strict=False))


def tints(structures: Sequence[str], chosen: Mapping[str, str] | None = None) -> dict[str, str]:
    """A colour of its own for each structure: the chosen one, else the next of the palette that nobody chose."""
    chosen = chosen or {}
    taken = {colour.lower() for colour in chosen.values()}
    free = (colour for colour in _rounds(_TINTS) if colour.lower() not in taken)
    return {name: chosen.get(name) or next(free) for name in structures}


def _first(palette: Sequence[str], number: int) -> list[str]:
    return [colour for colour, _ in zip(_rounds(palette), range(number), strict=False)]


def _rounds(palette: Sequence[str]) -> Iterator[str]:
    for round_ in count():
        for colour in palette:
            yield _scaled(colour, _DARKER**round_)


def _scaled(colour: str, factor: float) -> str:
    parts = [round(int(colour[at : at + 2], 16) * factor) for at in (1, 3, 5)]
    return colour if factor == 1 else "#{:02x}{:02x}{:02x}".format(*parts)
