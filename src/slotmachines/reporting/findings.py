"""Sentences that say what our runs found, written from the numbers alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from slotmachines.reporting.experiments import DATASET_NAMES, NETWORK_NAMES
from slotmachines.reporting.statistics import compare_means
from slotmachines.reporting.table import by_network, number, rows_of


def compared(first: Any, second: Any, name: str) -> str:
    """How the mean of one cell lies to that of another, called `name`, with the 95% interval of the difference."""
    found = compare_means(
        dict(zip(first.seeds, first.accuracies, strict=True)), dict(zip(second.seeds, second.accuracies, strict=True))
    )
    side = "above" if found.mean > 0 else "below"
    text = f"{number(abs(found.mean))} points {side} {name}" if round(found.mean, 2) else f"level with {name}"
    if found.interval is None:
        return f"{text} (too few seeds for an interval)"
    low, high = (number(edge, "+.2f") for edge in found.interval)
    how = f"paired over {found.pairs} seeds" if found.pairs else "not paired"
    return f"{text} (95% interval {low} to {high}, {how})"


def accuracy(row: Any) -> str:
    """Mean accuracy and the number of seeds behind it."""
    return f"{number(row.mean)}% (n = {row.n})"


def only(rows: list[Any], method: str, variant: str = "", options: Any = None) -> Any | None:
    """The row of a method among `rows`, or None where it was not run."""
    same = [row for row in rows if row.method == method and row.variant == variant]
    return next((row for row in same if options is None or row.options == options), None)


def random_vs_selected(rows: list[Any]) -> list[str]:
    """Random weights against the best choice between few."""
    random = only(rows, "random")
    return [
        f"untrained random weights reach {accuracy(random)}, a choice between K = {row.options} of them {accuracy(row)}"
        for row in rows
        if random and row.method == "greedy"
    ]


def k_sweep(rows: list[Any]) -> list[str]:
    """The highest mean; and the largest K, which no result picked, against the smallest and against trained weights."""
    greedy = sorted((row for row in rows if row.method == "greedy"), key=lambda row: row.options)
    learned = only(rows, "learned")
    if not greedy:
        return []
    smallest, largest = greedy[0], greedy[-1]
    found = [f"K = {largest.options} reaches {accuracy(largest)}"]
    if smallest is not largest:
        found.append(f"K = {smallest.options} ends {compared(smallest, largest, 'that')}")
    best = max(greedy, key=lambda row: row.mean)
    if best is not largest:
        found.append(f"the highest mean is that of K = {best.options}, {accuracy(best)}, picked after the runs")
    if learned:
        against = compared(largest, learned, "them")
        found.append(f"learned weights reach {accuracy(learned)}, and K = {largest.options} ends {against}")
    return found


def selection(rows: list[Any]) -> list[str]:
    """Greedy against probabilistic, K by K."""
    pairs = [(row, only(rows, "probabilistic", options=row.options)) for row in rows if row.method == "greedy"]
    return [
        f"at K = {greedy.options} greedy selection ends {compared(greedy, sampled, 'probabilistic selection')}"
        for greedy, sampled in pairs
        if sampled
    ]


def finetune(rows: list[Any]) -> list[str]:
    """Finetuned against the slot machine and against training from scratch."""
    found = []
    for row in rows:
        if row.variant != "finetuned":
            continue
        slot = only(rows, "greedy", options=row.options)
        learned = only(rows, "learned", variant="equal-epochs") or only(rows, "learned")
        against = [compared(row, slot, "the slot machine")] if slot else []
        against += [compared(row, learned, "training from scratch")] if learned else []
        text = f"finetuned from K = {row.options}, {row.epochs} epochs in total give {accuracy(row)}"
        found.append(", ".join([text, " and ".join(against)]) if against else text)
    return found


FINDINGS: dict[str, Callable[[list[Any]], list[str]]] = {
    "random-vs-selected": random_vs_selected,
    "k-sweep": k_sweep,
    "selection": selection,
    "finetune": finetune,
}


def findings(experiment: str, table: pd.DataFrame) -> list[str]:
    """What we found in an experiment, one sentence per network; a network without the needed runs says so."""
    sentences = []
    for dataset, network, part in by_network(table):
        rows = [row for row in rows_of(part) if row.n]
        said = "; ".join(FINDINGS[experiment](rows)) or "not enough runs yet to say anything"
        place = f"{NETWORK_NAMES.get(network, network)} on {DATASET_NAMES.get(dataset, dataset)}"
        sentences.append(f"{place}: {said}.")
    return sentences
