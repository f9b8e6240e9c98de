"""The runs that a registered claim is computed from, known by their identities, and what they give seed by seed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from statistics import fmean, linear_regression, median
from typing import Any

import pandas as pd

from slotpipeline.analysis.statistics import COLLAPSE
from slotpipeline.results.claims import Cells, Claim, Scope, Statistic
from slotpipeline.runs.run import Run, finetuned, make_run, with_seed

PerSeed = Mapping[int, float]

SCHEDULES: Mapping[str, Mapping[str, Any]] = {
    "constant": {"schedule": "constant", "schedule_epochs": []},
    "one cosine to zero": {"schedule": "warm-restarts", "schedule_epochs": []},
}
"""What a claim or a config calls a schedule -> the settings that it stands for."""


@dataclass(frozen=True)
class GridRuns:
    """What a grid recorded.

    `runs` has one row per run, `curves` one per run and epoch, `first_epoch` one per run and measurement within it.
    """

    runs: pd.DataFrame
    curves: pd.DataFrame
    first_epoch: pd.DataFrame

    @cached_property
    def _accuracies(self) -> Mapping[str, tuple[float, float]]:
        """Identity -> test and validation accuracy."""
        columns = (self.runs["identity"], self.runs["test_accuracy"], self.runs["val_accuracy"])
        return {str(identity): (float(test), float(val)) for identity, test, val in zip(*columns, strict=True)}

    @cached_property
    def _curves(self) -> Mapping[str, pd.DataFrame]:
        return {str(identity): part.sort_values("epoch") for identity, part in self.curves.groupby("identity")}

    def curve(self, run: Run) -> pd.DataFrame:
        """One row per epoch of a run; empty where it is not recorded."""
        return self._curves.get(run.identity, self.curves.head(0))

    def from_the_start(self, run: Run) -> pd.DataFrame:
        """What a run measured within its first epoch, and after each: columns val_accuracy and altered_share."""
        early = self.first_epoch[self.first_epoch["identity"] == run.identity].sort_values("step")
        columns = ["val_accuracy", "altered_share"]
        parts = [part[columns] for part in (early, self.curve(run)) if len(part)]
        return pd.concat(parts, ignore_index=True) if parts else self.curves.head(0)[columns]

    def finished(self, runs: Sequence[Run]) -> list[Run]:
        """Those of the runs that are recorded."""
        return [run for run in runs if run.identity in self._accuracies]

    def test_accuracy(self, runs: Sequence[Run]) -> PerSeed:
        """Seed -> test accuracy in percent, of the runs that are recorded."""
        return {run.seed: self._accuracies[run.identity][0] for run in self.finished(runs)}

    def validation_accuracy(self, runs: Sequence[Run]) -> PerSeed:
        """Seed -> validation accuracy in percent, of the runs that are recorded."""
        return {run.seed: self._accuracies[run.identity][1] for run in self.finished(runs)}

    def late_mean(self, runs: Sequence[Run], column: str) -> PerSeed:
        """Seed -> mean of a column of the curve over the last tenth of the epochs, where the curve has it."""
        found = {}
        for run in runs:
            curve = self.curve(run)
            if column in curve:
                values = curve[curve["epoch"] > 0.9 * run.settings.epochs][column].dropna()
                if len(values):
                    found[run.seed] = float(values.mean())
        return found


@dataclass(frozen=True)
class Sample:
    """One part of a claim: a value per seed.

    Attributes:
        name: such as "K = 8"; blank where a claim has one part.
        values: seed -> the statistic, of the seeds that have all that it takes.
        runs: the planned runs that it is computed from.
        decides: whether the claim's verdict depends on it; otherwise it is only shown.
        failures: how many runs failed; None where the claim does not count failures.
        note: what the values do not say.
    """

    name: str
    values: PerSeed
    runs: Sequence[Run]
    decides: bool = True
    failures: int | None = None
    note: str = ""


def runs_of(scope: Scope, cell: Cells, seeds: Sequence[int], changes: Mapping[str, Any] | None = None) -> list[Run]:
    """The runs of one cell of a claim, one per seed; `changes`: further settings in place of the recipe's."""
    assert isinstance(cell.method, str)
    settings = {name: getattr(cell, name) for name in ("sharing", "weights", "positive_share")}
    run = make_run(
        network=scope.network,
        dataset=scope.dataset,
        method=cell.method,
        options=cell.options[0] if cell.options else None,
        seed=0,
        recipe=cell.recipe or scope.recipe,
        changes={name: value for name, value in settings.items() if value is not None} | dict(changes or {}),
    )
    if cell.finetuned_from is not None:
        run = finetuned(run, cell.finetuned_from)
    return [with_seed(run, seed) for seed in seeds]


