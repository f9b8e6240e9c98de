"""What the runs of one cell say: mean and interval over the seeds, the published number beside them, the verdict."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from slotmachines.errors import UserError
from slotpipeline.analysis.statistics import Interval, Summary, collapsed, summarise
from slotpipeline.analysis.verdict import NumberVerdict, Verdict, judge_number
from slotpipeline.results.claims import Scope, Statistic
from slotpipeline.results.read import Results, Row
from slotpipeline.results.reference import Published, PublishedNumber, published
from slotpipeline.runs.authors_recipes import RIVAL_RECIPES
from slotpipeline.runs.cell import Cell, Config, cell_run, cell_runs
from slotpipeline.runs.run import Run


@dataclass(frozen=True)
class CellResult:
    """The result of one cell; accuracies are in percent.

    Attributes:
        cell: what was run.
        run: its run of the first planned seed, with the settings that all of them have.
        planned: number of planned runs.
        seeds, accuracies, identities: of the runs that are finished, one by one.
        epochs: that these were trained for; None where no run is finished.
        ours: mean, range and 95% interval of the accuracies; None where no run is finished.
        validation: mean accuracy on the validation images; NaN where no run is finished.
        last_epoch: mean test accuracy after the last epoch, where `accuracies` are those of the epoch that was best on
            the validation images; NaN where a finished run has no curve, as an untrained network, or none is finished.
        paper: the published counterpart; None where there is none.
        tolerance: the difference to it that counts as reproduced, in points; None where the two cannot be compared.
        judged: what the cell's confirmation runs, be they part of the experiment or not, say of the published number.
        is_chosen_by: whether the recipe was chosen by the closeness of these runs to the paper.
        data_note: what has to be mentioned about their data.
    """

    cell: Cell
    run: Run
    planned: int
    seeds: tuple[int, ...]
    accuracies: tuple[float, ...]
    identities: tuple[str, ...]
    epochs: int | None
    ours: Summary | None
    validation: float
    last_epoch: float
    paper: Published | None
    tolerance: float | None
    judged: NumberVerdict
    is_chosen_by: bool
    data_note: str

    @property
    def dataset(self) -> str:
        """Name of the dataset."""
        return self.cell.dataset

    @property
    def network(self) -> str:
        """Name of the network."""
        return self.cell.network

    @property
    def method(self) -> str:
        """Name of the method."""
        return self.cell.method

    @property
    def options(self) -> int | None:
        """K of a slot machine; None for all others."""
        return self.cell.options

    @property
    def n(self) -> int:
        """Number of seeds that are finished."""
        return len(self.accuracies)

    @property
    def verdict(self) -> Verdict:
        """The verdict on the published number."""
        return self.judged.verdict

    @property
    def mean(self) -> float:
        """Mean accuracy; NaN where no run is finished."""
        return self.ours.mean if self.ours else math.nan

    @property
    def collapsed(self) -> int:
        """How many seeds collapsed beside others that did not."""
        return collapsed(self.accuracies)

    @property
    def interval(self) -> Interval | None:
        """95% interval of the mean; None where there are too few seeds, or some of them collapsed."""
        return self.ours.interval if self.ours and not self.collapsed else None

    @property
    def difference(self) -> float | None:
        """Our mean less the published one, in points; None where the two cannot be compared."""
        if self.ours is None or self.paper is None or self.tolerance is None:
            return None
        return self.ours.mean - self.paper.value

    @property
    def by_seed(self) -> dict[int, float]:
        """Seed -> accuracy."""
        return dict(zip(self.seeds, self.accuracies, strict=True))

    @property
    def shown_method(self) -> str:
        """What figures and notes call its method: "finetuned" where it is a finetuned network."""
        return "finetuned" if self.cell.start_epoch else self.method

    @property
    def published_here(self) -> Published | None:
        """The published number if it belongs to the same dataset."""
        return self.paper if self.paper is not None and self.paper.dataset == self.dataset else None


def runs_of(results: Results, cell: Cell, seeds: Sequence[int]) -> list[Row]:
    """The rows of a cell's finished runs, in the order of `seeds`, known by their identities and not their labels."""
    return results.runs_of(run.identity for run in cell_runs(results.config, cell, seeds))


def is_chosen_by(config: Config, cell: Cell) -> bool:
    """Whether the runs of a cell are some of those by whose closeness to the paper the recipe was chosen."""
    if cell.method != "greedy" or cell.options not in config.get("chosen_by", {}).get(cell.network, []):
        return False
    plain = Cell(cell.dataset, cell.network, cell.method, cell.options)
    return cell_run(config, cell, 0).identity == cell_run(config, plain, 0).identity


def scope_of(results: Results, cell: Cell) -> Scope | None:
    """The registered scope in which the number of a cell gets a verdict; None where it gets none.

    Only a plain cell, or one of a rival's own recipe, has a verdict, and only with exactly the settings of its recipe:
    no other length of training, learning rate or variant stands for the published one.
    """
    if results.registration is None or not (cell.variant is None or cell.recipe in RIVAL_RECIPES):
        return None
    place = (results.config["grid"], cell.network, cell.dataset)
    for scope in results.registration.scopes:
        if scope.is_frozen and (scope.grid, scope.network, scope.dataset) == place:
            registered = cell_run({"recipe": scope.recipe}, cell, 0)
            return scope if cell_run(results.config, cell, 0).identity == registered.identity else None
    return None


