"""The command line of the scripts that draw one experiment."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
from matplotlib import rc_context
from matplotlib.figure import Figure

from slotmachines.command import PictureFile, ReferenceFile, ResultsFolder, run
from slotmachines.reporting.experiments import EXPERIMENTS
from slotmachines.reporting.results import Results, read_results
from slotmachines.reporting.sources import figure_digest
from slotmachines.reporting.style import LOOK, save
from slotmachines.reporting.table import experiment_table

Draw = Callable[[Results, pd.DataFrame], Figure]


def experiment_figure(experiment: str, draw: Draw) -> None:
    """Command line of a script that draws one experiment: RESULTS_FOLDER REFERENCE_CSV OUTPUT."""

    def command(folder: ResultsFolder, reference_csv: ReferenceFile, output: PictureFile) -> None:
        results = read_results(folder, reference_csv)
        with rc_context(LOOK):
            table = experiment_table(results, experiment)
            save(draw(results, table), output, figure_digest(results, experiment, table))

    command.__doc__ = f"Draw the figure of the experiment {experiment}: {EXPERIMENTS[experiment].title}"
    run(command)
