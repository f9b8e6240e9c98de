"""What a run asks a cluster for."""

import pandas as pd
import pytest

from slotpipeline.planning.resources import megabytes, minutes
from slotpipeline.runs.flops import read_flops
from slotpipeline.runs.run import finetuned, make_run
from slotpipeline.runs.run_time import read_seconds

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
    table = pd.DataFrame([["lenet", "mnist", "greedy", 8, 30.0]], columns=[*SECONDS.columns[:5]])
    assert minutes([a_run(epochs=100)], table) == 10 + 100
    assert minutes([finetuned(a_run(epochs=100), 40)], table.assign(method="learned")) == 10 + 60
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
