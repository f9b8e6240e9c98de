"""The verbs that get data and train: fetch, train, finetune, plan, train-all, work."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Sequence
from functools import wraps
from inspect import unwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec

import typer

from slotmachines.errors import UserError, one_line
from slotmachines.methods import METHODS, SLOT_METHODS
from slotmachines.networks.names import NETWORKS
from slotpipeline.command import begins, one_line_errors
from slotpipeline.data.datasets import DATASETS
from slotpipeline.plain_yaml import named_values
from slotpipeline.planning.engine import ENGINE_NAMES, engine_of
from slotpipeline.planning.training_job import TrainingJob
from slotpipeline.runs.authors_recipes import AUTHORS_RECIPES
from slotpipeline.runs.recipe import recipe_names

if TYPE_CHECKING:
    from slotpipeline.runs.run import Run
    from slotpipeline.runs.run_record import RunRecord

P = ParamSpec("P")

DEFAULT_RECIPE = "paper-glorot"

DataFolder = Annotated[Path, typer.Option("--data", help="Folder of the datasets that `slotmachines fetch` wrote.")]
Network = Annotated[str, typer.Option(help=f"One of {', '.join(NETWORKS)}.", autocompletion=begins(lambda: NETWORKS))]
Dataset = Annotated[str, typer.Option(help=f"One of {', '.join(DATASETS)}.", autocompletion=begins(lambda: DATASETS))]
Options = Annotated[int | None, typer.Option(help="K, the number of values per connection of a slot machine.")]
Seed = Annotated[int, typer.Option(help="Seed of all random numbers: options, batches, samples.")]
Recipe = Annotated[
    str,
    typer.Option(
        help="Name of a recipe (paper, code, paper-glorot, ...), or a YAML file; default: paper-glorot, and for rivals "
        "their authors' recipe.",
        show_default=False,
        autocompletion=begins(recipe_names),
    ),
]
Set = Annotated[list[str], typer.Option("--set", help="A setting that replaces the recipe's, such as epochs=20.")]
Folder = Annotated[Path | None, typer.Option(help="Folder for the result; default: a readable one below runs/.")]
Checkpoint = Annotated[Path | None, typer.Option(help="File for the state of the unfinished run.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:N, or auto: the GPU that fewest jobs use, if any.")]
Threads = Annotated[int, typer.Option(min=1, help="Processor threads; another number changes the last bits.")]
CudaGraph = Annotated[
    bool | None,
    typer.Option(
        help="Replay each step as one CUDA graph; default: on a GPU with Triton, for all methods but the rivals.",
        show_default=False,
    ),
]
LogDir = Annotated[
    Path | None,
    typer.Option(
        envvar="SLOTMACHINES_LOG_DIR",
        help="Folder for TensorBoard scalars, with a folder per run; changes nothing in the run.",
    ),
]
EngineNames = Annotated[
    list[str],
    typer.Option(
        "--engine", help=f"A way to compute a step that may be faster: {', '.join(ENGINE_NAMES)}; may be repeated."
    ),
]
Keep = Annotated[list[int], typer.Option("--keep-epoch", help="Also keep the selected weights of this epoch.")]


def fetch(
    dataset: Annotated[
        str, typer.Argument(help=f"One of {', '.join(DATASETS)}.", autocompletion=begins(lambda: DATASETS))
    ],
    data: DataFolder = Path("data"),
    source: Annotated[
        Path | None,
        typer.Option("--from", envvar="SLOTMACHINES_DATA", help="Local folder to read instead of downloading."),
    ] = None,
) -> None:
    """Download a dataset into the data folder, or take it from another folder; once.

    Example: slotmachines fetch mnist
    """
    from slotpipeline.data import fetch as fetch_dataset

    typer.echo(f"{dataset} is at {fetch_dataset(dataset, data, source)}")


def _trains(describe: Callable[P, TrainingJob]) -> Callable[P, None]:
    """A verb that trains what a function makes of the verb's arguments."""

    @wraps(describe)
    def verb(*args: P.args, **kwargs: P.kwargs) -> None:
        from slotpipeline.training.jobs import train_job

        job = describe(*args, **kwargs)
        _print_result(job, train_job(job))

    return verb


