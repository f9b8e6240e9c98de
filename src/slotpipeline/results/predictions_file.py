"""Predictions of single runs, written down before the runs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from slotmachines.errors import UserError, one_line
from slotmachines.methods import METHODS
from slotmachines.networks.names import NETWORKS
from slotpipeline.plain_yaml import read_yaml
from slotpipeline.runs.checked_fields import Percentage, from_fields

PREDICTIONS_YAML = "config/predictions.yaml"
"""Where the predictions lie in the project."""


@dataclass(frozen=True)
class Prediction:
    """What was expected of one run.

    Attributes:
        identity: of the run; the other words about it are for readers.
        network, method, options: as in `slotpipeline.runs.run.Run`.
        change: what differs from the recipe, in words.
        value: the test accuracy that was expected, in percent.
        low, high: the ends of the interval that it was expected in.
    """

    identity: str
    network: str
    method: str
    change: str
    value: Percentage
    low: Percentage
    high: Percentage
    options: int | None = None


@dataclass(frozen=True)
class Predictions:
    """The predictions of a project.

    Attributes:
        grid: of the runs.
        written: the day.
        coverage: the probability that an interval holds its run.
        runs: one prediction per run.
    """

    grid: str
    written: date
    coverage: float
    runs: list[Prediction]


def read_predictions(project: Path) -> Predictions | None:
    """The predictions of a project, by its folder; None where it has none.

    Raises:
        UserError: the file is damaged, or a prediction contradicts itself.
    """
    path = project / PREDICTIONS_YAML
    if not path.is_file():
        return None
    try:
        found = from_fields(Predictions, read_yaml(path, "predictions of runs"))
        _check(found)
    except ValueError as error:
        raise UserError(f"{path}: {one_line(error)}") from None
    return found


def _check(found: Predictions) -> None:
    if not 0 < found.coverage < 1:
        raise ValueError(f"coverage must lie between 0 and 1, not at {found.coverage}")
    seen: set[str] = set()
    for one in found.runs:
        where = f"the prediction of {one.identity}"
        if one.identity in seen:
            raise ValueError(f"{where} stands there twice; keep the first")
        seen.add(one.identity)
        if one.network not in NETWORKS or one.method not in METHODS:
            raise ValueError(f"{where}: unknown network {one.network} or method {one.method}")
        if not one.low <= one.value <= one.high or one.low == one.high:
            raise ValueError(f"{where}: {one.value} does not lie between {one.low} and {one.high}")
