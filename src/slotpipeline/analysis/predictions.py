"""How good predictions of runs were, once the runs exist."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from slotpipeline.results.predictions_file import Prediction, Predictions


@dataclass(frozen=True)
class Scored:
    """A prediction beside its run.

    Attributes:
        accuracy: test accuracy of the run, in percent; None where it was not run.
        coverage: see `Predictions`.
    """

    prediction: Prediction
    accuracy: float | None
    coverage: float

    @property
    def is_inside(self) -> bool | None:
        """Whether the run lies in the interval; None where it was not run."""
        return None if self.accuracy is None else self.prediction.low <= self.accuracy <= self.prediction.high

    @property
    def error(self) -> float | None:
        """Accuracy less the value that was expected, in points."""
        return None if self.accuracy is None else self.accuracy - self.prediction.value

    @property
    def interval_score(self) -> float | None:
        """The width of the interval, and 2 / (1 - coverage) times how far the run lies outside; less is better.

        Equation 43 of Gneiting and Raftery (2007), Strictly proper scoring rules: wide and missed intervals both cost.
        """
        if self.accuracy is None:
            return None
        low, high = self.prediction.low, self.prediction.high
        outside = max(low - self.accuracy, self.accuracy - high, 0.0)
        return high - low + 2 / (1 - self.coverage) * outside


def score(predictions: Predictions, accuracies: Mapping[str, float]) -> list[Scored]:
    """Every prediction; `accuracies`: identity -> test accuracy of the runs that are recorded."""
    return [Scored(one, accuracies.get(one.identity), predictions.coverage) for one in predictions.runs]


def scores_text(scored: Sequence[Scored]) -> str:
    """How many runs lie inside their intervals, and how large errors and scores are, as a sentence."""
    run = [one for one in scored if one.accuracy is not None]
    if not run:
        return f"None of the {len(scored)} predicted runs was run yet."
    inside = sum(bool(one.is_inside) for one in run)
    errors = [abs(one.error) for one in run if one.error is not None]
    costs = [one.interval_score for one in run if one.interval_score is not None]
    return (
        f"{len(run)} of {len(scored)} predicted runs were run. {inside} of {len(run)} lie inside their "
        f"{100 * scored[0].coverage:g}% intervals; the mean absolute error is {fmean(errors):.2f} points, the mean "
        f"interval score {fmean(costs):.2f}."
    )
