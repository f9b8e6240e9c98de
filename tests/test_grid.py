"""Which runs a grid needs."""

from collections import Counter

import pytest

from slotmachines import UserError
from slotpipeline.experiments.finetuning import Finetuned
from slotpipeline.experiments.grid import experiment_runs, grid_runs, kept_epochs, seeds_of
from slotpipeline.runs.cell import Cell, cell_runs
from slotpipeline.runs.run import Run, make_run
from slotpipeline.runs.run_time import (
    estimated_hours,
    read_seconds,
    read_step_times,
    relative_step_time,
    seconds_if_readable,
    time_text,
)

SHAPE = {"networks": ["lenet"], "options": [2, 8]}


def config(experiments, **more):
    return {
        "grid": "test", "recipe": "paper-glorot", "seeds": [0, 3], "tolerance": {},
        "networks": {"lenet": "mnist", "conv4": "cifar10"}, "experiments": experiments, **more,
    }  # fmt: skip


def described(runs: list[Run]) -> Counter:
    return Counter((run.network, run.method, run.options, run.variant) for run in runs)


def twice(*cells) -> Counter:
    return Counter(dict.fromkeys(cells, 2))


SLOTS = {method: [("lenet", method, 2, ""), ("lenet", method, 8, "")] for method in ("greedy", "probabilistic")}
FINETUNED = [("lenet", "greedy", 2, "finetuned"), ("lenet", "greedy", 8, "finetuned")]
LEARNED = ("lenet", "learned", None, "")


@pytest.mark.parametrize(
    ("experiment", "expected"),
    [
        ("random-vs-selected", [("lenet", "random", None, ""), *SLOTS["greedy"]]),
        ("k-sweep", [*SLOTS["greedy"], LEARNED]),
        ("selection", SLOTS["greedy"] + SLOTS["probabilistic"]),
        ("finetune", [*SLOTS["greedy"], *FINETUNED, LEARNED]),
    ],
)
def test_runs_of_one_experiment(experiment, expected):
    more = {"start_epoch": 75} if experiment == "finetune" else {}
    assert described(grid_runs(config({experiment: SHAPE | more}))) == twice(*expected)


def test_each_run_is_planned_once_whichever_experiments_need_it():
    everything = dict.fromkeys(("random-vs-selected", "k-sweep", "selection", "cost", "churn"), SHAPE)
    runs = grid_runs(config(everything | {"finetune": SHAPE | {"start_epoch": 75}}))
    assert len({run.identity for run in runs}) == len({run.folder for run in runs}) == len(runs) == 16
    assert {run.seed for run in runs} == {0, 3} and {run.dataset for run in runs} == {"mnist"}


def test_the_slot_machine_of_each_finetuned_network_is_there_and_keeps_its_weights():
    grid = config(
        {"finetune": {"networks": ["lenet", "conv4"], "options": [2, 8], "start_epoch": 75}, "k-sweep": SHAPE}
    )
    runs = grid_runs(grid)
    children = [run for run in runs if run.parent]
    assert len(children) == 8
    assert all(run.parent in runs and run.settings.epochs == run.parent.settings.epochs == 200 for run in children)
    assert kept_epochs(runs) == {run.parent.identity: [75] for run in children}


def test_a_slot_machine_keeps_the_weights_that_all_experiments_need():
    grid = config({"finetune": SHAPE | {"start_epoch": 75}, "finetune-checkpoints": SHAPE | {"every": 50}})
    kept = kept_epochs(grid_runs(grid))
    assert len(kept) == 4 and all(epochs == [50, 75, 100, 150] for epochs in kept.values())


def test_no_weights_are_kept_where_nothing_is_finetuned():
    assert kept_epochs(grid_runs(config({"k-sweep": SHAPE}))) == {}


def test_an_experiment_may_have_seeds_of_its_own():
    grid = config({"k-sweep": SHAPE, "selection": SHAPE | {"seeds": [3, 9]}})
    assert (seeds_of(grid, "k-sweep"), seeds_of(grid, "selection")) == ([0, 3], [3, 9])
    assert {run.seed for run in experiment_runs(grid, "selection")} == {3, 9}
    seeds = Counter((run.method, run.seed) for run in grid_runs(grid))
    assert seeds == {
        ("greedy", 0): 2, ("greedy", 3): 2, ("greedy", 9): 2, ("learned", 0): 1, ("learned", 3): 1,
        ("probabilistic", 3): 2, ("probabilistic", 9): 2,
    }  # fmt: skip


def test_the_runs_of_a_cell_differ_in_their_seeds_alone():
    cell = Cell("mnist", "lenet", "greedy", 8, Finetuned(75))
    first, second = cell_runs(config({}), cell, [0, 3])
    assert (first.seed, first.parent.seed, second.seed, second.parent.seed) == (0, 0, 3, 3)
    assert first.settings == second.settings and first.identity != second.identity
    assert first.parent.identity == make_run(
        network="lenet", dataset="mnist", method="greedy", options=8, seed=0, recipe="paper-glorot"
    ).identity  # fmt: skip


