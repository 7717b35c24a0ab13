"""From a chart to an SVG text that can stand inline in a page beside other SVGs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import pandas as pd

from augbench.report.colours import CHART_INK

if TYPE_CHECKING:
    from altair.typing import ChartType

_NAMESPACE = "http://www.w3.org/2000/svg"
_FONT = "Helvetica, Arial, Liberation Sans, sans-serif"

# Vega draws a dot as a path of two half-circle arcs moved to its place.
_DOT = re.compile(r"M([\d.]+),0A\1,\1,0,1,1,-\1,0A\1,\1,0,1,1,\1,0$")
_LONG = re.compile(r"\d+\.\d{3,}")
_MOVE = re.compile(r"translate\((-?[\d.]+),(-?[\d.]+)\)$")

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
        "labelColor": CHART_INK,
        "titleColor": CHART_INK,
        "gridColor": "#ececec",
        "domainColor": "#999999",
        "tickColor": "#999999",
        "tickSize": 4,
        "labelLimit": 160,
    },
    "header": {"labelFontSize": 11, "labelFontWeight": "bold", "labelColor": CHART_INK, "title": None},
    "legend": {"labelFontSize": 11, "titleFontSize": 11, "titleFontWeight": "normal", "labelColor": CHART_INK},
    "title": {"fontSize": 12, "fontWeight": "bold", "anchor": "start", "color": CHART_INK, "offset": 6},
}


def to_svg(chart: ChartType, name: str = "chart") -> str:
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


def page_columns(count: int) -> int:
    """Panels side by side on a wide page: two for 1, 2 or 4 of them, otherwise three."""
    return 2 if count in (1, 2, 4) else 3


def panels(chart: ChartType) -> list[ChartType]:
    """The charts a concatenation is made of, or the chart itself; a page can stack them on a narrow screen."""
    for name in ("hconcat", "concat"):
        parts = getattr(chart, name, None)
        if isinstance(parts, list):
            return [_with_data(part, chart) for part in parts]
    return [chart]


def _with_data(part: ChartType, whole: ChartType) -> ChartType:
    """A panel with the data that Altair moved from it up to the concatenation."""
    alone = part.copy()
    if not isinstance(getattr(alone, "data", None), pd.DataFrame) and isinstance(whole.data, pd.DataFrame):
        alone.data = whole.data
    return alone


def _tidy(text: str, name: str) -> str:
    """Prefix ids, round numbers, drop per-mark accessibility attributes and join dots: a quarter of the bytes."""
    ElementTree.register_namespace("", _NAMESPACE)
    root = ElementTree.fromstring(text)
    for element in root.iter():
        for key in [key for key in element.attrib if key.startswith("aria-") or key in ("role", "pointer-events")]:
            del element.attrib[key]
        if "id" in element.attrib:
            element.set("id", f"{name}-{element.get('id')}")
        _join_dots(element)
        for key, value in element.attrib.items():
            shown = _LONG.sub(lambda number: f"{float(number[0]):.2f}", value)
            element.set(key, shown.replace("url(#", f"url(#{name}-"))
    return ElementTree.tostring(root, encoding="unicode")


def _join_dots(group: ElementTree.Element) -> None:
    """Dots of one look become one path of points with round caps."""
    looks: dict[tuple[str | None, ...], ElementTree.Element] = {}
    for mark in list(group):
        dot, move = _DOT.match(mark.get("d", "")), _MOVE.match(mark.get("transform", ""))
        if not dot or not move or mark.get("stroke"):
            continue
        look = (mark.get("fill"), mark.get("opacity"), dot[1])
        point = f"M{float(move[1]):.1f} {float(move[2]):.1f}h0"
        if look in looks:
            looks[look].set("d", looks[look].get("d", "") + point)
            group.remove(mark)
            continue
        looks[look] = mark
        shape = {"d": point, "fill": "none", "stroke": mark.get("fill", ""), "opacity": mark.get("opacity", "1")}
        mark.attrib.clear()
        mark.attrib.update(shape | {"stroke-linecap": "round", "stroke-width": f"{2 * float(dot[1]):.2f}"})
