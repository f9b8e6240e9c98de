"""What an experiment's sentences are written from, and the phrases that they share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from slotpipeline.analysis.cell_results import CellResult
from slotpipeline.analysis.comparisons import FEWEST, Comparison
from slotpipeline.analysis.text import interval_text, number
from slotpipeline.runs.cell import Config


@dataclass(frozen=True)
class Quantity:
    """What an experiment measures beside accuracy; `layer` is blank where it belongs to the whole network."""

    name: str
    layer: str = ""

    @property
    def words(self) -> str:
        """The head of its column."""
        return f"{self.layer}: {self.name}" if self.layer else self.name


Values = Mapping[Quantity, float]
"""What was measured in one cell; NaN, or missing, where it could not be."""


@dataclass(frozen=True)
class Measured:
    """One cell that was run, and what was measured in it."""

    result: CellResult
    values: Values


@dataclass(frozen=True)
class Evidence:
    """What is known of one network in one experiment.

    Attributes:
        found: the results of its cells, those that were run.
        comparisons: of these.
        measured: what the experiment measures in each beside accuracy, without what could not be measured.
        config: of the grid.
    """

    found: list[CellResult]
    comparisons: list[Comparison]
    measured: list[Measured]
    config: Config

    def of(self, result: CellResult) -> list[Comparison]:
        """The comparisons of one cell with others."""
        return [one for one in self.comparisons if one.first is result]


def accuracy(result: CellResult) -> str:
    """Mean accuracy and the number of seeds behind it; the single seeds where some of them collapsed."""
    if result.collapsed:
        seeds = ", ".join(number(value) for value in result.accuracies)
        return f"collapsed {result.collapsed} of {result.n} ({seeds}%)"
    return f"{number(result.mean)}% (n = {result.n})"


def compared(one: Comparison, name: str) -> str:
    """How a cell lies to another, called `name`: the difference, its 95% interval and whether it is significant."""
    if one.first.collapsed or one.second.collapsed:
        return f"not compared with {name} by a mean, as single seeds collapsed"
    mean = one.difference.mean
    text = f"{number(abs(mean))} points {'above' if mean > 0 else 'below'} {name}"
    if not round(mean, 2):
        text = f"with the same mean as {name}"
    if one.difference.interval is None:
        return f"{text} (no interval: too few seeds, or seeds that do not differ)"
    how = f"paired over {one.difference.pairs} seeds" if one.difference.pairs else "not paired"
    if one.pooled:
        how += f", spread of {one.pooled} cells"
    of = f" after correction for {one.tested} comparisons" if one.tested > 1 else ""
    return f"{text} (95% interval {interval_text(one.difference.interval, '+.2f')}, {how}; {_sure(one)}{of})"


def _sure(one: Comparison) -> str:
    """Whether a difference is significant. Of few seeds, one that is not is open: it may be there."""
    if one.is_significant:
        return "significant"
    return f"open with {one.n} seeds: not significant" if one.is_small else "not significant"


def tally(found: Iterable[Comparison]) -> str:
    """How many of some differences are significant."""
    found = list(found)
    tested = [one for one in found if one.corrected is not None]
    if not tested:
        return f"none of {len(found)} differences can be tested yet"
    sure = sum(one.is_significant for one in tested)
    text = f"{sure} of {len(tested)} differences that can be tested are significant after correction"
    small = [one.n for one in tested if one.is_small and not one.is_significant]
    if not small:
        return text
    others = "1 other is" if len(small) == 1 else f"{len(small)} others are"
    return f"{text}; {others} open, with fewer than {FEWEST} seeds"
