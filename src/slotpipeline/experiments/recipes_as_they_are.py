"""Slot machines by the recipe of the text and by that of the released code, as they are."""

from __future__ import annotations

from collections.abc import Iterator

from slotmachines.methods import SLOT_METHODS
from slotpipeline.analysis.cell_results import CellResult
from slotpipeline.analysis.comparisons import Pairs, each_against
from slotpipeline.analysis.evidence import Evidence, accuracy
from slotpipeline.analysis.text import number
from slotpipeline.experiments.experiment import Experiment, Group, Parameters, networks_of
from slotpipeline.runs.cell import ByRecipe, Cell, Config


def _whole_recipes_cells(config: Config, parameters: Parameters) -> Iterator[Cell]:
    """Slot machines by each recipe as it is, with its own number of epochs."""
    for pair in networks_of(config, parameters):
        for one in parameters["recipes"]:
            yield from (Cell(*pair, one["method"], options, ByRecipe(one["recipe"])) for options in one["options"])


def _whole_recipes_pairs(found: list[CellResult]) -> Pairs:
    """The first recipe of the table against each other one, with the same method and K."""
    for result in found:
        same = [one for one in found if (one.method, one.options) == (result.method, result.options)]
        if same[0] is not result:
            yield from each_against(same[:1], result)


def _whole_recipes_sentences(here: Evidence) -> list[str]:
    """What each recipe reaches, and how far that is from the paper."""
    return [
        f"recipe {one.cell.words}, {one.method}, K = {one.options}: {accuracy(one)}"
        + ("" if one.difference is None else f", {number(one.difference, '+.2f')} points from the paper")
        for one in here.found
    ]


WHOLE_RECIPES = Experiment(
    name="whole-recipes",
    group=Group.BEYOND,
    title="Does the text give the paper's numbers, or the code?",
    description="Slot machines by recipes as they are.",
    claim="The paper's text describes how it trains, and its authors released code with other settings. Which of "
    "them gives the paper's numbers?",
    cells=_whole_recipes_cells,
    pairs=_whole_recipes_pairs,
    sentences=_whole_recipes_sentences,
    figure="whole_recipes.py",
    is_the_papers=False,
    has_options=False,
    parameters={
        "recipes": {
            "description": "Each recipe, by name or file, with the method and the numbers of options K to train.",
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["recipe", "method", "options"],
                "additionalProperties": False,
                "properties": {
                    "recipe": {"type": "string", "minLength": 1},
                    "method": {"enum": list(SLOT_METHODS)},
                    "options": {"$ref": "#/$defs/options"},
                },
            },
            "examples": [
                [
                    {"recipe": "paper", "method": "greedy", "options": [2, 8]},
                    {"recipe": "code", "method": "greedy", "options": [2, 8]},
                ]
            ],
        },
    },
)
