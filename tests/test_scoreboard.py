"""The scoreboard: every published number once, judged by the grid that has most seeds for it."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from slotpipeline.analysis.verdict import Verdict
from slotpipeline.experiments.outcomes import experiment_results
from slotpipeline.reporting.scoreboard import by_dataset, counts, readable_board, scoreboard, sentence
from slotpipeline.reporting.tables import CHOSEN
from slotpipeline.results.read import Results
from slotpipeline.results.reference import SOURCE, read_reference
from synthetic import REFERENCE, make_config, make_results, make_runs

RESULTS = make_results()
BOARD = scoreboard([RESULTS])
KEYS = ["source", "figure", "dataset", "network", "method", "options"]


def entry(board: pd.DataFrame, figure: str, network: str, method: str, options: int | None = None) -> pd.Series:
    rows = board[(board["figure"] == figure) & (board["network"] == network) & (board["method"] == method)]
    rows = rows[rows["options"].isna() if options is None else rows["options"] == options]
    assert len(rows) == 1
    return rows.iloc[0]


def test_every_published_number_stands_there_once() -> None:
    reference = read_reference(REFERENCE)
    assert [one.source for one in reference].count(SOURCE) == 64
    assert len(BOARD) == len(reference) == 70
    assert not BOARD.duplicated(KEYS).any()
    assert BOARD["paper"].tolist() == [one.value for one in reference]
    assert sum(counts(BOARD).values()) == 70
    assert list(counts(BOARD)) == ["reproduced", "above", "below", "inconclusive", "not run"]


def test_a_verdict_is_that_of_the_experiments_table() -> None:
    for experiment, method in (("k-sweep", "greedy"), ("k-sweep", "learned"), ("selection", "probabilistic")):
        for cell in experiment_results(RESULTS, experiment):
            if cell.method != method:
                continue
            found = entry(BOARD, experiment, cell.network, method, cell.options)
            chosen = cell.is_chosen_by and cell.n > 0
            assert (found["verdict"], found["n"], found["chosen_by"]) == (cell.verdict, cell.n, chosen)
            if cell.n:
                assert (found["ours"], found["tolerance"]) == (pytest.approx(cell.mean), pytest.approx(cell.tolerance))


def test_one_cell_is_judged_against_each_number_that_the_paper_gives_for_it() -> None:
    sweep, bar = (entry(BOARD, figure, "conv2", "greedy", 2) for figure in ("k-sweep", "random-vs-selected"))
    assert sweep["ours"] == bar["ours"]
    assert (sweep["paper"], bar["paper"]) == (75.21, 75.0)
    assert (sweep["tolerance"], bar["tolerance"]) == (pytest.approx(1.1), pytest.approx(2.0))
    random = entry(BOARD, "random-vs-selected", "conv2", "random")
    assert (random["n"], random["verdict"]) == (3, Verdict.REPRODUCED)


def test_what_was_not_run_says_so() -> None:
    missing = entry(BOARD, "k-sweep", "conv2", "greedy", 64)
    assert (missing["verdict"], missing["n"], missing["grid"]) == (Verdict.NOT_RUN, 0, "")
    assert set(BOARD.loc[BOARD["network"].isin(["conv4", "conv6", "vgg19"]), "verdict"]) == {Verdict.NOT_RUN}
    assert entry(BOARD, "k-sweep", "conv2", "greedy", 4)["verdict"] == Verdict.INCONCLUSIVE  # one seed


def test_rivals_are_judged_by_their_own_papers_and_settings() -> None:
    popup = entry(BOARD, "rivals", "conv2", "edge_popup")
    assert (popup["paper"], popup["n"], popup["verdict"]) == (77.7, 3, Verdict.REPRODUCED)  # 78.3, made up
    mask = entry(BOARD, "table-1", "conv2", "supermask")
    assert (mask["source"], mask["paper"], mask["verdict"]) == ("zhou2019", 66.0, Verdict.ABOVE)
    # Learned weights in Zhou's settings are another cell than those in the grid's.
    learned = entry(BOARD, "table-1", "conv2", "learned")
    assert (learned["paper"], learned["n"]) == (69.2, 3)
    without = RESULTS.runs[RESULTS.runs["recipe"] != "zhou"]
    board = scoreboard([replace(RESULTS, runs=without)])
    assert entry(board, "table-1", "conv2", "learned")["n"] == 0
    assert entry(board, "k-sweep", "conv2", "learned")["n"] == 3


def test_all_seeds_of_a_cell_count_whichever_experiment_asked_for_them() -> None:
    config = make_config(experiments=["k-sweep", "churn"])
    config["experiments"]["k-sweep"]["seeds"] = [0, 1]
    config["experiments"]["churn"]["seeds"] = [1, 2, 3]
    board = scoreboard([make_results(config)])
    assert entry(board, "k-sweep", "lenet", "greedy", 8)["n"] == 4
    assert entry(board, "k-sweep", "lenet", "greedy", 64)["n"] == 2


def test_variants_of_a_cell_are_no_evidence_for_it() -> None:
    """Neither finetuned networks nor other recipes, sharing or learning rates count as the plain cell."""
    board = scoreboard([make_results(make_config(experiments=["sharing"]))])
    assert entry(board, "k-sweep", "lenet", "greedy", 2)["n"] == 3
    other = make_config(experiments=["recipe-study"])
    other["experiments"]["recipe-study"]["together"] = []
    assert counts(scoreboard([make_results(other)]))["not run"] == 70


def of_grid(name: str, networks: dict[str, str], shift: float = 0.0) -> Results:
    config = make_config(networks) | {"grid": name}
    runs = make_runs(config)
    return make_results(config, runs.assign(test_accuracy=runs["test_accuracy"] + shift))


def test_the_grid_with_most_seeds_counts_and_of_equal_ones_the_first() -> None:
    mnist, both = of_grid("mnist", {"lenet": "mnist"}), of_grid("paper", {"lenet": "mnist", "conv2": "cifar10"}, -20)
    board = scoreboard([mnist, both])
    assert entry(board, "k-sweep", "lenet", "greedy", 8)[["grid", "verdict"]].tolist() == ["mnist", "reproduced"]
    assert entry(board, "k-sweep", "conv2", "greedy", 8)[["grid", "verdict"]].tolist() == ["paper", "below"]
    board = scoreboard([both, mnist])
    assert entry(board, "k-sweep", "lenet", "greedy", 8)[["grid", "verdict"]].tolist() == ["paper", "below"]
    fewer = replace(both, runs=both.runs[both.runs["seed"] == 0])  # whatever they say
    found = entry(scoreboard([fewer, mnist]), "k-sweep", "lenet", "greedy", 8)
    assert found[["grid", "verdict", "n"]].tolist() == ["mnist", "reproduced", 3]
    empty = replace(both, runs=both.runs.iloc[:0])
    assert counts(scoreboard([empty, mnist])) == counts(scoreboard([mnist]))


def test_another_dataset_is_no_evidence() -> None:
    assert counts(scoreboard([make_results(make_config({"lenet": "digits"}))])) == {
        "reproduced": 0, "above": 0, "below": 0, "inconclusive": 0, "not run": 70,
    }  # fmt: skip


def test_the_sentence_adds_up_and_names_the_cells_that_chose_the_recipe() -> None:
    score, text = counts(BOARD), sentence(BOARD)
    start = "Of 70 published numbers (61 of the paper on its method and baselines, the others of rivals): "
    assert text.startswith(f"{start}{score['reproduced']} reproduced")
    # Conv-2's K = 2 and LeNet's K = 8 are published twice.
    assert "Those that were run belong to 20 cells of ours" in text
    assert all(f"{count} {verdict}" in text for verdict, count in score.items() if count)
    chosen = BOARD[BOARD["chosen_by"]]
    # K = 2 and 8 of LeNet in the k-sweep figure, and K = 8 in the abstract
    assert list(chosen[["figure", "options"]].itertuples(index=False, name=None)) == [
        ("k-sweep", 2), ("k-sweep", 8), ("abstract", 8),
    ]  # fmt: skip
    count = (chosen["verdict"] == Verdict.REPRODUCED).sum()
    assert (
        f" {count} of those reproduced belong to cells by whose closeness to the paper the recipe was chosen (†)."
        in text
    )
    one = BOARD.assign(chosen_by=BOARD["chosen_by"] & (BOARD["figure"] == "abstract"))
    assert "1 of those reproduced belongs to a cell" in sentence(one)
    assert "whose closeness" not in sentence(BOARD.assign(chosen_by=False))


def test_the_board_for_readers() -> None:
    shown = readable_board(BOARD)
    assert len(shown) == 70 - counts(BOARD)["not run"]
    marked = shown[shown["verdict"].str.endswith(CHOSEN)]
    assert list(zip(marked["published in"], marked["K"], strict=True)) == [
        ("k-sweep", "2"),
        ("k-sweep", "8"),
        ("abstract", "8"),
    ]
    assert readable_board(scoreboard([replace(RESULTS, runs=RESULTS.runs.iloc[:0])])).empty
    datasets = by_dataset(BOARD)
    assert list(zip(datasets["dataset"], datasets["published"], strict=True)) == [("MNIST", "14"), ("CIFAR-10", "56")]
    for verdict, count in counts(BOARD).items():
        assert datasets[verdict].astype(int).sum() == count
