"""Is a published number reproduced? An equivalence test against a tolerance fixed before the runs."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from slotpipeline.analysis.statistics import t_interval


class Verdict(StrEnum):
    """What our runs say about one published number."""

    REPRODUCED = "reproduced"
    ABOVE = "above"
    BELOW = "below"
    INCONCLUSIVE = "inconclusive"
    NOT_RUN = "not run"
    NO_COUNTERPART = "no counterpart"
    NOT_COMPARABLE = "not comparable"


MEANINGS = {
    Verdict.REPRODUCED: "the 90% t-interval of our difference lies inside the tolerance (two one-sided t-tests at 5%)",
    Verdict.ABOVE: "that interval lies wholly above the tolerance",
    Verdict.BELOW: "that interval lies wholly below the tolerance",
    Verdict.INCONCLUSIVE: "the interval crosses an edge of the tolerance, or fewer than two seeds were run",
    Verdict.NOT_RUN: "no run of this cell yet",
    Verdict.NO_COUNTERPART: "the paper gives no such number",
    Verdict.NOT_COMPARABLE: "the paper's number belongs to another dataset",
}


def equivalence(accuracies: Sequence[float], published: float, tolerance: float) -> Verdict:
    """Compare the mean of `accuracies` with a published mean; everything in points of accuracy.

    Two one-sided t-tests at 5% (Schuirmann 1987), in their interval form: the 90% t-interval of the difference against
    [-tolerance, tolerance]. The published mean counts as exact: of its own spread over 4 or 5 seeds only the lowest and
    the highest seed are known, and they do not enter. So "above" and "below" are surer than they should be where that
    range is wide. The error of reading a mean off a figure belongs into `tolerance`.
    """
    interval = t_interval(accuracies, confidence=0.90)
    if interval is None:
        return Verdict.INCONCLUSIVE
    low, high = interval[0] - published, interval[1] - published
    if low > tolerance:
        return Verdict.ABOVE
    if high < -tolerance:
        return Verdict.BELOW
    if low >= -tolerance and high <= tolerance:
        return Verdict.REPRODUCED
    return Verdict.INCONCLUSIVE
