"""What a run asks a cluster for."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from slotmachines.errors import UserError
from slotpipeline.planning.resources import asked_text, megabytes, minutes
from slotpipeline.runs.flops import read_flops
from slotpipeline.runs.gpu_time import gpu_seconds_per_epoch, read_gpu_seconds
from slotpipeline.runs.run import finetuned, make_run
from slotpipeline.runs.run_time import read_seconds
from workflow.support.gpu_request import gets_gpu, without_gpu

SECONDS, FLOPS = read_seconds("config/seconds_per_epoch.csv"), read_flops("config/flops_per_step.csv")
DAY = 24 * 60


def a_run(network="lenet", dataset="mnist", method="greedy", options=8, epochs=100):
    options = options if method in ("greedy", "probabilistic") else None
    return make_run(
        network=network, dataset=dataset, method=method, options=options, seed=0, recipe="paper-glorot",
        changes={"epochs": epochs},
    )  # fmt: skip


def test_a_later_attempt_asks_for_more():
    run = a_run()
    for ask in (lambda attempt: megabytes(run, FLOPS, attempt), lambda attempt: minutes([run], SECONDS, attempt)):
        assert [ask(attempt) for attempt in (2, 3)] == [2 * ask(1), 3 * ask(1)]


def test_memory_is_more_than_what_was_measured():
    """The table holds what training takes beside the libraries, for which 2 GB are left."""
    peaks = pd.read_csv("results/benchmark/measurements.csv").query("method == 'one-number' and device == 'cpu'")
    assert len(peaks) > 20
    for row in peaks.itertuples():
        run = a_run(row.network, "cifar10", row.selection, row.options)
        assert megabytes(run, FLOPS) > 2000 + row.peak_bytes / 2**20


def test_time_is_twice_what_was_measured_and_some_to_start():
    seconds = np.array([8.0]), np.array([30.0])
    table = {("lenet", "mnist", "greedy"): seconds}
    assert minutes([a_run(epochs=100)], table) == 10 + 100
    assert minutes([finetuned(a_run(epochs=100), 40)], {("lenet", "mnist", "learned"): seconds}) == 10 + 60
    assert minutes([a_run(method="random")], table) == 10
    assert minutes([a_run(epochs=100), a_run(epochs=50)], table) == 10 + 150


def test_time_follows_the_number_of_options():
    slow, fast = (minutes([a_run(method="probabilistic", options=k)], SECONDS) for k in (64, 2))
    assert slow > fast + 10


@pytest.mark.parametrize("attempt", [1, 2])
def test_no_run_asks_for_more_than_a_day(attempt):
    assert minutes([a_run("vgg19", "cifar10", epochs=200)], SECONDS, attempt) == DAY


def test_what_was_not_measured_gets_enough():
    run = a_run("vgg19", "digits")
    others = FLOPS[FLOPS["network"] != "vgg19"]
    assert minutes([run], SECONDS) == DAY
    assert megabytes(run, others) > megabytes(run, FLOPS)


ON_GPU = read_gpu_seconds("results/benchmark/epochs.csv")


def on_gpu(*rows):
    """A table of epochs on a GPU: network, method, options, whether by a CUDA graph, seconds."""
    columns = ["network", "method", "options", "cuda_graph", "seconds"]
    return pd.DataFrame(rows, columns=columns).assign(runs_together=1, device="a GPU")


def test_a_job_with_a_gpu_asks_for_minutes_and_not_for_the_day_that_a_core_would_take():
    for network in ("conv2", "conv4", "conv6", "vgg19"):
        run = a_run(network, "cifar10", epochs=100)
        measured = ON_GPU[ON_GPU["network"] == network]["seconds"].min()
        asked = minutes([run], SECONDS, on_gpu=ON_GPU)
        assert 100 * measured / 60 * 5 < asked < 120 < minutes([run], SECONDS)
    assert minutes([run] * 100, SECONDS, on_gpu=ON_GPU) == DAY


def test_a_run_without_a_cuda_graph_and_one_that_samples_ask_for_more():
    table = on_gpu(
        ("conv2", "greedy", 8, True, 1.0),
        ("conv2", "greedy", 8, False, 4.0),
        ("conv2", "probabilistic", 64, True, 1.5),
        ("conv4", "greedy", 8, True, 2.0),
    )
    runs = {
        "greedy": a_run("conv4", "cifar10", options=4096),
        "edge_popup": replace(a_run("conv4", "cifar10"), method="edge_popup", options=None),
        "few": a_run("conv4", "cifar10", "probabilistic", 2),
        "many": a_run("conv4", "cifar10", "probabilistic", 128),
    }
    seconds = {name: gpu_seconds_per_epoch(run, table) for name, run in runs.items()}
    assert seconds == {"greedy": 2.0, "edge_popup": 8.0, "few": 3.0, "many": 4.0}


def test_a_network_that_was_not_measured_on_a_gpu_gets_hours_or_what_a_core_takes():
    of_unknown = minutes([a_run("conv8", "cifar10", epochs=100)], SECONDS, on_gpu=ON_GPU)
    assert 60 < of_unknown < DAY / 4
    lenet = a_run("lenet", "mnist", epochs=100)
    assert minutes([lenet], SECONDS, on_gpu=ON_GPU) == minutes([lenet], SECONDS) < 60
    missing = read_gpu_seconds("no/such/file.csv", required=False)
    assert minutes([a_run("vgg19", "cifar10", epochs=100)], SECONDS, on_gpu=missing) == of_unknown


def test_what_jobs_ask_for_is_said_in_sum_with_and_without_a_gpu():
    said = asked_text([(60, True), (30, True), (120, False)])
    assert "1.5 hours with a GPU (2 jobs)" in said and "2.0 hours without a GPU (1 job)" in said
    assert "without" not in asked_text([(60, True)])


@pytest.mark.parametrize(
    ("set_resources", "given"),
    [
        ({}, True),
        ({"runtime": "7"}, True),
        ({"gpu": 2}, True),
        ({"gpu": "0 if attempt > 1 else 1"}, True),
        ({"gpu": 0}, False),
        ({"gpu": "0", "slurm_extra": "'--nice=100'"}, False),
        ({"gpu": "0", "gres": "gpu:1"}, True),
        ({"gpu": "0", "slurm_extra": "'--gres=shard:1'"}, True),
    ],
)
def test_what_is_set_for_the_rule_says_whether_a_job_gets_a_gpu(set_resources, given):
    assert gets_gpu(set_resources) is given


@pytest.mark.parametrize(("limit", "given"), [(None, True), (0, False), (4, True)])
def test_no_job_gets_a_gpu_where_there_are_none_for_all_together(limit, given):
    assert gets_gpu({}, limit) is given
    assert not gets_gpu({"gpu": 0}, limit) and gets_gpu({"gpu": 0, "gres": "gpu:1"}, limit)


def test_networks_for_cores_are_those_of_the_grid():
    assert without_gpu(["lenet"], ["lenet", "conv2"]) == without_gpu("lenet", ["lenet", "conv2"]) == {"lenet"}
    with pytest.raises(UserError, match=r"'lennet' is none of .*did you mean lenet"):
        without_gpu(["lennet"], ["lenet", "conv2"])
