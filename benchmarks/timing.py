"""The time of a training step of each method, side by side: in one process, on the same data, taking turns."""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.batches import fresh_batches
from benchmarks.cases import MANY_OPTIONS, Case, Method, make_slots_, starting_network
from benchmarks.training_arms import Batch, Training, train_small
from slotmachines.slots.convert import slot_machines
from slotpipeline.training.device import allow_tf32

_FIRST_STEPS = 10
_FEWEST_ROUNDS = 5
_STEPS_LOOKED_AT = 5  # for the loss, and the share of connections that change


@dataclass(frozen=True)
class Effort:
    """How long to measure: each phase ends after so many steps or rounds, or after so many seconds.

    Attributes:
        warm_up: steps of the slot machine before its steps are timed: at the start many connections change their
            option in every step, which is not typical of training.
        rounds: turns of each method.
        seconds: the longest that the warm-up may take, and the rounds, of which there are at least five.
    """

    warm_up: int
    rounds: int
    seconds: float


FULL = Effort(warm_up=200, rounds=40, seconds=30)
QUICK = Effort(warm_up=20, rounds=5, seconds=4)


def time_case(case: Case, dataset: str, folder: Path, device: torch.device, effort: Effort) -> dict[str, Any]:
    """Time the steps of every method of a case.

    A round is one turn of each method, in an order that rotates; a method's ratio in a round is its median step over
    that of ordinary training in the same round, so that what slows the machine for a while slows both. On a GPU each
    step is one replay of a CUDA graph.

    Returns:
        `warm_up` and `rounds` (how many there were), `loss` and `changed_share` of the slot machine at the end (the
        mean share of connections whose weight changes from step to step; None of samples), and by method:
        `build_seconds`, from the ordinary network to the end of the first forward pass; `first_ms`, of the first steps;
        `step_ms`, the median of all; `ratio`, the median over the rounds, and its quartiles `ratio_low`, `ratio_high`.
        Plain and dense methods that would not fit into memory are left out.

    Raises:
        MemoryError: the slot machine itself would not fit.
    """
    allow_tf32()
    batches = fresh_batches(case.network, dataset, folder, device)
    train_small(case, device)
    trainings: dict[Method, Training] = {}
    by_method: dict[Method, dict[str, float]] = {}
    for method in case.methods(on_gpu=device.type == "cuda"):
        try:
            training, build_seconds = _build(case, method, next(batches)[0][:2], device)
        except MemoryError:
            if method == "one-number":
                raise
            continue
        if device.type == "cuda":
            training.capture(*next(batches))
        first = training.seconds(list(islice(batches, _FIRST_STEPS)))
        trainings[method] = training
        by_method[method] = {"build_seconds": build_seconds, "first_ms": 1000 * statistics.median(first)}
    warm_up = _warm_up(trainings["one-number"], batches, effort)
    if "plain" in trainings:
        trainings["plain"].go_on_from(trainings["one-number"])
    times = _take_turns(case, trainings, batches, effort)
    ordinary = np.array([statistics.median(turn) for turn in times["ordinary"]])
    for method, turns in times.items():
        ratios = np.array([statistics.median(turn) for turn in turns]) / ordinary
        low, middle, high = np.quantile(ratios, [0.25, 0.5, 0.75]).tolist()
        by_method[method] |= {"ratio": middle, "ratio_low": low, "ratio_high": high}
        by_method[method]["step_ms"] = 1000 * statistics.median(seconds for turn in turns for seconds in turn)
    looks = [_look(trainings["one-number"], case, next(batches)) for _ in range(_STEPS_LOOKED_AT)]
    losses, shares = zip(*looks, strict=True)
    return {
        "warm_up": warm_up,
        "rounds": len(ordinary),
        "loss": statistics.mean(losses),
        "changed_share": statistics.mean(shares) if case.selection == "greedy" else None,
        "methods": by_method,
    }


def _build(case: Case, method: Method, images: Tensor, device: torch.device) -> tuple[Training, float]:
    network = starting_network(case, device)
    _wait(device)
    begin = time.perf_counter()
    make_slots_(network, case, method)
    network(images)
    _wait(device)
    return Training(network, case.settings(method)), time.perf_counter() - begin


def _warm_up(training: Training, batches: Iterator[Batch], effort: Effort) -> int:
    """Train; the number of steps."""
    end = time.perf_counter() + effort.seconds
    steps = 0
    while steps < effort.warm_up and time.perf_counter() < end:
        training.step(*next(batches))
        steps += 1
    return steps


def _take_turns(
    case: Case, trainings: dict[Method, Training], batches: Iterator[Batch], effort: Effort
) -> dict[Method, list[list[float]]]:
    """By method, the seconds of each step of each of its turns."""
    on_gpu = next(iter(next(batches))).is_cuda
    turn = 20 if on_gpu or case.network == "lenet" else 3
    if case.options == MANY_OPTIONS:  # whose steps take seconds
        turn = 2
    # The slow way needs fewer steps for the same certainty.
    steps = {method: max(1, 2 * turn // case.options) if method == "dense" else turn for method in trainings}
    times: dict[Method, list[list[float]]] = defaultdict(list)
    order = list(trainings)
    end = time.perf_counter() + effort.seconds
    for number in range(effort.rounds):
        if number >= _FEWEST_ROUNDS and time.perf_counter() > end:
            break
        fresh = list(islice(batches, turn))
        for method in order:
            times[method].append(trainings[method].seconds(fresh[: steps[method]]))
        order = [*order[1:], order[0]]
    return times


def _look(training: Training, case: Case, batch: Batch) -> tuple[float, float]:
    """Train one step: its loss, and the share of connections whose weight changes."""
    if case.selection != "greedy":  # a sample changes anyway
        return float(training.step(*batch)), 0.0
    before = _choices(training)
    loss = float(training.step(*batch))
    after = _choices(training)
    changed = sum(int((one != other).sum()) for one, other in zip(before, after, strict=True))
    return loss, changed / sum(choice.numel() for choice in before)


def _choices(training: Training) -> list[Tensor]:
    return [one.selector.choice(one.trained) for one in slot_machines(training.network)]


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()