@_trains
def train(
    network: Network = "lenet",
    dataset: Dataset = "mnist",
    method: Annotated[
        str, typer.Option(help=f"{', '.join(METHODS)}.", autocompletion=begins(lambda: METHODS))
    ] = "greedy",
    options: Options = None,
    seed: Seed = 0,
    recipe: Recipe = "",
    changes: Set = [],  # noqa: B006
    data: DataFolder = Path("data"),
    folder: Folder = None,
    checkpoint: Checkpoint = None,
    keep_epochs: Keep = [],  # noqa: B006
    device: Device = "auto",
    threads: Threads = 1,
    cuda_graph: CudaGraph = None,
    log_dir: LogDir = None,
    engine: EngineNames = [],  # noqa: B006
) -> TrainingJob:
    """Train one network: a slot machine, or its learned or random counterpart. A finished run stays as it is.

    Example: slotmachines train --network lenet --dataset mnist --options 8
    """
    from slotpipeline.runs.run import make_run

    run = make_run(
        network=network, dataset=dataset, method=method, options=options, seed=seed,
        recipe=recipe or AUTHORS_RECIPES.get(method, DEFAULT_RECIPE), changes=named_values(changes),
    )  # fmt: skip
    return _job(
        run, folder, checkpoint, data_folder=data, keep_epochs=tuple(keep_epochs), device=device, threads=threads,
        cuda_graph=cuda_graph, engine=engine_of(engine), log_dir=log_dir,
    )  # fmt: skip


@_trains
def finetune(
    weights: Annotated[Path, typer.Option(help="File in the weights/ folder of the slot machine's run.")],
    start_epoch: Annotated[int, typer.Option(help="Epoch of the slot machine whose weights these are.")],
    network: Network = "lenet",
    dataset: Dataset = "mnist",
    method: Annotated[
        str,
        typer.Option(help="Of the slot machine: greedy or probabilistic.", autocompletion=begins(lambda: SLOT_METHODS)),
    ] = "greedy",
    options: Options = None,
    seed: Seed = 0,
    recipe: Recipe = "",
    changes: Set = [],  # noqa: B006
    data: DataFolder = Path("data"),
    folder: Folder = None,
    checkpoint: Checkpoint = None,
    device: Device = "auto",
    threads: Threads = 1,
    cuda_graph: CudaGraph = None,
    log_dir: LogDir = None,
    engine: EngineNames = [],  # noqa: B006
) -> TrainingJob:
    """Train the selected weights of a slot machine as ordinary weights, up to the slot machine's number of epochs.

    Example: slotmachines finetune --options 8 --start-epoch 75 --weights runs/parent/weights/epoch-75.safetensors
    """
    from slotpipeline.runs.run import finetuned, make_run

    parent = make_run(
        network=network, dataset=dataset, method=method, options=options, seed=seed, recipe=recipe or DEFAULT_RECIPE,
        changes=named_values(changes),
    )  # fmt: skip
    return _job(
        finetuned(parent, start_epoch), folder, checkpoint, data_folder=data, start_weights=weights, device=device,
        threads=threads, cuda_graph=cuda_graph, engine=engine_of(engine), log_dir=log_dir,
    )  # fmt: skip


def job_of(words: Sequence[str]) -> TrainingJob:
    """What a command `slotmachines train ...` or `slotmachines finetune ...` trains.

    Raises:
        UserError: the command has an unknown or missing option, or describes no run.
    """
    app = typer.Typer(add_completion=False)
    for verb in (train, finetune):
        app.command()(unwrap(verb))
    try:
        job: TrainingJob = typer.main.get_command(app).main(list(words[1:]), "slotmachines", standalone_mode=False)
    except Exception as error:
        message = getattr(error, "format_message", None)  # an error of click, of which typer has a copy of its own
        if message is None:
            raise
        raise UserError(f"{shlex.join(words)[:80]}: {message()}") from None
    return job


