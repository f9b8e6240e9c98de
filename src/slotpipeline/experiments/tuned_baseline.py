"""Learned weights with other settings than the recipe's: which are best on validation, and how they fare against K."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import ClassVar

from slotpipeline.analysis.cell_results import CellResult, by_options, plain
from slotpipeline.analysis.claim_runs import SCHEDULES
from slotpipeline.analysis.comparisons import Pairs, each_against
from slotpipeline.analysis.evidence import Evidence, accuracy, compared
from slotpipeline.analysis.text import number
from slotpipeline.experiments.experiment import Experiment, Group, Parameters, networks_of
from slotpipeline.runs.cell import Cell, Changes, Config, Variant


@dataclass(frozen=True)
class TrainedWith(Variant):
    """Learned weights with a learning rate, weight decay and schedule of their own."""

    learning_rate: float
    weight_decay: float
    schedule: str
    is_comparable: ClassVar[bool] = False

    @property
    def words(self) -> str:
        decay = f"{self.weight_decay:g}" if self.weight_decay else "no"
        return f"learning rate {self.learning_rate:g}, {decay} weight decay, {self.schedule}"

    @property
    def changes(self) -> Changes:
        own = (("learning_rate", self.learning_rate), ("weight_decay", self.weight_decay))
        return (*own, *SCHEDULES[self.schedule].items())


RATE = {"type": "number", "exclusiveMinimum": 0}
DECAY = {"type": "number", "minimum": 0}
SCHEDULE = {"enum": list(SCHEDULES)}


def _each_of(description: str, item: object, example: list[object]) -> dict[str, object]:
    return {
        "description": description, "type": "array", "minItems": 1, "uniqueItems": True, "items": item,
        "examples": [example],
    }  # fmt: skip


# The settings to choose from


def _tuning_cells(config: Config, parameters: Parameters) -> Iterator[Cell]:
    for pair in networks_of(config, parameters):
        for values in product(parameters["learning_rates"], parameters["weight_decays"], parameters["schedules"]):
            yield Cell(*pair, "learned", None, TrainedWith(*values))


def _tuning_sentences(here: Evidence) -> list[str]:
    """The settings with the best mean validation accuracy, the second best, and the test accuracy of the best."""
    ranked = sorted(here.found, key=lambda one: -one.validation)
    validated = [f"{one.cell.words}: {number(one.validation)}% (n = {one.n})" for one in ranked[:2]]
    text = [f"mean accuracy on validation of the best settings: {'; '.join(validated)}"]
    return [*text, f"the best reach {accuracy(ranked[0])} on the test images"]


TUNING = Experiment(
    name="tuning",
    group=Group.BEYOND,
    title="Which settings suit learned weights?",
    description="Learned weights by learning rate, weight decay and schedule, to choose from by validation accuracy.",
    claim="The paper does not say how the settings of its learned weights were chosen.",
    cells=_tuning_cells,
    sentences=_tuning_sentences,
    figure="tuning.py",
    is_the_papers=False,
    has_options=False,
    parameters={
        "learning_rates": _each_of("The learning rates.", RATE, [0.01, 0.1]),
        "weight_decays": _each_of("The weight decays.", DECAY, [0, 1.0e-4]),
        "schedules": _each_of("The schedules.", SCHEDULE, list(SCHEDULES)),
    },
)


# Slot machines against the chosen settings


def tuned(found: list[CellResult]) -> list[CellResult]:
    """The learned weights with settings of their own."""
    return [one for one in found if isinstance(one.cell.variant, TrainedWith)]


def _against_tuned_cells(config: Config, parameters: Parameters) -> Iterator[Cell]:
    chosen = TrainedWith(parameters["learning_rate"], parameters["weight_decay"], parameters["schedule"])
    for pair in networks_of(config, parameters):
        yield from (Cell(*pair, "greedy", options) for options in parameters["options"])
        yield Cell(*pair, "learned", None, chosen)


def _against_tuned_pairs(found: list[CellResult]) -> Pairs:
    yield from each_against(by_options(plain(found, "greedy")), next(iter(tuned(found)), None))


def _against_tuned_sentences(here: Evidence) -> list[str]:
    """What tuned learned weights reach, and each K against them."""
    text = [f"tuned learned weights ({one.cell.words}) reach {accuracy(one)}" for one in tuned(here.found)]
    return text + [f"K = {one.first.options} ends {compared(one, 'tuned learned weights')}" for one in here.comparisons]


AGAINST_TUNED = Experiment(
    name="against-tuned",
    group=Group.BEYOND,
    title="Against learned weights whose settings were tuned",
    description="Greedy slot machines by K, beside learned weights with the settings that tuning has chosen.",
    claim="Selected random weights are as accurate as learned ones. Does that hold if the settings of the learned "
    "ones are tuned?",
    cells=_against_tuned_cells,
    pairs=_against_tuned_pairs,
    sentences=_against_tuned_sentences,
    figure="against_tuned.py",
    is_the_papers=False,
    parameters={
        "learning_rate": {"description": "The learning rate that was chosen.", "examples": [0.1], **RATE},
        "weight_decay": {"description": "The weight decay that was chosen.", "examples": [1.0e-4], **DECAY},
        "schedule": {"description": "The schedule that was chosen.", "examples": ["one cosine to zero"], **SCHEDULE},
    },
)
