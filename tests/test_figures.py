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
from matplotlib.figure import Figure
from matplotlib.image import imread

from slotmachines.methods import METHODS, RIVALS
from slotpipeline.analysis.cell_results import identities_of
from slotpipeline.experiments.grid import experiment_runs
from slotpipeline.experiments.inside_a_network import SharedValues
from slotpipeline.experiments.outcomes import experiment_results
from slotpipeline.experiments.registry import EXPERIMENTS
from slotpipeline.reporting.style import LOOK, finish, not_run, panels
from slotpipeline.results.read import Results
from synthetic import NOTE, REFERENCE, START, grid, make_config, make_results, write_grid

__all__ = ["grid"]
PROJECT = Path(__file__).parents[1]
NAMES = [*EXPERIMENTS, "curves"]
EVERY = pytest.mark.parametrize("name", NAMES)
FILES = ("config.yaml", "runs.csv", "curves.csv.gz")


def script(name: str) -> Path:
    return PROJECT / (EXPERIMENTS[name].figure_script if name in EXPERIMENTS else "workflow/figures/curves.py")


def run(monkeypatch: pytest.MonkeyPatch, name: str, *arguments: Path) -> int | str | None:
    monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(script(name)), run_name="__main__")
    return ended.value.code


def draw(results: Results, name: str) -> Figure:
    function = runpy.run_path(str(script(name)))["draw"]
    with rc_context(LOOK):
        return function(results) if name == "curves" else function(results, experiment_results(results, name))


def caption(figure: Figure) -> str:
    return " ".join(figure.get_supxlabel().split())


def lines(figure: Figure, label: str) -> list[Any]:
    """What is drawn under a label of the legend, over all panels."""
    found = [axes.get_legend_handles_labels() for axes in figure.axes]
    return [handle for handles, labels in found for handle, name in zip(handles, labels, strict=True) if name == label]


@pytest.fixture(scope="module")
def results() -> Results:
    return make_results()


@pytest.fixture(scope="module")
def figure_of(results: Results) -> Callable[[str], Figure]:
    """The figure of `results` by name, drawn once."""
    return cache(lambda name: draw(results, name))


