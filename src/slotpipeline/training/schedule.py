"""The learning rate at each step."""

from __future__ import annotations

import math

from slotpipeline.runs.recipe import Settings


def learning_rate(settings: Settings, epoch: float) -> float:
    """The learning rate after `epoch` epochs, a fraction within an epoch: it changes from step to step.

    "warm-restarts" is SGDR (Loshchilov and Hutter, ICLR 2017, equation 5) with the cycles that the settings give:
    it falls along a cosine to zero and starts over at each of `schedule_epochs`; the last cycle ends with training.
    "steps" multiplies by 0.1 at each of `schedule_epochs`.
    """
    if settings.schedule == "constant":
        return settings.learning_rate
    passed = [e for e in settings.schedule_epochs if e <= epoch]
    if settings.schedule == "steps":
        return settings.learning_rate * 0.1 ** len(passed)
    start = max(passed, default=0)
    end = min([e for e in settings.schedule_epochs if epoch < e < settings.epochs], default=settings.epochs)
    return settings.learning_rate * (1 + math.cos(math.pi * (epoch - start) / (end - start))) / 2
