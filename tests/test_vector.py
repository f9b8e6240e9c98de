"""Figures as SVG: slim, without change to what is drawn, and made to stand beside others in one page."""

from __future__ import annotations

import re
from io import StringIO
from pathlib import Path
from xml.etree import ElementTree

import pytest
from matplotlib.figure import Figure

from slotpipeline.reporting.colours import DARK_PAPER, contrast, on_dark
from slotpipeline.reporting.drawing import finish, save
from slotpipeline.reporting.style import panels
from slotpipeline.reporting.vector import inlined, slimmed

SVG = "{http://www.w3.org/2000/svg}"


def drawn(folder: Path, colour: str = "#0072b2") -> str:
    """A figure of two panels, as it is saved."""
    figure, axes = panels(2)
    for panel in axes:
        panel.plot([0, 1, 2, 3], [3, 1, 2, 0], "o-", color=colour, label="a line & its marks")
    save(finish(figure, "paper", "Title < 1", [], ["Half-filled: a single seed."]), folder / "figure.png", "0123abcd")
    return (folder / "figure.svg").read_text()


def places(path: str) -> list[tuple[float, float]]:
    """The points of a slimmed path of lines, of which all but the first are steps."""
    x, y, found = 0.0, 0.0, []
    first, _, rest = path.removesuffix("z").removeprefix("M").partition("l")
    numbers = [float(number) for number in re.findall(r"-?(?:\d+\.?\d*|\.\d+)", first + " " + rest)]
    for dx, dy in zip(numbers[::2], numbers[1::2], strict=True):
        x, y = x + dx, y + dy
        found.append((x, y))
    return found


def test_a_path_keeps_its_places_to_a_tenth_of_a_point_and_does_not_drift() -> None:
    points = [(0.033 * at + 0.014, 7.777 - 0.0471 * at) for at in range(500)]
    data = "M " + " \nL ".join(f"{x:.6f} {y:.6f}" for x, y in points) + " \n"
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"><path d="{data}"/></svg>'
    slim = slimmed(svg, "", "", "", [])
    (path,) = re.findall(r' d="([^"]*)"', slim)
    assert len(path) < len(data) / 3
    for (x, y), (true_x, true_y) in zip(places(path), points, strict=True):
        assert abs(x - true_x) < 0.0501 and abs(y - true_y) < 0.0501


def test_a_slim_figure_says_what_it_is_and_keeps_every_text(tmp_path: Path) -> None:
    text = drawn(tmp_path)
    raw, (axes, _) = StringIO(), panels(2)[1]
    root = ElementTree.fromstring(text)
    assert root.findtext(f"{SVG}title") == "Title < 1"
    assert root.findtext(f"{SVG}desc") == "Half-filled: a single seed. Recipe paper."
    assert root.get("data-source") == "0123abcd" and len((root.get("data-crops") or "").split(",")) == 3
    assert "a line & its marks" in {element.text for element in root.iter(f"{SVG}text")}
    assert "<metadata" not in text and "<style" not in text and "DejaVu Sans'" not in text
    axes.figure.savefig(raw, format="svg")
    assert len(text) < len(raw.getvalue())


def test_figures_of_one_page_do_not_share_ids_and_refer_to_their_own(tmp_path: Path) -> None:
    text = drawn(tmp_path)
    page = inlined({"one": text, "two": text})
    markup = "".join(figure.markup for figure in page.figures.values())
    ids = re.findall(r' id="([^"]*)"', markup)
    used = re.findall(r'href="#([^"]*)"', markup) + re.findall(r"url\(#([^)]*)\)", markup)
    assert len(ids) == len(set(ids)) and set(used) <= set(ids) and used
    assert {identity.split("-")[0] for identity in used} == {"one", "two"}
    one = page.figures["one"]
    assert (one.title, one.caption.split(".")[0], len(one.crops)) == ("Title < 1", "Half-filled: a single seed", 3)


def test_colours_of_a_page_are_variables_that_a_dark_page_sets_anew(tmp_path: Path) -> None:
    page = inlined({"one": drawn(tmp_path)})
    assert "#" not in re.sub(r'(href="|url\()#', "", page.figures["one"].markup)
    assert "style=" not in page.figures["one"].markup
    light, _, dark = page.css.partition("@media (prefers-color-scheme:dark)")
    used = set(re.findall(r"var\(--([0-9a-f]{6})\)", page.css))
    assert "0072b2" in used
    for colour in used:
        assert f"--{colour}:#{colour}" in light and f"--{colour}:#" in dark


@pytest.mark.parametrize("colour", ["#0072b2", "#222222", "#666666", "#0d0887", "#ffffff", "#b87a00"])
def test_a_colour_can_be_read_on_a_dark_page(colour: str) -> None:
    assert on_dark(colour) == DARK_PAPER if colour == "#ffffff" else contrast(on_dark(colour), DARK_PAPER) >= 4.5


def test_the_contrast_of_black_and_white_is_the_largest() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)  # the textbook example


def test_a_figure_without_a_legend_has_its_panels_only(tmp_path: Path) -> None:
    svg = StringIO()
    Figure(figsize=(1, 1)).savefig(svg, format="svg")
    assert inlined({"bare": slimmed(svg.getvalue(), "", "", "", [])}).figures["bare"].crops == []
