"""Slot machines beside the methods of other papers: accuracy, connections that change, and bits to store."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

import pandas as pd

from slotmachines.methods import METHODS, RIVALS
from slotpipeline.analysis.cell_results import CellResult, by_options, plain
from slotpipeline.analysis.comparisons import Pairs, each_against, label, slot_machines_against_learned
from slotpipeline.analysis.evidence import Evidence, Quantity, Values, accuracy, tally
from slotpipeline.analysis.text import number, percent
from slotpipeline.experiments.experiment import Experiment, Group, Measure, Parameters, networks_of
from slotpipeline.results.read import Results
from slotpipeline.runs.authors_recipes import AUTHORS_RECIPES
from slotpipeline.runs.cell import ByRecipe, Cell, Config, cell_run

AUTHORS: Mapping[str, str] = {"ivan-florian": "Ivan and Florian", "zhou": "Zhou et al."}
"""Recipes of rivals that say how learned weights are trained beside them -> their authors."""

CONNECTIVITIES = ("free_pruning", "min_pruning", "free_flipping", "min_flipping")
"""The methods of Ivan and Florian, of which they count the connections that change."""

ALTERED = Quantity("connections altered, %")
BITS = Quantity("bits per connection")
FEWEST = Quantity("fewest altered for 90% of learned, %")
CHANGE_GOAL = 0.9
"""Of the accuracy of learned weights, which Ivan and Florian ask for."""


class ByAuthors(ByRecipe):
    """Learned weights, trained by the recipe of a rival's authors."""

    @property
    def words(self) -> str:
        return f"as {AUTHORS[self.by]} train them"


# What the experiments measure


def altered_shares(results: Results, identities: Iterable[str]) -> pd.Series[float]:
    """Identity -> share of the connections that are not used as they were drawn, at the best epoch on validation."""
    shares = results.altered_shares
    return shares[shares.index.isin(list(identities))]


def stored_bits(results: Results, found: Sequence[CellResult]) -> Measure:
    """The share of the connections that a result alters, and the bits per connection that it takes."""

    def measure(result: CellResult) -> Values:
        altered = float(altered_shares(results, result.identities).mean())
        bits = METHODS[result.method].bits(result.options, altered)
        # A mask of which this was not recorded takes an unknown number of bits; other results have no mask.
        is_known = result.method not in RIVALS or not math.isnan(altered)
        return {ALTERED: 100 * altered, BITS: bits if is_known else math.nan}

    return measure


def _changed(results: Results, found: Sequence[CellResult]) -> Measure:
    learned = {result.network: result.mean for result in found if result.method == "learned"}

    def measure(result: CellResult) -> Values:
        curves = results.curves[results.curves["identity"].isin(result.identities)]
        enough = curves[curves["test_accuracy"] >= CHANGE_GOAL * learned[result.network]]
        fewest = enough.groupby("identity")["altered_share"].min()
        return {
            ALTERED: float(100 * altered_shares(results, result.identities).mean()),
            # The mean over the seeds says something only if all of them get there.
            FEWEST: float(100 * fewest.mean()) if len(fewest) == result.n else math.nan,
        }

    return measure


# Slot machines among their rivals


def _rivals_cells(config: Config, parameters: Parameters) -> Iterator[Cell]:
    for pair in networks_of(config, parameters):
        yield from (Cell(*pair, "greedy", options) for options in parameters["options"])
        yield Cell(*pair, "learned", None)
        yield from (Cell(*pair, "learned", None, ByAuthors(recipe)) for recipe in AUTHORS)
        yield from (Cell(*pair, rival, None) for rival in RIVALS)
        yield Cell(*pair, "random", None)


def _rivals_pairs(found: list[CellResult]) -> Pairs:
    """Slot machines against learned weights; and each rival against the slot machine with the most options."""
    yield from slot_machines_against_learned(found)
    slots = by_options(plain(found, "greedy"))
    yield from each_against(_of_rivals(found), slots[-1] if slots else None)


def authors_epochs(result: CellResult, config: Config) -> int:
    """For how many epochs the authors of its method train such a network: their recipe, not shortened by the grid."""
    return cell_run({"recipe": config["recipe"]}, result.cell, 0).settings.epochs


def shortened(result: CellResult, config: Config) -> str:
    """The share of its authors' epochs that a cell was given; blank where it was given all of them."""
    ours, theirs = result.run.settings.epochs, authors_epochs(result, config)
    return "" if ours == theirs else f"{ours} of its authors' {theirs} epochs"


def _of_rivals(found: list[CellResult]) -> list[CellResult]:
    return [result for result in found if result.method in RIVALS]


