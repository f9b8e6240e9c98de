"""Every figure script runs by hand on made-up results, also where runs are missing."""

from __future__ import annotations

import re
import runpy
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.text import Text

from slotmachines.methods import METHODS, RIVALS
from slotpipeline.analysis.cell_results import identities_of
from slotpipeline.experiments.grid import experiment_runs
from slotpipeline.experiments.inside_a_network import SharedValues
from slotpipeline.experiments.outcomes import experiment_results
from slotpipeline.experiments.registry import EXPERIMENTS
from slotpipeline.reporting.colours import DARK_PAPER, PAPER, contrast, on_dark
from slotpipeline.reporting.drawing import Drawing, not_run
from slotpipeline.reporting.sources import OVERVIEWS, overview_script
from slotpipeline.reporting.style import LOOK
from slotpipeline.results.read import Results
from synthetic import REFERENCE, START, grid, make_config, make_results, write_grid

__all__ = ["grid"]
PROJECT = Path(__file__).parents[1]
NAMES = [*EXPERIMENTS, *OVERVIEWS]
EVERY = pytest.mark.parametrize("name", NAMES)
FILES = ("config.yaml", "runs.csv", "curves.csv.gz")


def script(name: str) -> Path:
    return PROJECT / (EXPERIMENTS[name].figure_script if name in EXPERIMENTS else overview_script(name))


def run(monkeypatch: pytest.MonkeyPatch, name: str, *arguments: Path) -> int | str | None:
    monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(script(name)), run_name="__main__")
    return ended.value.code


def drawing(results: Results, name: str) -> Drawing:
    function = runpy.run_path(str(script(name)))["draw"]
    with rc_context(LOOK):
        return function(results) if name in OVERVIEWS else function(results, experiment_results(results, name))


def draw(results: Results, name: str) -> Figure:
    return drawing(results, name).figure


def lines(figure: Figure, label: str) -> list[Any]:
    """What is drawn under a label of the legend, over all panels."""
    found = [axes.get_legend_handles_labels() for axes in figure.axes]
    return [handle for handles, labels in found for handle, name in zip(handles, labels, strict=True) if name == label]


@pytest.fixture(scope="module")
def results() -> Results:
    return make_results()


@pytest.fixture(scope="module")
def drawing_of(results: Results) -> Callable[[str], Drawing]:
    """The figure of `results` by name with its title and caption, drawn once."""
    return cache(lambda name: drawing(results, name))


@pytest.fixture(scope="module")
def figure_of(drawing_of: Callable[[str], Drawing]) -> Callable[[str], Figure]:
    """The figure of `results` by name, drawn once."""
    return lambda name: drawing_of(name).figure


