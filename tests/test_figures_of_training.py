"""What the figures of cost, churn, selected weights, recipes and large K show, on made-up results."""

from __future__ import annotations

import runpy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib import rc_context
from matplotlib.figure import Figure

from slotmachines.errors import UserError
from slotpipeline.analysis.cell_results import identities_of
from slotpipeline.experiments.many_options import LearningRate
from slotpipeline.experiments.outcomes import experiment_results, findings, measures
from slotpipeline.experiments.recipe_comparison import base_of, factors_of
from slotpipeline.experiments.registry import EXPERIMENTS
from slotpipeline.reporting.drawing import Drawing
from slotpipeline.reporting.style import LOOK
from slotpipeline.results.read import Results
from slotpipeline.runs.cell import Cell, cell_run
from slotpipeline.runs.flops import read_flops, training_flops
from slotpipeline.runs.run_time import read_step_times, relative_step_time
from synthetic import EPOCHS, REFERENCE, make_config, make_results, make_runs

PROJECT = Path(__file__).parents[1]
CONFIG = make_config({"lenet": "mnist"})


@pytest.fixture(scope="module")
def results() -> Results:
    return make_results(CONFIG)


def drawing(results: Results, name: str) -> Drawing:
    script = runpy.run_path(str(PROJECT / EXPERIMENTS[name].figure_script))
    with rc_context(LOOK):
        return script["draw"](results, experiment_results(results, name))


def draw(results: Results, name: str) -> Figure:
    return drawing(results, name).figure


def labelled(axes: Any) -> dict[str, Any]:
    handles, labels = axes.get_legend_handles_labels()
    return dict(zip(labels, handles, strict=True))


def test_cost_ends_at_the_operations_and_the_time_of_the_whole_run(results: Results) -> None:
    left, right = (labelled(axes) for axes in draw(results, "cost").axes)
    slots = cell_run(CONFIG, Cell("mnist", "lenet", "greedy", 8), 0)
    images = 60_000 - slots.settings.validation
    flops = training_flops(slots, EPOCHS, images, read_flops(REFERENCE.parent / "flops_per_step.csv"))
    assert left["slot machine, K = 8"].get_xdata()[-1] == pytest.approx(flops / 1e12)
    assert right["learned weights"].get_xdata()[-1] == pytest.approx(EPOCHS)
    times = relative_step_time(slots, read_step_times(REFERENCE.parents[1] / "results/benchmark/measurements.csv"))
    assert right["slot machine, K = 8"].get_xdata()[-1] == pytest.approx(EPOCHS * times)


def test_cost_without_the_measurements_says_how_to_make_them(results: Results, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="make measure"):
        draw(replace(results, project=tmp_path), "cost")


def test_cost_of_a_network_that_was_not_measured(results: Results, tmp_path: Path) -> None:
    config = make_config({"lenet": "mnist", "resnet20": "cifar10"}, experiments=["cost"])
    results = make_results(config)
    found = experiment_results(results, "cost")
    drawn = drawing(results, "cost")
    figure = drawn.figure
    counted, timed = (labelled(axes) for axes in figure.axes[2:])
    assert set(counted) == {"slot machine, K = 2", "slot machine, K = 8", "learned weights"}
    assert set(timed) == {"learned weights"}  # by definition
    assert "Costs that were not measured are left out: ResNet-20." in drawn.caption
    measured = measures(results, "cost", found)
    (_, lenet), (_, resnet) = findings(results, "cost", found, measured)
    assert all("of ordinary training" in sentence for sentence in lenet)
    assert sum("in a time that was not measured" in sentence for sentence in resnet) == 2
    assert not any("not counted" in sentence for sentence in lenet + resnet)
    cell = Cell("cifar10", "resnet20", "learned", None)
    learned = cell_run(config, cell, 0)
    images = 50_000 - learned.settings.validation
    flops = training_flops(learned, EPOCHS, images, read_flops(REFERENCE.parent / "flops_per_step.csv"))
    mantissa, exponent = f"{flops:.2e}".split("e+")
    assert any(f" after {mantissa} x 10^{exponent} operations" in sentence for sentence in resnet)

    project = tmp_path / "project"  # where nobody counted the operations of ResNet-20
    for name in ("config/flops_per_step.csv", "results/benchmark/measurements.csv"):
        lines = (results.project / name).read_text().splitlines(keepends=True)
        (project / name).parent.mkdir(parents=True)
        (project / name).write_text("".join(line for line in lines if not line.startswith("resnet20,")))
    uncounted = replace(results, project=project)
    assert [text.get_text() for text in draw(uncounted, "cost").axes[2].texts] == ["cost not measured"]
    _, (_, resnet) = findings(uncounted, "cost", found, measures(uncounted, "cost", found))
    assert all("operations that were not counted" in sentence for sentence in resnet)


def test_churn_is_in_percent_and_its_restarts_are_marked(results: Results) -> None:
    (axes,) = draw(results, "churn").axes
    assert labelled(axes)["greedy, K = 2"].get_ydata()[19] == pytest.approx(100 / np.e)  # made up: exp(-epoch / 20)
    assert labelled(axes)["probabilistic, K = 2"].get_linestyle() == "--"
    assert labelled(axes)["probabilistic, K = 2, drawn option"].get_ydata()[19] == pytest.approx(60)
    assert "greedy, K = 2, drawn option" not in labelled(axes)
    assert [line.get_xdata()[0] for line in axes.lines if len(line.get_xdata()) == 2] == [25, 75]
    assert axes.get_yscale() == "log"


