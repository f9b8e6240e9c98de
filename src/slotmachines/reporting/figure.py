"""The command line of the scripts that draw one experiment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
from matplotlib import rc_context
from matplotlib.figure import Figure

from slotmachines.command import ConfigFile, PictureFile, ReferenceFile, RunsFile, run
from slotmachines.replication.config import read_config
from slotmachines.reporting.experiments import EXPERIMENTS
from slotmachines.reporting.reference import read_reference
from slotmachines.reporting.results import read_runs
from slotmachines.reporting.style import LOOK, save
from slotmachines.reporting.table import experiment_table

Draw = Callable[[Mapping[str, Any], pd.DataFrame], Figure]


def experiment_figure(experiment: str, draw: Draw) -> None:
    """Command line of a script that draws one experiment: CONFIG RUNS_CSV REFERENCE_CSV OUTPUT."""

    def command(config: ConfigFile, runs_csv: RunsFile, reference_csv: ReferenceFile, output: PictureFile) -> None:
        settings = read_config(config)
        table = experiment_table(settings, experiment, read_runs(runs_csv), read_reference(reference_csv))
        with rc_context(LOOK):
            save(draw(settings, table), output)

    command.__doc__ = f"Draw the figure of the experiment {experiment}: {EXPERIMENTS[experiment].title}"
    run(command)
