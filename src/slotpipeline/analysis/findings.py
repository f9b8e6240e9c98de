"""Sentences that say what our runs found, written from the numbers alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import fmean, linear_regression
from typing import Any

import pandas as pd

from slotmachines.methods import RIVALS
from slotmachines.networks.names import network_label
from slotpipeline.analysis.comparisons import (
    Comparison,
    comparisons,
    interval_text,
    is_best_rate,
    label,
    only,
    plain,
    seeded,
)
from slotpipeline.analysis.measures import ALTERED, OPERATIONS, STEP_TIME
from slotpipeline.analysis.statistics import t_interval
from slotpipeline.data.datasets import dataset_label
from slotpipeline.experiments.registry import GROWS, unvaried
from slotpipeline.reporting.tables import by_network, number, rows_of
from slotpipeline.results.read import Results


@dataclass(frozen=True)
class Evidence:
    """What is known of one network in one experiment.

    Attributes:
        rows: of the experiment's table, those that were run.
        found: the comparisons of these rows.
        measured: what the experiment measures beside accuracy.
        config: of the grid.
    """

    rows: list[Any]
    found: list[Comparison]
    measured: pd.DataFrame
    config: Mapping[str, Any]

    @property
    def measured_rows(self) -> list[tuple[Any, Any]]:
        """Each row with what was measured in it."""
        return [(row, self.measured.loc[row.Index].dropna()) for row in self.rows if row.Index in self.measured.index]


Finder = Callable[[Evidence], list[str]]


def accuracy(row: Any) -> str:
    """Mean accuracy and the number of seeds behind it."""
    return f"{number(row.mean)}% (n = {row.n})"


def compared(found: Comparison, name: str) -> str:
    """How a cell lies to another, called `name`: the difference, its 95% interval and whether it is significant."""
    mean = found.difference.mean
    text = f"{number(abs(mean))} points {'above' if mean > 0 else 'below'} {name}"
    text = text if round(mean, 2) else f"level with {name}"
    if found.difference.interval is None:
        return f"{text} (no interval: too few seeds, or seeds that do not differ)"
    how = f"paired over {found.difference.pairs} seeds" if found.difference.pairs else "not paired"
    of = f" after correction for {found.tested} comparisons" if found.tested > 1 else ""
    sure = "significant" if is_significant(found) else "not significant"
    return f"{text} (95% interval {interval_text(found.difference)}, {how}; {sure}{of})"


def is_significant(found: Comparison) -> bool:
    """Whether a difference is significant at 5%, after correction."""
    return found.corrected is not None and found.corrected < 0.05


def tally(found: list[Comparison]) -> str:
    """How many of some differences are significant."""
    tested = [one for one in found if one.corrected is not None]
    if not tested:
        return f"none of {len(found)} differences can be tested yet"
    sure = sum(map(is_significant, tested))
    return f"{sure} of {len(tested)} differences that can be tested are significant after correction"


def with_(found: list[Comparison], row: Any) -> list[Comparison]:
    """The comparisons of one cell."""
    return [one for one in found if one.first.Index == row.Index]


def random_vs_selected(here: Evidence) -> list[str]:
    """Random weights against the best choice between few; alone, where no choice was run."""
    text = [
        f"untrained random weights reach {accuracy(one.second)}; a choice between K = {one.first.options} of them "
        f"{accuracy(one.first)}, {compared(one, 'that')}"
        for one in here.found
    ]
    return text or [f"untrained random weights reach {accuracy(row)}" for row in here.rows if row.method == "random"]


def k_sweep(here: Evidence) -> list[str]:
    """Every K; the highest mean, picked after the runs; and the largest K, which no result picked, against learned."""
    greedy = sorted(plain(here.rows, "greedy"), key=lambda row: row.options)
    if not greedy:
        return []
    text = ["mean test accuracy: " + ", ".join(f"{accuracy(row)} at K = {row.options}" for row in greedy)]
    if len(greedy) > 1:
        best = max(greedy, key=lambda row: row.mean)
        text.append(f"the highest mean is that of K = {best.options}, {accuracy(best)}, picked after the runs")
    learned = only(here.rows, "learned")
    if learned:
        text.append(f"learned weights reach {accuracy(learned)}")
    for one in with_(here.found, greedy[0]) + (with_(here.found, greedy[-1]) if len(greedy) > 1 else []):
        text.append(f"K = {one.first.options} ends {compared(one, 'learned weights')}")
    return text


def selection(here: Evidence) -> list[str]:
    """Greedy against probabilistic, K by K."""
    return [
        f"at K = {one.first.options} greedy selection ends {compared(one, 'probabilistic selection')}"
        for one in here.found
    ]


def cost(here: Evidence) -> list[str]:
    """What each reaches in the end, and what that costs."""
    text = []
    for row, values in here.measured_rows:
        counted, timed = "operations that were not counted", "a time that was not measured"
        if OPERATIONS in values:
            counted = f"{_power_of_ten(1e12 * values[OPERATIONS])} operations"
        if STEP_TIME in values:
            timed = f"the time of {number(values[STEP_TIME] * row.epochs, '.0f')} epochs of ordinary training"
        text.append(f"{label(row)} ends at {accuracy(row)} after {counted}, in {timed}")
    return text


def _power_of_ten(value: float) -> str:
    mantissa, exponent = f"{value:.2e}".split("e")
    return f"{mantissa} x 10^{int(exponent)}"


def finetune(here: Evidence) -> list[str]:
    """Finetuned against the slot machine and against training from scratch."""
    text = []
    for row in here.rows:
        if pd.isna(row.start_epoch):
            continue
        against = [compared(one, _role(one.second)) for one in with_(here.found, row)]
        when = f"after {row.start_epoch} of {row.epochs} epochs"
        said = f"finetuned from K = {row.options} {when} it reaches {accuracy(row)}"
        text.append(", ".join([said, " and ".join(against)]) if against else said)
    return text


def finetune_checkpoints(here: Evidence) -> list[str]:
    """The earliest and the latest start, the trend over all, and how many differ from training from scratch."""
    text = []
    finetuned = [row for row in here.rows if not pd.isna(row.start_epoch)]
    for options in sorted({row.options for row in finetuned}):
        starts = sorted((row for row in finetuned if row.options == options), key=lambda row: row.start_epoch)
        first, last = starts[0], starts[-1]
        text.append(
            f"K = {options}: finetuned from epoch {first.start_epoch} it ends at {accuracy(first)}, from epoch "
            f"{last.start_epoch} at {accuracy(last)}"
        )
        text += trend(starts)
        chosen = [one for one in here.found if one.first.options == options]
        text.append(f"against training from scratch, {tally(chosen)}")
    return text


def trend(starts: list[Any]) -> list[str]:
    """The slope of the final accuracy against the epoch at which finetuning starts: a line per seed, their mean."""
    seeds = sorted(set.intersection(*(set(row.seeds) for row in starts)))
    if len(starts) < 3 or len(seeds) < 2:
        return []
    epochs = [row.start_epoch for row in starts]
    slopes = [linear_regression(epochs, [seeded(row)[seed] for row in starts]).slope * 100 for seed in seeds]
    interval = t_interval(slopes)
    if interval is None:
        return []
    low, high = (number(edge, "+.2f") for edge in interval)
    return [
        f"a start 100 epochs later changes the final accuracy by {number(fmean(slopes), '+.2f')} points (slope per "
        f"seed, 95% interval over {len(seeds)} seeds {low} to {high})"
    ]


def variants(here: Evidence) -> list[str]:
    """Every variant against the plain slot machine with as many options."""
    return [
        f"K = {one.first.options}, {one.first.variant}: {accuracy(one.first)}, {compared(one, 'own values')}"
        for one in here.found
    ]


def rivals(here: Evidence) -> list[str]:
    """All that were run, the most accurate first; and how the rivals compare with the slot machine."""
    ranked = sorted(here.rows, key=lambda row: -row.mean)
    text = ["from the most to the least accurate: " + "; ".join(f"{label(row)} {accuracy(row)}" for row in ranked)]
    against = [one for one in here.found if one.first.method in RIVALS]
    return text + ([f"rivals against the slot machine: {tally(against)}"] if against else [])


def connections_changed(here: Evidence) -> list[str]:
    """How many connections each method alters, and how few give 90% of the accuracy of learned weights."""
    text = [f"{label(row)} reach {accuracy(row)}" for row in here.rows if row.method == "learned"]
    for row, values in here.measured_rows:
        if row.method in RIVALS:
            said = f"{label(row)} reaches {accuracy(row)} with {_percent(values.iloc[0])} of the connections altered"
            reached = f"; 90% of the learned accuracy with {_percent(values.iloc[1])}" if len(values) > 1 else ""
            text.append(said + reached)
    return text


def series(here: Evidence) -> list[str]:
    """The accuracy of each variant, and how many differ from the first."""
    text = [", ".join(f"{row.variant}: {accuracy(row)}" for row in here.rows)]
    if here.found:
        text.append(f"against {here.found[0].second.variant}, {tally(here.found)}")
    return text


def signs(here: Evidence) -> list[str]:
    """The accuracy of each probability of a positive weight; and in which networks no connection was altered."""
    untouched = [row.variant for row, values in here.measured_rows if values.get(ALTERED) == 0]
    text = series(here)
    if untouched:
        text.append(
            f"not one connection is altered at {', '.join(untouched)}: mostly negative weights silence rectified "
            "units, and no score has a gradient then (docs/rivals.md)"
        )
    return text


def bits(here: Evidence) -> list[str]:
    """What each result takes, from the fewest bits to the most."""
    ranked = sorted(here.measured_rows, key=lambda pair: pair[1]["bits per connection"])
    return [
        f"{label(row)}: {accuracy(row)} with {number(values['bits per connection'], '.3g')} bits per connection"
        for row, values in ranked
    ]


def vgg(here: Evidence) -> list[str]:
    """Each comparison of learned, selected and finetuned."""
    return [f"{label(one.first)} ({accuracy(one.first)}) ends {compared(one, _role(one.second))}" for one in here.found]


def recipe_study(here: Evidence) -> list[str]:
    """The two recipes against the paper, the largest differences, how many are significant, what came closest."""
    text = [
        f"recipe {row.variant} reaches {accuracy(row)} at K = {row.options}"
        + ("" if pd.isna(row.difference) else f", {number(row.difference, '+.2f')} points from the paper")
        for row in here.rows
        if " + " not in row.variant
    ]
    for options in sorted({one.first.options for one in here.found}):
        chosen = sorted(
            (one for one in here.found if one.first.options == options), key=lambda one: -abs(one.difference.mean)
        )
        largest = [
            f"{one.first.variant} {number(one.difference.mean, '+.2f')}"
            + (" (significant)" if is_significant(one) else "")
            for one in chosen[:4]
        ]
        text.append(f"the largest changes at K = {options}, in points: {'; '.join(largest)}")
        text.append(f"at K = {options}, {tally(chosen)}")
    for options in sorted({row.options for row in here.rows}):
        judged = [row for row in here.rows if row.options == options and not pd.isna(row.difference)]
        judged.sort(key=lambda row: abs(row.difference))
        if judged:
            nearest = [f"{row.variant} ({number(row.difference, '+.2f')}, n = {row.n})" for row in judged[:3]]
            text.append(f"closest to the paper at K = {options}, in points: {', '.join(nearest)}")
    if here.rows:
        left = unvaried(here.config, here.config["experiments"]["recipe-study"], here.rows[0].network)
        text += [f"the recipes also differ in {', '.join(left)}, which is not varied"] if left else []
    return text


def large_k(here: Evidence) -> list[str]:
    """Each K against the smallest: by the recipe, at the rate best on validation, with a growing score range."""
    recipe = sorted(plain(here.rows, "greedy"), key=lambda row: row.options)
    text = (
        ["by the recipe " + ", ".join(f"K = {row.options} reaches {accuracy(row)}" for row in recipe)] if recipe else []
    )
    for one in here.found:
        row, base = one.first, one.second
        if base.options != row.options:
            how = {"": "by the recipe", GROWS: "with a score range that grows"}.get(
                row.variant, f"at {row.variant}, best on validation,"
            )
            text.append(f"K = {row.options} {how} ends {compared(one, f'K = {base.options}')}")
        elif row.variant == GROWS or is_best_rate(row, here.rows):
            text.append(f"K = {row.options}, {row.variant} ({accuracy(row)}), ends {compared(one, 'the recipe')}")
    for row in recipe:
        if is_best_rate(row, here.rows):
            text.append(f"K = {row.options}: the recipe's own learning rate is the best one on validation")
    return text


def _role(row: Any) -> str:
    return "the slot machine" if row.method == "greedy" else f"{row.epochs} epochs of training from scratch"


def churn(here: Evidence) -> list[str]:
    """The share of connections that change per epoch, in the first ten epochs and in the last ten."""
    return [
        f"{label(row)}: {_percent(values.iloc[0])} of the connections change their best option per epoch in the first "
        f"ten epochs, {_percent(values.iloc[1])} in the last ten (n = {row.n})"
        for row, values in here.measured_rows
    ]


def selected_weights(here: Evidence) -> list[str]:
    """Mean magnitude of the selected weights, and the share of them in the outer tenth of the range, layer by layer."""
    text, missing = [], []
    for row, values in here.measured_rows:
        if values.empty:
            missing.append(f"the weights that K = {row.options} selects were not kept")
            continue
        pairs = zip(values.index[::2], values.iloc[::2], values.iloc[1::2], strict=True)
        layers = [
            f"{name.partition(':')[0]} {number(mean)} ({number(outer, '.0f')}% beyond 0.9 b)"
            for name, mean, outer in pairs
        ]
        text.append(f"mean abs(w)/b of what K = {row.options} selects: " + ", ".join(layers))
    if text:
        text.append("of all options it is 0.50 (10% beyond 0.9 b)")
    return text + missing


def _percent(value: float) -> str:
    return f"{number(value, '.2g')}%"


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
    "connections-changed": connections_changed,
    "signs": signs,
    "initial-weights": series,
    "bits": bits,
}


def findings(
    results: Results, experiment: str, table: pd.DataFrame, measured: pd.DataFrame
) -> list[tuple[str, list[str]]]:
    """What we found in an experiment: each network with its statements; one without the needed runs says so.

    Args:
        table, measured: of the experiment, see `experiment_table` and `measures`.
    """
    found = comparisons(experiment, table)
    by_place = []
    for dataset, network, part in by_network(table):
        rows = [row for row in rows_of(part) if row.n]
        here = Evidence(rows, [one for one in found if one.first.network == network], measured, results.config)
        said = FINDINGS[experiment](here) if rows else []
        place = f"{network_label(network)} on {dataset_label(dataset)}"
        by_place.append((place, said or ["not enough runs yet to say anything"]))
    return by_place