def single_cells(cells: Cells) -> Iterator[tuple[str, Cells]]:
    """Every single cell, with a short name of what its lists distinguish; blank where there is one cell."""
    methods = cells.method if isinstance(cells.method, list) else [cells.method]
    shares = cells.positive_share if isinstance(cells.positive_share, list) else [cells.positive_share]
    for method, options, share in product(methods, [[one] for one in cells.options] or [[]], shares):
        names = [
            method if len(methods) > 1 else "",
            f"K = {options[0]}" if len(cells.options) > 1 else "",
            f"P(+) = {share:g}" if len(shares) > 1 and share is not None else "",
        ]
        one = replace(cells, method=method, options=options, positive_share=share)
        yield ", ".join(filter(None, names)), one


def samples(claim: Claim, scope: Scope, seeds: Sequence[int], grid: GridRuns) -> list[Sample]:
    """What a claim that compares cells is computed from, part by part."""
    return list(_STATISTICS[claim.kind](claim, scope, seeds, grid))


def _differences(claim: Claim, scope: Scope, seeds: Sequence[int], grid: GridRuns) -> Iterator[Sample]:
    """Accuracy of each cell less that of its counterpart, on the seeds that both have."""
    for name, cell in single_cells(claim.cells):
        ours, theirs = runs_of(scope, cell, seeds), _counterpart(claim, scope, cell, seeds, grid)
        first, second = grid.test_accuracy(ours), grid.test_accuracy(theirs)
        note = "" if theirs else "the baseline has not been chosen yet"
        failures = _failures(first, second) if claim.counts_failures else None
        yield Sample(name, _less(first, second), [*ours, *theirs], failures=failures, note=note)


def _counterpart(claim: Claim, scope: Scope, cell: Cells, seeds: Sequence[int], grid: GridRuns) -> list[Run]:
    """The runs that a cell is compared with; no run where a tuned baseline has not been chosen yet."""
    assert claim.less is not None
    # The same K where both have it, and otherwise the one K that the claim compares with.
    shared = [options for options in cell.options if options in claim.less.options]
    other = replace(claim.less, options=shared or claim.less.options)
    if claim.tuning is not None:
        best = best_of_tuning(claim, scope, grid)
        return [] if best is None else runs_of(scope, other, seeds, best)
    if cell.finetuned_from is not None:
        # Training from scratch has as many epochs as the slot machine and its finetuning have together.
        return runs_of(scope, other, seeds, {"epochs": runs_of(scope, cell, seeds)[0].settings.epochs})
    return runs_of(scope, other, seeds)


def _failures(ours: PerSeed, theirs: PerSeed) -> int:
    """How many runs ended more than 10 points below the median of those that they are compared with."""
    return sum(accuracy < median(theirs.values()) - COLLAPSE for accuracy in ours.values()) if theirs else 0


def tuning_changes(claim: Claim) -> list[dict[str, Any]]:
    """The settings among which a tuned baseline is chosen."""
    assert claim.tuning is not None
    every = product(claim.tuning.learning_rate, claim.tuning.weight_decay, claim.tuning.schedule)
    return [{"learning_rate": rate, "weight_decay": decay, **SCHEDULES[name]} for rate, decay, name in every]


def best_of_tuning(claim: Claim, scope: Scope, grid: GridRuns) -> dict[str, Any] | None:
    """The settings with the best mean validation accuracy; None until every candidate has all of its seeds."""
    assert claim.less is not None and claim.tuning is not None
    scored = []
    for changes in tuning_changes(claim):
        found = grid.validation_accuracy(runs_of(scope, claim.less, claim.tuning.seeds, changes))
        if len(found) < len(claim.tuning.seeds):
            return None
        scored.append((fmean(found.values()), changes))
    return max(scored, key=lambda pair: pair[0])[1]