def judge(results: Results, cell: Cell, paper: Published | PublishedNumber) -> NumberVerdict:
    """The verdict of a published number, by all confirmation seeds of a cell.

    Raises:
        UserError: no tolerance is set for the cell's dataset.
    """
    scope, registration = scope_of(results, cell), results.registration
    if scope is None or registration is None:
        return without_verdict(Verdict.IN_CLAIMS if _is_in_claims(results, cell) else Verdict.NO_VERDICT)
    if cell.dataset not in registration.tolerance:
        raise UserError(f"no tolerance is registered for {cell.dataset}; amend the registered claims")
    accuracies = [float(row["test_accuracy"]) for row in runs_of(results, cell, scope.seeds)]
    return judge_number(accuracies, paper, registration.tolerance[cell.dataset], registration.minimum_seeds)


def _is_in_claims(results: Results, cell: Cell) -> bool:
    """Whether a registered claim about a whole recipe judges the cell, with exactly the settings of that recipe."""
    if results.registration is None or not cell.recipe:
        return False
    place = (results.config["grid"], cell.network, cell.dataset)
    here = {one.name for one in results.registration.scopes if (one.grid, one.network, one.dataset) == place}
    plain = cell_run({"recipe": cell.recipe}, replace(cell, variant=None), 0)
    return cell_run(results.config, cell, 0).identity == plain.identity and any(
        claim.kind is Statistic.NUMBERS
        and (claim.cells.recipe, claim.cells.method) == (cell.recipe, cell.method)
        and cell.options in claim.cells.options
        and not here.isdisjoint(claim.scopes)
        for claim in results.registration.claims
    )


def without_verdict(why: Verdict) -> NumberVerdict:
    """What stands in place of a verdict where there is nothing to judge."""
    return NumberVerdict(0, None, None, None, None, why, why)


def cell_result(results: Results, cell: Cell, seeds: Sequence[int], figure: str) -> CellResult:
    """The result of one cell over some seeds; `figure`: where the paper's number is looked up first.

    Raises:
        UserError: the recipe cannot give the cell its settings, or no tolerance is set for its dataset.
    """
    config, runs = results.config, cell_runs(results.config, cell, seeds)
    found = results.runs_of(run.identity for run in runs)
    accuracies = tuple(float(row["test_accuracy"]) for row in found)
    identities = tuple(row["identity"] for row in found)
    paper = published(results.reference, figure, cell)
    comparable = paper is not None and paper.dataset == cell.dataset
    if cell.dataset not in config["tolerance"] and comparable:
        raise UserError(f"no tolerance is set for {cell.dataset}; add it to `tolerance` in the grid's configuration")
    if not accuracies:
        judged = without_verdict(Verdict.NOT_RUN)
    elif paper is None or not comparable:
        judged = without_verdict(Verdict.NO_COUNTERPART if paper is None else Verdict.NOT_COMPARABLE)
    else:
        judged = judge(results, cell, paper)
    return CellResult(
        cell=cell,
        run=runs[0],
        planned=len(seeds),
        seeds=tuple(int(row["seed"]) for row in found),
        accuracies=accuracies,
        identities=identities,
        epochs=int(found[0]["epochs"]) if accuracies else None,
        ours=summarise(accuracies) if accuracies else None,
        validation=fmean(row["val_accuracy"] for row in found) if accuracies else math.nan,
        last_epoch=_last_epoch(results, identities),
        paper=paper,
        tolerance=config["tolerance"][cell.dataset] if comparable else None,
        judged=judged,
        is_chosen_by=is_chosen_by(config, cell),
        data_note="; ".join(sorted({row["data_note"] for row in found} - {""})),
    )


def _last_epoch(results: Results, identities: Iterable[str]) -> float:
    last = [results.last_accuracy.get(identity, math.nan) for identity in identities]
    return fmean(last) if last else math.nan


def by_network(found: Iterable[CellResult]) -> list[tuple[str, str, list[CellResult]]]:
    """Dataset, network and results of every network, in their order."""
    groups: dict[tuple[str, str], list[CellResult]] = {}
    for result in found:
        groups.setdefault((result.dataset, result.network), []).append(result)
    return [(dataset, network, part) for (dataset, network), part in groups.items()]


def plain(found: Iterable[CellResult], method: str) -> list[CellResult]:
    """The results of a method without any variant."""
    return [result for result in found if result.method == method and result.cell.variant is None]


def only(found: Iterable[CellResult], method: str, options: int | None = None) -> CellResult | None:
    """The plain result of a method, and of a K if one is given; None where it was not run."""
    return next((result for result in plain(found, method) if options in (None, result.options)), None)


def by_options(found: Iterable[CellResult]) -> list[CellResult]:
    """The results from the smallest K to the largest."""
    return sorted(found, key=lambda result: result.options or 0)


def identities_of(found: Iterable[CellResult]) -> set[str]:
    """The identities of the finished runs behind some results."""
    return {identity for result in found for identity in result.identities}
