"""Sentences that say what our runs found, written from the numbers alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from slotmachines.reporting.comparisons import Comparison, comparisons, interval_text, label, only, plain
from slotmachines.reporting.experiments import DATASET_NAMES, NETWORK_NAMES
from slotmachines.reporting.results import Results
from slotmachines.reporting.table import by_network, number, rows_of

Finder = Callable[[list[Any], list[Comparison], Results], list[str]]


def accuracy(row: Any) -> str:
    """Mean accuracy and the number of seeds behind it."""
    return f"{number(row.mean)}% (n = {row.n})"


def compared(found: Comparison, name: str) -> str:
    """How a cell lies to another, called `name`: the difference, its 95% interval and whether it can be chance."""
    mean = found.difference.mean
    text = f"{number(abs(mean))} points {'above' if mean > 0 else 'below'} {name}"
    text = text if round(mean, 2) else f"level with {name}"
    if found.difference.interval is None:
        return f"{text} (too few seeds for an interval)"
    how = f"paired over {found.difference.pairs} seeds" if found.difference.pairs else "not paired"
    sure = "" if found.corrected is None or found.corrected < 0.05 else "; can be chance"
    return f"{text} (95% interval {interval_text(found.difference)}, {how}{sure})"


def beyond_chance(found: Comparison) -> bool:
    """Whether a difference is significant at 5%, after correction."""
    return found.corrected is not None and found.corrected < 0.05


def with_(found: list[Comparison], row: Any) -> list[Comparison]:
    """The comparisons of one cell."""
    return [one for one in found if one.first.Index == row.Index]


def random_vs_selected(rows: list[Any], found: list[Comparison], results: Results) -> list[str]:
    """Random weights against the best choice between few."""
    return [
        f"untrained random weights reach {accuracy(one.second)}, a choice between K = {one.first.options} of them "
        f"{accuracy(one.first)}"
        for one in found
    ]


def k_sweep(rows: list[Any], found: list[Comparison], results: Results) -> list[str]:
    """Every K; the highest mean, picked after the runs; and the largest K, which no result picked, against learned."""
    greedy = sorted(plain(rows, "greedy"), key=lambda row: row.options)
    if not greedy:
        return []
    text = ["mean test accuracy: " + ", ".join(f"{number(row.mean)}% at K = {row.options}" for row in greedy)]
    if len(greedy) > 1:
        best = max(greedy, key=lambda row: row.mean)
        text.append(f"the highest mean is that of K = {best.options}, {accuracy(best)}, picked after the runs")
    learned = only(rows, "learned")
    if learned:
        text.append(f"learned weights reach {accuracy(learned)}")
    for one in with_(found, greedy[0]) + (with_(found, greedy[-1]) if len(greedy) > 1 else []):
        text.append(f"K = {one.first.options} ends {compared(one, 'learned weights')}")
    return text


def selection(rows: list[Any], found: list[Comparison], results: Results) -> list[str]:
    """Greedy against probabilistic, K by K."""
    return [
        f"at K = {one.first.options} greedy selection ends {compared(one, 'probabilistic selection')}" for one in found
    ]


def cost(rows: list[Any], found: list[Comparison], results: Results) -> list[str]:
    """What each of the compared networks reaches in the end; the figure shows at what cost."""
    return [f"{label(row)} ends at {accuracy(row)} after {row.epochs} epochs" for row in rows]


def finetune(rows: list[Any], found: list[Comparison], results: Results) -> list[str]:
    """Finetuned against the slot machine and against training from scratch."""
    text = []
    for row in rows:
        if pd.isna(row.start_epoch):
            continue
        against = [compared(one, _role(one.second)) for one in with_(found, row)]
        when = f"after {row.start_epoch} of {row.epochs} epochs"
        said = f"finetuned from K = {row.options} {when} it reaches {accuracy(row)}"
        text.append(", ".join([said, " and ".join(against)]) if against else said)
    return text


def finetune_checkpoints(rows: list[Any], found: list[Comparison], results: Results) -> list[str]:
    """The earliest and the latest start, the highest mean, and the rank correlation of start and accuracy."""
    text = []
    finetuned = [row for row in rows if not pd.isna(row.start_epoch)]
    for options in sorted({row.options for row in finetuned}):
        starts = sorted((row for row in finetuned if row.options == options), key=lambda row: row.start_epoch)
        first, last = starts[0], starts[-1]
        text.append(
            f"K = {options}: finetuned from epoch {first.start_epoch} it ends at {accuracy(first)}, from epoch "
            f"{last.start_epoch} at {accuracy(last)}"
        )
        if len(starts) > 2:
            order = pd.Series([row.mean for row in starts]).corr(pd.Series(range(len(starts))), method="spearman")
            text.append(f"rank correlation of the start with the final mean: {number(order, '+.2f')}")
        surely = [one for one in found if one.first.options == options and beyond_chance(one)]
        text.append(f"{len(surely)} of {len(starts)} starts differ from training from scratch beyond chance")
    return text


def variants(rows: list[Any], found: list[Comparison], results: Results) -> list[str]:
    """Every variant against the plain slot machine with as many options."""
    return [
        f"K = {one.first.options}, {one.first.variant}: {accuracy(one.first)}, {compared(one, 'own values')}"
        for one in found
    ]


def rivals(rows: list[Any], found: list[Comparison], results: Results) -> list[str]:
    """Ours, and what others published."""
    return [f"{label(row)} reaches {accuracy(row)}" for row in rows]


def vgg(rows: list[Any], found: list[Comparison], results: Results) -> list[str]:
    """Each comparison of learned, selected and finetuned."""
    return [f"{label(one.first)} ({accuracy(one.first)}) ends {compared(one, _role(one.second))}" for one in found]


def recipe_study(rows: list[Any], found: list[Comparison], results: Results) -> list[str]:
    """The two recipes against the paper, and the differences that are beyond chance, largest first."""
    text = [
        f"recipe {row.variant} reaches {accuracy(row)} at K = {row.options}"
        + ("" if pd.isna(row.difference) else f", {number(row.difference, '+.2f')} points from the paper")
        for row in rows
        if " + " not in row.variant
    ]
    sure = [one for one in found if beyond_chance(one)]
    sure.sort(key=lambda one: -abs(one.difference.mean))
    changes = [
        f"{one.first.variant} changes K = {one.first.options} by {number(one.difference.mean, '+.2f')} points"
        for one in sure
    ]
    if found:
        text.append("beyond chance: " + "; ".join(changes) if changes else "no single change is beyond chance")
    for options in sorted({row.options for row in rows}):
        judged = [row for row in rows if row.options == options and not pd.isna(row.difference)]
        if judged:
            closest = min(judged, key=lambda row: abs(row.difference))
            text.append(
                f"closest to the paper at K = {options}: {closest.variant}, {number(closest.difference, '+.2f')} points"
            )
    return text


def large_k(rows: list[Any], found: list[Comparison], results: Results) -> list[str]:
    """Each K by the recipe, at the learning rate best on validation, and with a growing score range."""
    text = []
    for options in sorted({row.options for row in rows}):
        here = [row for row in rows if row.options == options]
        text += [f"K = {options}: the recipe gives {accuracy(row)}" for row in plain(here, "greedy")]
        rates = [row for row in here if not row.variant or row.variant.startswith("learning rate")]
        if len(rates) > 1:
            best = max(rates, key=lambda row: row.val_mean)
            name = best.variant or "the recipe's learning rate"
            text.append(f"best on validation: {name}, {accuracy(best)}")
            text += [f"that is {compared(one, 'the recipe')}" for one in with_(found, best)]
        for row in here:
            if row.variant == "score range grows":
                said = [compared(one, "the recipe") for one in with_(found, row)]
                text.append(", ".join([f"with a score range that grows with K {accuracy(row)}", *said]))
    return text


def _role(row: Any) -> str:
    return "the slot machine" if row.method == "greedy" else f"{row.epochs} epochs of training from scratch"


def churn(rows: list[Any], found: list[Comparison], results: Results) -> list[str]:
    """The share of connections that change per epoch, in the first ten epochs and in the last ten."""
    text = []
    for row in rows:
        curves = results.curves[results.curves["identity"].isin(row.identities)]
        first = curves[curves["epoch"] <= 10]["changed_share"].mean()
        last = curves[curves["epoch"] > row.epochs - 10]["changed_share"].mean()
        text.append(
            f"{label(row)}: {number(100 * first, '.2g')}% of the connections change their option per epoch in the "
            f"first ten epochs, {number(100 * last, '.2g')}% in the last ten (n = {row.n})"
        )
    return text


def selected_weights(rows: list[Any], found: list[Comparison], results: Results) -> list[str]:
    """Mean magnitude of the selected weights, and the share of them in the outer tenth of the range, layer by layer."""
    text = []
    for row in rows:
        counts = results.selected[results.selected["identity"].isin(row.identities)]
        layers = []
        for layer, part in counts.groupby("layer", sort=False):
            magnitude = (part["bin"] + 0.5) / 20 - 1
            total = part["count"].sum()
            mean = (magnitude.abs() * part["count"]).sum() / total
            outer = part.loc[magnitude.abs() > 0.9, "count"].sum() / total
            layers.append(f"{layer} {number(mean)} ({number(100 * outer, '.0f')}% beyond 0.9 b)")
        if layers:
            text.append(f"mean abs(w)/b of what K = {row.options} selects: " + ", ".join(layers))
    if text:
        text.append("of all options it is 0.50 (10% beyond 0.9 b)")
    return text


FINDINGS: dict[str, Finder] = {
    "random-vs-selected": random_vs_selected,
    "k-sweep": k_sweep,
    "selection": selection,
    "cost": cost,
    "finetune": finetune,
    "finetune-checkpoints": finetune_checkpoints,
    "sharing": variants,
    "rivals": rivals,
    "vgg": vgg,
    "selected-weights": selected_weights,
    "churn": churn,
    "recipe-study": recipe_study,
    "large-k": large_k,
}


def findings(results: Results, experiment: str, table: pd.DataFrame) -> list[tuple[str, list[str]]]:
    """What we found in an experiment: each network with its statements; one without the needed runs says so."""
    found = comparisons(experiment, table)
    by_place = []
    for dataset, network, part in by_network(table):
        rows = [row for row in rows_of(part) if row.n]
        here = [one for one in found if one.first.network == network]
        said = FINDINGS[experiment](rows, here, results) if rows else []
        place = f"{NETWORK_NAMES.get(network, network)} on {DATASET_NAMES.get(dataset, dataset)}"
        by_place.append((place, said or ["not enough runs yet to say anything"]))
    return by_place