@EVERY
def test_a_figure_is_a_picture(name: str, grid: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "figure.png"
    assert run(monkeypatch, name, grid, REFERENCE, file) == 0
    picture = imread(file)
    assert picture.shape[1] in (1050, 1350)  # with one panel in a row, or with several
    assert picture.std() > 0.05
    assert b"Software" not in file.read_bytes()
    assert all(file.with_suffix(ending).stat().st_size > 1000 for ending in (".svg", ".pdf"))


# One with a single panel, one with many; the slow half of the tests draws all of them twice.
ONE_OF_EACH_FORM = ("k-sweep", "selected-weights")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in ONE_OF_EACH_FORM else pytest.mark.slow) for name in NAMES]
)
def test_a_figure_has_the_same_bytes_again(
    name: str, grid: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "first.png", tmp_path / "second.png"
    assert run(monkeypatch, name, grid, REFERENCE, first) == 0
    assert run(monkeypatch, name, grid, REFERENCE, second) == 0
    for ending in (".png", ".svg", ".pdf"):
        assert first.with_suffix(ending).read_bytes() == second.with_suffix(ending).read_bytes()


@EVERY
def test_a_figure_is_made_without_any_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_grid(tmp_path, make_config({"lenet": "digits"}), keep_runs=False)
    assert run(monkeypatch, name, folder, REFERENCE, tmp_path / "figure.png") == 0
    assert imread(tmp_path / "figure.png").shape[0] < 200  # a line that says so


@EVERY
def test_nothing_written_on_a_figure_is_cut_off(name: str, figure_of: Callable[[str], Figure]) -> None:
    figure = figure_of(name)
    with rc_context(LOOK):
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        box = figure.get_tightbbox(canvas.get_renderer())
    width, height = figure.get_size_inches()
    assert box.x0 > -0.01 and box.y0 > -0.01
    assert box.x1 < width + 0.01 and box.y1 < height + 0.01


@EVERY
def test_a_caption_says_what_stands_for_several_seeds(name: str, drawing_of: Callable[[str], Drawing]) -> None:
    # Histograms have no bars or bands: they are of all seeds together. A strip plot shows each seed.
    known = r"9[05]%( t-| )interval|lowest to (the )?highest|all runs of a cell together|Each mark is one seed"
    assert re.search(known, drawing_of(name).caption)


def test_a_caption_counts_what_was_not_run(drawing_of: Callable[[str], Drawing]) -> None:
    text = drawing_of("selection").caption
    assert "Not run: 2 of 16 cells." in text
    assert "Recipe paper-glorot; 1 to 3 seeds per cell." in text


def test_what_was_not_run_is_a_network_by_its_name_or_a_number_of_cells(results: Results) -> None:
    found = experiment_results(results, "finetune-checkpoints")
    assert not_run(found) == ""
    early = identities_of(one for one in found if one.network == "lenet" and one.cell.start_epoch in (25, 50))
    some = replace(results, runs=results.runs[~results.runs["identity"].isin(early)])
    assert not_run(experiment_results(some, "finetune-checkpoints")) == "Not run: 2 of 12 cells."
    lenet = replace(some, runs=some.runs[some.runs["network"] == "lenet"])
    text = not_run(experiment_results(lenet, "finetune-checkpoints"))
    assert text == "Not run: Conv-2; 2 of 6 cells of the other networks."
    nothing = replace(results, runs=results.runs.iloc[:0])
    assert not_run(experiment_results(nothing, "finetune-checkpoints")) == "Not run: LeNet, Conv-2."


@EVERY
def test_a_network_without_runs_has_no_panel(name: str, results: Results, drawing_of: Callable[[str], Drawing]) -> None:
    lenet = replace(results, runs=results.runs[results.runs["network"] == "lenet"])
    titles = [axes.get_title(loc="left") for axes in draw(lenet, name).axes]
    assert not any("Conv-2" in title for title in titles)
    assert len(titles) <= len(drawing_of(name).figure.axes)


@EVERY
def test_every_colour_can_be_told_from_the_page_light_and_dark(name: str, drawing_of: Callable[[str], Drawing]) -> None:
    figure = drawing_of(name).figure
    drawn = {to_hex(line.get_color()) for axes in figure.axes for line in axes.lines if line.get_visible()}
    texts = {to_hex(text.get_color()) for text in figure.findobj(Text) if text.get_text()}
    for colour in drawn | texts:
        assert contrast(colour, PAPER) >= 3, colour
        assert contrast(on_dark(colour), DARK_PAPER) >= 3, colour


def test_curves_are_those_of_the_plain_runs_whatever_other_settings_were_tried(
    results: Results, figure_of: Callable[[str], Figure]
) -> None:
    plain = {
        run.identity for name in ("k-sweep", "selection", "finetune") for run in experiment_runs(results.config, name)
    }
    curves, strange = results.curves.copy(), ~results.curves["identity"].isin(plain)
    assert strange.any()
    curves.loc[strange, "val_accuracy"] = 1.0
    ones, others = figure_of("curves"), draw(replace(results, curves=curves), "curves")
    labels = {label for axes in ones.axes for label in axes.get_legend_handles_labels()[1]}
    assert labels == {
        *(f"K = {options}" for options in (2, 4, 8, 64)),
        "learned weights",
        f"K = 8, finetuned after {START} epochs",
    }
    for label in labels:
        for one, other in zip(lines(ones, label), lines(others, label), strict=True):
            np.testing.assert_array_equal(one.get_ydata(), other.get_ydata())


def test_curves_of_a_grid_without_their_experiments_are_an_empty_figure() -> None:
    figure = draw(make_results(make_config(experiments=["large-k"])), "curves")
    assert figure.axes == [] and "not run yet" in [text.get_text() for text in figure.texts]


def test_checkpoints_lie_between_training_from_scratch_and_the_slot_machine_alone(
    figure_of: Callable[[str], Figure],
) -> None:
    figure = figure_of("finetune-checkpoints")
    places = [float(mark[0].get_xdata()[0]) for mark in lines(figure, "finetuned")]
    assert places == [25, 50, 75, 100, 25, 50, 75, 100]
    assert [mark[0].get_xdata()[0] for mark in lines(figure, "trained from scratch")] == [0, 0]
    assert [mark[0].get_xdata()[0] for mark in lines(figure, "slot machine, never finetuned")] == [110, 110]


def test_sharing_shows_every_seed_and_counts_what_collapsed() -> None:
    config = make_config({"lenet": "mnist"}, experiments=["sharing"])
    results = make_results(config)
    per_layer = next(one for one in experiment_results(results, "sharing") if one.cell.variant == SharedValues("layer"))
    fallen = results.runs["identity"].isin(per_layer.identities[:2])
    figure = draw(replace(results, runs=results.runs.assign(
        test_accuracy=results.runs["test_accuracy"].mask(fallen, 9.8))), "sharing")  # fmt: skip
    drawn = [float(value) for line in lines(figure, "set per layer") for value in line.get_ydata()]
    assert len(drawn) == 6 and drawn[:2] == [9.8, 9.8]
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.texts] == ["2 of 3"]
    assert axes.get_ylim()[0] == 0


