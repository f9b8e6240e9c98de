"""Which runs a grid needs."""

from collections import Counter

import pytest

from slotmachines.replication.cost import estimated_hours
from slotmachines.replication.grid import grid_runs, kept_epochs
from slotmachines.replication.run import Run, make_run

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


@pytest.mark.parametrize(
    ("experiment", "expected"),
    [
        ("random-vs-selected", [("lenet", "random", None, ""), *SLOTS["greedy"]]),
        ("k-sweep", [*SLOTS["greedy"], ("lenet", "learned", None, "")]),
        ("selection", SLOTS["greedy"] + SLOTS["probabilistic"]),
        ("finetune", [*SLOTS["greedy"], *FINETUNED, ("lenet", "learned", None, "")]),
    ],
)
def test_runs_of_one_experiment(experiment, expected):
    more = {"start_epoch": 75} if experiment == "finetune" else {}
    assert described(grid_runs(config({experiment: SHAPE | more}))) == twice(*expected)


def test_each_run_is_planned_once_whichever_experiments_need_it():
    everything = dict.fromkeys(("random-vs-selected", "k-sweep", "selection"), SHAPE)
    runs = grid_runs(config(everything | {"finetune": SHAPE | {"start_epoch": 75}}))
    assert len({run.identity for run in runs}) == len({run.folder for run in runs}) == len(runs) == 16
    assert {run.seed for run in runs} == {0, 3} and {run.dataset for run in runs} == {"mnist"}


def test_the_slot_machine_of_each_finetuned_network_is_there_and_keeps_its_weights():
    grid = config(
        {"finetune": {"networks": ["lenet", "conv4"], "options": [2, 8], "start_epoch": 75}, "k-sweep": SHAPE}
    )
    runs = grid_runs(grid)
    by_identity = {run.identity: run for run in runs}
    children = [run for run in runs if run.parent]
    assert len(children) == 8
    for run in children:
        assert run.parent in runs and run.settings.epochs == run.parent.settings.epochs == 200
        assert kept_epochs(grid, by_identity[run.parent.identity]) == [run.start_epoch] == [75]
    parents = {run.parent.identity for run in children}
    assert not any(kept_epochs(grid, run) for run in runs if run.identity not in parents)


def test_no_weights_are_kept_where_nothing_is_finetuned():
    grid = config({"k-sweep": SHAPE})
    assert not any(kept_epochs(grid, run) for run in grid_runs(grid))


def test_training_from_scratch_is_compared_at_equal_epochs():
    # The recipe trains conv4 for 330 epochs in the usual way, and for 200 as a slot machine; lenet for 200 either way.
    grid = config({"finetune": {"networks": ["lenet", "conv4"], "options": [8], "start_epoch": 75}})
    learned = [run for run in grid_runs(grid) if run.method == "learned"]
    assert described(learned) == twice(("lenet", "learned", None, ""), ("conv4", "learned", None, "equal-epochs"))
    assert {run.settings.epochs for run in learned} == {200}
    both = grid_runs(grid | {"experiments": grid["experiments"] | {"k-sweep": {"networks": ["conv4"], "options": [8]}}})
    assert (
        sorted(run.settings.epochs for run in both if run.network == "conv4" and run.method == "learned")
        == [200] * 2 + [330] * 2
    )


def test_settings_of_the_grid_win_over_the_recipe():
    runs = grid_runs(config({"k-sweep": SHAPE, "selection": SHAPE}, settings={"lenet": {"epochs": 7}}))
    assert {run.settings.epochs for run in runs} == {7}


def test_the_estimate_is_a_line_in_k_that_does_not_fall(tmp_path):
    table = tmp_path / "seconds.csv"
    rows = ["learned,,9", "greedy,2,10", "greedy,8,8", "probabilistic,2,10", "probabilistic,8,16"]
    table.write_text("network,dataset,method,options,seconds_per_epoch\n" + "".join(f"lenet,mnist,{r}\n" for r in rows))

    def hours(method, options):
        place = {"network": "lenet", "dataset": "mnist", "method": method, "options": options}
        return estimated_hours([make_run(**place, seed=0, recipe="paper", changes={"epochs": 360})], table)

    assert hours("learned", None) == pytest.approx(0.9)
    assert hours("probabilistic", 64) == pytest.approx(7.2)
    assert hours("greedy", 2) == hours("greedy", 4096) == pytest.approx(0.9)
