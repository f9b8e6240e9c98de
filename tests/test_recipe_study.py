"""The study that takes recipes apart: three recipes and learned weights, in sentences and in its figure."""

from __future__ import annotations

from typing import Any

import pytest

from slotpipeline.experiments.outcomes import comparisons, experiment_results, findings
from slotpipeline.experiments.recipe_comparison import base_of, factors_of
from slotpipeline.results.read import Results
from synthetic import make_config, make_results, make_runs
from test_figures_of_training import drawing

STUDY: dict[str, Any] = {
    "options": [8],
    "recipes": ["paper", "code", "paper-glorot"],
    "together": [["value bound", "score range"], ["augmentation", "weight decay", "padding"]],
    "learned": [["restarts"], ["restarts", "weight decay"]],
}


def study(network: str, dataset: str) -> dict[str, Any]:
    config = make_config({network: dataset}, experiments=["recipe-study"])
    config["experiments"]["recipe-study"] |= STUDY
    return config


CONFIG = study("lenet", "mnist")
RUNS = make_runs(CONFIG)
RESULTS = make_results(CONFIG, RUNS)


def said(results: Results) -> list[str]:
    ((_, sentences),) = findings(results, "recipe-study", experiment_results(results, "recipe-study"), [])
    return sentences


def test_slot_machines_and_learned_weights_are_compared_with_their_own_recipe_as_it_is() -> None:
    found = comparisons("recipe-study", experiment_results(RESULTS, "recipe-study"))
    assert {base_of(one.first) for one in found} == {"paper", "code", "paper-glorot"}
    for one in found:
        assert factors_of(one.first) and not factors_of(one.second)
        assert base_of(one.first) == base_of(one.second)
        assert (one.first.method, one.first.options) == (one.second.method, one.second.options)
    assert {one.first.method for one in found} == {"greedy", "learned"}


def test_the_sentences_name_learned_weights_and_never_a_k_of_none() -> None:
    text = said(RESULTS)
    assert any("for learned weights" in one for one in text) and not any("None" in one for one in text)


def test_the_recipe_is_chosen_on_validation() -> None:
    results = experiment_results(RESULTS, "recipe-study")
    target = next(one for one in results if one.options == 8 and base_of(one) == "code" and factors_of(one))
    assert target.paper is not None
    runs = RUNS.copy()
    runs.loc[runs["identity"].isin(target.identities), ["val_accuracy", "test_accuracy"]] = [target.paper.value, 90.0]
    (closest,) = [one for one in said(make_results(CONFIG, runs)) if one.startswith("closest") and "K = 8" in one]
    assert closest.partition("in points: ")[2].startswith(f"{target.cell.words} (validation +0.00, test \N{MINUS SIGN}")


def test_runs_of_the_grids_own_recipe_are_one_cell_in_the_sentences_and_no_figure() -> None:
    # The paper's text with two factors of the code is that recipe: both cells have the same runs.
    own = next(
        one
        for one in experiment_results(RESULTS, "recipe-study")
        if one.options == 8 and base_of(one) == "paper-glorot" and not factors_of(one)
    )
    results = make_results(CONFIG, RUNS[RUNS["identity"].isin(own.identities)])
    assert not any(one.startswith("closest") for one in said(results))
    assert not drawing(results, "recipe-study").figure.axes


def test_settings_that_are_not_varied_are_said_once() -> None:
    unvaried = [one for one in said(RESULTS) if "not varied" in one]
    assert unvaried == [
        "the recipes paper and code, and paper-glorot and code, also differ in validation (9000 against 10000), "
        "which is not varied"
    ]


@pytest.mark.parametrize(("network", "dataset"), [("lenet", "mnist"), ("conv2", "cifar10")])
def test_the_figure_marks_what_was_not_run_only_where_it_was_planned(network: str, dataset: str) -> None:
    config = study(network, dataset)
    panels = drawing(make_results(config), "recipe-study").figure.axes
    assert len(panels) == 4  # K = 8 and learned weights, differences and levels each
    assert not [text for panel in panels[::2] for text in panel.texts if text.get_text().strip()]
    rows = [label.get_text().replace("\n", " ") for label in panels[2].get_yticklabels()]
    assert rows[-2:] == ["restarts of its slot machines", "restarts and weight decay of its slot machines"]
    names = [label.get_text() for label in panels[1].get_yticklabels()]
    assert names == ["recipe paper", "recipe code", "recipe paper-glorot\n(of this grid)"]
