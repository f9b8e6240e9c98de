"""Is a published number reproduced? An equivalence test in which both sides are uncertain.

The rules were registered before the runs; they stand at the top of config/claims.yaml.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import fmean, variance

from slotpipeline.analysis.statistics import t_above, t_quantile
from slotpipeline.results.reference import Published, PublishedNumber

RANGE_PER_DEVIATION = {4: 2.059, 5: 2.326}
"""Expected range of n normal values in standard deviations (Tippett 1925): range / this estimates the deviation."""

PAPER_SEEDS = 4
"""How many seeds a published range is taken to be of: the paper says "4 or 5" and does not say where which."""


class Verdict(StrEnum):
    """What our runs say about one published number."""

    REPRODUCED = "reproduced"
    ABOVE = "above"
    BELOW = "below"
    INCONCLUSIVE = "inconclusive"
    TOO_FEW_SEEDS = "too few seeds"
    TOO_UNCERTAIN = "the paper is too uncertain"
    NOT_RUN = "not run"
    NO_COUNTERPART = "no counterpart"
    NOT_COMPARABLE = "not comparable"
    IN_CLAIMS = "see the claims"
    NO_VERDICT = "no verdict"


MEANINGS = {
    Verdict.REPRODUCED: "the 90% interval of our difference lies within the tolerance minus the reading uncertainty "
    "(two one-sided tests at 5%)",
    Verdict.ABOVE: "that interval lies wholly above the tolerance plus the reading uncertainty",
    Verdict.BELOW: "that interval lies wholly below the tolerance plus the reading uncertainty",
    Verdict.INCONCLUSIVE: "the interval lies neither wholly inside nor wholly outside",
    Verdict.TOO_FEW_SEEDS: "fewer seeds are finished than a verdict takes",
    Verdict.TOO_UNCERTAIN: "the paper's own seeds give its mean a wider interval than the tolerance allows, so more "
    "seeds of ours cannot decide",
    Verdict.NOT_RUN: "no run of this cell yet",
    Verdict.NO_COUNTERPART: "the paper gives no such number",
    Verdict.NOT_COMPARABLE: "the paper's number belongs to another dataset",
    Verdict.IN_CLAIMS: "a registered claim judges these settings over all its K; results/claims.md has the verdict",
    Verdict.NO_VERDICT: "the runs are exploratory, or have other settings than the registered ones",
}


@dataclass(frozen=True)
class NumberVerdict:
    """One published number beside ours, in points of accuracy.

    Attributes:
        n: our seeds.
        difference: the mean of ours minus the published mean; None without a run.
        low, high: its 90% interval, with the spread of the paper's own seeds; None below two seeds.
        p_value: of the equivalence test, the larger of its two one-sided ones; None below two seeds.
        verdict: with the paper's spread.
        if_exact: the verdict if the published mean were exact.
    """

    n: int
    difference: float | None
    low: float | None
    high: float | None
    p_value: float | None
    verdict: Verdict
    if_exact: Verdict


def judge_number(
    accuracies: Sequence[float], published: Published | PublishedNumber, tolerance: float, minimum_seeds: int = 2
) -> NumberVerdict:
    """Compare the mean of `accuracies` with a published mean.

    Two one-sided t-tests at 5% (Schuirmann 1987) in their interval form. The standard error of the difference is
    Welch's, from our seeds and from the range of the paper's, with the degrees of freedom of Satterthwaite (1946). A
    number without a published range counts as exact.

    Args:
        tolerance: in points, set before the runs.
        minimum_seeds: with fewer there is no verdict but that they are too few.
    """
    if not accuracies:
        return NumberVerdict(0, None, None, None, None, Verdict.NOT_RUN, Verdict.NOT_RUN)
    n, difference = len(accuracies), fmean(accuracies) - published.value
    own = variance(accuracies) / n if n > 1 else 0.0
    if own == 0:  # one seed, or seeds that are all alike, say nothing about how far others would lie
        verdict = Verdict.TOO_FEW_SEEDS if n < max(minimum_seeds, 2) else Verdict.INCONCLUSIVE
        return NumberVerdict(n, difference, None, None, None, verdict, verdict)
    inner, outer = tolerance - published.reading_uncertainty, tolerance + published.reading_uncertainty
    paper = paper_error(published) ** 2
    freedom = (own + paper) ** 2 / (own**2 / (n - 1) + paper**2 / (PAPER_SEEDS - 1))
    error = math.sqrt(own + paper)
    half = t_quantile(0.95, freedom) * error
    alone = t_quantile(0.95, n - 1) * math.sqrt(own)
    verdict, if_exact = (_verdict(difference, width, inner, outer) for width in (half, alone))
    if paper_half_width(published) > inner or (verdict is Verdict.INCONCLUSIVE and inner <= 0):
        verdict = Verdict.TOO_UNCERTAIN
    if n < minimum_seeds:
        verdict = if_exact = Verdict.TOO_FEW_SEEDS
    p_value = t_above((inner - abs(difference)) / error, freedom)
    return NumberVerdict(n, difference, difference - half, difference + half, p_value, verdict, if_exact)


def _verdict(difference: float, half: float, inner: float, outer: float) -> Verdict:
    if abs(difference) + half <= inner:
        return Verdict.REPRODUCED
    if abs(difference) - half > outer:
        return Verdict.ABOVE if difference > 0 else Verdict.BELOW
    return Verdict.INCONCLUSIVE


def paper_error(published: Published | PublishedNumber) -> float:
    """Standard error of a published mean, estimated from the range of its seeds; 0 where no range is published."""
    if published.low is None or published.high is None:
        return 0.0
    return (published.high - published.low) / RANGE_PER_DEVIATION[PAPER_SEEDS] / math.sqrt(PAPER_SEEDS)


def paper_half_width(published: Published | PublishedNumber) -> float:
    """Half of the 90% interval that the paper's own seeds give its mean, in points."""
    return t_quantile(0.95, PAPER_SEEDS - 1) * paper_error(published)
