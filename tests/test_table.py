"""The table of an experiment: which runs, which published number, what is said where one is missing."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest

from slotmachines.errors import UserError
from slotmachines.methods import METHODS, RIVALS
from slotpipeline.analysis.cell_results import CellResult
from slotpipeline.analysis.evidence import Quantity
from slotpipeline.analysis.text import DASH
from slotpipeline.analysis.verdict import Verdict
from slotpipeline.experiments.competitors import ALTERED, BITS, FEWEST
from slotpipeline.experiments.outcomes import experiment_results, grid_results, measures
from slotpipeline.reporting.summary import summary_text
from slotpipeline.reporting.tables import (
    CHOSEN,
    csv_text,
    data_notes,
    data_notes_of,
    notes_of,
    readable,
    readable_measures,
)
from slotpipeline.results.read import Results, read_runs
from synthetic import NOTE, grid, make_config, make_results, make_runs, registered

__all__ = ["grid"]
CONFIG = make_config()
RESULTS = make_results(CONFIG)
RUNS = RESULTS.runs
EMPTY = replace(RESULTS, runs=RUNS.iloc[:0])


def only(found: Iterable[CellResult], network: str, method: str = "greedy", **wanted: object) -> CellResult:
    """The one cell that fits; without `words`, the plain one."""
    cell = {"network": network, "method": method, "words": ""} | wanted
    (one,) = (one for one in found if all(getattr(one.cell, name) == value for name, value in cell.items()))
    return one


def measured(results: Results, experiment: str) -> list[tuple[CellResult, dict[Quantity, float]]]:
    found = measures(results, experiment, experiment_results(results, experiment))
    return [(one.result, dict(one.values)) for one in found]


def with_runs(runs: pd.DataFrame) -> Results:
    return replace(RESULTS, runs=runs)


def test_the_last_epoch_stands_beside_the_best_one() -> None:
    (cell, *_) = (one for one in experiment_results(RESULTS, "k-sweep") if one.n > 1)
    curves = RESULTS.curves[RESULTS.curves["identity"].isin(cell.identities)]
    last = curves[curves["epoch"] == curves["epoch"].max()]["test_accuracy"]
    assert len(last) == cell.n and cell.last_epoch == pytest.approx(last.mean())
    row = pd.read_csv(StringIO(csv_text([cell]))).iloc[0]
    assert row["last_epoch_mean"] == pytest.approx(last.mean(), abs=1e-4)
    assert readable([cell])["last epoch"][0] == f"{last.mean():.2f}"
    without = replace(RESULTS, curves=RESULTS.curves[RESULTS.curves["identity"] != cell.identities[0]])
    unknown = next(one for one in experiment_results(without, "k-sweep") if one.identities == cell.identities)
    assert math.isnan(unknown.last_epoch) and readable([unknown])["last epoch"][0] == DASH


def test_a_cell_holds_the_mean_of_its_runs_and_the_paper_beside_it() -> None:
    cell = only(experiment_results(RESULTS, "k-sweep"), "lenet", options=8)
    runs = RUNS[RUNS["identity"].isin(cell.identities)]
    assert (cell.n, cell.planned, cell.seeds) == (3, 3, (0, 1, 2))
    assert set(zip(runs["method"], runs["options"], runs["variant"], runs["recipe"], strict=True)) == {
        ("greedy", 8, "", "paper-glorot")
    }
    assert cell.mean == pytest.approx(runs["test_accuracy"].mean())
    assert cell.validation == pytest.approx(runs["val_accuracy"].mean())
    assert cell.paper is not None
    assert (cell.paper.value, cell.paper.low, cell.paper.high) == (98.21, 98.15, 98.31)
    assert cell.difference == pytest.approx(cell.mean - 98.21)
    assert cell.tolerance == 0.15


def test_runs_are_known_by_what_they_trained_and_not_by_their_labels() -> None:
    found = experiment_results(RESULTS, "k-sweep")
    named = RUNS.assign(recipe="called otherwise", variant="", method="greedy", options=8)
    assert experiment_results(with_runs(named), "k-sweep") == found
    others = RUNS.assign(identity=[f"{number:08d}" for number in range(len(RUNS))])
    assert not any(one.n for one in experiment_results(with_runs(others), "k-sweep"))


def test_the_rows_do_not_depend_on_the_order_of_the_runs() -> None:
    shuffled = with_runs(RUNS.sample(frac=1, random_state=0))
    for name, found in grid_results(RESULTS).items():
        assert csv_text(experiment_results(shuffled, name)) == csv_text(found)


def test_settings_that_are_not_the_grids_make_another_cell() -> None:
    longer = CONFIG | {"settings": {"lenet": {"epochs": 111}, "conv2": {"epochs": 111}}}
    assert not any(one.n for one in experiment_results(replace(RESULTS, config=longer), "k-sweep"))


def test_expected_cells_without_runs_are_shown_as_not_run() -> None:
    cell = only(experiment_results(RESULTS, "k-sweep"), "conv2", options=64)
    assert (cell.n, cell.planned, cell.verdict, cell.ours) == (0, 3, Verdict.NOT_RUN, None)
    assert math.isnan(cell.mean)


def test_one_seed_gives_no_verdict_and_has_no_interval() -> None:
    cell = only(experiment_results(registered(CONFIG), "k-sweep"), "conv2", options=4)
    assert (cell.n, cell.verdict, cell.interval) == (1, Verdict.TOO_FEW_SEEDS, None)


def test_without_any_run_every_table_is_complete() -> None:
    for name, found in grid_results(EMPTY).items():
        assert {one.verdict for one in found} == {Verdict.NOT_RUN}
        assert len(found) == len(experiment_results(RESULTS, name))


def test_an_experiment_with_seeds_of_its_own_shows_these() -> None:
    config = make_config(experiments=["k-sweep", "sharing"])
    config["experiments"]["sharing"]["seeds"] = [0, 1, 7]
    results = make_results(config)
    cell = only(experiment_results(results, "sharing"), "lenet", options=2)
    assert (cell.seeds, cell.planned) == ((0, 1, 7), 3)
    assert only(experiment_results(results, "k-sweep"), "lenet", options=2).seeds == (0, 1, 2)
    some = replace(results, runs=results.runs[results.runs["seed"] != 7])
    assert readable(experiment_results(some, "sharing")).iloc[0]["n"] == "2 of 3"


def test_an_experiment_that_the_grid_does_not_have() -> None:
    with pytest.raises(UserError, match="the grid synthetic has no sharing; it has k-sweep"):
        experiment_results(make_results(make_config(experiments=["k-sweep"])), "sharing")


def test_another_dataset_is_named_and_not_compared() -> None:
    results = make_results(make_config({"lenet": "digits"}))
    cell = only(experiment_results(results, "k-sweep"), "lenet", options=8)
    assert cell.paper is not None and cell.published_here is None
    assert (cell.verdict, cell.paper.dataset, cell.paper.value) == (Verdict.NOT_COMPARABLE, "mnist", 98.21)
    assert cell.difference is None
    assert readable([cell]).iloc[0]["paper"] == "98.21 on MNIST"


def test_the_paper_has_no_counterpart_for_finetuning_and_random_lenet() -> None:
    finetune = only(experiment_results(RESULTS, "finetune"), "lenet", start_epoch=75, words="finetuned after 75")
    random = only(experiment_results(RESULTS, "random-vs-selected"), "lenet", "random")
    shared = only(experiment_results(RESULTS, "sharing"), "lenet", options=2, words="one set per layer")
    assert {finetune.verdict, random.verdict, shared.verdict} == {"no counterpart"}


def test_rivals_stand_beside_ours_with_their_own_papers_numbers() -> None:
    config = make_config({"conv2": "cifar10"}, experiments=["rivals"])
    found = experiment_results(make_results(config), "rivals")
    assert [one.method for one in found] == ["greedy", *["learned"] * 3, *RIVALS, "random"]
    papers = {(one.method, one.cell.recipe): one.paper.value for one in found if one.paper}
    assert (papers["edge_popup", ""], papers["supermask", ""]) == (77.7, 66.0)
    assert (papers["learned", ""], papers["learned", "zhou"]) == (79.28, 69.2)
    others = only(found, "conv2", "learned", words="as Ivan and Florian train them")
    assert (others.n, others.verdict) == (3, Verdict.NO_COUNTERPART)


def test_what_results_take_and_how_many_connections_changed_is_measured() -> None:
    bits = {
        (one.method, one.options): values[BITS] for one, values in measured(RESULTS, "bits") if one.network == "lenet"
    }
    assert bits["greedy", 8] == 3 and bits["learned", None] == 32 and bits["random", None] == 0
    assert 0 < bits["min_flipping", None] < bits["free_flipping", None] < 1
    changed = {one.method: values for one, values in measured(RESULTS, "connections-changed") if one.network == "lenet"}
    assert changed["min_pruning"][ALTERED] == pytest.approx(5, abs=0.1)
    assert 0 < changed["min_pruning"][FEWEST] < changed["min_pruning"][ALTERED]
    found = measures(RESULTS, "connections-changed", experiment_results(RESULTS, "connections-changed"))
    shown = readable_measures(found)
    assert METHODS["min_pruning"].label in shown["method"].tolist()  # readers know it by its label
    assert shown[ALTERED.words].tolist()[1] == "5"


def test_ninety_percent_is_claimed_only_if_all_seeds_get_there() -> None:
    few = RESULTS.curves.assign(test_accuracy=RESULTS.curves["test_accuracy"] - 30)
    learned = set(RESULTS.runs.loc[RESULTS.runs["method"] == "learned", "identity"])
    few["test_accuracy"] += 30 * few["identity"].isin(learned)
    results = replace(RESULTS, curves=few)
    assert all(math.isnan(values[FEWEST]) for _, values in measured(results, "connections-changed"))


def test_a_verdict_stands_with_and_without_the_papers_spread() -> None:
    results = registered(make_config(experiments=["k-sweep"]), seeds=[1, 2])
    cell = only(experiment_results(results, "k-sweep"), "lenet", options=64)
    row = readable([cell]).iloc[0]
    assert row["verdict"] == f"{cell.verdict} (n = 2)" and row["n"] == "3"
    assert row["if the paper were exact"] == cell.judged.if_exact
    raw = pd.read_csv(StringIO(csv_text([cell]))).iloc[0]
    assert (raw["verdict"], raw["verdict_if_exact"]) == (cell.verdict, cell.judged.if_exact)
    assert (raw["verdict_n"], raw["reading_uncertainty"]) == (2, 0.02)
    assert raw["verdict_low"] == pytest.approx(cell.judged.low, abs=1e-4)


def test_finetuned_cells_say_when_they_start() -> None:
    found = experiment_results(RESULTS, "finetune-checkpoints")
    lenet = [one for one in found if one.network == "lenet" and one.shown_method == "finetuned"]
    assert [one.cell.start_epoch for one in lenet] == [25, 50, 75, 100]
    assert {one.epochs for one in lenet} == {110}
    assert lenet[0].cell.words == "finetuned after 25"


def test_cells_that_chose_the_recipe_are_marked() -> None:
    found = experiment_results(RESULTS, "selection")
    chosen = [one for one in found if one.is_chosen_by]
    assert [(one.network, one.method, one.options) for one in chosen] == [
        ("lenet", "greedy", 2), ("lenet", "greedy", 8),
    ]  # fmt: skip
    assert readable(found)["verdict"].str.endswith(CHOSEN).tolist() == [one.is_chosen_by for one in found]
    assert any("the recipe was chosen because this cell came close" in note for note in notes_of(found))
    assert not any(CHOSEN in note for note in notes_of([one for one in found if not one.is_chosen_by]))
    study = experiment_results(RESULTS, "recipe-study")  # known by its runs, whatever the study calls them
    assert {(one.network, one.cell.words) for one in study if one.is_chosen_by} == {
        ("lenet", "paper + code's value bound, score range")
    }
    sharing = experiment_results(RESULTS, "sharing")
    assert {one.cell.variant for one in sharing if one.is_chosen_by} == {None}
    none = {name: value for name, value in CONFIG.items() if name != "chosen_by"}
    assert not any(one.is_chosen_by for one in experiment_results(replace(RESULTS, config=none), "selection"))


def test_finetuning_is_compared_at_equal_total_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("synthetic.LEVELS", {"conv4": {"learned": 86.0, "finetuned": 86.5, 8: (85.0, 80.0)}})
    # The recipe trains the learned baseline of conv4 for longer than a slot machine.
    config = CONFIG | {"settings": {}, "networks": {"conv4": "cifar10"}}
    shape = {"networks": ["conv4"], "options": [8]}
    config["experiments"] = {"k-sweep": shape, "finetune": shape | {"start_epoch": 75}}
    results = make_results(config, make_runs(config))
    cell = only(experiment_results(results, "finetune"), "conv4", "learned", words="200 epochs")
    assert (cell.epochs, cell.verdict) == (200, Verdict.NO_COUNTERPART)
    own = only(experiment_results(results, "k-sweep"), "conv4", "learned")
    assert own.paper is not None
    assert (own.epochs, own.paper.value) == (330, 86.49)
    assert not set(own.identities) & set(cell.identities)


def test_a_run_that_stands_twice_is_refused(tmp_path: Path) -> None:
    pd.concat([RUNS, RUNS.iloc[3:4]]).to_csv(tmp_path / "runs.csv", index=False)
    with pytest.raises(UserError, match=f"holds the run {RUNS['identity'].iloc[3]} twice"):
        read_runs(tmp_path / "runs.csv")


def test_a_missing_tolerance_is_an_error() -> None:
    results = replace(RESULTS, config=CONFIG | {"tolerance": {"mnist": 0.15}})
    with pytest.raises(UserError, match="no tolerance is set for cifar10"):
        experiment_results(results, "k-sweep")


def test_the_summary_holds_the_cells_that_were_run_and_the_scoreboard() -> None:
    summary = json.loads(summary_text(RESULTS, grid_results(RESULTS)))
    assert summary["accuracy"]["finetune"]["lenet-greedy-8-finetuned-after-75"] == pytest.approx(98.4, abs=0.2)
    assert "conv2-greedy-64" not in summary["accuracy"]["k-sweep"]
    assert sum(summary["verdicts"].values()) + sum(summary["listed apart"].values()) == 73
    assert {"lenet-greedy-2", "lenet-greedy-8"} <= set(summary[f"chose the recipe ({CHOSEN})"])
    assert "claims" not in summary  # of a grid for which no claim is registered
    for name, found in grid_results(RESULTS).items():
        assert len(summary["accuracy"][name]) == sum(one.n > 0 for one in found), name  # no two cells of one name


def test_inexact_data_is_said_wherever_its_results_are_shown() -> None:
    note = f"Data: CIFAR-10, {NOTE}."
    found = experiment_results(RESULTS, "k-sweep")
    assert data_notes(zip(RUNS["dataset"], RUNS["data_note"], strict=True)) == data_notes_of(found) == [note]
    assert note in notes_of(found)
    assert data_notes_of([one for one in found if one.network == "lenet"]) == []
    assert data_notes_of(experiment_results(EMPTY, "k-sweep")) == []


def test_the_paper_is_quoted_with_where_it_was_read() -> None:
    found = experiment_results(RESULTS, "random-vs-selected")
    paper = only(found, "conv2", options=2).paper
    assert paper is not None and paper.provenance.startswith("read off the bar chart; disagrees")
    assert paper.elsewhere == "75.21 (read off the k-sweep figure of the ICML paper)"
    notes = notes_of(found)
    assert "Published numbers of LeNet greedy K = 2: read off the k-sweep figure of the ICML paper." in notes
    assert f"The paper's other number of Conv-2 greedy K = 2: {paper.elsewhere}." in notes
    assert only(found, "lenet", "random").paper is None
