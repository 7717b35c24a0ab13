"""Arms, views and structures: their order, their printed names and their colours, the same in every figure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

REAL = "real"

#: Generators that are controls, not candidates: the upper bound and the privacy audit's positive control.
CONTROLS = ("oracle", "memoriser")

STRUCTURES = ("LV", "MYO", "RV", "RA", "LA")
VIEWS = ("4ch", "2ch", "sax")
SITES = ("internal", "development", "external")

VIEW_NAMES = {"4ch": "4-chamber", "2ch": "2-chamber", "sax": "short axis", "all": "all views"}
STRUCTURE_NAMES = {
    "LV": "left ventricle",
    "MYO": "myocardium",
    "RV": "right ventricle",
    "RA": "right atrium",
    "LA": "left atrium",
    "mean": "mean",
}
SITE_NAMES = {"internal": "own site, held out", "development": "development site", "external": "external site"}

# Okabe & Ito, "Color universal design" (2008): distinguishable with every common colour-vision deficiency.
BLACK, ORANGE, SKY, GREEN = "#1a1a1a", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILLION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"
GREY = "#8a8a8a"

STRUCTURE_COLOURS = {"LV": VERMILLION, "MYO": GREEN, "RV": SKY, "RA": YELLOW, "LA": PURPLE}
REGIME_COLOURS = {"real": BLACK, "synthetic": VERMILLION, "mixed": BLUE, "control": GREY}
NEGLIGIBLE = "significant but negligible"
VERDICT_COLOURS = {
    "equivalent": GREEN,
    NEGLIGIBLE: ORANGE,
    "better": BLUE,
    "worse": VERMILLION,
    "inconclusive": GREY,
}
SERIES = (VERMILLION, BLUE, GREEN, PURPLE, ORANGE, SKY, BLACK)


def split_arm(arm: str) -> tuple[str, str]:
    """`pggan/mixed-1` -> (`pggan`, `mixed-1`); `real` -> (``, `real`)."""
    generator, slash, regime = arm.rpartition("/")
    return (generator, regime) if slash else ("", arm)


def generator_of(arm: str) -> str:
    return split_arm(arm)[0]


def kind(arm: str) -> str:
    """`real`, `synthetic`, `mixed` or `control`."""
    generator, regime = split_arm(arm)
    if generator in CONTROLS:
        return "control"
    return "real" if not generator else regime.partition("-")[0]


def ratio(arm: str) -> float:
    """Synthetic frames per real frame: 0 for `real`, the stated number for `mixed-2`, infinity for synthetic-only."""
    regime = split_arm(arm)[1]
    if regime == "synthetic":
        return float("inf")
    number = regime.partition("-")[2]
    try:
        return float(number) if number else (0.0 if regime == REAL else 1.0)
    except ValueError:
        return 1.0


def sort_arms(arms: Iterable[str]) -> list[str]:
    """Real first, then each generator's synthetic and mixed arms by ratio, controls last."""
    unique = sorted(set(arms))

    def key(arm: str) -> tuple[int, str, int, float, str]:
        generator, regime = split_arm(arm)
        place = 0 if not generator else 2 if generator in CONTROLS else 1
        return place, generator, 0 if regime == "synthetic" else 1, ratio(arm), arm

    return sorted(unique, key=key)


def sort_by(values: Iterable[str], order: Sequence[str]) -> list[str]:
    """Known values in canonical order, unknown ones after them alphabetically."""
    known = {value: position for position, value in enumerate(order)}
    return sorted(set(values), key=lambda value: (known.get(value, len(known)), value))


def view_name(view: str) -> str:
    return VIEW_NAMES.get(view, view)


def colour(arm: str) -> str:
    return REGIME_COLOURS.get(kind(arm), PURPLE)


def verdict_word(verdict: object) -> str:
    """The verdict if it is one of the five, otherwise `` (undefined: too few patients)."""
    return verdict if isinstance(verdict, str) and verdict in VERDICT_COLOURS else ""
