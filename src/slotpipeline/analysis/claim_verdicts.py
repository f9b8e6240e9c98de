"""What our runs say about each registered claim."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from statistics import fmean

from slotpipeline.analysis.claim_runs import GridRuns, Sample, runs_of, samples, single_cells
from slotpipeline.analysis.statistics import holm, one_sided_p, t_interval
from slotpipeline.analysis.text import number
from slotpipeline.analysis.verdict import Verdict, judge_number
from slotpipeline.results.claims import Bounds, Claim, Registration, Scope, Statistic
from slotpipeline.results.reference import SOURCE, PublishedNumber

PublishedNumbers = Callable[[Scope, str, int, str], PublishedNumber | None]
"""From a scope, a method, K and where the claim says that the number stands to the published number."""


class ClaimVerdict(StrEnum):
    """What our runs say about a claim."""

    SUPPORTED = "supported"
    CONTRADICTED = "contradicted"
    UNDECIDED = "undecided"
    NOT_RUN = "not run"


@dataclass(frozen=True)
class Part:
    """One cell of a claim, or one comparison of two cells.

    Attributes:
        name: such as "K = 8"; blank where a claim has one part.
        seeds: those that count.
        mean, low, high: of the statistic, with its two-sided 90% interval; None where it takes more seeds.
        p_value: one-sided, against the bound that would support the claim.
        corrected: of parts that decide nothing, the p-value corrected by Holm's method for all of these.
        verdict: of this part alone.
        identities: of its finished runs.
        decides: whether the claim's verdict depends on it.
        needs, refutes: where the whole interval has to lie for support, and to contradict it, in words; blank where
            no number says it.
        detail: what the numbers do not say, such as how many runs failed.
    """

    name: str
    seeds: tuple[int, ...]
    mean: float | None
    low: float | None
    high: float | None
    p_value: float | None
    verdict: ClaimVerdict
    identities: tuple[str, ...] = ()
    decides: bool = True
    corrected: float | None = None
    needs: str = ""
    refutes: str = ""
    detail: str = ""

    @property
    def n(self) -> int:
        """How many seeds count."""
        return len(self.seeds)


@dataclass(frozen=True)
class JudgedClaim:
    """A claim in one scope.

    Attributes:
        parts: those that decide, and those that are shown beside them.
        seeds: how many are registered for each cell.
        p_value: the largest of the deciding parts', as each of them has to hold; None where one has no p-value.
        corrected: `p_value` corrected by Holm's method for all claims that have one.
        is_extension: the paper claims it for other networks only.
        detail: why there is no verdict, if there is a reason beside missing runs.
    """

    claim: Claim
    scope: Scope
    verdict: ClaimVerdict
    parts: Sequence[Part]
    seeds: int
    p_value: float | None
    corrected: float | None
    is_extension: bool
    detail: str = ""

    @property
    def recipe(self) -> str:
        """The recipe under which it was tested."""
        return self.claim.cells.recipe or self.scope.recipe

    @property
    def deciding(self) -> list[Part]:
        """The parts that the verdict depends on."""
        return [part for part in self.parts if part.decides]

    @property
    def is_final(self) -> bool:
        """Whether no run can change the verdict: all registered seeds of each part that it depends on are finished.

        A contradicted part contradicts the claim, whatever the others say.
        """
        complete = [part for part in self.deciding if part.n >= self.seeds]
        if self.verdict is ClaimVerdict.CONTRADICTED:
            return any(part.verdict is ClaimVerdict.CONTRADICTED for part in complete)
        return bool(self.deciding) and complete == self.deciding


def judge_claims(
    registration: Registration, grids: Mapping[str, GridRuns], published: PublishedNumbers
) -> list[JudgedClaim]:
    """Every claim in every scope that it is registered for, in the order of the file.

    Args:
        grids: what was recorded, by the name of the grid; a grid without runs may be missing.
    """
    judged = [
        _judged(registration, claim, registration.scope(name), grids, published)
        for claim in registration.claims
        for name in claim.scopes
    ]
    corrected = holm([one.p_value for one in judged])
    return [replace(one, corrected=p) for one, p in zip(judged, corrected, strict=True)]


def _judged(
    registration: Registration,
    claim: Claim,
    scope: Scope,
    grids: Mapping[str, GridRuns],
    published: PublishedNumbers,
) -> JudgedClaim:
    is_extension = scope.name in claim.extension
    seeds = len(registration.seeds(claim, scope))
    nothing = JudgedClaim(claim, scope, ClaimVerdict.NOT_RUN, [], seeds, None, None, is_extension)
    if not scope.is_frozen:
        return replace(nothing, detail="no recipe has been frozen for this network")
    if scope.grid not in grids:
        return nothing
    grid = grids[scope.grid]
    if claim.kind is Statistic.NUMBERS:
        parts = list(_number_parts(registration, claim, scope, grid, published))
    else:
        found = samples(claim, scope, registration.seeds(claim, scope), grid)
        parts = _corrected_beside([_bounded(registration, claim, scope, sample, grid) for sample in found])
    deciding = [part for part in parts if part.decides]
    if not any(part.n for part in deciding):
        return replace(nothing, detail="; ".join(dict.fromkeys(part.detail for part in deciding if part.detail)))
    p_values = [part.p_value for part in deciding]
    p_value = None if None in p_values else max(p for p in p_values if p is not None)
    verdict, detail = _together(deciding, registration.minimum_seeds)
    return JudgedClaim(claim, scope, verdict, parts, seeds, p_value, None, is_extension, detail)


def _together(parts: Sequence[Part], minimum: int) -> tuple[ClaimVerdict, str]:
    """The verdict of a claim from those of its parts, and why it has to wait, if it has to."""
    few = [f"{part.name or 'it'} has {part.n}" for part in parts if part.n < minimum]
    if few:
        return ClaimVerdict.UNDECIDED, f"at least {minimum} seeds of each cell are needed: {', '.join(few)}"
    verdicts = {part.verdict for part in parts}
    if verdicts == {ClaimVerdict.SUPPORTED}:
        return ClaimVerdict.SUPPORTED, ""
    return (ClaimVerdict.CONTRADICTED if ClaimVerdict.CONTRADICTED in verdicts else ClaimVerdict.UNDECIDED), ""


def _bounded(registration: Registration, claim: Claim, scope: Scope, sample: Sample, grid: GridRuns) -> Part:
    """One part, judged by the registered bounds of the mean over seeds."""
    supported, contradicted = claim.supported, claim.contradicted
    assert isinstance(supported, Bounds) and isinstance(contradicted, Bounds)
    values = list(sample.values.values())
    interval = t_interval(values, 1 - 2 * registration.level)
    failures = sample.failures or 0
    holds, is_against = False, False
    if interval is not None:
        holds, is_against = supported.hold(scope, *interval), contradicted.hold(scope, *interval)
    if supported.failures_at_most is not None:
        holds = holds and failures <= supported.failures_at_most
    if contradicted.failures_at_least is not None:
        is_against = is_against or failures >= contradicted.failures_at_least
    verdict = ClaimVerdict.SUPPORTED if holds else ClaimVerdict.CONTRADICTED if is_against else ClaimVerdict.UNDECIDED
    if len(values) < registration.minimum_seeds:
        verdict = ClaimVerdict.UNDECIDED if values else ClaimVerdict.NOT_RUN
    details = [f"{failures} of {len(values)} runs failed" if sample.failures is not None else "", sample.note]
    low, high = interval or (None, None)
    return Part(
        name=sample.name,
        seeds=tuple(sample.values),
        mean=fmean(values) if values else None,
        low=low,
        high=high,
        p_value=one_sided_p(values, supported.limit(scope), above=not supported.is_upper),
        verdict=verdict,
        identities=tuple(run.identity for run in grid.finished(sample.runs)),
        decides=sample.decides,
        needs=_side(supported, scope),
        refutes=_side(contradicted, scope),
        detail="; ".join(filter(None, details)),
    )


def _side(bounds: Bounds, scope: Scope) -> str:
    """Where an interval has to lie to satisfy a bound, in words."""
    side = "below" if bounds.is_upper else "at least" if bounds.lower_bound_at_least is not None else "above"
    limit = bounds.limit(scope)
    no_failures = ", no failure" if bounds.failures_at_most == 0 else ""
    failures = f", or {bounds.failures_at_least} failures" if bounds.failures_at_least else ""
    return f"{side} {number(limit, '+.3g') if limit else 0}{no_failures}{failures}"


def _corrected_beside(parts: Sequence[Part]) -> list[Part]:
    """The same parts; the p-values of those that are only shown are corrected for each other."""
    shown = [part for part in parts if not part.decides]
    corrected = iter(holm([part.p_value for part in shown]))
    return [part if part.decides else replace(part, corrected=next(corrected)) for part in parts]


_FROM_NUMBER = {
    Verdict.REPRODUCED: ClaimVerdict.SUPPORTED,
    Verdict.ABOVE: ClaimVerdict.CONTRADICTED,
    Verdict.BELOW: ClaimVerdict.CONTRADICTED,
    Verdict.NOT_RUN: ClaimVerdict.NOT_RUN,
}
"""Verdict of a number -> verdict of the part of a claim; all others leave it undecided."""


def _number_parts(
    registration: Registration, claim: Claim, scope: Scope, grid: GridRuns, published: PublishedNumbers
) -> Iterator[Part]:
    """The verdicts of the published numbers that a claim names."""
    published_in = "the first version" if claim.cells.reference.startswith(f"{SOURCE}v") else "the paper"
    for name, cell in single_cells(claim.cells):
        runs = runs_of(scope, cell, registration.seeds(claim, scope))
        found = grid.test_accuracy(runs)
        paper = published(scope, str(cell.method), cell.options[0], cell.reference)
        if paper is None:
            detail = "config/reference.csv has no such number"
            yield Part(name, (), None, None, None, None, ClaimVerdict.NOT_RUN, detail=detail)
            continue
        judged = judge_number(
            list(found.values()), paper, registration.tolerance[scope.dataset], registration.minimum_seeds
        )
        yield Part(
            name=name,
            seeds=tuple(found),
            mean=judged.difference,
            low=judged.low,
            high=judged.high,
            p_value=judged.p_value,
            verdict=_FROM_NUMBER.get(judged.verdict, ClaimVerdict.UNDECIDED),
            identities=tuple(run.identity for run in grid.finished(runs)),
            needs=f"within ±{registration.tolerance[scope.dataset] - paper.reading_uncertainty:.2f}",
            refutes=f"outside ±{registration.tolerance[scope.dataset] + paper.reading_uncertainty:.2f}",
            detail=f"{published_in} has {paper.value:g}: {judged.verdict}",
        )
