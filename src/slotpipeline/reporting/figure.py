"""The command line of the scripts that draw one experiment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from matplotlib import rc_context

from slotpipeline.analysis.cell_results import CellResult
from slotpipeline.command import PictureFile, ReferenceFile, ResultsFolder, run
from slotpipeline.experiments.outcomes import experiment_results
from slotpipeline.experiments.registry import EXPERIMENTS
from slotpipeline.reporting.drawing import Drawing, nothing_run, save
from slotpipeline.reporting.sources import figure_digest
from slotpipeline.reporting.style import LOOK
from slotpipeline.results.read import Results, read_results
from slotpipeline.runs.authors_recipes import RIVAL_RECIPES
from slotpipeline.runs.recipe import recipe_name

Draw = Callable[[Results, list[CellResult]], Drawing]


def recipe_used(config: Mapping[str, Any], recipe: str) -> str:
    """What a grid calls the recipe that it trains by in the place of a rival's, or that one."""
    return recipe_name(config.get("recipes", {}).get(recipe, recipe))


def rivals_note(config: Mapping[str, Any]) -> str:
    """By which recipes the rivals of a grid are trained."""
    used = [recipe_used(config, recipe) for recipe in RIVAL_RECIPES]
    own = "their authors' settings" if tuple(used) == RIVAL_RECIPES else "their authors' settings, some shortened"
    return f"Rivals are trained by {', '.join(used)}: {own}."


def experiment_figure(experiment: str, draw: Draw) -> None:
    """Command line of a script that draws one experiment: RESULTS_FOLDER REFERENCE_CSV OUTPUT."""

    def command(folder: ResultsFolder, reference_csv: ReferenceFile, output: PictureFile) -> None:
        results = read_results(folder, reference_csv)
        with rc_context(LOOK):
            found = experiment_results(results, experiment)
            drawing = (
                draw(results, found) if any(one.n for one in found) else nothing_run(EXPERIMENTS[experiment].title)
            )
            save(drawing, output, figure_digest(results, experiment, found))

    command.__doc__ = f"Draw the figure of the experiment {experiment}: {EXPERIMENTS[experiment].title}"
    run(command)
