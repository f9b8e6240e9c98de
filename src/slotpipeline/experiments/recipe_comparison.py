"""Recipes taken apart: each with single settings of another one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace

from slotpipeline.analysis.cell_results import CellResult
from slotpipeline.analysis.comparisons import Pairs, each_against
from slotpipeline.analysis.evidence import Evidence, accuracy, tally
from slotpipeline.analysis.text import number
from slotpipeline.experiments.experiment import Experiment, Group, Parameters, networks_of
from slotpipeline.runs.cell import ByRecipe, Cell, Changes, Config, Variant, cell_run
from slotpipeline.runs.recipe import recipe_name

FACTORS: Mapping[str, Sequence[str]] = {
    "value bound": ("value_bound",),
    "score range": ("score_range_conv", "score_range_linear"),
    "learning rate": ("learning_rate",),
    "restarts": ("schedule", "schedule_epochs"),
    "weight decay": ("weight_decay",),
    "padding": ("network_settings",),
    "augmentation": ("augmentation",),
}
"""What two recipes may disagree about, and the settings that hold it."""
WITHOUT_SCORES = ("score range",)
"""What makes no difference to weights that are not selected by scores."""


@dataclass(frozen=True)
class MixedRecipe(Variant):
    """The recipe `base`, with the `factors` of the recipe `other`; `taken`: the settings that these are."""

    base: str
    other: str
    factors: tuple[str, ...]
    taken: Changes

    @property
    def name(self) -> str:
        return f"{recipe_name(self.other)}'s {', '.join(self.factors)}"

    @property
    def words(self) -> str:
        return f"{recipe_name(self.base)} + {self.name}"

    @property
    def recipe(self) -> str:
        return self.base

    @property
    def changes(self) -> Changes:
        return self.taken


class AsSlotMachine(MixedRecipe):
    """Learned weights by the recipe `base`, with `factors` of the slot machines of the same recipe."""

    @property
    def name(self) -> str:
        return f"the slot machines' {', '.join(self.factors)}"


def mixed_pairs(recipes: Sequence[str]) -> list[tuple[str, str]]:
    """Each recipe, and the one whose settings it takes: the first two each other's, further ones those of the second.

    So a study that gets one more recipe keeps the runs that it had.
    """
    first, second, *further = recipes
    return [(first, second), (second, first), *((recipe, second) for recipe in further)]


def _recipe_study_cells(config: Config, parameters: Parameters) -> Iterator[Cell]:
    """Each recipe as it is, and with single factors or some together taken from another one.

    First the slot machines; then, where the config asks for them, learned weights, also with factors of slot machines.
    """
    for pair in networks_of(config, parameters):
        for options in parameters["options"]:
            for base, other in mixed_pairs(parameters["recipes"]):
                yield from _taken_apart(config, parameters, Cell(*pair, "greedy", options, ByRecipe(base)), other)
        for base, other in mixed_pairs(parameters["recipes"]) if "learned" in parameters else ():
            whole = Cell(*pair, "learned", None, ByRecipe(base))
            yield from _taken_apart(config, parameters, whole, other)
            slots = Cell(*pair, "greedy", parameters["options"][0], ByRecipe(base))
            yield from _mixed(whole, base, _differences(config, whole, slots), parameters["learned"], AsSlotMachine)


def _taken_apart(config: Config, parameters: Parameters, whole: Cell, other: str) -> Iterator[Cell]:
    """A cell of a recipe as it is, and with factors of another recipe."""
    yield whole
    theirs = replace(whole, variant=ByRecipe(other))
    chosen = [*([name] for name in FACTORS), *parameters["together"]]
    yield from _mixed(whole, other, _differences(config, whole, theirs), chosen, MixedRecipe)


def _mixed(
    whole: Cell, other: str, different: Mapping[str, Changes], chosen: Iterable[list[str]], kind: type[MixedRecipe]
) -> Iterator[Cell]:
    """A cell with each choice of factors, each once.

    What both agree about cannot be taken (lenet has no padding): of several factors together, the others are.
    """
    possible = [(factors, tuple(factor for factor in factors if factor in different)) for factors in chosen]
    for taken in dict.fromkeys(taken for factors, taken in possible if len(taken) > 1 or taken == tuple(factors)):
        changes = tuple(change for factor in taken for change in different[factor])
        yield replace(whole, variant=kind(whole.recipe, other, taken, changes))


def _differences(config: Config, cell: Cell, other: Cell) -> dict[str, Changes]:
    """Factor -> the settings of `other` that differ from those of `cell`."""
    ours, theirs = (cell_run(config, one, 0).settings for one in (cell, other))
    found = {
        factor: tuple((name, getattr(theirs, name)) for name in names if getattr(theirs, name) != getattr(ours, name))
        for factor, names in FACTORS.items()
        if factor not in WITHOUT_SCORES or cell.options is not None
    }
    return {factor: changes for factor, changes in found.items() if changes}


def _unvaried(here: Evidence) -> list[str]:
    """The settings that two recipes disagree about for a network, but that are no factor of the study; pair by pair."""
    plain, parameters = here.found[0].cell, here.config["experiments"][RECIPE_STUDY.name]
    factors = {name for names in FACTORS.values() for name in names}
    text: dict[str, list[str]] = {}
    pair, _, *further = mixed_pairs(parameters["recipes"])  # the second is the first one turned round
    for base, other in (pair, *further):
        first, second = (
            cell_run(
                here.config, Cell(plain.dataset, plain.network, "greedy", parameters["options"][0], ByRecipe(one)), 0
            ).settings
            for one in (base, other)
        )
        left = [
            f"{field.name} ({getattr(first, field.name)} against {getattr(second, field.name)})"
            for field in fields(first)
            if field.name not in factors and getattr(first, field.name) != getattr(second, field.name)
        ]
        text.setdefault(", ".join(left), []).append(f"{recipe_name(base)} and {recipe_name(other)}")
    return [
        f"the recipes {', and '.join(pairs)}{',' if len(pairs) > 1 else ''} also differ in {left}, which is not varied"
        for left, pairs in text.items()
        if left
    ]


def base_of(result: CellResult) -> str:
    """The recipe that a cell of the study starts from."""
    return result.cell.recipe


def factors_of(result: CellResult) -> tuple[str, ...]:
    """What a cell of the study takes from elsewhere; nothing where it has the recipe as it is."""
    return result.cell.variant.factors if isinstance(result.cell.variant, MixedRecipe) else ()


def same_network(first: CellResult, second: CellResult) -> bool:
    """Whether two cells of the study are slot machines of the same K, or both learned weights."""
    return (first.method, first.options) == (second.method, second.options)


def _recipe_study_pairs(found: list[CellResult]) -> Pairs:
    """A recipe with factors of another one against the recipe as it is."""
    whole = [result for result in found if not factors_of(result)]
    for result in found:
        if factors_of(result):
            same = (one for one in whole if base_of(one) == base_of(result) and same_network(one, result))
            yield from each_against([result], next(same, None))


def _recipe_study_sentences(here: Evidence) -> list[str]:
    """The recipes against the paper, the largest differences, how many are significant, what came closest."""
    text = [
        f"recipe {result.cell.words} reaches {accuracy(result)} {_of(result.options)}"
        + ("" if result.difference is None else f", {number(result.difference, '+.2f')} points from the paper")
        for result in here.found
        if not factors_of(result)
    ]
    for options in _each_k(one.first for one in here.comparisons):
        chosen = [one for one in here.comparisons if one.first.options == options]
        chosen.sort(key=lambda one: -abs(one.difference.mean))
        largest = [
            f"{one.first.cell.words} {number(one.difference.mean, '+.2f')}"
            + (" (significant)" if one.is_significant else "")
            for one in chosen[:4]
        ]
        text.append(f"the largest changes {_of(options)}, in points: {'; '.join(largest)}")
        text.append(f"{_of(options)}, {tally(chosen)}")
    for options in _each_k(here.found):
        text += _closest(here.found, options)
    return text + _unvaried(here)


def _each_k(found: Iterable[CellResult]) -> list[int | None]:
    """The numbers of options of some cells, and None for learned weights at the end."""
    return sorted({one.options for one in found}, key=lambda options: options or math.inf)


def _of(options: int | None) -> str:
    return "for learned weights" if options is None else f"at K = {options}"


def _closest(found: list[CellResult], options: int | None) -> list[str]:
    """The three cells of a K, or of learned weights, whose accuracy on validation is closest to the paper's number.

    A recipe is chosen on validation: so the accuracy on the test images stays evidence.
    """
    judged: dict[tuple[str, ...], tuple[float, float, CellResult]] = {}
    for one in sorted(found, key=lambda one: len(factors_of(one))):  # a recipe as it is before one that comes to it
        if one.options == options and one.difference is not None and one.paper is not None:
            judged.setdefault(one.identities, (one.validation - one.paper.value, one.difference, one))
    nearest = [
        f"{one.cell.words} (validation {number(gap, '+.2f')}, test {number(difference, '+.2f')}, n = {one.n})"
        for gap, difference, one in sorted(judged.values(), key=lambda three: abs(three[0]))[:3]
    ]
    if len(nearest) < 2:
        return []
    return [f"closest to the paper on validation {_of(options)}, in points: {', '.join(nearest)}"]


RECIPE_STUDY = Experiment(
    name="recipe-study",
    group=Group.BEYOND,
    title="Which recipe is the paper?",
    description="Recipes, and each with single settings of another one.",
    claim="The paper's text and its released code disagree on the settings; each is taken apart here, one "
    "difference at a time.",
    cells=_recipe_study_cells,
    pairs=_recipe_study_pairs,
    sentences=_recipe_study_sentences,
    figure="recipe_study.py",
    is_the_papers=False,
    parameters={
        "recipes": {
            "description": "The recipes, by name or file. The first two take settings of each other, further ones take "
            "those of the second.",
            "type": "array",
            "minItems": 2,
            "uniqueItems": True,
            "items": {"type": "string", "minLength": 1},
            "examples": [["paper", "code"]],
        },
        "together": {
            "description": "Factors that are also taken together.",
            "type": "array",
            "items": {"type": "array", "minItems": 2, "uniqueItems": True, "items": {"enum": list(FACTORS)}},
            "examples": [[["value bound", "score range"]]],
        },
    },
    optional={
        "learned": {
            "description": "If given, learned weights are trained too: by each recipe, with factors of another one, "
            "and with each of these lists of factors of the slot machines of the same recipe.",
            "type": "array",
            "items": {"type": "array", "minItems": 1, "uniqueItems": True, "items": {"enum": list(FACTORS)}},
            "examples": [[["restarts"], ["restarts", "weight decay"]]],
        },
    },
)