def train_all(
    plan: Annotated[Path, typer.Argument(help="Commands that `slotmachines plan` printed; - for standard input.")],
) -> None:
    """Train the runs of a plan one after the other in one process. A failed run does not stop the others.

    Example: slotmachines train-all plan.txt
    """
    from slotpipeline.training.jobs import train_all as train_jobs

    jobs = [job_of(words) for words in _plan(plan)]
    if failed := train_jobs(jobs, _print_result):
        raise UserError(f"{len(failed)} of {len(jobs)} runs failed: {'; '.join(failed)}")


def plan(
    config: Annotated[Path, typer.Argument(help="Configuration of a grid, such as config/paper.yaml.")],
    order: Annotated[
        Path | None,
        typer.Argument(help="Order of the runs, such as config/orders/gpu.yaml; default: the grid's order."),
    ] = None,
    results: Annotated[Path, typer.Option(help="Folder of all grids' results.")] = Path("results"),
    engine: EngineNames = [],  # noqa: B006
) -> None:
    """Print the runs of a grid that are to be trained as commands, in a given order, for a machine without Snakemake.

    Example: slotmachines plan config/paper.yaml config/orders/gpu.yaml
    """
    from slotpipeline.experiments.config_schema import read_grid
    from slotpipeline.experiments.grid import grid_runs, kept_epochs
    from slotpipeline.planning.plan import in_order, left_out, plan_lines, read_order
    from slotpipeline.results.collect import recorded_identities
    from slotpipeline.runs.to_do import runs_to_train

    settings = read_grid(config)
    folder, planned = results / settings["grid"], grid_runs(settings)
    wanted = planned if order is None else in_order(settings, read_order(order))
    runs = runs_to_train(wanted, recorded_identities(folder), folder)
    chosen = engine_of(engine)
    typer.echo("\n".join(plan_lines(runs, kept_epochs(planned), folder, chosen)))
    for line in left_out(runs, chosen):
        typer.echo(line, err=True)


def work(
    plan: Annotated[Path, typer.Argument(help="Commands that `slotmachines plan` printed; - for standard input.")],
    jobs: Annotated[int, typer.Option(min=1, help="Runs at a time; several small ones share a GPU.")] = 1,
    minutes: Annotated[float, typer.Option(min=0, help="Stop after these; the same command goes on.")] = 1e6,
    log: Annotated[Path | None, typer.Option(help="Log file; default: where `slotmachines watch` looks.")] = None,
) -> None:
    """Train the runs of a plan, one or several at a time, until a deadline.

    Example: slotmachines work plan.txt --jobs 4 --minutes 55
    """
    from slotpipeline.planning import worker

    commands = _plan(plan)
    done = worker.work(commands, train_one, jobs=jobs, seconds=60 * minutes, log=log or worker.log_of(commands))
    typer.echo(
        f"{done.now} runs finished, {done.before} were before, {done.left} are left; "
        f"make collect gathers them once their folders are in the project"
    )
    if done.failed:
        raise UserError(f"{done.failed} runs failed; {log} says why")


def train_one(words: list[str]) -> None:
    """Train the run of a command of a plan; what goes wrong is printed, and a signal ends the process in order."""
    from slotpipeline.training.jobs import train_all as train_jobs

    with one_line_errors("slotmachines"):
        try:
            failed = train_jobs([job_of(words)], _print_result)
        except UserError as error:
            failed = [str(error)]
        for line in failed:
            typer.echo(f"slotmachines: {line}", err=True)


def _plan(path: Path) -> list[list[str]]:
    from slotpipeline.planning.worker import read_plan

    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read the plan {path}: {one_line(error)}; make it with: slotmachines plan") from None
    return read_plan(text.splitlines(), str(path))


def _job(run: Run, folder: Path | None, checkpoint: Path | None, **more: Any) -> TrainingJob:
    folder = folder or Path("runs") / run.folder
    return TrainingJob(run, folder, checkpoint or folder / "checkpoint.pt", **more)


def _print_result(job: TrainingJob, record: RunRecord) -> None:
    typer.echo(
        f"test accuracy {record.test_accuracy:.2f}% at epoch {record.best_epoch}, the best on validation "
        f"({record.val_accuracy:.2f}%): {job.folder}"
    )
