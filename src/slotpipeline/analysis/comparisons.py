"""Which cells of an experiment are compared with which, and how sure their difference is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from slotmachines.methods import RIVALS
from slotmachines.networks.names import network_label
from slotpipeline.analysis.statistics import Difference, compare_means, holm
from slotpipeline.data.datasets import dataset_label
from slotpipeline.experiments.registry import GROWS, POSITIVE, RATE
from slotpipeline.reporting.tables import DASH, by_network, method_name, number, rows_of

Pairs = Iterator[tuple[Any, Any]]
EQUAL = f"{POSITIVE}0.5"
"""The variant of signs in which both are equally frequent."""


@dataclass(frozen=True)
class Comparison:
    """The difference of two cells, first minus second, in points of accuracy.

    Attributes:
        first, second: rows of the experiment's table.
        difference: with interval, effect size and p-value.
        corrected: the p-value corrected for all comparisons of the experiment that can be tested (Holm 1979).
        tested: how many those are.
    """

    first: Any
    second: Any
    difference: Difference
    corrected: float | None
    tested: int


def plain(rows: list[Any], method: str) -> list[Any]:
    """The rows of a method without any variant."""
    return [row for row in rows if row.method == method and not row.variant]


def only(rows: list[Any], method: str, options: Any = None) -> Any | None:
    """The plain row of a method, or None where it was not run."""
    return next((row for row in plain(rows, method) if options is None or row.options == options), None)


def scratch(rows: list[Any], epochs: int) -> Any | None:
    """Training from scratch for that many epochs, or None where it was not run."""
    return next((row for row in rows if row.method == "learned" and row.epochs == epochs), None)


def _against(rows: list[Any], others: Any | None) -> Pairs:
    if others is not None:
        yield from ((row, others) for row in rows)


def _random(rows: list[Any]) -> Pairs:
    return _against(plain(rows, "greedy"), only(rows, "random"))


def _learned(rows: list[Any]) -> Pairs:
    return _against(plain(rows, "greedy"), only(rows, "learned"))


def _rules(rows: list[Any]) -> Pairs:
    for row in plain(rows, "greedy"):
        yield from _against([row], only(rows, "probabilistic", row.options))


def _finetuned(rows: list[Any]) -> Pairs:
    for row in rows:
        if not pd.isna(row.start_epoch):
            yield from _against([row], only(rows, "greedy", row.options))
            yield from _against([row], scratch(rows, row.epochs))


def _from_checkpoints(rows: list[Any]) -> Pairs:
    for row in rows:
        if not pd.isna(row.start_epoch):
            yield from _against([row], scratch(rows, row.epochs))


def _vgg(rows: list[Any]) -> Pairs:
    yield from _learned(rows)
    yield from _finetuned(rows)


def _variants(rows: list[Any]) -> Pairs:
    """Each variant of a slot machine against the plain one with as many options."""
    for row in rows:
        if row.variant:
            yield from _against([row], only(rows, row.method, row.options))


def _large_k(rows: list[Any]) -> Pairs:
    """Each variant against the recipe at the same K; and what is best at each K against the recipe at the smallest."""
    yield from _variants(rows)
    recipe = sorted(plain(rows, "greedy"), key=lambda row: row.options)
    for row in recipe[1:]:
        yield row, recipe[0]
    for row in rows:
        if recipe and row.options > recipe[0].options and (row.variant == GROWS or is_best_rate(row, rows)):
            yield from _against([row] if row.variant else [], recipe[0])


def is_best_rate(row: Any, rows: list[Any]) -> bool:
    """Whether a cell has the learning rate that is best on validation at its K, of those with equally many seeds."""
    rates = [one for one in rows if one.options == row.options and (not one.variant or one.variant.startswith(RATE))]
    most = max((one.n for one in rates), default=0)
    rates = [one for one in rates if one.n == most]
    return len(rates) > 1 and row.Index == max(rates, key=lambda one: one.val_mean).Index


def _rivals(rows: list[Any]) -> Pairs:
    """Slot machines against learned weights; and each rival against the slot machine with the most options."""
    yield from _learned(rows)
    slots = sorted(plain(rows, "greedy"), key=lambda row: row.options)
    yield from _against([row for row in rows if row.method in RIVALS], slots[-1] if slots else None)


def _altered(rows: list[Any]) -> Pairs:
    """Pruning and flipping against learned weights in the same settings."""
    learned = [row for row in rows if row.method == "learned"]
    yield from _against([row for row in rows if row.method in RIVALS], learned[0] if learned else None)


def _first_variant(rows: list[Any]) -> Pairs:
    """Each cell against the first one of the table."""
    yield from _against(rows[1:], rows[0] if rows else None)


def _signs(rows: list[Any]) -> Pairs:
    """Each probability of a positive weight against signs that are equally frequent."""
    equal = next((row for row in rows if row.variant == EQUAL), None)
    yield from _against([row for row in rows if row.variant != EQUAL], equal)


def _factors(rows: list[Any]) -> Pairs:
    """A recipe with factors of another one against the recipe as it is."""
    for row in rows:
        base = row.variant.partition(" + ")[0]
        if row.variant != base:
            same = [one for one in rows if one.variant == base and one.options == row.options]
            yield from _against([row], same[0] if same else None)


PAIRS: dict[str, Callable[[list[Any]], Pairs]] = {
    "random-vs-selected": _random,
    "k-sweep": _learned,
    "selection": _rules,
    "finetune": _finetuned,
    "finetune-checkpoints": _from_checkpoints,
    "sharing": _variants,
    "rivals": _rivals,
    "connections-changed": _altered,
    "signs": _signs,
    "initial-weights": _first_variant,
    "vgg": _vgg,
    "recipe-study": _factors,
    "large-k": _large_k,
}


def comparisons(experiment: str, table: pd.DataFrame) -> list[Comparison]:
    """The comparisons of an experiment that its runs allow, in the order of its table."""
    pairs = [
        pair
        for _, _, part in by_network(table)
        for pair in PAIRS.get(experiment, lambda rows: iter(()))([row for row in rows_of(part) if row.n])
    ]
    differences = [compare_means(seeded(first), seeded(second)) for first, second in pairs]
    corrected = holm([difference.p_value for difference in differences])
    tested = sum(p is not None for p in corrected)
    return [
        Comparison(first, second, difference, p, tested)
        for (first, second), difference, p in zip(pairs, differences, corrected, strict=True)
    ]


def seeded(row: Any) -> dict[int, float]:
    """Seed -> accuracy of a cell."""
    return dict(zip(row.seeds, row.accuracies, strict=True))


def label(row: Any) -> str:
    """What a cell is called beside others of its network."""
    options = "" if pd.isna(row.options) else f", K = {row.options}"
    return f"{method_name(row.method)}{options}{f', {row.variant}' if row.variant else ''}"


def p_text(p: float | None) -> str:
    """A p-value for readers."""
    if p is None:
        return DASH
    return "< 0.001" if p < 0.001 else number(p, ".3f")


def readable_comparisons(found: list[Comparison]) -> pd.DataFrame:
    """The comparisons as text, one row each."""
    return pd.DataFrame(
        {
            "network": network_label(one.first.network),
            "dataset": dataset_label(one.first.dataset),
            "compared": label(one.first),
            "with": label(one.second),
            "pairs": str(one.difference.pairs) if one.difference.pairs else "not paired",
            "difference": number(one.difference.mean, "+.2f"),
            "95% interval": interval_text(one.difference),
            "effect size": DASH if one.difference.effect is None else number(one.difference.effect, "+.1f"),
            "p": p_text(one.difference.p_value),
            "p, corrected": p_text(one.corrected),
        }
        for one in found
    )


def interval_text(difference: Difference) -> str:
    """The interval of a difference; a dash where there are too few seeds for one."""
    if difference.interval is None:
        return DASH
    return " to ".join(number(edge, "+.2f") for edge in difference.interval)


NOTE = (
    "Differences are in points of test accuracy, with uncorrected intervals. Runs of one seed share the order of the "
    "images and, where they draw the same options, their random values; they are compared as pairs (Student's t; "
    "effect size: the mean of the differences by their standard deviation). Cells without two common seeds are "
    "compared by Welch's t-test (effect size: by the pooled standard deviation). The last column is corrected for all "
    "comparisons of this table (Holm). With three seeds only a difference many times its spread can pass that: one "
    "that does not pass is open, not absent."
)


def comparisons_markdown(experiment: str, table: pd.DataFrame) -> list[str]:
    """The comparisons in Markdown with a note on how they were made; nothing where there are none."""
    found = comparisons(experiment, table)
    if not found:
        return []
    return [readable_comparisons(found).to_markdown(index=False, disable_numparse=True), NOTE]