def test_densities_of_selected_weights_integrate_to_one(results: Results) -> None:
    first, last = draw(results, "selected-weights").axes
    assert [axes.get_title(loc="left") for axes in (first, last)] == [
        "first.weight (layer 1 of 2)",
        "last.weight (layer 2 of 2)",
    ]
    density, edges, _ = labelled(first)["K = 8"].get_data()
    assert density @ np.diff(edges) == pytest.approx(1)
    centres = (edges[:-1] + edges[1:]) / 2
    magnitude = np.abs(centres) @ (density * np.diff(edges))
    assert f"K = 8: {magnitude:.2f}" in [text.get_text() for text in first.texts]


def test_weights_that_were_not_kept_are_said_to_be_missing(results: Results) -> None:
    found = experiment_results(results, "selected-weights")
    identities = identities_of(one for one in found if one.options == 8)
    some = replace(results, selected=results.selected[~results.selected["identity"].isin(identities)])
    ((_, said),) = findings(some, "selected-weights", found, measures(some, "selected-weights", found))
    assert said[-1] == "the weights that K = 8 selects were not kept"
    assert not any(sentence.startswith("mean abs(w)/b of what K = 8") for sentence in said)
    none = replace(results, selected=results.selected.iloc[:0])
    (axes,) = draw(none, "selected-weights").axes
    assert [text.get_text() for text in axes.texts][-1] == "weights not kept"


def test_a_deep_network_shows_four_layers_in_its_order(results: Results) -> None:
    one = results.selected[results.selected["layer"] == "first.weight"]
    names = ["dense1", *(f"conv{number}" for number in range(16, 0, -1))]
    deep = replace(results, selected=pd.concat([one.assign(layer=name) for name in names]))
    drawn = drawing(deep, "selected-weights")
    figure = drawn.figure
    titles = [axes.get_title(loc="left").partition(" ")[0] for axes in figure.axes]
    assert titles == ["conv1", "conv6", "conv12", "dense1"]
    assert "4 from the first to the last are shown" in drawn.caption


def test_the_layers_of_resnet_come_in_its_order(results: Results) -> None:
    one = results.selected[results.selected["layer"] == "first.weight"]
    names = ["dense1", "stage2_block1.conv1", "stage1_block1.conv1", "conv1"]
    figure = draw(replace(results, selected=pd.concat([one.assign(layer=name) for name in names])), "selected-weights")
    titles = [axes.get_title(loc="left").partition(" ")[0] for axes in figure.axes]
    assert titles == names[::-1]


def test_a_collapsed_recipe_is_an_arrow_with_its_number_and_flattens_nothing() -> None:
    runs = make_runs(CONFIG)
    found = [one for one in experiment_results(make_results(CONFIG, runs), "recipe-study") if one.options == 2]
    code = {factors_of(one): one for one in found if base_of(one) == "code"}
    collapsed, absent = code["learning rate",].identities, code["restarts",].identities
    runs.loc[runs["identity"].isin(collapsed), "test_accuracy"] = 9.8
    left, right, *_ = draw(make_results(CONFIG, runs[~runs["identity"].isin(absent)]), "recipe-study").axes
    fall = 9.8 - code[()].mean
    assert {text.get_text().strip() for text in left.texts} == {f"\N{MINUS SIGN}{-fall:.1f}", "not run"}
    assert left.get_xlim()[1] < 3
    assert [label.get_text() for label in right.get_yticklabels()] == [
        "recipe paper", "recipe code", "recipe paper-glorot\n(of this grid)",
    ]  # fmt: skip


def test_the_ring_is_around_the_learning_rate_that_is_best_on_validation() -> None:
    runs = make_runs(CONFIG)
    results = make_results(CONFIG, runs)
    cells = {(one.options, one.cell.variant): one for one in experiment_results(results, "large-k")}
    slow = cells[1024, LearningRate(0.05)].identities
    # Best on validation, not on the test.
    runs.loc[runs["identity"].isin(slow), ["val_accuracy", "test_accuracy"]] = [99.0, 90.0]
    runs.loc[runs["identity"].isin(cells[64, None].identities), "val_accuracy"] = 99.0
    left, *_ = draw(make_results(CONFIG, runs), "large-k").axes
    rings = [line for line in left.lines if line.get_markersize() == 13]
    assert [line.get_ydata()[0] for line in rings] == pytest.approx([cells[64, None].mean, 90.0])


def test_the_recipe_says_from_which_k_on_its_learning_rate_is_another_one() -> None:
    config = make_config({"lenet": "mnist"}, experiments=["large-k"])
    config["experiments"]["large-k"] |= {"options": [2, 8, 64, 1024]}
    left, *_ = draw(make_results(config), "large-k").axes
    labels = left.get_legend_handles_labels()[1]
    assert "the recipe (learning rate 0.2, from K = 64 on 0.1)" in labels
