"""The claims that were registered before the runs, and when they were. `claims_file` reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from slotpipeline.runs.checked_fields import Prose

CLAIMS_YAML = "config/claims.yaml"
"""Where the claims lie in the project."""

REGISTERED_COMMIT = "84e8664b0efa5c7918b272798be9dcce462928fd"
REGISTERED_AT = datetime.fromisoformat("2026-11-27T15:02:06+00:00")
REGISTERED_DIGEST = "29c31d181e7e790c"
"""Commit, time and `claims_digest` of the registration. They stand here as a shallow clone cannot ask git for them."""

UNDECIDED_RECIPE = "undecided"
"""The recipe of a scope for which no recipe has been frozen yet: its claims are not run, even if runs exist."""


class Statistic(StrEnum):
    """What a claim computes: the words with which its `statistic` begins."""

    NUMBERS = "numbers"
    DIFFERENCE = "difference"
    MEAN_DIFFERENCE = "difference of the means over K"
    LOG_CHURN = "natural logarithm of the ratio of churn"
    SLOPE = "slope of final accuracy"
    SHARE_CHANGED = "share of connections changed"


@dataclass(frozen=True)
class Scope:
    """Where a claim is tested: one network on one dataset, with the grid, the recipe and the seeds that count."""

    name: str
    network: str
    dataset: str
    grid: str
    recipe: str
    seeds: list[int]

    @property
    def is_frozen(self) -> bool:
        """Whether its recipe has been decided."""
        return self.recipe != UNDECIDED_RECIPE


@dataclass(frozen=True)
class Cells:
    """The cells of a claim: every combination of what its lists hold.

    Attributes:
        method, options: as in `slotpipeline.runs.run.Run`.
        recipe: in place of the scope's.
        reference: where the published numbers stand: a version of the paper, or a part of it; blank for its figure
            against K.
        sharing, weights, positive_share: settings in place of the recipe's.
        finetuned_from: epochs of the slot machine before finetuning.
        finetuned_every: the same, at every so many epochs.
        variant, epochs: what else is different, in words.
    """

    method: str | list[str]
    options: list[int] = field(default_factory=list)
    recipe: str = ""
    reference: str = ""
    sharing: str | None = None
    weights: str | None = None
    positive_share: float | list[float] | None = None
    finetuned_from: int | None = None
    finetuned_every: int | None = None
    variant: str = ""
    epochs: str = ""


@dataclass(frozen=True)
class Bounds:
    """What the ends of the 90% interval have to satisfy. Limits are listed by dataset, or by scope."""

    lower_bound_above: Mapping[str, float] | None = None
    lower_bound_at_least: Mapping[str, float] | None = None
    upper_bound_below: Mapping[str, float] | None = None
    failures_at_most: int | None = None
    failures_at_least: int | None = None

    @property
    def limits(self) -> Mapping[str, float]:
        """The limits of the one bound that there is."""
        (limits,) = (
            one
            for one in (self.lower_bound_above, self.lower_bound_at_least, self.upper_bound_below)
            if one is not None
        )
        return limits

    @property
    def is_upper(self) -> bool:
        """Whether the mean has to lie below the limit."""
        return self.upper_bound_below is not None

    def limit(self, scope: Scope) -> float:
        """The limit in a scope."""
        return float(self.limits[scope.name if scope.name in self.limits else scope.dataset])

    def hold(self, scope: Scope, low: float, high: float) -> bool:
        """Whether an interval satisfies the bound."""
        limit = self.limit(scope)
        if self.is_upper:
            return high < limit
        return low >= limit if self.lower_bound_at_least is not None else low > limit


@dataclass(frozen=True)
class Tuning:
    """The settings among which a tuned baseline is chosen by its mean validation accuracy over `seeds`."""

    learning_rate: list[float]
    weight_decay: list[float]
    schedule: list[str]
    seeds: list[int]


@dataclass(frozen=True)
class Claim:
    """One sentence of a paper with a registered test.

    Attributes:
        name: its key in the file.
        statistic: what is computed, in the registered words.
        cells: what it is computed from; `less` or `over`: what these are compared with, if anything.
        supported, contradicted: bounds; in words where the verdicts of published numbers decide.
        scopes: names of the scopes; `extension`: those of them for which the paper does not claim it.
        tier: which part of the study its runs belong to.
        seeds: scope -> the seeds that count there, where these are not the scope's.
        tuning: of a tuned baseline.
        printed_beside: what is shown next to it and decides nothing.
    """

    name: str
    sentence: str
    source: str
    statistic: str
    cells: Cells
    supported: str | Bounds
    contradicted: str | Bounds
    scopes: list[str]
    tier: str
    less: Cells | None = None
    over: Cells | None = None
    extension: list[str] = field(default_factory=list)
    seeds: Mapping[str, list[int]] = field(default_factory=dict)
    tuning: Tuning | None = None
    printed_beside: str = ""

    @property
    def kind(self) -> Statistic:
        """Its statistic: the longest known words with which the registered ones begin."""
        return max((kind for kind in Statistic if self.statistic.startswith(kind)), key=len)

    @property
    def counts_failures(self) -> bool:
        """Whether runs that failed decide as well."""
        return isinstance(self.supported, Bounds) and self.supported.failures_at_most is not None

    @property
    def counterpart(self) -> Cells | None:
        """What its cells are compared with."""
        return self.less if self.less is not None else self.over


@dataclass(frozen=True)
class Amendment:
    """A change that was made after the registration."""

    date: date
    text: Prose


@dataclass(frozen=True)
class Registration:
    """A file of claims.

    Attributes:
        registered: the date of the registration.
        level: of each one-sided test.
        minimum_seeds: of every cell of a claim, before it gets a verdict.
        tolerance: dataset -> points up to which a number counts as reproduced.
        amendments: later changes.
        changed: whether the file differs from the registered one in more than its amendments.
    """

    registered: date
    level: float
    minimum_seeds: int
    tolerance: Mapping[str, float]
    scopes: list[Scope]
    claims: list[Claim]
    amendments: list[Amendment] = field(default_factory=list)
    changed: bool = False

    def scope(self, name: str) -> Scope:
        """The scope of that name."""
        return next(scope for scope in self.scopes if scope.name == name)

    def seeds(self, claim: Claim, scope: Scope) -> list[int]:
        """The seeds that count for a claim in a scope."""
        return list(claim.seeds.get(scope.name, scope.seeds))

    @property
    def notes(self) -> list[str]:
        """What was changed since the registration, a sentence each."""
        changed = f"{CLAIMS_YAML} differs from the version that was registered (commit {REGISTERED_COMMIT[:7]})."
        amended = [f"Amended on {one.date}: {' '.join(one.text.split())}" for one in self.amendments]
        return [changed, *amended] if self.changed else amended

    @property
    def history(self) -> str:
        """When the claims were registered, and what was changed since."""
        at = f"{REGISTERED_AT:%Y-%m-%d %H:%M} UTC"
        when = f"{at} (commit {REGISTERED_COMMIT[:7]}), before the first run that counts"
        text = f"Claims and margins were registered at {when}."
        return " ".join([text, *self.notes])
