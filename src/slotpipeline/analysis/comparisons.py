"""How far two cells of an experiment lie apart, and how sure their difference is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from slotpipeline.analysis.cell_results import CellResult, only, plain
from slotpipeline.analysis.pooled_variance import Pool, pool
from slotpipeline.analysis.statistics import Difference, compare_means, holm, interval_and_p
from slotpipeline.analysis.text import method_name

Pairs = Iterator[tuple[CellResult, CellResult]]


FEWEST = 5
"""Seeds from which on an effect size is given, and a difference that is not significant is called so."""


@dataclass(frozen=True)
class Comparison:
    """The difference of two cells, first minus second, in points of accuracy.

    Attributes:
        first, second: their results.
        difference: with interval and p-value; without, where seeds of either cell collapsed.
        corrected: the p-value corrected for all comparisons of the experiment that can be tested (Holm 1979).
        tested: how many those are.
        pooled: number of cells whose common spread interval and p-value rest on; 0 where they rest on the pair alone.
    """

    first: CellResult
    second: CellResult
    difference: Difference
    corrected: float | None
    tested: int
    pooled: int = 0

    @property
    def n(self) -> int:
        """How many pairs it is the mean of; of independent samples, the size of the smaller one."""
        return self.difference.pairs or min(self.first.n, self.second.n)

    @property
    def is_small(self) -> bool:
        """Whether it has too few seeds for an effect size, or for saying that two cells are alike."""
        return self.n < FEWEST

    @property
    def effect(self) -> float | None:
        """Its effect size; None below five seeds, which say little of how much seeds vary."""
        return None if self.is_small else self.difference.effect

    @property
    def is_significant(self) -> bool:
        """Whether the difference is significant at 5%, after correction."""
        return self.corrected is not None and self.corrected < 0.05


def compare(pairs: Iterable[tuple[CellResult, CellResult]]) -> list[Comparison]:
    """The comparisons of some pairs of finished cells, corrected for how many there are.

    Pairs of cells with fewer than five seeds share their spread with the others of their network, where their own is
    not larger (`pooled_variance`).
    """
    pairs = list(pairs)
    pools = _pools(pairs)
    differences = [_difference(first, second, pools.get(_key(first))) for first, second in pairs]
    corrected = holm([difference.p_value for difference, _ in differences])
    tested = sum(p is not None for p in corrected)
    return [
        Comparison(first, second, difference, p, tested, pooled)
        for (first, second), (difference, pooled), p in zip(pairs, differences, corrected, strict=True)
    ]


Key = tuple[str, str, tuple[int, ...]]
"""Dataset, network and seeds: what cells of one pool share."""


def _key(result: CellResult) -> Key:
    return result.dataset, result.network, tuple(sorted(result.seeds))


def _pools(pairs: Iterable[tuple[CellResult, CellResult]]) -> dict[Key, tuple[list[CellResult], Pool]]:
    """Of the small cells among some pairs, those that vary alike."""
    groups: dict[Key, list[CellResult]] = {}
    for result in (result for pair in pairs for result in pair):
        group = groups.setdefault(_key(result), [])
        if 1 < result.n < FEWEST and not result.collapsed and result not in group:
            group.append(result)
    found = {key: (group, pool([one.by_seed for one in group])) for key, group in groups.items() if group}
    return {key: (group, pooled) for key, (group, pooled) in found.items() if pooled is not None}


def _difference(
    first: CellResult, second: CellResult, shared: tuple[list[CellResult], Pool] | None
) -> tuple[Difference, int]:
    """The difference of two cells, and how many cells its spread was learned from, if it was pooled."""
    found = compare_means(first.by_seed, second.by_seed)
    if first.collapsed or second.collapsed:
        return replace(found, interval=None, effect=None, p_value=None), 0
    if shared is not None:
        group, pooled = shared
        members = [group[position] for position in pooled.members]
        if first in members and second in members and pooled.covers(first.by_seed, second.by_seed):
            interval, p_value = interval_and_p(found.mean, pooled.error, pooled.freedom)
            return replace(found, interval=interval, p_value=p_value), len(members)
    return found, 0


def each_against(found: Iterable[CellResult], other: CellResult | None) -> Pairs:
    """Each of some results and `other`; no pair where that was not run."""
    if other is not None:
        yield from ((result, other) for result in found)


def slot_machines_against_learned(found: list[CellResult]) -> Pairs:
    """Each plain slot machine against learned weights."""
    yield from each_against(plain(found, "greedy"), only(found, "learned"))


def label(result: CellResult) -> str:
    """What a cell is called beside others of its network."""
    options = "" if result.options is None else f", K = {result.options}"
    return f"{method_name(result.method)}{options}{f', {result.cell.words}' if result.cell.variant else ''}"
