"""Names of structures and views as they are met in public data, and the one spelling used here."""

from __future__ import annotations

import re
from collections.abc import Iterable

#: Order of label values after import: LV is 1 whatever number a dataset gave it.
CANONICAL = ("LV", "MYO", "RV", "RA", "LA")

_STRUCTURE_SYNONYMS = {
    "LV": ("lv", "lvc", "lvbp", "lvcavity", "lvbloodpool", "lvendo", "leftventricle", "leftventricularcavity",
           "leftventriclecavity", "leftventricularbloodpool", "leftventriclebloodpool"),
    "MYO": ("myo", "lvm", "lvmyo", "myocardium", "lvmyocardium", "leftventricularmyocardium",
            "leftventriclemyocardium", "lvwall"),
    "RV": ("rv", "rvc", "rvbp", "rvcavity", "rvbloodpool", "rvendo", "rightventricle", "rightventricularcavity",
           "rightventriclecavity", "rightventricularbloodpool", "rightventriclebloodpool"),
    "RA": ("ra", "rightatrium", "rightatrialcavity"),
    "LA": ("la", "leftatrium", "leftatrialcavity"),
}  # fmt: skip
_VIEW_SYNONYMS = {
    "sax": ("sax", "sa", "shortaxis"),
    "4ch": ("4ch", "4c", "a4c", "lax4c", "lax4ch", "la4ch", "la4c", "fourchamber", "4chamber"),
    "2ch": ("2ch", "2c", "a2c", "lax2c", "lax2ch", "la2ch", "la2c", "twochamber", "2chamber"),
}
_STRUCTURE_OF = {synonym: name for name, synonyms in _STRUCTURE_SYNONYMS.items() for synonym in synonyms}
_VIEW_OF = {synonym: name for name, synonyms in _VIEW_SYNONYMS.items() for synonym in synonyms}


def canonical_structure(name: str) -> str:
    """`left ventricle`, `lvc` and `LV` are `LV`; a name that is not known stays as it is, without outer blanks."""
    return _STRUCTURE_OF.get(_letters(name), name.strip())


def canonical_view(name: str) -> str:
    """`SAX`, `sa` and `short axis` are `sax`; a view that is not known is lower-cased."""
    return _VIEW_OF.get(_letters(name), name.strip().casefold())


def in_canonical_order(names: Iterable[str]) -> tuple[str, ...]:
    """LV, MYO, RV, RA, LA as far as present, then all others by alphabet."""
    present = set(names)
    others = sorted(present - set(CANONICAL), key=lambda name: (name.casefold(), name))
    return (*(name for name in CANONICAL if name in present), *others)


def _letters(name: str) -> str:
    """Letters and digits alone, so that `Left_Ventricle` and `left ventricle` compare equal."""
    return re.sub(r"[\W_]+", "", name.casefold())
