"""The Jinja environment of every page; templates lie beside this file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from augbench.report import colours, words

if TYPE_CHECKING:
    from jinja2 import Environment


def environment() -> Environment:
    """Jinja with the page's templates and autoescape on."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("augbench.report", "."),
        # Names of cases, arms, branches and datasets come from the user's files and stay text whatever they contain.
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {"words": words, "colours": colours}
    made.filters["capitalize_first"] = words.capitalise
    return made
