"""Accuracy of slot machines by K: against random and learned weights, by selection rule, and by what training costs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import pandas as pd

from slotmachines.errors import NotMeasured
from slotmachines.methods import SLOT_METHODS
from slotpipeline.analysis.cell_results import CellResult, by_options, only, plain
from slotpipeline.analysis.comparisons import Pairs, each_against, label, slot_machines_against_learned
from slotpipeline.analysis.evidence import Evidence, Quantity, Values, accuracy, compared
from slotpipeline.analysis.text import number
from slotpipeline.data.datasets import find
from slotpipeline.experiments.experiment import Experiment, Measure, Parameters, networks_of, slot_machines
from slotpipeline.results.read import ALONE, PROCESSOR, SHARED, UNKNOWN, Results, median_seconds
from slotpipeline.runs.cell import Cell, Config
from slotpipeline.runs.flops import read_flops, training_flops
from slotpipeline.runs.run import Run
from slotpipeline.runs.run_time import read_step_times, relative_step_time

# Random weights against selected ones


def _random_and_selected(config: Config, parameters: Parameters) -> Iterator[Cell]:
    for pair in networks_of(config, parameters):
        yield Cell(*pair, "random", None)
        yield from (Cell(*pair, "greedy", options) for options in parameters["options"])


def _selected_against_random(found: list[CellResult]) -> Pairs:
    yield from each_against(plain(found, "greedy"), only(found, "random"))


def _random_vs_selected_sentences(here: Evidence) -> list[str]:
    """Random weights against the best choice between few; alone, where no choice was run."""
    text = [
        f"untrained random weights reach {accuracy(one.second)}; a choice between K = {one.first.options} of them "
        f"{accuracy(one.first)}, {compared(one, 'that')}"
        for one in here.comparisons
    ]
    return text or [f"untrained random weights reach {accuracy(result)}" for result in plain(here.found, "random")]


RANDOM_VS_SELECTED = Experiment(
    name="random-vs-selected",
    title="Random against selected weights",
    description="A random network against selected weights.",
    claim="A choice between just two random values per connection turns a network that guesses into one that "
    "classifies well.",
    cells=_random_and_selected,
    pairs=_selected_against_random,
    sentences=_random_vs_selected_sentences,
    figure="random_vs_selected.py",
)


# Accuracy against K


def _beside_learned(config: Config, parameters: Parameters) -> Iterator[Cell]:
    for pair in networks_of(config, parameters):
        yield from (Cell(*pair, "greedy", options) for options in parameters["options"])
        yield Cell(*pair, "learned", None)


def _k_sweep_sentences(here: Evidence) -> list[str]:
    """Every K; the highest mean, picked after the runs; and the smallest and largest K against learned weights."""
    greedy = by_options(plain(here.found, "greedy"))
    if not greedy:
        return []
    text = ["mean test accuracy: " + ", ".join(f"{accuracy(one)} at K = {one.options}" for one in greedy)]
    if len(greedy) > 1:
        best = max(greedy, key=lambda one: one.mean)
        text.append(f"the highest mean is that of K = {best.options}, {accuracy(best)}, picked after the runs")
    learned = only(here.found, "learned")
    if learned:
        text.append(f"learned weights reach {accuracy(learned)}")
    ends = [greedy[0], greedy[-1]] if len(greedy) > 1 else greedy
    for one in (one for result in ends for one in here.of(result)):
        text.append(f"K = {one.first.options} ends {compared(one, 'learned weights')}")
    return text


K_SWEEP = Experiment(
    name="k-sweep",
    title="How many options does a connection need?",
    description="Accuracy against K, greedy selection, beside learned weights.",
    claim="Accuracy rises steeply from two options to four or eight, is flat from there on, and comes close to "
    "that of weights trained in the usual way; at 64 it is slightly lower again.",
    cells=_beside_learned,
    pairs=slot_machines_against_learned,
    sentences=_k_sweep_sentences,
    figure="k_sweep.py",
    in_curves=True,
)


# Greedy against probabilistic selection


def both_rules(config: Config, parameters: Parameters) -> Iterator[Cell]:
    """Slot machines that select greedily, and ones that sample."""
    return slot_machines(config, parameters, *SLOT_METHODS)


def _greedy_against_probabilistic(found: list[CellResult]) -> Pairs:
    for result in plain(found, "greedy"):
        yield from each_against([result], only(found, "probabilistic", result.options))


def _selection_sentences(here: Evidence) -> list[str]:
    """Greedy against probabilistic, K by K."""
    return [
        f"at K = {one.first.options} greedy selection ends {compared(one, 'probabilistic selection')}"
        for one in here.comparisons
    ]


SELECTION = Experiment(
    name="selection",
    title="Greedy against probabilistic selection",
    description="Greedy selection against probabilistic sampling.",
    claim="Always taking the option with the highest score beats sampling an option in proportion to its "
    "softmax, little on MNIST and by several points on CIFAR-10.",
    cells=both_rules,
    pairs=_greedy_against_probabilistic,
    sentences=_selection_sentences,
    figure="selection.py",
    in_curves=True,
)


# Accuracy against the cost of training

OPERATIONS = Quantity("operations of a training, 10^12")
STEP_TIME = Quantity("time of a step, in ordinary steps")
SECONDS = {kind: Quantity(f"seconds of a training on a {kind}, median") for kind in (PROCESSOR, ALONE, SHARED, UNKNOWN)}
FLOPS_CSV, STEP_TIMES_CSV = "config/flops_per_step.csv", "results/benchmark/measurements.csv"


def epoch_flops(run: Run, flops: pd.DataFrame) -> float:
    """Floating-point operations of an epoch of a run."""
    return float(training_flops(run, 1, find(run.dataset).train_count - run.settings.validation, flops))


def if_measured(cost: Callable[[Run, pd.DataFrame], float], run: Run, table: pd.DataFrame) -> float:
    """`cost(run, table)`, or NaN where that was not measured beforehand."""
    try:
        return cost(run, table)
    except NotMeasured:
        return math.nan


def _costs(results: Results, found: Sequence[CellResult]) -> Measure:
    flops, times = (
        read_flops(results.project / FLOPS_CSV),
        read_step_times(results.project / STEP_TIMES_CSV, required=False),
    )

    def measure(result: CellResult) -> Values:
        run = result.run
        runs = results.runs[results.runs["identity"].isin(result.identities)]
        return {
            OPERATIONS: if_measured(epoch_flops, run, flops) * run.settings.epochs / 1e12,
            STEP_TIME: if_measured(relative_step_time, run, times),
            **{SECONDS[kind]: seconds for kind, seconds in median_seconds(runs).items()},
        }

    return measure


def _cost_sentences(here: Evidence) -> list[str]:
    """What each reaches in the end, and what that costs."""
    text = []
    for one in here.measured:
        result, values = one.result, one.values
        counted, timed = "operations that were not counted", "a time that was not measured"
        if OPERATIONS in values:
            counted = f"{_power_of_ten(1e12 * values[OPERATIONS])} operations"
        if STEP_TIME in values:
            epochs = values[STEP_TIME] * result.run.settings.epochs
            timed = f"the time of {number(epochs, '.0f')} epochs of ordinary training"
        text.append(f"{label(result)} ends at {accuracy(result)} after {counted}, in {timed}")
    return text


def _power_of_ten(value: float) -> str:
    mantissa, exponent = f"{value:.2e}".split("e")
    return f"{mantissa} x 10^{int(exponent)}"


COST = Experiment(
    name="cost",
    title="Accuracy against the cost of training",
    description="Accuracy against what training costs, slot machines beside learned weights.",
    claim="For the same cost of training, a slot machine reaches about the accuracy of weights trained in the "
    "usual way. The paper shows curves only, and does not say how it counts.",
    cells=_beside_learned,
    measure=_costs,
    sentences=_cost_sentences,
    figure="cost.py",
    files=(FLOPS_CSV, STEP_TIMES_CSV),
)
