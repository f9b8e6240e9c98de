"""The verbs that say how far a grid is: what it lacks, and what its runs do."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from slotmachines.errors import UserError
from slotpipeline.as_json import AsJson, json_text
from slotpipeline.command import begins


def _experiment_names() -> list[str]:
    from slotpipeline.experiments.registry import EXPERIMENTS

    return list(EXPERIMENTS)


GridConfig = Annotated[Path, typer.Argument(help="Configuration of a grid.")]
Experiments = Annotated[
    list[str],
    typer.Argument(
        metavar="[EXPERIMENT]...",
        help="Only these experiments of it, such as k-sweep.",
        show_default=False,
        autocompletion=begins(_experiment_names),
    ),
]
Results = Annotated[Path, typer.Option(help="Folder of all grids' results.")]
Seconds = Annotated[Path, typer.Option(help="Seconds per epoch on a core.")]


def status(
    config: GridConfig = Path("config/paper.yaml"),
    experiments: Experiments = [],  # noqa: B006
    results: Results = Path("results"),
    figures: Annotated[Path, typer.Option(help="Folder of all grids' figures.")] = Path("figures"),
    reference: Annotated[Path, typer.Option(help="The published numbers.")] = Path("config/reference.csv"),
    seconds: Seconds = Path("config/seconds_per_epoch.csv"),
    epochs: Annotated[Path, typer.Option(help="Seconds per epoch on a GPU.")] = Path("results/benchmark/epochs.csv"),
    as_json: AsJson = False,
) -> None:
    """Show which tables and figures of a grid are missing or out of date, why, and what it costs to make them.

    Examples: slotmachines status config/mnist.yaml; slotmachines status config/paper.yaml k-sweep selection
    """
    from slotpipeline.reporting.status import status_of

    settings = _grid(config)
    grid = settings["grid"]
    found = status_of(settings, results / grid, figures / grid, reference, seconds, epochs, experiments)
    typer.echo(json_text({"grid": grid, **found.as_dict()}) if as_json else str(found))


def watch(
    config: GridConfig = Path("config/paper.yaml"),
    experiments: Experiments = [],  # noqa: B006
    results: Results = Path("results"),
    logs: Annotated[Path, typer.Option(help="Folder of all grids' logs.")] = Path("logs"),
    seconds: Seconds = Path("config/seconds_per_epoch.csv"),
    every: Annotated[float, typer.Option(min=1, help="Seconds between two looks.")] = 10,
    once: Annotated[bool, typer.Option("--once", help="Look once.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Look once, and print JSON, for a program.")] = False,
) -> None:
    """Show the progress of a grid while Snakemake trains it, here or on a cluster, until all runs are finished.

    Examples: slotmachines watch config/mnist.yaml; slotmachines watch config/paper.yaml k-sweep selection
    """
    from slotpipeline.experiments.wanted import wanted_runs
    from slotpipeline.reporting.progress import progress_of
    from slotpipeline.reporting.run_progress import printed_progress
    from slotpipeline.results.collect import recorded_identities
    from slotpipeline.runs.run_time import read_seconds
    from slotpipeline.runs.to_do import runs_to_train

    settings = _grid(config)
    runs, measured, folder = wanted_runs(settings, experiments), read_seconds(seconds), results / settings["grid"]
    while True:
        recorded = recorded_identities(folder)
        to_train = runs_to_train(runs, recorded, folder)
        now = time.time()
        printed = printed_progress(logs / settings["grid"] / "train", now)
        found = progress_of(runs, to_train, recorded, printed, folder, measured, now)
        if as_json:
            typer.echo(json_text(asdict(found)))
            return
        if sys.stdout.isatty() and not once:
            typer.echo("\033[2J\033[H", nl=False)  # a clear screen
        typer.echo(str(found))
        if once or not to_train:
            return
        time.sleep(every)


def _grid(config: Path) -> dict[str, Any]:
    """The config of a grid.

    Raises:
        UserError: the file is none, or an experiment's name is in its place.
    """
    from slotpipeline.experiments.config_schema import read_grid

    if str(config) in _experiment_names() and not config.is_file():
        raise UserError(f"{config} is an experiment; give its grid before it: config/paper.yaml {config}")
    return read_grid(config)
