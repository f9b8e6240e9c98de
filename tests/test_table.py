"""The table of an experiment: which runs, which published number, what is said where one is missing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from slotpipeline.analysis.findings import findings
from slotpipeline.analysis.measures import measures, readable_measures
from slotpipeline.reporting.sections import EXPERIMENTS

from slotmachines.errors import UserError
from slotmachines.methods import RIVALS
from slotpipeline.analysis.verdict import Verdict
from slotpipeline.reporting.summary import summarise_grid
from slotpipeline.reporting.table_files import write_table
from slotpipeline.reporting.tables import (
    CHOSEN,
    data_notes,
    experiment_table,
    experiment_tables,
    markdown,
    readable,
)
from slotpipeline.results.read import Results, read_curves, read_results, read_runs
from slotpipeline.results.reference import published, read_reference
from slotpipeline.runs.cell import Cell
from synthetic import NOTE, REFERENCE, grid, make_config, make_results, make_runs

__all__ = ["grid"]
CONFIG = make_config()
RESULTS = make_results(CONFIG)
RUNS = RESULTS.runs
EMPTY = replace(RESULTS, runs=RUNS.iloc[:0])
PAPER = read_reference(REFERENCE)


def said(results: Results, experiment: str, table: pd.DataFrame) -> list[str]:
    """What was found, as one sentence per network."""
    return [
        f"{place}: {'; '.join(statements)}."
        for place, statements in findings(results, experiment, table, measures(results, experiment, table))
    ]


def row(table: pd.DataFrame, **wanted: object) -> pd.Series:
    for name, value in wanted.items():
        table = table[table[name] == value]
    assert len(table) == 1
    return table.iloc[0]


def with_runs(runs: pd.DataFrame) -> Results:
    return replace(RESULTS, runs=runs)


def test_a_cell_holds_the_mean_of_its_runs_and_the_paper_beside_it() -> None:
    cell = row(experiment_table(RESULTS, "k-sweep"), network="lenet", options=8)
    runs = RUNS[RUNS["identity"].isin(cell["identities"])]
    assert (cell["n"], cell["planned"], cell["seeds"]) == (3, 3, (0, 1, 2))
    assert set(zip(runs["method"], runs["options"], runs["variant"], runs["recipe"], strict=True)) == {
        ("greedy", 8, "", "paper-glorot")
    }
    assert cell["mean"] == pytest.approx(runs["test_accuracy"].mean())
    assert cell["val_mean"] == pytest.approx(runs["val_accuracy"].mean())
    assert (cell["paper_value"], cell["paper_low"], cell["paper_high"]) == (98.21, 98.15, 98.31)
    assert cell["difference"] == pytest.approx(cell["mean"] - 98.21)
    assert cell["tolerance"] == pytest.approx(0.15 + 0.02)


def test_runs_are_known_by_what_they_trained_and_not_by_their_labels() -> None:
    table = experiment_table(RESULTS, "k-sweep")
    named = RUNS.assign(recipe="called otherwise", variant="", method="greedy", options=8)
    pd.testing.assert_frame_equal(experiment_table(with_runs(named), "k-sweep"), table)
    others = RUNS.assign(identity=[f"{number:08d}" for number in range(len(RUNS))])
    assert experiment_table(with_runs(others), "k-sweep")["n"].sum() == 0


def test_the_rows_do_not_depend_on_the_order_of_the_runs() -> None:
    shuffled = with_runs(RUNS.sample(frac=1, random_state=0))
    for name, table in experiment_tables(RESULTS).items():
        pd.testing.assert_frame_equal(experiment_table(shuffled, name), table)


def test_settings_that_are_not_the_grids_make_another_cell() -> None:
    longer = CONFIG | {"settings": {"lenet": {"epochs": 111}, "conv2": {"epochs": 111}}}
    table = experiment_table(replace(RESULTS, config=longer), "k-sweep")
    assert table["n"].sum() == 0


def test_expected_cells_without_runs_are_shown_as_not_run() -> None:
    cell = row(experiment_table(RESULTS, "k-sweep"), network="conv2", options=64)
    assert (cell["n"], cell["planned"], cell["verdict"]) == (0, 3, Verdict.NOT_RUN)
    assert pd.isna(cell["mean"])


def test_one_seed_is_inconclusive_and_has_no_interval() -> None:
    cell = row(experiment_table(RESULTS, "k-sweep"), network="conv2", options=4)
    assert (cell["n"], cell["verdict"]) == (1, Verdict.INCONCLUSIVE)
    assert pd.isna(cell["low"])


def test_what_was_run_is_said_where_there_is_nothing_to_compare_it_with() -> None:
    results = with_runs(RUNS[(RUNS["method"] == "random") | (RUNS["options"] == 8)])
    guessed = row(experiment_table(results, "random-vs-selected"), network="conv2", method="random")["mean"]
    for name, start in {
        "random-vs-selected": f"untrained random weights reach {guessed:.2f}% (n = 3).",
        "k-sweep": "mean test accuracy: ",
    }.items():
        table = experiment_table(results, name)
        sentence = next(text for text in said(results, name, table) if text.startswith("Conv-2"))
        assert sentence.startswith(f"Conv-2 on CIFAR-10: {start}")
    assert "% (n = 3) at K = 8" in sentence


def test_without_any_run_every_table_is_complete() -> None:
    for name, table in experiment_tables(EMPTY).items():
        assert set(table["verdict"]) == {Verdict.NOT_RUN}
        assert len(table) == len(experiment_table(RESULTS, name))
        assert all("not enough runs" in sentence for sentence in said(EMPTY, name, table))


def test_an_experiment_with_seeds_of_its_own_shows_these() -> None:
    config = make_config(experiments=["k-sweep", "sharing"])
    config["experiments"]["sharing"]["seeds"] = [0, 1, 7]
    results = make_results(config)
    cell = row(experiment_table(results, "sharing"), network="lenet", options=2, variant="")
    assert (cell["seeds"], cell["planned"]) == ((0, 1, 7), 3)
    assert row(experiment_table(results, "k-sweep"), network="lenet", options=2)["seeds"] == (0, 1, 2)
    some = replace(results, runs=results.runs[results.runs["seed"] != 7])
    cell = readable(experiment_table(some, "sharing")).iloc[0]
    assert cell["n"] == "2 of 3"


def test_an_experiment_that_the_grid_does_not_have() -> None:
    with pytest.raises(UserError, match="the grid synthetic has no sharing; it has k-sweep"):
        experiment_table(make_results(make_config(experiments=["k-sweep"])), "sharing")


def test_another_dataset_is_named_and_not_compared() -> None:
    results = make_results(make_config({"lenet": "digits"}))
    table = experiment_table(results, "k-sweep")
    cell = row(table, options=8)
    assert (cell["verdict"], cell["paper_dataset"], cell["paper_value"]) == (Verdict.NOT_COMPARABLE, "mnist", 98.21)
    assert pd.isna(cell["difference"])
    assert "98.21 on MNIST" in markdown(table)


def test_the_paper_has_no_counterpart_for_finetuning_and_random_lenet() -> None:
    finetune = row(experiment_table(RESULTS, "finetune"), network="lenet", start_epoch=75)
    random = row(experiment_table(RESULTS, "random-vs-selected"), network="lenet", method="random")
    shared = row(experiment_table(RESULTS, "sharing"), network="lenet", options=2, variant="one set per layer")
    assert {finetune["verdict"], random["verdict"], shared["verdict"]} == {"no counterpart"}


def test_rivals_stand_beside_ours_with_their_own_papers_numbers() -> None:
    config = make_config({"conv2": "cifar10"}, experiments=["rivals"])
    table = experiment_table(make_results(config), "rivals")
    assert table["method"].tolist() == ["greedy", *["learned"] * 3, *RIVALS, "random"]
    assert row(table, method="edge_popup")["paper_value"] == 77.7
    assert row(table, method="supermask")["paper_value"] == 66.0
    assert row(table, method="learned", variant="")["paper_value"] == 79.28
    assert row(table, method="learned", variant="as Zhou et al. train them")["paper_value"] == 69.2
    others = row(table, method="learned", variant="as Ivan and Florian train them")
    assert (others["n"], others["verdict"]) == (3, Verdict.NO_COUNTERPART)


def test_what_results_take_and_how_many_connections_changed_is_measured() -> None:
    bits = measures(RESULTS, "bits", experiment_table(RESULTS, "bits"))["bits per connection"]
    table = experiment_table(RESULTS, "bits")
    lenet = {(cell.method, cell.options): bits[cell.Index] for cell in table[table["network"] == "lenet"].itertuples()}
    assert lenet["greedy", 8] == 3 and lenet["learned", pd.NA] == 32 and lenet["random", pd.NA] == 0
    assert 0 < lenet["min_flipping", pd.NA] < lenet["free_flipping", pd.NA] < 1
    changed = experiment_table(RESULTS, "connections-changed")
    measured = measures(RESULTS, "connections-changed", changed)
    pruned = row(changed, network="lenet", method="min_pruning").name
    assert measured.loc[pruned, "connections altered, %"] == pytest.approx(5, abs=0.1)
    fewest = measured.loc[pruned, "fewest altered for 90% of learned, %"]
    assert 0 < fewest < measured.loc[pruned, "connections altered, %"]
    assert "min_pruning" not in readable_measures(changed, measured)["method"].tolist()  # readers know it by its label


def test_ninety_percent_is_claimed_only_if_all_seeds_get_there() -> None:
    few = RESULTS.curves.assign(test_accuracy=RESULTS.curves["test_accuracy"] - 30)
    learned = set(RESULTS.runs.loc[RESULTS.runs["method"] == "learned", "identity"])
    few["test_accuracy"] += 30 * few["identity"].isin(learned)
    results = replace(RESULTS, curves=few)
    changed = experiment_table(results, "connections-changed")
    measured = measures(results, "connections-changed", changed)
    assert measured["fewest altered for 90% of learned, %"].isna().all()
    assert not any("90% of the learned accuracy" in text for text in said(results, "connections-changed", changed))


def test_finetuned_cells_say_when_they_start() -> None:
    table = experiment_table(RESULTS, "finetune-checkpoints")
    lenet = table[table["network"] == "lenet"]
    assert lenet["start_epoch"].dropna().tolist() == [25, 50, 75, 100]
    assert set(lenet["epochs"]) == {110}
    assert lenet["variant"].tolist()[1] == "finetuned after 25"


def test_cells_that_chose_the_recipe_are_marked() -> None:
    table = experiment_table(RESULTS, "selection")
    chosen = table[table["chosen_by"]]
    assert list(zip(chosen["network"], chosen["method"], chosen["options"], strict=True)) == [
        ("lenet", "greedy", 2), ("lenet", "greedy", 8),
    ]  # fmt: skip
    text = readable(table)
    assert text["verdict"].str.endswith(CHOSEN).tolist() == table["chosen_by"].tolist()
    assert "the recipe was chosen because this cell came close" in markdown(table)
    assert CHOSEN not in markdown(table[~table["chosen_by"]])
    study = experiment_table(RESULTS, "recipe-study")  # known by its runs, whatever the study calls them
    assert set(study.loc[study["chosen_by"], "variant"]) == {"paper + code's value bound, score range"}
    assert set(study.loc[study["chosen_by"], "network"]) == {"lenet"}
    sharing = experiment_table(RESULTS, "sharing")
    assert set(sharing.loc[sharing["chosen_by"], "variant"]) == {""}
    none = {name: value for name, value in CONFIG.items() if name != "chosen_by"}
    assert not experiment_table(replace(RESULTS, config=none), "selection")["chosen_by"].any()


@pytest.mark.parametrize(
    ("experiment", "cell", "value"),
    [
        (
            "random-vs-selected",
            Cell("cifar10", "conv4", "greedy", 2),
            80.0,
        ),  # its own bar chart before the k-sweep figure
        ("random-vs-selected", Cell("mnist", "lenet", "greedy", 2), 97.14),  # not in the bar chart: k-sweep
        ("random-vs-selected", Cell("cifar10", "conv4", "random", None), 10.0),
        ("selection", Cell("cifar10", "conv6", "greedy", 8), 88.38),
        ("finetune", Cell("mnist", "lenet", "learned", None), 97.95),
        ("finetune", Cell("cifar10", "vgg19", "greedy", 8), 91.0),  # nowhere but in the abstract
        ("k-sweep", Cell("mnist", "lenet", "probabilistic", 64), 97.84),
        ("recipe-study", Cell("mnist", "lenet", "greedy", 8, "paper", recipe="paper"), 98.21),
        ("large-k", Cell("mnist", "lenet", "greedy", 64, "learning rate 0.2"), 98.16),
    ],
)
def test_published_numbers_are_looked_up_in_the_right_figure(experiment: str, cell: Cell, value: float) -> None:
    found = published(PAPER, experiment, cell)
    assert found is not None
    assert found.value == value


def test_finetuning_is_compared_at_equal_total_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("synthetic.LEVELS", {"conv4": {"learned": 86.0, "finetuned": 86.5, 8: (85.0, 80.0)}})
    # The recipe trains the learned baseline of conv4 for longer than a slot machine.
    config = CONFIG | {"settings": {}, "networks": {"conv4": "cifar10"}}
    shape = {"networks": ["conv4"], "options": [8]}
    config["experiments"] = {"k-sweep": shape, "finetune": shape | {"start_epoch": 75}}
    results = make_results(config, make_runs(config))
    cell = row(experiment_table(results, "finetune"), method="learned")
    assert (cell["variant"], cell["epochs"], cell["verdict"]) == ("200 epochs", 200, Verdict.NO_COUNTERPART)
    own = row(experiment_table(results, "k-sweep"), method="learned")
    assert (own["variant"], own["epochs"], own["paper_value"]) == ("", 330, 86.49)
    assert not set(own["identities"]) & set(cell["identities"])


def test_a_run_that_stands_twice_is_refused(tmp_path: Path) -> None:
    pd.concat([RUNS, RUNS.iloc[3:4]]).to_csv(tmp_path / "runs.csv", index=False)
    with pytest.raises(UserError, match=f"holds the run {RUNS['identity'].iloc[3]} twice"):
        read_runs(tmp_path / "runs.csv")


def test_a_missing_tolerance_is_an_error() -> None:
    results = replace(RESULTS, config=CONFIG | {"tolerance": {"mnist": 0.15}})
    with pytest.raises(UserError, match="no tolerance is set for cifar10"):
        experiment_table(results, "k-sweep")


def test_the_summary_holds_the_cells_that_were_run_and_the_scoreboard() -> None:
    summary = summarise_grid(RESULTS)
    assert summary["accuracy"]["finetune"]["lenet-greedy-8-finetuned-after-75"] == pytest.approx(98.4, abs=0.2)
    assert "conv2-greedy-64" not in summary["accuracy"]["k-sweep"]
    assert sum(summary["verdicts"].values()) == 70
    for name, table in experiment_tables(RESULTS).items():
        assert len(summary["accuracy"][name]) == (table["n"] > 0).sum(), name  # no two cells of one name


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_experiment_says_what_was_found_for_each_network(experiment: str) -> None:
    lenet, conv2 = said(RESULTS, experiment, experiment_table(RESULTS, experiment))
    assert lenet.startswith("LeNet on MNIST: ") and conv2.startswith("Conv-2 on CIFAR-10: ")
    for sentence in (lenet, conv2):
        assert "nan" not in sentence and "None" not in sentence and "<NA>" not in sentence
    assert "not enough runs" not in lenet
    one = make_config({"lenet": "mnist"}, seeds=1)
    table = experiment_table(make_results(one), experiment)
    (single,) = said(make_results(one), experiment, table)
    assert "nan" not in single and "not enough runs" not in single
    assert "beyond chance" not in single or "no single change" in single or "0 of" in single


def test_findings_are_computed_from_the_table() -> None:
    table = experiment_table(RESULTS, "finetune")
    mean = row(table, network="lenet", start_epoch=75)["mean"]
    lenet, _ = said(RESULTS, "finetune", table)
    assert f"finetuned from K = 8 after 75 of 110 epochs it reaches {mean:.2f}% (n = 3)" in lenet
    assert "above 110 epochs of training from scratch" in lenet
    finetuned = (RUNS["variant"] == "finetuned").astype(float)
    worse = with_runs(RUNS.assign(test_accuracy=RUNS["test_accuracy"] - 50 * finetuned))
    lenet, _ = said(worse, "finetune", experiment_table(worse, "finetune"))
    assert "below 110 epochs of training from scratch" in lenet


def test_cells_are_compared_seed_by_seed() -> None:
    lenet, _ = said(RESULTS, "finetune", experiment_table(RESULTS, "finetune"))
    assert lenet.count("paired over 3 seeds") == 2
    some = with_runs(RUNS[(RUNS["method"] != "learned") | (RUNS["seed"] > 0)])
    lenet, _ = said(some, "finetune", experiment_table(some, "finetune"))
    assert (lenet.count("paired over 3 seeds"), lenet.count("paired over 2 seeds")) == (1, 1)


def test_a_difference_says_whether_it_is_significant() -> None:
    table = experiment_table(RESULTS, "k-sweep")
    level = RUNS["test_accuracy"].where(RUNS["method"] != "greedy", 97.9 + 0.3 * (RUNS["seed"] - 1))
    same = with_runs(RUNS.assign(test_accuracy=level))
    assert "; not significant after correction for" in said(same, "k-sweep", experiment_table(same, "k-sweep"))[0]
    assert "; significant after" in said(RESULTS, "k-sweep", table)[0].split("K = 2 ends")[1].split("K = 64 ends")[0]


def test_a_k_picked_by_its_result_is_not_compared() -> None:
    _, conv2 = said(RESULTS, "k-sweep", experiment_table(RESULTS, "k-sweep"))  # has no run of K = 64
    assert "the highest mean is that of K = 8" in conv2
    assert "K = 2 ends" in conv2
    high = RUNS["test_accuracy"].where((RUNS["network"] != "conv2") | (RUNS["options"] != 4).fillna(True), 99.0)
    results = with_runs(RUNS.assign(test_accuracy=high))
    _, conv2 = said(results, "k-sweep", experiment_table(results, "k-sweep"))
    assert "the highest mean is that of K = 4, 99.00% (n = 1), picked after the runs" in conv2
    assert "K = 4 ends" not in conv2
    assert "K = 8 ends" in conv2


def test_the_learning_rate_of_large_k_is_picked_on_validation() -> None:
    cell = row(experiment_table(RESULTS, "large-k"), network="lenet", options=1024, variant="learning rate 0.05")
    fast = RUNS["identity"].isin(cell["identities"])
    results = with_runs(
        RUNS.assign(val_accuracy=RUNS["val_accuracy"] + fast, test_accuracy=RUNS["test_accuracy"] - fast)
    )
    lenet, _ = said(results, "large-k", experiment_table(results, "large-k"))
    assert f"K = 1024, learning rate 0.05 ({cell['mean'] - 1:.2f}% (n = 3)), ends" in lenet
    assert "K = 1024 at learning rate 0.05, best on validation, ends" in lenet


def test_networks_in_which_no_score_moves_are_told_apart_from_those_that_learn() -> None:
    table = experiment_table(RESULTS, "signs")
    assert "not one connection" not in said(RESULTS, "signs", table)[0]
    silent = row(table, network="lenet", variant="P(+) = 0.1")["identities"]
    moved = RESULTS.curves["altered_share"].mask(RESULTS.curves["identity"].isin(silent), 0.0)
    results = replace(RESULTS, curves=RESULTS.curves.assign(altered_share=moved))
    lenet, conv2 = said(results, "signs", table)
    assert "not one connection is altered at P(+) = 0.1: " in lenet
    assert "not one connection" not in conv2


def test_inexact_data_is_said_wherever_its_results_are_shown() -> None:
    said = f"Data: CIFAR-10, {NOTE}."
    table = experiment_table(RESULTS, "k-sweep")
    assert data_notes(table) == data_notes(RUNS) == [said]
    assert said in markdown(table)
    assert data_notes(table[table["network"] == "lenet"]) == []
    assert data_notes(experiment_table(EMPTY, "k-sweep")) == []
    assert "Data:" not in markdown(table[table["network"] == "lenet"])


def test_the_paper_is_quoted_with_where_it_was_read() -> None:
    table = experiment_table(RESULTS, "random-vs-selected")
    conv2 = row(table, network="conv2", options=2)
    assert conv2["paper_provenance"].startswith("read off the bar chart; disagrees")
    assert conv2["paper_elsewhere"] == "75.21 (read off the k-sweep figure of the ICML paper)"
    text = markdown(table)
    assert "Published numbers of LeNet greedy K = 2: read off the k-sweep figure of the ICML paper." in text
    assert f"The paper's other number of Conv-2 greedy K = 2: {conv2['paper_elsewhere']}." in text
    assert row(table, network="lenet", method="random")["paper_provenance"] == ""


def test_the_unchecked_number_of_vgg19_is_shown_but_not_judged_against() -> None:
    found = published(PAPER, "k-sweep", Cell("cifar10", "vgg19", "greedy", 8))
    assert found is not None
    assert (found.value, found.provenance) == (91.0, "abstract of the ICML paper")
    assert found.elsewhere == "91.7 (quoted by a third party; not checked against the paper)"


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_tables_are_written_from_the_files_alone(grid: Path, tmp_path: Path, experiment: str) -> None:
    write_table(read_results(grid, REFERENCE), experiment, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {f"{experiment}.csv", f"{experiment}.md"}
    back = pd.read_csv(tmp_path / f"{experiment}.csv")
    expected = experiment_table(RESULTS, experiment)
    assert list(back) == list(expected)
    assert back["mean"].to_list() == pytest.approx(expected["mean"].to_list(), abs=1e-4, nan_ok=True)
    assert back["verdict"].to_list() == expected["verdict"].to_list()
    assert back["data_note"].dropna().unique().tolist() == [NOTE]
    assert back["paper_provenance"].astype(object).fillna("").to_list() == expected["paper_provenance"].to_list()
    assert back["identities"].fillna("").str.split().map(tuple).to_list() == expected["identities"].to_list()
    text = (tmp_path / f"{experiment}.md").read_text(encoding="utf-8")
    assert NOTE in text
    assert ("p, corrected" in text) == (experiment not in ("cost", "churn", "selected-weights", "bits"))
    assert "1 of 3" in text or experiment not in ("k-sweep", "selection")


def test_an_identity_of_digits_is_not_read_as_a_number(tmp_path: Path) -> None:
    RUNS.iloc[:2].assign(identity=["00000001", "1234e567"]).to_csv(tmp_path / "runs.csv", index=False)
    assert read_runs(tmp_path / "runs.csv")["identity"].tolist() == ["00000001", "1234e567"]


def test_missing_and_damaged_results_are_one_clear_line(tmp_path: Path) -> None:
    first = "does not exist; run the grid first: snakemake --cores all --configfile config/mnist.yaml"
    for read in (read_runs, read_curves):
        with pytest.raises(UserError, match=first):
            read(tmp_path / "mnist" / "runs.csv")
    with pytest.raises(UserError, match="does not exist; give the table of the published numbers"):
        read_reference(tmp_path / "reference.csv")
    (tmp_path / "runs.csv").write_text("dataset,network\nmnist,lenet\n")
    with pytest.raises(UserError, match="lacks the columns method, options"):
        read_runs(tmp_path / "runs.csv")
    (tmp_path / "runs.csv").write_text("")
    with pytest.raises(UserError, match="cannot read"):
        read_runs(tmp_path / "runs.csv")
