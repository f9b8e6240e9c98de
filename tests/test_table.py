"""The table of an experiment: which runs, which published number, what is said where one is missing."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from slotmachines.errors import UserError
from slotmachines.replication.config import read_config
from slotmachines.replication.grid import Cell
from slotmachines.reporting.findings import findings
from slotmachines.reporting.reference import published, read_reference
from slotmachines.reporting.results import read_curves, read_runs
from slotmachines.reporting.summary import scoreboard, summarise_grid
from slotmachines.reporting.table import data_notes, experiment_table, experiment_tables, markdown, write_tables
from slotmachines.reporting.verdict import Verdict
from synthetic import NOTE, REFERENCE, grid, make_config, make_runs

__all__ = ["grid"]
CONFIG = make_config()
RUNS = make_runs(CONFIG)
PAPER = read_reference(REFERENCE)


def row(table: pd.DataFrame, **wanted: object) -> pd.Series:
    for name, value in wanted.items():
        table = table[table[name] == value]
    assert len(table) == 1
    return table.iloc[0]


def test_a_cell_holds_the_mean_of_its_runs_and_the_paper_beside_it() -> None:
    runs = RUNS[
        (RUNS["network"] == "lenet") & (RUNS["method"] == "greedy") & (RUNS["options"] == 8) & (RUNS["variant"] == "")
    ]
    cell = row(experiment_table(CONFIG, "k-sweep", RUNS, PAPER), network="lenet", options=8)
    assert cell["n"] == 3
    assert cell["mean"] == pytest.approx(runs["test_accuracy"].mean())
    assert (cell["paper_value"], cell["paper_low"], cell["paper_high"]) == (98.21, 98.15, 98.31)
    assert cell["difference"] == pytest.approx(cell["mean"] - 98.21)
    assert cell["tolerance"] == pytest.approx(0.15 + 0.02)


def test_expected_cells_without_runs_are_shown_as_not_run() -> None:
    cell = row(experiment_table(CONFIG, "k-sweep", RUNS, PAPER), network="conv2", options=64)
    assert (cell["n"], cell["planned"], cell["verdict"]) == (0, 3, Verdict.NOT_RUN)
    assert pd.isna(cell["mean"])


def test_one_seed_is_inconclusive_and_has_no_interval() -> None:
    cell = row(experiment_table(CONFIG, "k-sweep", RUNS, PAPER), network="conv2", options=4)
    assert (cell["n"], cell["verdict"]) == (1, Verdict.INCONCLUSIVE)
    assert pd.isna(cell["low"])


def test_without_any_run_every_table_is_complete() -> None:
    for name, table in experiment_tables(CONFIG, RUNS.iloc[:0], PAPER).items():
        assert set(table["verdict"]) == {Verdict.NOT_RUN}
        assert len(table) == len(experiment_table(CONFIG, name, RUNS, PAPER))
        assert all("not enough runs" in sentence for sentence in findings(name, table))


def test_runs_of_another_recipe_stay_out() -> None:
    other = RUNS.assign(recipe="code")
    assert experiment_table(CONFIG, "k-sweep", other, PAPER)["n"].sum() == 0


def test_another_dataset_is_named_and_not_compared() -> None:
    config = make_config({"lenet": "digits"})
    cell = row(experiment_table(config, "k-sweep", make_runs(config), PAPER), options=8)
    assert (cell["verdict"], cell["paper_dataset"], cell["paper_value"]) == (Verdict.NOT_COMPARABLE, "mnist", 98.21)
    assert pd.isna(cell["difference"])
    assert sum(scoreboard(experiment_tables(config, make_runs(config), PAPER)).values()) == 0


def test_the_paper_has_no_counterpart_for_finetuning_and_random_lenet() -> None:
    assert (
        row(experiment_table(CONFIG, "finetune", RUNS, PAPER), network="lenet", variant="finetuned")["verdict"]
        == "no counterpart"
    )
    assert (
        row(experiment_table(CONFIG, "random-vs-selected", RUNS, PAPER), network="lenet", method="random")["verdict"]
        == "no counterpart"
    )


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
    ],
)
def test_published_numbers_are_looked_up_in_the_right_figure(experiment: str, cell: Cell, value: float) -> None:
    found = published(PAPER, experiment, cell)
    assert found is not None
    assert found.value == value


def test_finetuning_is_compared_at_equal_total_epochs() -> None:
    config = make_config() | {"settings": {}}  # the recipe then trains the learned baseline of conv4 for longer
    config |= {"networks": {"conv4": "cifar10"}, "experiments": {"finetune": CONFIG["experiments"]["finetune"]}}
    config["experiments"]["finetune"] = config["experiments"]["finetune"] | {"networks": ["conv4"]}
    plain = RUNS[(RUNS["network"] == "conv2") & (RUNS["method"] == "learned")].assign(network="conv4", epochs=330)
    equal = plain.assign(variant="equal-epochs", epochs=200, test_accuracy=plain["test_accuracy"] - 1)
    table = experiment_table(config, "finetune", pd.concat([plain, equal]), PAPER)
    cell = row(table, method="learned")
    assert (cell["epochs"], cell["verdict"]) == (200, Verdict.NO_COUNTERPART)
    assert cell["mean"] == pytest.approx(equal["test_accuracy"].mean())


def test_runs_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(UserError, match="hold a seed twice"):
        experiment_table(CONFIG, "k-sweep", pd.concat([RUNS, RUNS]), PAPER)
    mixed = RUNS.assign(epochs=RUNS["epochs"].where(RUNS["variant"] == "finetuned", RUNS["epochs"] + RUNS["seed"] + 1))
    with pytest.raises(UserError, match="differ in length"):
        experiment_table(CONFIG, "k-sweep", mixed, PAPER)


def test_a_missing_tolerance_is_an_error() -> None:
    with pytest.raises(UserError, match="no tolerance is set for cifar10"):
        experiment_table(CONFIG | {"tolerance": {"mnist": 0.15}}, "k-sweep", RUNS, PAPER)


def test_the_scoreboard_counts_every_published_number_once() -> None:
    counts = scoreboard(experiment_tables(CONFIG, RUNS, PAPER))
    # 2 networks x (4 greedy + 4 probabilistic + learned), and the two bars of conv2 (random, K = 2) in the bar chart.
    assert sum(counts.values()) == 20
    assert counts["not run"] == 2
    assert counts["inconclusive"] >= 2
    assert list(counts) == ["reproduced", "above", "below", "inconclusive", "not run"]


def test_the_summary_holds_the_cells_that_were_run() -> None:
    accuracy = summarise_grid(experiment_tables(CONFIG, RUNS, PAPER))["accuracy"]
    assert accuracy["finetune"]["lenet-greedy-8-finetuned"] == pytest.approx(98.4, abs=0.2)
    assert "conv2-greedy-64" not in accuracy["k-sweep"]


def test_findings_are_computed_from_the_table() -> None:
    table = experiment_table(CONFIG, "finetune", RUNS, PAPER)
    mean = row(table, network="lenet", variant="finetuned")["mean"]
    lenet, _ = findings("finetune", table)
    assert f"110 epochs in total give {mean:.2f}% (n = 3)" in lenet
    assert "above training from scratch" in lenet
    finetuned = (RUNS["variant"] == "finetuned").astype(float)
    worse = RUNS.assign(test_accuracy=RUNS["test_accuracy"] - 50 * finetuned)
    assert "below training from scratch" in findings("finetune", experiment_table(CONFIG, "finetune", worse, PAPER))[0]


def test_cells_are_compared_seed_by_seed() -> None:
    lenet, _ = findings("finetune", experiment_table(CONFIG, "finetune", RUNS, PAPER))
    assert lenet.count("paired over 3 seeds") == 2
    elsewhere = RUNS.assign(seed=RUNS["seed"].where(RUNS["method"] != "learned", RUNS["seed"] + 10))
    lenet, _ = findings("finetune", experiment_table(CONFIG, "finetune", elsewhere, PAPER))
    assert (lenet.count("paired over 3 seeds"), lenet.count("not paired")) == (1, 1)


def test_a_k_picked_by_its_result_is_not_compared() -> None:
    table = experiment_table(CONFIG, "k-sweep", RUNS, PAPER)
    _, conv2 = findings("k-sweep", table)  # has no run of K = 64
    assert "K = 8 reaches" in conv2
    assert "K = 2 ends" in conv2
    assert "picked after the runs" not in conv2
    high = table.assign(mean=table["mean"].where(table["options"] != 4, 99.0))
    _, conv2 = findings("k-sweep", high)
    assert "the highest mean is that of K = 4, 99.00% (n = 1), picked after the runs" in conv2
    assert "K = 4 ends" not in conv2
    assert "K = 8 ends" in conv2


def test_inexact_data_is_said_wherever_its_results_are_shown() -> None:
    said = f"Data: CIFAR-10, {NOTE}."
    table = experiment_table(CONFIG, "k-sweep", RUNS, PAPER)
    assert data_notes(table) == data_notes(RUNS) == [said]
    assert said in markdown(table)
    assert data_notes(table[table["network"] == "lenet"]) == []
    assert data_notes(experiment_table(CONFIG, "k-sweep", RUNS.iloc[:0], PAPER)) == []
    assert "Data:" not in markdown(table[table["network"] == "lenet"])


def test_the_paper_is_quoted_with_where_it_was_read() -> None:
    table = experiment_table(CONFIG, "random-vs-selected", RUNS, PAPER)
    conv2 = row(table, network="conv2", options=2)
    assert conv2["paper_provenance"].startswith("read off the bar chart; disagrees")
    assert conv2["paper_elsewhere"] == "75.21 (read off the k-sweep figure of the ICML paper)"
    text = markdown(table)
    assert "The paper's numbers of LeNet greedy K = 2: read off the k-sweep figure of the ICML paper." in text
    assert f"The paper's other number of Conv-2 greedy K = 2: {conv2['paper_elsewhere']}." in text
    assert row(table, network="lenet", method="random")["paper_provenance"] == ""


def test_the_unchecked_number_of_vgg19_is_shown_but_not_judged_against() -> None:
    found = published(PAPER, "k-sweep", Cell("cifar10", "vgg19", "greedy", 8))
    assert found is not None
    assert (found.value, found.provenance) == (91.0, "abstract of the ICML paper")
    assert found.elsewhere == "91.7 (quoted by a third party; not checked against the paper)"


def test_tables_are_written_from_the_files_alone(grid: Path, tmp_path: Path) -> None:
    config = read_config(grid / "config.yaml")
    write_tables(config, grid / "runs.csv", REFERENCE, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        f"{name}.{kind}" for name in config["experiments"] for kind in ("csv", "md")
    )
    back = pd.read_csv(tmp_path / "k-sweep.csv")
    expected = experiment_table(CONFIG, "k-sweep", RUNS, PAPER)
    assert back["mean"].to_list() == pytest.approx(expected["mean"].to_list(), abs=1e-4, nan_ok=True)
    assert back["verdict"].to_list() == expected["verdict"].to_list()
    assert back["data_note"].dropna().unique().tolist() == [NOTE]
    assert back["paper_provenance"].to_list() == expected["paper_provenance"].to_list()
    text = (tmp_path / "k-sweep.md").read_text(encoding="utf-8")
    assert "1 of 3" in text
    assert NOTE in text


def test_an_identity_of_digits_is_not_read_as_a_number(grid: Path) -> None:
    assert read_runs(grid / "runs.csv")["identity"].iloc[1] == "00000001"


def test_missing_and_damaged_results_are_one_clear_line(tmp_path: Path) -> None:
    first = "does not exist; run the grid first: snakemake --cores all --configfile config/mnist.yaml"
    for read in (read_runs, read_curves):
        with pytest.raises(UserError, match=first):
            read(tmp_path / "mnist" / "runs.csv")
    with pytest.raises(UserError, match="does not exist; give the table of the paper's numbers"):
        read_reference(tmp_path / "reference.csv")
    (tmp_path / "runs.csv").write_text("dataset,network\nmnist,lenet\n")
    with pytest.raises(UserError, match="lacks the columns method, options"):
        read_runs(tmp_path / "runs.csv")
    (tmp_path / "runs.csv").write_text("")
    with pytest.raises(UserError, match="cannot read"):
        read_runs(tmp_path / "runs.csv")