def test_rivals_stand_beside_their_published_numbers_and_say_where_they_were_not_run(results: Results) -> None:
    there = results.runs[(results.runs["method"] != "edge_popup") | (results.runs["network"] != "conv2")]
    figure = draw(replace(results, runs=there), "rivals")
    lenet, conv2 = ([label.get_text().partition("\n")[0] for label in axes.get_yticklabels()] for axes in figure.axes)
    assert sorted(lenet) == sorted(conv2)
    assert {METHODS[name].label for name in (*RIVALS, "random")} <= set(lenet)
    labels = [label.get_text() for label in figure.axes[1].get_yticklabels()]
    assert labels[-1] == "edge-popup\n100 epochs, not run" and "random weights\nuntrained" in labels
    shown = [text.get_text() for text in figure.axes[1].texts]
    assert "77.70" in shown and "66.00" in shown and "69.20" in shown


def test_rivals_are_sorted_and_all_on_the_axis(results: Results, figure_of: Callable[[str], Figure]) -> None:
    axes = figure_of("rivals").axes[0]
    found = [one for one in experiment_results(results, "rivals") if one.network == "lenet"]
    low, high = axes.get_xlim()
    assert all(low <= value <= high for one in found for value in one.accuracies)
    means = [float(text.get_text()) for text in axes.texts if text.get_fontweight() == "bold"]
    assert means == sorted(means, reverse=True) and len(means) == len(found)
    assert "slot machine, K = 8\n110 of 200 epochs" in [label.get_text() for label in axes.get_yticklabels()]


def test_a_single_seed_looks_unlike_several(figure_of: Callable[[str], Figure]) -> None:
    ours = lines(figure_of("k-sweep"), "greedy, ours")
    halves = [mark[0].get_ydata()[0] for mark in ours if mark[0].get_fillstyle() == "left"]
    assert len(halves) == 1 and len(ours) > 1  # Conv-2 at K = 4 alone has one seed


def test_differences_to_the_paper_lie_in_the_band_of_their_tolerance_or_not(results: Results) -> None:
    figure = draw(results, "published-numbers")
    lenet = figure.axes[0]
    marks = zip(lenet.get_yticklabels(), lenet.containers, strict=True)
    hollow = {name.get_text().split(" (")[0] for name, mark in marks if mark[0].get_markerfacecolor() == "white"}
    assert hollow == {"greedy, K = 2", "greedy, K = 8"}  # which chose the recipe
    (k4,) = (one for one in experiment_results(results, "k-sweep") if one.network == "lenet" and one.options == 4)
    assert k4.difference in [pytest.approx(float(mark[0].get_xdata()[0])) for mark in lenet.containers]


def test_paths_of_changed_connections_start_at_the_left_and_end_at_what_was_altered(
    figure_of: Callable[[str], Figure],
) -> None:
    figure = figure_of("connections-changed")
    (best, *_) = lines(figure, "minimal flipping")
    assert best.get_xdata()[0] == pytest.approx(4, abs=0.1)
    assert figure.axes[0].get_xlim()[0] == 0


def test_bits_are_those_of_options_and_masks(figure_of: Callable[[str], Figure]) -> None:
    places = {label: lines(figure_of("bits"), label)[0].lines[0].get_xdata()[0] for label in
              ("slot machine, its K beside it", "flipping", "lottery ticket", "learned weights")}  # fmt: skip
    assert places["slot machine, its K beside it"] == 1 and places["learned weights"] == 32
    assert places["flipping"] == pytest.approx(0.72, abs=0.01)  # the entropy of one in five
    assert places["lottery ticket"] == pytest.approx(0.72 + 0.2 * 32, abs=0.02)


def test_columns_say_how_long_was_trained_also_where_nothing_was_run() -> None:
    results = make_results(make_config({"lenet": "mnist"}))
    figure = draw(replace(results, runs=results.runs[results.runs["method"] == "greedy"]), "vgg")
    names = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert names[0] == "slot machine,\nK = 8\n110 epochs"
    assert names[-1] == "learned from\nscratch\n110 epochs"


@pytest.mark.parametrize("file", FILES)
def test_bad_input_is_one_line_and_status_2(file, tmp_path, monkeypatch, capsys) -> None:
    folder = write_grid(tmp_path / "grid", make_config({"lenet": "mnist"}, experiments=["k-sweep"]))
    (folder / file).unlink()
    output = tmp_path / "figure.png"
    assert run(monkeypatch, "k-sweep", folder, REFERENCE, output) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and file in error
    assert not output.exists()
