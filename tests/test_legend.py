"""A finished figure has a legend that fits it."""

from __future__ import annotations

import pytest

from slotpipeline.reporting.drawing import finish
from slotpipeline.reporting.style import panels


def test_a_legend_names_every_label_once() -> None:
    figure, axes = panels(2)
    for panel in axes:
        panel.plot([0, 1], label="ours")
    finish(figure, "paper", "title", [], [])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["ours"]


@pytest.mark.parametrize(("length", "columns"), [(5, 3), (24, 2), (60, 1)])
def test_a_legend_has_the_columns_that_fit_its_figure(length: int, columns: int) -> None:
    figure, (panel,) = panels(1)
    for label in "abcde":
        panel.plot([0, 1], label=label * length)
    finish(figure, "paper", "title", [], [])
    figure.draw_without_rendering()
    (legend,) = figure.legends
    assert legend.get_window_extent().x1 <= figure.bbox.width
    assert len({round(text.get_window_extent().x0) for text in legend.get_texts()}) == columns
