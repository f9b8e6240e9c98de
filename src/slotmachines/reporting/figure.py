"""How a figure script meets the command line."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer
from matplotlib import rc_context
from matplotlib.figure import Figure

from slotmachines.errors import UserError
from slotmachines.replication.config import read_config
from slotmachines.reporting.experiments import EXPERIMENTS
from slotmachines.reporting.reference import read_reference
from slotmachines.reporting.results import read_runs
from slotmachines.reporting.style import LOOK, save
from slotmachines.reporting.table import experiment_table

Draw = Callable[[Mapping[str, Any], pd.DataFrame], Figure]


def run(command: Callable[..., None]) -> None:
    """Run a script's command; bad input ends it with one line and status 2."""
    try:
        typer.run(command)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


def experiment_figure(experiment: str, draw: Draw) -> None:
    """Command line of a script that draws one experiment: CONFIG RUNS_CSV REFERENCE_CSV OUTPUT."""

    def command(
        config: Annotated[Path, typer.Argument(help="configuration of the grid")],
        runs_csv: Annotated[Path, typer.Argument(help="one row per run")],
        reference_csv: Annotated[Path, typer.Argument(help="the paper's numbers")],
        output: Annotated[Path, typer.Argument(help="the PNG to write")],
    ) -> None:
        settings = read_config(config)
        table = experiment_table(settings, experiment, read_runs(runs_csv), read_reference(reference_csv))
        with rc_context(LOOK):
            save(draw(settings, table), output)

    command.__doc__ = f"Draw the figure of the experiment {experiment}: {EXPERIMENTS[experiment].title}"
    run(command)
