"""Slot machines whose initial scores lie in wider or narrower ranges than the recipe's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from slotpipeline.analysis.cell_results import CellResult, only
from slotpipeline.analysis.comparisons import Pairs, each_against
from slotpipeline.analysis.evidence import Evidence, accuracy, compared
from slotpipeline.experiments.experiment import Experiment, Group, Parameters, slot_machines
from slotpipeline.runs.cell import Cell, Changes, Config, Variant


@dataclass(frozen=True)
class ScoreRange(Variant):
    """Initial scores in a range that is `times` the value bound."""

    times: float

    @property
    def words(self) -> str:
        return f"score range x {self.times:g}"

    @property
    def changes(self) -> Changes:
        return (("score_range_conv", self.times), ("score_range_linear", self.times))


def _cells(config: Config, parameters: Parameters) -> Iterator[Cell]:
    for cell in slot_machines(config, parameters, "greedy"):
        yield cell
        yield from (replace(cell, variant=ScoreRange(times)) for times in parameters["ranges"])


def _pairs(found: list[CellResult]) -> Pairs:
    """Each range against the recipe's at the same K."""
    for result in found:
        if result.cell.variant:
            yield from each_against([result], only(found, "greedy", result.options))


def _sentences(here: Evidence) -> list[str]:
    return [
        f"K = {one.first.options}, {one.first.cell.words}: {accuracy(one.first)}, {compared(one, 'the recipe')}"
        for one in here.comparisons
    ]


SCORE_RANGES = Experiment(
    name="score-ranges",
    group=Group.BEYOND,
    title="How far apart should scores start?",
    description="Slot machines whose initial scores lie in ranges of different widths.",
    claim="The paper draws initial scores from the range of the values, and tries no other range.",
    cells=_cells,
    pairs=_pairs,
    sentences=_sentences,
    figure="accuracy_by_score_range.py",
    is_the_papers=False,
    parameters={
        "ranges": {
            "description": "Widths of the range, in value bounds.",
            "type": "array",
            "minItems": 1,
            "items": {"type": "number", "exclusiveMinimum": 0},
            "examples": [[0.5, 2]],
        }
    },
)
