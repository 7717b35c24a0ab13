"""From a chart to an SVG text that can stand inline in a page beside other SVGs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

if TYPE_CHECKING:
    import altair as alt

_NAMESPACE = "http://www.w3.org/2000/svg"
_FONT = "Helvetica, Arial, Liberation Sans, sans-serif"
_INK = "#333333"

#: Vega-Lite configuration of every figure.
THEME: dict[str, Any] = {
    "background": "#ffffff",
    "font": _FONT,
    "padding": 3,
    "view": {"stroke": None},
    "axis": {
        "labelFontSize": 11,
        "titleFontSize": 11,
        "titleFontWeight": "normal",
        "labelColor": _INK,
        "titleColor": _INK,
        "gridColor": "#ececec",
        "domainColor": "#999999",
        "tickColor": "#999999",
        "tickSize": 4,
        "labelLimit": 160,
    },
    "header": {"labelFontSize": 11, "labelFontWeight": "bold", "labelColor": _INK, "title": None},
    "legend": {"labelFontSize": 11, "titleFontSize": 11, "titleFontWeight": "normal", "labelColor": _INK},
    "title": {"fontSize": 12, "fontWeight": "bold", "anchor": "start", "color": _INK, "offset": 6},
}


def to_svg(chart: alt.TopLevelMixin, name: str = "chart") -> str:
    """Render a chart to SVG without a browser or network.

    Args:
        chart: any Altair chart; the house theme is applied.
        name: stands before every id of the drawing. Two SVGs in one page share one id space, and equal clip-path
            ids would make one drawing be clipped by the other's frame.
    """
    import vl_convert

    specification = chart.to_dict()
    specification["config"] = THEME
    text = vl_convert.vegalite_to_svg(specification, vl_version="6.4")
    return _tidy(text, re.sub(r"[^A-Za-z0-9_-]", "-", name))


def _tidy(text: str, name: str) -> str:
    """Prefix ids, drop the per-mark accessibility and pointer attributes (two thirds of the bytes)."""
    ElementTree.register_namespace("", _NAMESPACE)
    root = ElementTree.fromstring(text)
    for element in root.iter():
        for key in [key for key in element.attrib if key.startswith("aria-") or key in ("role", "pointer-events")]:
            del element.attrib[key]
        if "id" in element.attrib:
            element.set("id", f"{name}-{element.get('id')}")
        for key, value in element.attrib.items():
            if "url(#" in value:
                element.set(key, value.replace("url(#", f"url(#{name}-"))
    return ElementTree.tostring(root, encoding="unicode")