@EVERY
def test_a_figure_is_a_picture_and_the_same_bytes_again(
    name: str, grid: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "first.png", tmp_path / "second.png"
    assert run(monkeypatch, name, grid, REFERENCE, first) == 0
    assert run(monkeypatch, name, grid, REFERENCE, second) == 0
    picture = imread(first)
    assert picture.shape[1] == 1350  # half as wide again as a README shows it
    assert picture.std() > 0.05
    assert b"Software" not in first.read_bytes()
    assert first.read_bytes() == second.read_bytes()


@EVERY
def test_a_figure_is_made_without_any_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_grid(tmp_path, make_config({"lenet": "digits"}), keep_runs=False)
    assert run(monkeypatch, name, folder, REFERENCE, tmp_path / "figure.png") == 0
    assert imread(tmp_path / "figure.png").shape[1] == 1350


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
def test_a_caption_says_what_stands_for_several_seeds_and_which_data_are_inexact(
    name: str, figure_of: Callable[[str], Figure]
) -> None:
    text = caption(figure_of(name))
    # Histograms have no bars or bands: they are of all seeds together.
    assert re.search(r"95%( t-)?interval|lowest to (the )?highest|all runs of a cell together", text)
    assert text.endswith(f"Data: CIFAR-10, {NOTE}.")


@EVERY
def test_exact_data_need_no_word(name: str) -> None:
    lenet = make_config({"lenet": "mnist"}, experiments=["k-sweep"] if name == "curves" else [name])
    assert "Data:" not in caption(draw(make_results(lenet), name))


def test_missing_cells_are_named_in_the_caption(figure_of: Callable[[str], Figure]) -> None:
    text = caption(figure_of("selection"))
    assert "Not run: Conv-2 greedy K = 64; Conv-2 probabilistic K = 64." in text
    assert "Recipe paper-glorot; 1 to 3 seeds per cell." in text


def test_what_was_not_run_is_named_by_network_or_by_variant(results: Results) -> None:
    found = experiment_results(results, "finetune-checkpoints")
    assert not_run(found) == ""
    early = identities_of(one for one in found if one.network == "lenet" and one.cell.start_epoch in (25, 50))
    some = replace(results, runs=results.runs[~results.runs["identity"].isin(early)])
    text = not_run(experiment_results(some, "finetune-checkpoints"))
    assert text == "Not run: LeNet finetuned K = 8 (after 25, after 50)."
    nothing = replace(results, runs=results.runs.iloc[:0])
    assert not_run(experiment_results(nothing, "finetune-checkpoints")) == "Not run: LeNet (all); Conv-2 (all)."


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
    assert [text.get_text() for axes in figure.axes for text in axes.texts] == ["not run yet"]


def test_checkpoints_lie_between_training_from_scratch_and_the_slot_machine_alone(
    figure_of: Callable[[str], Figure],
) -> None:
    figure = figure_of("finetune-checkpoints")
    places = [float(mark[0].get_xdata()[0]) for mark in lines(figure, "finetuned")]
    assert places == [25, 50, 75, 100, 25, 50, 75, 100]
    assert [mark[0].get_xdata()[0] for mark in lines(figure, "trained from scratch")] == [0, 0]
    assert [mark[0].get_xdata()[0] for mark in lines(figure, "slot machine, never finetuned")] == [110, 110]


def test_shared_values_are_a_series_of_their_own(results: Results, figure_of: Callable[[str], Figure]) -> None:
    found = experiment_results(results, "sharing")
    figure = figure_of("sharing")
    for variant, label in ((None, "own values"), (SharedValues("layer"), "set per layer")):
        drawn = [float(mark[0].get_ydata()[0]) for mark in lines(figure, f"{label}, ours")]
        assert drawn == pytest.approx([one.mean for one in found if one.n and one.cell.variant == variant])


def test_rivals_stand_beside_their_published_numbers_and_say_where_they_were_not_run(results: Results) -> None:
    there = results.runs[(results.runs["method"] != "edge_popup") | (results.runs["network"] != "conv2")]
    figure = draw(replace(results, runs=there), "rivals")
    lenet, conv2 = ([label.get_text() for label in axes.get_yticklabels()] for axes in figure.axes)
    assert lenet[:2] == conv2[:2] == ["slot machine, K = 8", "learned weights"]
    assert lenet[2] == conv2[2] == "learned weights,\nas Ivan and Florian train them"
    assert lenet[4:] == [METHODS[name].label for name in (*RIVALS, "random")]
    assert [name for name in conv2 if name not in lenet] == ["edge-popup (not run)"]
    shown = [text.get_text() for text in figure.axes[1].texts]
    assert "77.70" in shown and "66.00" in shown and "69.20" in shown
    assert "Not run: Conv-2 edge-popup." in caption(figure)


def test_the_axis_of_rivals_leaves_out_what_was_not_trained(figure_of: Callable[[str], Figure]) -> None:
    low, high = figure_of("rivals").axes[0].get_xlim()
    assert 90 < low < high < 101


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
    figure = draw(replace(results, runs=results.runs.iloc[:0]), "vgg")
    names = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert names == [
        "slot machine,\nK = 8\n110 epochs",
        "finetuned,\nK = 8\n110 epochs",
        "learned from\nscratch\n110 epochs",
    ]


def test_a_legend_names_every_label_once(results: Results) -> None:
    figure, axes = panels(2)
    for panel in axes:
        panel.plot([0, 1], label="ours")
    finish(figure, results.config["recipe"], "title", [], [])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["ours"]


@pytest.mark.parametrize(("length", "columns"), [(5, 4), (30, 2), (60, 1)])
def test_a_legend_has_the_columns_that_fit_its_figure(length: int, columns: int, results: Results) -> None:
    figure, (panel,) = panels(1)
    for label in "abcde":
        panel.plot([0, 1], label=label * length)
    finish(figure, results.config["recipe"], "title", [], [])
    figure.draw_without_rendering()
    (legend,) = figure.legends
    assert legend.get_window_extent().x1 <= figure.bbox.width
    assert len({round(text.get_window_extent().x0) for text in legend.get_texts()}) == columns


@pytest.mark.parametrize("file", FILES)
def test_bad_input_is_one_line_and_status_2(
    file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_grid(tmp_path / "grid", make_config({"lenet": "mnist"}, experiments=["k-sweep"]))
    (folder / file).unlink()
    output = tmp_path / "figure.png"
    assert run(monkeypatch, "k-sweep", folder, REFERENCE, output) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and file in error
    assert not output.exists()
