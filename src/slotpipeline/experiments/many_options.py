"""Slot machines with far more options than the paper's, at several learning rates and score ranges."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from slotpipeline.analysis.cell_results import CellResult, by_options, only, plain
from slotpipeline.analysis.comparisons import Pairs, each_against
from slotpipeline.analysis.evidence import Evidence, accuracy, compared
from slotpipeline.experiments.experiment import Experiment, Group, Parameters, slot_machines
from slotpipeline.runs.cell import Cell, Changes, Config, Variant, cell_run


@dataclass(frozen=True)
class LearningRate(Variant):
    """Another learning rate than the recipe's."""

    rate: float

    @property
    def words(self) -> str:
        return f"learning rate {self.rate:g}"

    @property
    def changes(self) -> Changes:
        return (("learning_rate", self.rate),)


@dataclass(frozen=True)
class WiderScores(Variant):
    """Initial scores in `times` the range of the recipe."""

    times: float

    @property
    def words(self) -> str:
        return "score range grows"

    @property
    def changes(self) -> Changes:
        return (("score_range_conv", self.times), ("score_range_linear", self.times))


def _large_k_cells(config: Config, parameters: Parameters) -> Iterator[Cell]:
    """Greedy selection at large K: by the recipe, at other learning rates, with a score range that grows with K."""
    for cell in slot_machines(config, parameters, "greedy"):
        yield cell
        ours = cell_run(config, cell, 0).settings.learning_rate
        for rate in parameters["learning_rates"]:
            if rate != ours:
                yield replace(cell, variant=LearningRate(rate))
        times = cell.options / parameters["score_range_base"] if cell.options else 1.0
        if times > 1:
            yield replace(cell, variant=WiderScores(times))


def is_best_rate(result: CellResult, found: list[CellResult]) -> bool:
    """Whether a cell has the learning rate that is best on validation at its K, of those with equally many seeds."""
    rates = [
        one
        for one in found
        if one.options == result.options and (one.cell.variant is None or isinstance(one.cell.variant, LearningRate))
    ]
    most = max((one.n for one in rates), default=0)
    rates = [one for one in rates if one.n == most]
    return len(rates) > 1 and result is max(rates, key=lambda one: one.validation)


def _large_k_pairs(found: list[CellResult]) -> Pairs:
    """Each variant against the recipe at the same K; and what is best at each K against the recipe at the smallest."""
    for result in found:
        if result.cell.variant is not None:
            yield from each_against([result], only(found, result.method, result.options))
    recipe = by_options(plain(found, "greedy"))
    for result in recipe[1:]:
        yield result, recipe[0]
    best = (one for one in found if isinstance(one.cell.variant, WiderScores) or is_best_rate(one, found))
    for result in best:
        if recipe and result.cell.variant is not None and (result.options or 0) > (recipe[0].options or 0):
            yield result, recipe[0]


def _large_k_sentences(here: Evidence) -> list[str]:
    """Each K against the smallest: by the recipe, at the rate best on validation, with a growing score range."""
    recipe = by_options(plain(here.found, "greedy"))
    text = (
        ["by the recipe " + ", ".join(f"K = {one.options} reaches {accuracy(one)}" for one in recipe)] if recipe else []
    )
    for one in here.comparisons:
        result, base, variant = one.first, one.second, one.first.cell.variant
        if base.options != result.options:
            how = f"at {result.cell.words}, best on validation,"
            if variant is None:
                how = "by the recipe"
            elif isinstance(variant, WiderScores):
                how = "with a score range that grows"
            text.append(f"K = {result.options} {how} ends {compared(one, f'K = {base.options}')}")
        elif isinstance(variant, WiderScores) or is_best_rate(result, here.found):
            said = f"K = {result.options}, {result.cell.words} ({accuracy(result)})"
            text.append(f"{said}, ends {compared(one, 'the recipe')}")
    for result in recipe:
        if is_best_rate(result, here.found):
            text.append(f"K = {result.options}: the recipe's own learning rate is the best one on validation")
    return text


LARGE_K = Experiment(
    name="large-k",
    group=Group.BEYOND,
    title="Beyond the paper: thousands of options",
    description="Greedy selection far beyond the paper's K, at several learning rates and score ranges.",
    claim="The paper stops at K = 64, where accuracy has begun to fall. Whether more options hurt, or only the "
    "settings no longer fit, it does not say.",
    cells=_large_k_cells,
    pairs=_large_k_pairs,
    sentences=_large_k_sentences,
    figure="large_k.py",
    is_the_papers=False,
    parameters={
        "learning_rates": {
            "description": "Learning rates that are tried beside the recipe's; the best one is picked on validation.",
            "type": "array",
            "uniqueItems": True,
            "items": {"type": "number", "exclusiveMinimum": 0},
            "examples": [[0.05]],
        },
        "score_range_base": {
            "description": "The K at which a score range that grows like K equals the value bound.",
            "type": "integer",
            "minimum": 1,
            "examples": [8],
        },
    },
)
