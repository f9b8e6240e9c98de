"""What rivals start from: random weights of mostly one sign, and from different distributions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from slotpipeline.analysis.cell_results import CellResult
from slotpipeline.analysis.comparisons import Pairs, each_against
from slotpipeline.analysis.evidence import Evidence, accuracy, tally
from slotpipeline.experiments.competitors import ALTERED, stored_bits
from slotpipeline.experiments.experiment import Experiment, Group, Parameters, networks_of
from slotpipeline.runs.cell import Cell, Changes, Config, Variant


@dataclass(frozen=True)
class PositiveShare(Variant):
    """Random weights that are positive with another probability."""

    share: float
    is_comparable: ClassVar[bool] = False

    @property
    def words(self) -> str:
        return f"P(+) = {self.share:g}"

    @property
    def changes(self) -> Changes:
        return (("positive_share", self.share),)


@dataclass(frozen=True)
class InitialWeights(Variant):
    """Random weights from another distribution."""

    distribution: str
    is_comparable: ClassVar[bool] = False

    @property
    def words(self) -> str:
        return self.distribution

    @property
    def changes(self) -> Changes:
        return (("weights", self.distribution),)


# Signs


def _signs_cells(config: Config, parameters: Parameters) -> Iterator[Cell]:
    """One rival, its random weights positive with different probabilities."""
    for pair in networks_of(config, parameters):
        for share in parameters["positive_shares"]:
            yield Cell(*pair, parameters["method"], None, PositiveShare(share))


def _signs_pairs(found: list[CellResult]) -> Pairs:
    """Each probability of a positive weight against signs that are equally frequent."""
    equal = PositiveShare(0.5)
    others = [result for result in found if result.cell.variant != equal]
    yield from each_against(others, next((result for result in found if result.cell.variant == equal), None))


def _series_sentences(here: Evidence) -> list[str]:
    """The accuracy of each variant, and how many differ from the one that all are compared with."""
    text = [", ".join(f"{result.cell.words}: {accuracy(result)}" for result in here.found)]
    if here.comparisons:
        text.append(f"against {here.comparisons[0].second.cell.words}, {tally(here.comparisons)}")
    return text


def _signs_sentences(here: Evidence) -> list[str]:
    """The accuracy of each probability of a positive weight; and in which networks no connection was altered."""
    untouched = [one.result.cell.words for one in here.measured if one.values.get(ALTERED) == 0]
    text = _series_sentences(here)
    if untouched:
        text.append(
            f"not one connection is altered at {', '.join(untouched)}: mostly negative weights silence rectified "
            "units, and no score has a gradient then (docs/rivals.md)"
        )
    return text


SIGNS = Experiment(
    name="signs",
    group=Group.RIVALS,
    title="Random weights of mostly one sign",
    description="A rival whose random weights are positive with different probabilities.",
    claim="Ivan and Florian (2020): flipping and pruning still work where nearly all random weights have the "
    "same sign.",
    cells=_signs_cells,
    pairs=_signs_pairs,
    measure=stored_bits,
    sentences=_signs_sentences,
    figure="signs.py",
    is_the_papers=False,
    has_options=False,
    parameters={
        "method": {"$ref": "#/$defs/rival", "examples": ["free_flipping"]},
        "positive_shares": {
            "description": "The probabilities of a positive weight.",
            "type": "array",
            "minItems": 1,
            "uniqueItems": True,
            "items": {"type": "number", "minimum": 0, "maximum": 1},
            "examples": [[0.1, 0.5, 1]],
        },
    },
)


# Initial weights


def _initial_weights_cells(config: Config, parameters: Parameters) -> Iterator[Cell]:
    """One rival, its random weights from different distributions."""
    for pair in networks_of(config, parameters):
        for name in parameters["distributions"]:
            yield Cell(*pair, parameters["method"], None, InitialWeights(name))


def _initial_weights_pairs(found: list[CellResult]) -> Pairs:
    """Each distribution against the first one of the table."""
    yield from each_against(found[1:], found[0] if found else None)


INITIAL_WEIGHTS = Experiment(
    name="initial-weights",
    group=Group.RIVALS,
    title="Which random weights?",
    description="A rival whose random weights come from different distributions.",
    claim="Ivan and Florian (2020) and Ramanujan et al. (2020): weights of constant magnitude do as well as, or "
    "better than, weights of random magnitude.",
    cells=_initial_weights_cells,
    pairs=_initial_weights_pairs,
    measure=stored_bits,
    sentences=_series_sentences,
    figure="initial_weights.py",
    is_the_papers=False,
    has_options=False,
    parameters={
        "method": {"$ref": "#/$defs/rival", "examples": ["free_pruning"]},
        "distributions": {
            "description": "The distributions of the random weights.",
            "type": "array",
            "minItems": 1,
            "uniqueItems": True,
            "items": {"$ref": "#/$defs/distribution"},
            "examples": [["kaiming-normal", "binary"]],
        },
    },
)