def _rivals_sentences(here: Evidence) -> list[str]:
    """All that were run, the most accurate first; and how the rivals compare with the slot machine."""
    ranked = sorted(here.found, key=lambda result: -result.mean)
    cells = [f"{label(one)} {accuracy(one)}" for one in ranked]
    budgets = [shortened(one, here.config) for one in ranked]
    listed = (f"{cell}, {budget}" if budget else cell for cell, budget in zip(cells, budgets, strict=True))
    text = ["from the most to the least accurate: " + "; ".join(listed)]
    against = [one for one in here.comparisons if one.first.method in RIVALS]
    if against:
        short = any(shortened(one.first, here.config) for one in against)
        budget = ", at the epochs named above and not at their authors' full ones" if short else ""
        text.append(f"rivals against the slot machine{budget}: {tally(against)}")
    return text


RIVALS_EXPERIMENT = Experiment(
    name="rivals",
    group=Group.RIVALS,
    title="Slot machines among their rivals",
    description="Slot machines and learned weights beside the methods that keep, drop or flip random weights.",
    claim="Selecting among K values beats choosing which random connections to keep (supermasks, edge-popup) on "
    "the convolutional networks. Here also are connectivity pruning and flipping, which the paper does not run, "
    "and the lottery ticket, whose weights are trained.",
    cells=_rivals_cells,
    pairs=_rivals_pairs,
    measure=stored_bits,
    sentences=_rivals_sentences,
    figure="rivals.py",
)


# How many connections have to change


def _connections_changed_cells(config: Config, parameters: Parameters) -> Iterator[Cell]:
    """What pruning and flipping reach, and learned weights in the same settings."""
    for pair in networks_of(config, parameters):
        yield from (Cell(*pair, method, None) for method in CONNECTIVITIES)
        yield Cell(*pair, "learned", None, ByAuthors(AUTHORS_RECIPES[CONNECTIVITIES[0]]))


def _connections_changed_pairs(found: list[CellResult]) -> Pairs:
    """Pruning and flipping against learned weights in the same settings."""
    learned = (result for result in found if result.method == "learned")
    yield from each_against(_of_rivals(found), next(learned, None))


def _connections_changed_sentences(here: Evidence) -> list[str]:
    """How many connections each method alters, and how few give 90% of the accuracy of learned weights."""
    text = [f"{label(result)} reach {accuracy(result)}" for result in here.found if result.method == "learned"]
    for one in here.measured:
        if one.result.method in RIVALS:
            altered = "with a share of altered connections that was not recorded"
            if ALTERED in one.values:
                altered = f"with {percent(one.values[ALTERED])} of the connections altered"
            said = f"{label(one.result)} reaches {accuracy(one.result)} {altered}"
            if FEWEST in one.values:
                said += f"; 90% of the learned accuracy with {percent(one.values[FEWEST])}"
            text.append(said)
    return text


CONNECTIONS_CHANGED = Experiment(
    name="connections-changed",
    group=Group.RIVALS,
    title="How many connections have to change?",
    description="Accuracy of pruning and flipping against the share of connections that they change.",
    claim="Ivan and Florian (2020): pruning or flipping less than 10% of the connections of a random network "
    "already gives more than 90% of the accuracy of weights trained in the usual way.",
    cells=_connections_changed_cells,
    pairs=_connections_changed_pairs,
    measure=_changed,
    sentences=_connections_changed_sentences,
    figure="connections_changed.py",
    is_the_papers=False,
    has_options=False,
)


# Bits per connection


def _bits_cells(config: Config, parameters: Parameters) -> Iterator[Cell]:
    """Everything that was compared, by how many bits per connection its result takes."""
    for pair in networks_of(config, parameters):
        yield Cell(*pair, "random", None)
        yield from (Cell(*pair, "greedy", options) for options in parameters["options"])
        yield from (Cell(*pair, rival, None) for rival in RIVALS)
        yield Cell(*pair, "learned", None)


def _bits_sentences(here: Evidence) -> list[str]:
    """What each result takes, from the fewest bits to the most."""
    ranked = sorted((one for one in here.measured if BITS in one.values), key=lambda one: one.values[BITS])
    unknown = [label(one.result) for one in here.measured if BITS not in one.values]
    text = [
        f"{label(one.result)}: {accuracy(one.result)} with {number(one.values[BITS], '.3g')} bits per connection"
        for one in ranked
    ]
    return text + ([f"the altered connections of {', '.join(unknown)} were not recorded"] if unknown else [])


BITS_EXPERIMENT = Experiment(
    name="bits",
    group=Group.RIVALS,
    title="What does a connection cost to keep?",
    description="Accuracy of all methods against the bits per connection that their results take.",
    claim="A trained weight takes 32 bits. Next to a seed, a choice among K values takes log2 K bits, and a mask "
    "or a flip at most one. No paper draws accuracy against that.",
    cells=_bits_cells,
    measure=stored_bits,
    sentences=_bits_sentences,
    figure="bits.py",
    is_the_papers=False,
)
