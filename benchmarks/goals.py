"""What a slot machine must reach beside ordinary training."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pandas as pd

CONVOLUTIONAL = ("conv2", "conv4", "conv6", "vgg19")
_ANY = ("lenet", *CONVOLUTIONAL)


@dataclass(frozen=True)
class Goal:
    """An upper limit of one measure, in the cases it is set for.

    Attributes:
        measure: a column of the measurements: `ratio` (step time in ordinary steps), `numbers` (peak memory beyond
            ordinary training, in numbers of 4 bytes per connection), `build_seconds` or `loss`.
        fewest, most: the range of K.
        cpu_only: not set for GPUs.
    """

    what: str
    measure: str
    limit: float
    networks: tuple[str, ...]
    selection: str
    fewest: int
    most: int
    cpu_only: bool = False

    def is_for(self, row: Any) -> bool:
        """Whether a measurement (a row with network, selection, options, method and device) has to reach it."""
        return bool(
            row.method == "one-number"
            and row.network in self.networks
            and row.selection == self.selection
            and self.fewest <= row.options <= self.most
            and not (self.cpu_only and row.device != "cpu")
        )

    def is_met(self, row: Any) -> bool:
        """Whether a measurement reaches it."""
        return bool(getattr(row, self.measure) <= self.limit)


_OUTSIDE = ("resnet18",)

GOALS = (
    Goal("step time, greedy, K = 2 to 1024, convolutional networks", "ratio", 1.15, CONVOLUTIONAL, "greedy", 2, 1024),
    Goal("step time, greedy, K = 2 to 64, LeNet", "ratio", 1.5, ("lenet",), "greedy", 2, 64, cpu_only=True),
    Goal("step time, greedy, K = 1024, LeNet", "ratio", 2, ("lenet",), "greedy", 65, 1024, cpu_only=True),
    Goal("step time, probabilistic, K = 8, Conv-6", "ratio", 1.5, ("conv6",), "probabilistic", 8, 8),
    Goal("step time, probabilistic, K = 64, Conv-6", "ratio", 3, ("conv6",), "probabilistic", 64, 64),
    Goal("step time, greedy, K = 8, LeNet", "ratio", 1.2, ("lenet",), "greedy", 8, 8, cpu_only=True),
    Goal("step time, probabilistic, K = 8, LeNet", "ratio", 2.5, ("lenet",), "probabilistic", 8, 8, cpu_only=True),
    Goal("step time, probabilistic, K = 64, LeNet", "ratio", 9, ("lenet",), "probabilistic", 64, 64, cpu_only=True),
    Goal("step time, greedy, K = 8, ResNet-18", "ratio", 1.1, _OUTSIDE, "greedy", 8, 8, cpu_only=True),
    Goal("step time, greedy, K = 64, ResNet-18", "ratio", 1.15, _OUTSIDE, "greedy", 64, 64, cpu_only=True),
    Goal("step time, probabilistic, K = 8, ResNet-18", "ratio", 2.5, _OUTSIDE, "probabilistic", 8, 8, cpu_only=True),
    Goal("step time, probabilistic, K = 64, ResNet-18", "ratio", 4, _OUTSIDE, "probabilistic", 64, 64, cpu_only=True),
    Goal("memory, greedy, any K, any network", "numbers", 4, _ANY, "greedy", 2, 65_536),
    Goal("building, K = 64, Conv-2", "build_seconds", 10, ("conv2",), "greedy", 64, 64, cpu_only=True),
    Goal("building, K = 1024, Conv-2", "build_seconds", 60, ("conv2",), "greedy", 1024, 1024, cpu_only=True),
    # Half of what guessing among ten classes gives.
    Goal("it trains, greedy, K = 65,536, LeNet", "loss", math.log(10) / 2, ("lenet",), "greedy", 65_536, 65_536),
)


def limit_of(row: Any, measure: str) -> float:
    """The lowest limit that a measurement has to keep; NaN where none is set."""
    return min((goal.limit for goal in GOALS if goal.measure == measure and goal.is_for(row)), default=math.nan)


def verdict(row: Any) -> str:
    """`yes` if a measurement reaches all that is set for it, `no` if not, blank where nothing is set or measured."""
    goals = [goal for goal in GOALS if goal.is_for(row) and not pd.isna(getattr(row, goal.measure))]
    return ("yes" if all(goal.is_met(row) for goal in goals) else "no") if goals else ""