def _mean_differences(claim: Claim, scope: Scope, seeds: Sequence[int], grid: GridRuns) -> Iterator[Sample]:
    """The mean over K of the differences, on the seeds that have every K; each K beside it."""
    parts = list(_differences(claim, scope, seeds, grid))
    common = set.intersection(*(set(part.values) for part in parts))
    means = {seed: fmean(part.values[seed] for part in parts) for seed in sorted(common)}
    yield Sample("mean over K", means, [run for part in parts for run in part.runs])
    yield from (replace(part, decides=False) for part in parts)


def _log_churn(claim: Claim, scope: Scope, seeds: Sequence[int], grid: GridRuns) -> Iterator[Sample]:
    """Logarithm of late churn of the sampled option over late churn of the counterpart; K by K.

    Beside it stands the share of connections that two draws from the same scores would give different options.
    """
    assert claim.over is not None
    for name, cell in single_cells(claim.cells):
        ours, theirs = runs_of(scope, cell, seeds), runs_of(scope, replace(claim.over, options=cell.options), seeds)
        first, second = grid.late_mean(ours, "sampled_changed_share"), grid.late_mean(theirs, "changed_share")
        common = sorted(first.keys() & second.keys())
        still = [seed for seed in common if not (first[seed] > 0 and second[seed] > 0)]
        ratios = {seed: math.log(first[seed] / second[seed]) for seed in common if seed not in still}
        redrawn = grid.late_mean(ours, "redrawn_share")
        notes = [
            f"{len(still)} seeds left out, as nothing changed" if still else "",
            f"drawing again alone changes {100 * fmean(redrawn.values()):.2f}% of the connections" if redrawn else "",
        ]
        yield Sample(name, ratios, [*ours, *theirs], note="; ".join(filter(None, notes)))


def _slopes(claim: Claim, scope: Scope, seeds: Sequence[int], grid: GridRuns) -> Iterator[Sample]:
    """Slope of the final accuracy against the epoch of the hand-over, of the seeds that have every hand-over."""
    every = claim.cells.finetuned_every
    assert every is not None
    for name, cell in single_cells(claim.cells):
        starts = list(range(every, runs_of(scope, cell, seeds)[0].settings.epochs, every))
        runs = [runs_of(scope, replace(cell, finetuned_from=start), seeds) for start in starts]
        ends = [grid.test_accuracy(part) for part in runs]
        common = sorted(set.intersection(*(set(one) for one in ends)))
        slopes = {seed: 100 * linear_regression(starts, [one[seed] for one in ends]).slope for seed in common}
        yield Sample(name, slopes, [run for part in runs for run in part])


def _shares_changed(claim: Claim, scope: Scope, seeds: Sequence[int], grid: GridRuns) -> Iterator[Sample]:
    """Percent of connections changed when validation first reaches 0.9 of the learned weights'.

    A run counts only if it was measured before it reached the goal: otherwise a smaller share may have reached it.
    """
    assert claim.less is not None
    learned_runs = runs_of(scope, claim.less, seeds)
    learned = grid.validation_accuracy(learned_runs)
    for name, cell in single_cells(claim.cells):
        found, unseen, runs = {}, 0, runs_of(scope, cell, seeds)
        for run in runs:
            curve = grid.from_the_start(run)
            reached = curve[curve["val_accuracy"] >= 0.9 * learned.get(run.seed, math.inf)]
            if len(reached) and reached.index[0] == curve.index[0]:
                unseen += 1
            elif len(reached):
                found[run.seed] = 100 * float(reached["altered_share"].iloc[0])
        note = f"{unseen} runs reached the goal before their first measurement" if unseen else ""
        yield Sample(name, found, [*runs, *learned_runs], note=note)


def _less(first: PerSeed, second: PerSeed) -> PerSeed:
    # Rounded, or differences that are all alike would vary by what binary fractions cannot hold.
    return {seed: round(first[seed] - second[seed], 9) for seed in sorted(first.keys() & second.keys())}


_STATISTICS: Mapping[Statistic, Callable[[Claim, Scope, Sequence[int], GridRuns], Iterator[Sample]]] = {
    Statistic.DIFFERENCE: _differences,
    Statistic.MEAN_DIFFERENCE: _mean_differences,
    Statistic.LOG_CHURN: _log_churn,
    Statistic.SLOPE: _slopes,
    Statistic.SHARE_CHANGED: _shares_changed,
}