def test_training_from_scratch_is_compared_at_equal_epochs():
    # The recipe trains conv4 for 330 epochs in the usual way, and for 200 as a slot machine; lenet for 200 either way.
    grid = config({"finetune": {"networks": ["lenet", "conv4"], "options": [8], "start_epoch": 75}})
    learned = [run for run in grid_runs(grid) if run.method == "learned"]
    assert described(learned) == twice(LEARNED, ("conv4", "learned", None, ""))
    assert {run.settings.epochs for run in learned} == {200}
    both = grid_runs(grid | {"experiments": grid["experiments"] | {"k-sweep": {"networks": ["conv4"], "options": [8]}}})
    assert (
        sorted(run.settings.epochs for run in both if run.network == "conv4" and run.method == "learned")
        == [200] * 2 + [330] * 2
    )


def test_settings_of_the_grid_win_over_the_recipe():
    runs = grid_runs(config({"k-sweep": SHAPE, "selection": SHAPE}, settings={"lenet": {"epochs": 7}}))
    assert {run.settings.epochs for run in runs} == {7}


def test_a_grid_that_finetunes_after_the_end_is_refused():
    with pytest.raises(UserError, match="cannot start after 75 of 20 epochs"):
        grid_runs(config({"finetune": SHAPE | {"start_epoch": 75}}, settings={"lenet": {"epochs": 20}}))


def test_the_estimate_is_a_line_in_k_that_does_not_fall(tmp_path):
    table = tmp_path / "seconds.csv"
    rows = ["learned,,9", "greedy,2,10", "greedy,8,8", "probabilistic,2,10", "probabilistic,8,16"]
    table.write_text("network,dataset,method,options,seconds_per_epoch\n" + "".join(f"lenet,mnist,{r}\n" for r in rows))

    def hours(method, options):
        place = {"network": "lenet", "dataset": "mnist", "method": method, "options": options}
        return estimated_hours(
            [make_run(**place, seed=0, recipe="paper", changes={"epochs": 360})], read_seconds(table)
        )

    assert hours("learned", None) == pytest.approx(0.9)
    assert hours("probabilistic", 64) == pytest.approx(7.2)
    assert hours("greedy", 2) == hours("greedy", 4096) == pytest.approx(0.9)
    table.write_text(table.read_text().replace("greedy,8,8", "greedy,8,11"))
    assert hours("greedy", 2) < hours("greedy", 8) == hours("greedy", 4096)


def test_the_time_of_runs_whose_network_was_not_measured_is_unknown(tmp_path):
    table = tmp_path / "seconds.csv"
    table.write_text("network,dataset,method,options,seconds_per_epoch\nlenet,mnist,learned,,9\n")
    places = {"lenet": "mnist", "resnet20": "cifar10"}
    known, other = (
        make_run(network=network, dataset=dataset, method="learned", seed=0, recipe="paper", changes={"epochs": 360})
        for network, dataset in places.items()
    )
    measured = read_seconds(table)
    why = "(no epoch of resnet20 on cifar10, learned, was measured; add it with: make measure)"
    assert time_text([known], measured, explained=True) == "about 54 minutes"
    assert time_text([], measured, explained=True) == "less than a minute"
    assert time_text([other], measured) == "unknown time"
    assert time_text([other], measured, explained=True) == f"unknown time {why}"
    both = "about 54 minutes and unknown time for 1 of 2 runs"
    assert time_text([known, other], measured, explained=True) == f"{both} {why}"
    assert time_text([known, other], measured) == both
    table.write_text(table.read_text() + "resnet20,cifar10,learned,,\n")  # a row without seconds
    assert time_text([known, other], read_seconds(table)) == both
    absent = time_text([known], seconds_if_readable(tmp_path / "absent.csv"), explained=True)
    assert absent.startswith("unknown time (") and absent.endswith("make it with: make measure)")


def test_the_time_of_a_step_is_that_of_the_nearest_number_of_options(tmp_path):
    table = tmp_path / "measurements.csv"
    rows = ["greedy,2,one-number,1.5", "greedy,64,one-number,1.7", "greedy,8,plain,9", "probabilistic,8,one-number,3"]
    table.write_text("network,selection,options,method,ratio\n" + "".join(f"lenet,{r}\n" for r in rows))
    times = read_step_times(table)

    def ratio(method, options, network="lenet"):
        dataset = "mnist" if network == "lenet" else "cifar10"
        run = make_run(network=network, dataset=dataset, method=method, options=options, seed=0, recipe="paper")
        return relative_step_time(run, times)

    assert (ratio("learned", None), ratio("greedy", 4), ratio("greedy", 32), ratio("greedy", 4096)) == (
        1,
        1.5,
        1.7,
        1.7,
    )
    assert ratio("probabilistic", 2) == 3
    with pytest.raises(UserError, match="no step of conv2, greedy, was measured; add it with: make bench"):
        ratio("greedy", 2, "conv2")
    with pytest.raises(UserError, match="make it with: make bench"):
        read_step_times(tmp_path / "absent.csv")
