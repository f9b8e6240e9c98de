"""Training cost in floating-point operations: what is counted, and that config/ holds the counts of the networks."""

import runpy
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import tiny_run
from slotmachines import UserError
from slotpipeline.data.canonical import canonical_path, read_canonical
from slotpipeline.data.datasets import find
from slotpipeline.runs.flops import optimiser_flops, read_flops, slot_machine_flops, training_flops
from slotpipeline.runs.run import finetuned, make_run

PROJECT = Path(__file__).parents[1]
FLOPS_CSV = PROJECT / "config" / "flops_per_step.csv"
TABLE = read_flops(FLOPS_CSV)
IMAGES = 1230  # of the digits; steps of 128 end with a smaller one
LENET = 266_200


def a_run(method, options=None, network="lenet", **changes):
    return make_run(
        network=network,
        dataset="digits",
        method=method,
        options=options,
        seed=0,
        recipe="paper-glorot",
        changes=changes,
    )


def cost(run, epochs=1, images=IMAGES, **more):
    return training_flops(run, epochs, images, TABLE, **more)


# The counts in config/


@pytest.fixture(scope="module")
def count():
    return runpy.run_path(str(PROJECT / "benchmarks" / "run_flops.py"))["count"]


@pytest.mark.parametrize(
    ("network", "settings", "text"),
    [
        ("lenet", {}, ""),
        ("conv2", {"padding": "same"}, "padding=same"),
        ("conv2", {"padding": "code"}, "padding=code"),
        ("resnet20", {}, ""),
    ],
)
def test_the_file_agrees_with_a_fresh_count(count, network, settings, text):
    row = TABLE[(TABLE["network"] == network) & (TABLE["network_settings"] == text)].squeeze()
    assert count(network, settings) == {name: row[name] for name in ("connections", "forward", "backward")}


def test_lenet_multiplies_and_adds_once_per_connection(count):
    counted = count("lenet", {})
    assert counted["connections"] == LENET
    assert counted["forward"] == 2 * LENET
    # The gradient of every weight, and that of the input of every layer but the first.
    assert counted["backward"] == 2 * LENET + 2 * (LENET - 784 * 300)


def test_convolutions_count_once_per_place(count):
    places = {"conv1": 32 * 32 * 64 * 3 * 9, "conv2": 32 * 32 * 64 * 64 * 9}
    dense = 64 * 16 * 16 * 256 + 256 * 256 + 256 * 10
    assert count("conv2", {})["forward"] == 2 * (sum(places.values()) + dense)


@pytest.mark.parametrize("recipe", ["paper", "code"])
@pytest.mark.parametrize("network", ["lenet", "conv2", "conv4", "conv6", "conv8", "vgg19", "resnet20"])
def test_every_network_of_the_recipes_is_in_the_file(network, recipe):
    run = make_run(network=network, dataset="digits", method="learned", seed=0, recipe=recipe)
    assert cost(run) > 0


# What a run costs


def test_an_epoch_of_ordinary_training():
    # Per image the two passes; in each of the 10 steps, of which the last is smaller, 4 operations per connection.
    assert cost(a_run("learned")) == IMAGES * (532_400 + 594_400) + 10 * LENET * 4


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, 4),
        ({"weight_decay": 1e-4}, 6),
        ({"momentum": 0.0}, 2),
        ({"momentum": 0.0, "weight_decay": 1e-4}, 4),
    ],
)
def test_the_optimiser_costs_what_its_settings_ask_for(changes, expected):
    assert optimiser_flops(a_run("learned", **changes).settings) == expected


@settings(max_examples=30, deadline=None)
@given(first=st.integers(0, 100), second=st.integers(0, 100), method=st.sampled_from(["greedy", "probabilistic"]))
def test_epochs_add_up(first, second, method):
    run = a_run(method, 8)
    assert cost(run, first) + cost(run, second) == cost(run, first + second)
    assert cost(run, 0) == 0


