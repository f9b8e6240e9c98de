"""How much seeds vary, learned from all cells of a small study together.

Three seeds say little of the spread of one difference: its t-interval has two degrees of freedom. Cells of one study
that vary alike share one spread. It is the residual of a two-way analysis of variance without interaction, in which
each seed is a block (Fisher 1925): accuracy = cell + seed + residual.

A test of equal spreads with three seeds misses a cell that varies twice as much. So a pair takes the common spread
only where that is the larger one (`Pool.covers`). In simulations of six cells with three seeds, of which one to three
vary two or three times as much, a nominal 5% then was 5 to 7%; by the common spread alone it was 11 to 16%.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev, variance

FEWEST_CELLS = 3
"""Cells that a pool needs at least: two cells have no more than their own differences."""


@dataclass(frozen=True)
class Pool:
    """Cells that share a spread.

    Attributes:
        members: their positions among the cells that were asked about.
        variance: mean square of the residuals, in squared points.
        freedom: degrees of freedom of that.
        seeds: number of seeds in each cell.
    """

    members: frozenset[int]
    variance: float
    freedom: int
    seeds: int

    @property
    def error(self) -> float:
        """Standard error of the difference of two members, in points."""
        return math.sqrt(2 * self.variance / self.seeds)

    def covers(self, first: Mapping[int, float], second: Mapping[int, float]) -> bool:
        """Whether the differences of two members, seed by seed, vary no more than the pool says."""
        return stdev(first[seed] - second[seed] for seed in first) <= self.error * math.sqrt(self.seeds)


def pool(cells: Sequence[Mapping[int, float]], level: float = 0.05) -> Pool | None:
    """The cells that vary alike, and their common spread; None where fewer than three do.

    The cell that varies most leaves the pool as long as Cochran's C test finds it to vary more than the others
    (Cochran 1941; at 5%); each cell that left keeps to its own spread. So does one whose seeds are all equal, such as
    a network that stays at chance: it says nothing of how much others vary.

    Args:
        cells: each as seed -> accuracy, all with the same seeds, of which there are at least two.
    """
    variances = [variance(cell.values()) for cell in cells]
    members = sorted((one for one, spread in enumerate(variances) if spread > 0), key=lambda one: variances[one])
    while len(members) >= FEWEST_CELLS and _varies_more(members, variances, len(cells[0]), level):
        members.pop()
    if len(members) < FEWEST_CELLS:
        return None
    seeds = sorted(cells[0])
    chosen = [cells[one] for one in members]
    mean, means = fmean(fmean(cell.values()) for cell in chosen), [fmean(cell.values()) for cell in chosen]
    blocks = {seed: fmean(cell[seed] for cell in chosen) - mean for seed in seeds}
    squares = sum(
        (cell[seed] - own - blocks[seed]) ** 2 for cell, own in zip(chosen, means, strict=True) for seed in seeds
    )
    freedom = (len(chosen) - 1) * (len(seeds) - 1)
    # Differences of cells that are all alike leave what binary fractions cannot hold.
    return Pool(frozenset(members), squares / freedom, freedom, len(seeds)) if squares > 1e-12 else None


def _varies_more(members: Sequence[int], variances: Sequence[float], seeds: int, level: float) -> bool:
    """Whether the last member varies more than the others: its share of all variances lies above the critical one."""
    from scipy.special import fdtri  # not scipy.stats, which takes five times as long to load

    total, others = sum(variances[one] for one in members), len(members) - 1
    quantile = float(fdtri(seeds - 1, others * (seeds - 1), 1 - level / len(members)))
    return variances[members[-1]] / total > 1 / (1 + others / quantile)
