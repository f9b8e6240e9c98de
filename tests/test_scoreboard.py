"""The scoreboard: every published number once, judged by the confirmation runs of its cell."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from slotpipeline.analysis.verdict import Verdict
from slotpipeline.experiments.outcomes import experiment_results
from slotpipeline.reporting.scoreboard import (
    AGAIN,
    CHOSE,
    UNTRAINED,
    apart,
    by_dataset,
    counts,
    readable_board,
    scoreboard,
    sentence,
)
from slotpipeline.reporting.tables import CHOSEN
from slotpipeline.results.claims_file import read_registration
from slotpipeline.results.read import Results
from slotpipeline.results.reference import read_reference
from synthetic import REFERENCE, make_config, make_results, registered

PROJECT = Path(__file__).parents[1]
RESULTS = registered(make_config())
BOARD = scoreboard([RESULTS])
TOTAL = 73
KEYS = ["source", "figure", "dataset", "network", "method", "options"]


def entry(board: pd.DataFrame, figure: str, network: str, method: str, options: int | None = None) -> pd.Series:
    rows = board[(board["figure"] == figure) & (board["network"] == network) & (board["method"] == method)]
    rows = rows[~rows["source"].str.endswith("v1")]
    rows = rows[rows["options"].isna() if options is None else rows["options"] == options]
    assert len(rows) == 1
    return rows.iloc[0]


def test_every_published_number_stands_there_once() -> None:
    reference = read_reference(REFERENCE)
    assert len(BOARD) == len(reference) == TOTAL
    assert not BOARD.duplicated(KEYS).any()
    assert BOARD["paper"].tolist() == [one.value for one in reference]
    assert sum(counts(BOARD).values()) + sum(apart(BOARD).values()) == TOTAL


def test_a_verdict_is_that_of_the_experiments_table() -> None:
    for experiment, method in (("k-sweep", "greedy"), ("k-sweep", "learned"), ("selection", "probabilistic")):
        for one in experiment_results(RESULTS, experiment):
            if one.method == method and one.options != 1024:
                found = entry(BOARD, experiment, one.network, method, one.options)
                assert (found["verdict"], found["n"]) == (one.verdict, one.n)
                assert found["chosen_by"] == one.is_chosen_by
                if one.n:
                    assert found["ours"] == pytest.approx(one.mean)
                if one.n > 1:
                    assert found["low"] == pytest.approx(one.judged.low)


def test_no_number_counts_twice() -> None:
    counted = BOARD[BOARD["apart"] == ""]
    assert not counted.duplicated(["dataset", "network", "method", "recipe", "options"]).any()
    sweep, bar = (entry(BOARD, figure, "conv2", "greedy", 2) for figure in ("k-sweep", "random-vs-selected"))
    assert (sweep["apart"], bar["apart"]) == ("", AGAIN)
    assert (sweep["paper"], bar["paper"]) == (75.21, 75.0)
    first = BOARD[BOARD["source"] == "aladago2021v1"].set_index(["network", "options"])["apart"]
    assert first.to_dict() == {("lenet", 2): CHOSE, ("lenet", 128): "", ("vgg19", 8): AGAIN}
    assert entry(BOARD, "abstract", "vgg19", "greedy", 8)["apart"] == ""


def test_untrained_networks_and_cells_that_chose_the_recipe_do_not_count() -> None:
    random = entry(BOARD, "random-vs-selected", "conv2", "random")
    assert (random["n"], random["apart"]) == (3, UNTRAINED)
    chosen = BOARD[BOARD["chosen_by"]]
    assert list(chosen[["figure", "options"]].itertuples(index=False, name=None)) == [
        ("k-sweep", 2), ("k-sweep", 8), ("abstract", 8), ("abstract", 2),
    ]  # fmt: skip
    assert set(chosen["apart"]) == {CHOSE}
    # They are known without a run, too.
    empty = scoreboard([replace(RESULTS, runs=RESULTS.runs.iloc[:0])])
    assert apart(empty) == apart(BOARD) and counts(empty)["not run"] == sum(counts(BOARD).values())


def test_what_was_not_run_says_so() -> None:
    missing = entry(BOARD, "k-sweep", "conv2", "greedy", 64)
    assert (missing["verdict"], missing["n"]) == (Verdict.NOT_RUN, 0)
    assert set(BOARD.loc[BOARD["network"].isin(["conv4", "conv6", "vgg19"]), "verdict"]) == {Verdict.NOT_RUN}
    assert entry(BOARD, "k-sweep", "conv2", "greedy", 4)["verdict"] == Verdict.TOO_FEW_SEEDS  # one seed


def test_rivals_are_judged_by_their_own_papers_and_settings() -> None:
    popup = entry(BOARD, "rivals", "conv2", "edge_popup")
    assert (popup["paper"], popup["n"]) == (77.7, 3)
    mask = entry(BOARD, "table-1", "conv2", "supermask")
    assert (mask["source"], mask["paper"], mask["verdict"]) == ("zhou2019", 66.0, Verdict.ABOVE)
    # Learned weights in Zhou's settings are another cell than those in the grid's.
    learned = entry(BOARD, "table-1", "conv2", "learned")
    assert (learned["paper"], learned["n"], learned["apart"]) == (69.2, 3, "")
    without = RESULTS.runs[RESULTS.runs["recipe"] != "zhou"]
    board = scoreboard([replace(RESULTS, runs=without)])
    assert entry(board, "table-1", "conv2", "learned")["n"] == 0
    assert entry(board, "k-sweep", "conv2", "learned")["n"] == 3
    # A shortened recipe of a rival is not the one that its paper used.
    short = RESULTS.config | {"recipes": {"zhou": "config/recipes/zhou-short.yaml"}}
    board = scoreboard([registered(short)])
    assert entry(board, "table-1", "conv2", "supermask")["verdict"] == Verdict.NOT_RUN


def test_all_confirmation_seeds_of_a_cell_count_whichever_experiment_asked_for_them() -> None:
    config = make_config(experiments=["k-sweep", "churn"])
    config["experiments"]["k-sweep"]["seeds"] = [0, 1]
    config["experiments"]["churn"]["seeds"] = [1, 2, 3]
    results = registered(config)
    board = scoreboard([results])
    assert entry(board, "k-sweep", "lenet", "greedy", 8)["n"] == 4
    assert entry(board, "k-sweep", "lenet", "greedy", 64)["n"] == 2
    (cell,) = (one for one in experiment_results(results, "k-sweep") if (one.network, one.options) == ("lenet", 8))
    assert (cell.n, cell.judged.n) == (2, 4)


def test_seeds_that_do_not_count_are_shown_apart() -> None:
    results = registered(make_config(), seeds=[1, 2])
    found = entry(scoreboard([results]), "k-sweep", "lenet", "greedy", 4)
    assert (found["n"], found["other_n"]) == (2, 1)
    runs = results.runs
    plain = (runs["network"] == "lenet") & (runs["method"] == "greedy") & (runs["options"] == 4)
    seed = runs[plain & (runs["recipe"] == "paper-glorot") & (runs["seed"] == 0) & (runs["variant"] == "")]
    assert found["other_mean"] in seed["test_accuracy"].tolist()


def test_exploratory_runs_get_no_verdict() -> None:
    """Neither a grid without registration, nor other epochs, variants or learning rates, nor an undecided recipe."""
    for results in (
        make_results(make_config()),
        replace(make_results(make_config()), registration=RESULTS.registration),  # 110 epochs instead of 200
        replace(RESULTS, config=RESULTS.config | {"grid": "other"}),
        registered(make_config(experiments=["sharing"]) | {"recipe": "code"}, seeds=[]),
    ):
        board = scoreboard([results])
        assert set(board[board["figure"].isin(["k-sweep", "selection"])]["verdict"]) == {Verdict.NOT_RUN}
    (scope, *others), registration = RESULTS.registration.scopes, RESULTS.registration
    undecided = replace(registration, scopes=[replace(scope, recipe="undecided"), *others])
    board = scoreboard([replace(RESULTS, registration=undecided)])
    assert set(board[board["network"] == "lenet"]["verdict"]) == {Verdict.NOT_RUN}
    assert (entry(board, "k-sweep", "lenet", "greedy", 4)[["n", "other_n"]] == [0, 3]).all()
    study = experiment_results(RESULTS, "recipe-study")
    assert {one.verdict for one in study if one.n} == {Verdict.NO_VERDICT}


def of_grid(name: str, networks: dict[str, str]) -> Results:
    return registered(make_config(networks) | {"grid": name})


def test_a_number_is_judged_by_its_own_grid() -> None:
    mnist, both = of_grid("mnist", {"lenet": "mnist"}), of_grid("paper", {"lenet": "mnist", "conv2": "cifar10"})
    worse = replace(both, runs=both.runs.assign(test_accuracy=both.runs["test_accuracy"] - 20))
    board = scoreboard([mnist, replace(worse, registration=mnist.registration)])
    assert entry(board, "k-sweep", "lenet", "greedy", 4)[["grid", "n"]].tolist() == ["mnist", 3]
    assert entry(board, "k-sweep", "lenet", "greedy", 4)["verdict"] != Verdict.BELOW
    assert entry(board, "k-sweep", "conv2", "greedy", 8)["n"] == 0


def test_another_dataset_is_no_evidence() -> None:
    found = counts(scoreboard([registered(make_config({"lenet": "digits"}))]))
    assert found["not run"] == sum(found.values())


def test_the_sentence_adds_up() -> None:
    text, score, left = sentence(BOARD), counts(BOARD), apart(BOARD)
    tested = {verdict: count for verdict, count in score.items() if verdict != Verdict.NOT_RUN}
    numbers = [int(one) for one in re.findall(r"\d+", text)]
    assert numbers[:2] == [sum(tested.values()), sum(score.values())]
    assert numbers[2:-4] == [count for count in tested.values() if count]
    assert numbers[-4:] == [sum(left.values()), *left.values()]


def test_the_board_for_readers() -> None:
    shown = readable_board(BOARD)
    assert len(shown) == ((BOARD["n"] > 0) | (BOARD["other_n"] > 0)).sum()
    marked = shown[shown["verdict"].str.endswith(CHOSEN)]
    assert list(zip(marked["published in"], marked["K"], strict=True)) == [
        ("k-sweep", "2"), ("k-sweep", "8"), ("abstract", "8"), ("aladago2021v1, abstract", "2"),
    ]  # fmt: skip
    assert set(marked["counts"]) == {f"no: {CHOSE}"}
    assert readable_board(scoreboard([replace(RESULTS, runs=RESULTS.runs.iloc[:0])])).empty
    datasets = by_dataset(BOARD)
    assert list(zip(datasets["dataset"], datasets["published"], strict=True)) == [("MNIST", "16"), ("CIFAR-10", "57")]
    for verdict, count in counts(BOARD).items():
        assert datasets[verdict].astype(int).sum() == count


@pytest.mark.parametrize(
    ("grid", "options", "verdict"),
    [
        ("confirmation", 2, Verdict.IN_CLAIMS),
        ("confirmation", 4, Verdict.NO_VERDICT),  # the claim is about K = 2, 8 and 64
        ("synthetic", 2, Verdict.NO_VERDICT),
    ],
)
def test_a_number_that_a_claim_judges_refers_to_it(grid: str, options: int, verdict: Verdict) -> None:
    """The table of whole recipes does not say "no verdict" where a registered claim gives one."""
    config = make_config({"lenet": "mnist"}, experiments=["whole-recipes"]) | {"grid": grid}
    config["experiments"]["whole-recipes"]["recipes"] = [{"recipe": "paper", "method": "greedy", "options": [options]}]
    results = replace(registered(config), registration=read_registration(PROJECT))
    (cell,) = experiment_results(results, "whole-recipes")
    assert cell.n
    assert cell.verdict is verdict
