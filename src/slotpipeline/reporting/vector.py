"""Figures as vector graphics: small, the same bytes each time, and made to stand in a page, light or dark."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from slotpipeline.reporting.colours import PAPER, on_dark

SVG = "http://www.w3.org/2000/svg"
FONTS = "DejaVu Sans, Verdana, system-ui, sans-serif"
"""Text stays text: the first font is the one that the figures are laid out with, the second is as wide."""

_NUMBER = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")
_LETTER = re.compile(r"[A-Za-z]")
_POINT = re.compile(r"([ML]) (\S+) (\S+)")
_COLOUR = re.compile(r"#[0-9a-f]{6}\b")
_FONT = re.compile(r" ?font(?:-family)?: (?:[^;']|'[^']*')*'DejaVu Sans'[^;]*;?")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_HREF = "{http://www.w3.org/1999/xlink}href"


Box = tuple[float, float, float, float]
"""x, y, width and height in points, from the upper left corner."""


@dataclass(frozen=True)
class Inlined:
    """Figures as markup of one page, and the style sheet that all of them need.

    Attributes:
        figures: name -> figure.
        css: the style sheet, with the colours of a light and of a dark page.
    """

    figures: Mapping[str, PageFigure]
    css: str


@dataclass(frozen=True)
class PageFigure:
    """One figure in a page.

    Attributes:
        markup: its SVG element; all that it draws is in a group with the id `<name>-drawn`.
        title, caption: as text.
        width: in points.
        crops: the parts that a narrow page shows below one another, as view boxes.
    """

    markup: str
    title: str
    caption: str
    width: float
    crops: list[str]


def slimmed(svg: str, title: str, caption: str, source: str, crops: list[Box]) -> str:
    """The SVG that Matplotlib writes without what no reader sees, with what a page needs to know of it.

    Args:
        svg: with its text as text (`svg.fonttype: none`).
        title, caption: of the figure.
        source: digest of what it was made from, see `sources`; blank if unknown.
        crops: its parts, the legend and the panels.
    """
    root = ElementTree.fromstring(svg)
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag == f"{{{SVG}}}metadata" or child.find(f"{{{SVG}}}style") is not None:
                parent.remove(child)
    used = set(_references(root))
    for element in root.iter():
        _slim_element(element, used)
    _unwrap(root)
    about = {"title": title, "desc": caption}
    for place, (name, text) in enumerate(about.items()):
        described = Element(f"{{{SVG}}}{name}")
        described.text = text
        root.insert(place, described)
    boxes = ",".join(" ".join(f"{value:.0f}" for value in crop) for crop in crops)
    # Matplotlib's own style sheet gives every element these, which would reach the whole page.
    root.attrib |= {"stroke-linejoin": "round", "font-family": FONTS, "data-source": source, "data-crops": boxes}
    return _markup(root) + "\n"


def inlined(figures: Mapping[str, str]) -> Inlined:
    """Figures, slimmed, as parts of one page.

    Ids get the figure's name before them: without it, clip paths of one figure would cut another. Styles become
    classes, colours variables.
    """
    classes: dict[str, str] = {}
    found = {}
    for name, svg in figures.items():
        root = ElementTree.fromstring(svg)
        title, caption = (root.findtext(f"{{{SVG}}}{tag}", "") for tag in ("title", "desc"))
        root[:] = [child for child in root if child.tag not in (f"{{{SVG}}}title", f"{{{SVG}}}desc")]
        crops, width = root.attrib.pop("data-crops", "").split(","), float(root.get("viewBox", "0 0 0 0").split()[2])
        for element in root.iter():
            if "id" in element.attrib:
                element.set("id", f"{name}-{element.get('id')}")
            if "href" in element.attrib:
                element.set("href", f"#{name}-{element.get('href', '')[1:]}")
            if "clip-path" in element.attrib:
                element.set("clip-path", _REFERENCE.sub(rf"url(#{name}-\1)", element.get("clip-path", "")))
            if "style" in element.attrib:
                style = element.attrib.pop("style")
                element.set("class", classes.setdefault(style, f"d{len(classes)}"))
        for size in ("width", "height"):
            del root.attrib[size]
        whole = Element(f"{{{SVG}}}g", {"id": f"{name}-drawn"})
        whole[:], root[:] = list(root), [whole]
        root.attrib |= {"role": "img", "aria-label": title}
        found[name] = PageFigure(_markup(root), title, caption, width, [crop for crop in crops if crop])
    return Inlined(found, _style_sheet(classes))


def _style_sheet(classes: Mapping[str, str]) -> str:
    colours = sorted({colour for style in classes for colour in _COLOUR.findall(style)} - {PAPER})
    light = ";".join(f"--{colour[1:]}:{colour}" for colour in colours)
    dark = ";".join(f"--{colour[1:]}:{on_dark(colour)}" for colour in colours)
    rules = "\n".join(f".{name}{{{_variables(style)}}}" for style, name in classes.items())
    return f":root{{{light}}}\n@media (prefers-color-scheme:dark){{:root{{{dark}}}}}\n{rules}"


def _variables(style: str) -> str:
    short = style.replace(": ", ":").replace("; ", ";")
    return _COLOUR.sub(lambda found: "var(--paper)" if found[0] == PAPER else f"var(--{found[0][1:]})", short)


def _references(root: Element) -> Iterator[str]:
    """The ids that something refers to."""
    for element in root.iter():
        if _HREF in element.attrib:
            yield element.attrib[_HREF][1:]
        yield from _REFERENCE.findall(element.get("clip-path", ""))


def _slim_element(element: Element, used: set[str]) -> None:
    element.text = element.text if (element.text or "").strip() else None
    element.tail = None
    given = element.attrib
    if given.get("id") not in used:
        given.pop("id", None)
    if _HREF in given:
        given["href"] = given.pop(_HREF)
    if "style" in given:
        given["style"] = _FONT.sub("", given["style"]).strip()
    if given.get("transform", "").startswith("rotate(-0 "):
        del given["transform"]
    for name in ("x", "y", "width", "height", "transform", "viewBox"):
        if name in given:
            given[name] = _NUMBER.sub(lambda found: _short(float(found[0]), 1), given[name])
    if "d" in given:
        given["d"] = _path(given["d"])


def _unwrap(parent: Element) -> None:
    """Put the children of groups that say nothing in their place."""
    children = []
    for child in list(parent):
        _unwrap(child)
        plain = child.tag == f"{{{SVG}}}g" and not child.attrib
        children += list(child) if plain else [child]
    parent[:] = children


def _short(value: float, decimals: int) -> str:
    """A number in as few characters as can be."""
    text = f"{value:.{decimals}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return {"-0": "0"}.get(text, text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text)


def _path(data: str) -> str:
    """The data of a path, lines by their steps.

    Lines have tenths of a point, which nobody sees: a page shows some 1.4 pixels a point. Marks are smaller, and keep
    hundredths.
    """
    if not set(_LETTER.findall(data)) <= set("MLz"):
        text = _NUMBER.sub(lambda found: _short(float(found[0]), 2), data)
        return re.sub(r"\s*([A-Za-z])\s*", r"\1", text).strip()
    drawn: list[str] = []
    at = 0, 0
    for letter, x, y in _POINT.findall(data):
        # Steps between rounded places: rounded steps would add up to a drift.
        place = round(10 * float(x)), round(10 * float(y))
        step = place if letter == "M" else (place[0] - at[0], place[1] - at[1])
        numbers = f"{_short(step[0] / 10, 1)} {_short(step[1] / 10, 1)}".replace(" -", "-")
        before = "M" if letter == "M" else "l" if drawn and drawn[-1].startswith("M") else " "
        drawn.append((before + numbers).replace(" -", "-"))
        at = place
    return "".join(drawn) + ("z" if data.rstrip().endswith("z") else "")


def _markup(root: Element) -> str:
    ElementTree.register_namespace("", SVG)
    return ElementTree.tostring(root, encoding="unicode")