@settings(max_examples=30, deadline=None)
@given(epochs=st.integers(0, 200), start=st.integers(1, 199))
def test_a_finetuned_run_is_its_slot_machine_and_then_ordinary_training(epochs, start):
    slot_machine = a_run("greedy", 8)
    run = finetuned(slot_machine, start)
    before = min(epochs, start)
    expected = cost(slot_machine, before) + (epochs - before) * cost(a_run("learned"))
    assert cost(run, epochs) == expected


def test_what_is_trained_per_connection_changes_the_slot_machine_before_finetuning_only():
    slot_machine = a_run("greedy", 8)
    difference = cost(slot_machine, scores="all") - cost(slot_machine)
    run = finetuned(slot_machine, 7)
    assert cost(run, 20, scores="all") - cost(run, 20) == 7 * difference > 0
    assert cost(a_run("learned"), scores="all") == cost(a_run("learned"))


@settings(max_examples=30, deadline=None)
@given(options=st.integers(1, 4096))
def test_greedy_selection_with_one_number_costs_the_same_whatever_k(options):
    assert cost(a_run("greedy", options, learning_rate=0.1)) == cost(a_run("greedy", 1, learning_rate=0.1))
    assert slot_machine_flops(a_run("greedy", options, weight_decay=0.0)) == 4 + 4


@settings(max_examples=30, deadline=None)
@given(options=st.integers(1, 4095))
def test_another_option_costs_what_the_rules_say(options):
    def more(method, scores):
        few, many = (a_run(method, k, weight_decay=1e-4) for k in (options, options + 1))
        return slot_machine_flops(many, scores) - slot_machine_flops(few, scores)

    # K scores: a gradient, an update (6) and a comparison each; or a draw (6) in place of the comparison.
    assert more("greedy", "all") == 1 + 6 + 1
    assert more("probabilistic", "all") == 1 + 6 + 6
    assert more("probabilistic", "one") == 3 + 6


def test_counts_of_two_options_by_hand():
    decay = {"weight_decay": 1e-4}
    assert slot_machine_flops(a_run("greedy", 2, **decay), "all") == 2 * (1 + 6) + 1
    # Comparison; 2 subtractions, 2 exponentials, addition, product; subtraction and comparison to find the place.
    draw = 1 + 2 + 2 + 1 + 1 + 1 + 1
    assert slot_machine_flops(a_run("probabilistic", 2, **decay), "all") == 2 * (1 + 6) + draw
    assert slot_machine_flops(a_run("probabilistic", 2, **decay), "one") == 6 + 2 * 3 + draw


def test_large_counts_are_exact():
    run = a_run("learned", network="vgg19")
    assert cost(run, 301, 45_001) == 301 * cost(run, 1, 45_001) > 2**53


def test_datasets_know_how_many_training_images_they_have(digits_folder):
    contents, _ = read_canonical(canonical_path(find("digits"), digits_folder), find("digits"))
    assert find("digits").train_count == len(contents.train_labels)


# Refusals


@pytest.mark.parametrize("epochs", [-1, 5])
def test_more_epochs_than_the_run_has_are_refused(epochs):
    with pytest.raises(UserError, match="ask for the cost of 0 to 4"):
        cost(tiny_run(), epochs)


def test_a_network_that_was_not_counted_is_refused():
    run = a_run("learned")
    other = replace(run, settings=replace(run.settings, network_settings={"classes": 5}))
    with pytest.raises(UserError, match="lenet classes=5 were counted 0 times"):
        cost(other)


@pytest.mark.parametrize(
    "text", ["", "network,forward\nlenet,1\n", "\xff", FLOPS_CSV.read_text().replace("532400", "x")]
)
def test_a_damaged_file_is_one_line(tmp_path, text):
    path = tmp_path / "flops.csv"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match="make it with: make measure") as refusal:
        read_flops(path)
    assert "\n" not in str(refusal.value) and str(path) in str(refusal.value)


def test_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(UserError, match="make it with: make measure"):
        read_flops(tmp_path / "missing.csv")
