"""The verbs that get data and train: fetch, train, finetune, plan, work."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from slotmachines.errors import UserError
from slotmachines.methods import METHODS
from slotmachines.networks.names import NETWORKS
from slotpipeline.data.datasets import DATASETS
from slotpipeline.plain_yaml import parse_yaml

if TYPE_CHECKING:
    from slotpipeline.runs.run import Run

DEFAULT_RECIPE = "paper-glorot"

DataFolder = Annotated[Path, typer.Option("--data", help="Folder of the datasets that `slotmachines fetch` wrote.")]
Network = Annotated[str, typer.Option(help=f"One of {', '.join(NETWORKS)}.")]
Dataset = Annotated[str, typer.Option(help=f"One of {', '.join(DATASETS)}.")]
Options = Annotated[int | None, typer.Option(help="K, the number of values per connection of a slot machine.")]
Seed = Annotated[int, typer.Option(help="Seed of the options and of all that is drawn in training.")]
Seeds = Annotated[
    list[int],
    typer.Option("--seed", help="Seed of the options and of all that is drawn; several are trained together."),
]
Recipe = Annotated[
    str,
    typer.Option(
        help="Name of a recipe (paper, code, paper-glorot, ...), or a YAML file; default: that of a rival's authors, "
        "paper-glorot for all others.",
        show_default=False,
    ),
]
Set = Annotated[list[str], typer.Option("--set", help="A setting that wins over the recipe's, such as epochs=20.")]
Folder = Annotated[Path | None, typer.Option(help="Folder for the result; default: a readable one below runs/.")]
Checkpoint = Annotated[Path | None, typer.Option(help="File for the state of the unfinished run.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:N, or auto: the GPU that fewest jobs use, if any.")]
Threads = Annotated[int, typer.Option(min=1, help="Processor threads; results are repeatable for one number of them.")]
CudaGraph = Annotated[
    bool | None,
    typer.Option(
        help="Replay each step as one CUDA graph; default: on a GPU with Triton, for all methods but the rivals.",
        show_default=False,
    ),
]
Keep = Annotated[list[int], typer.Option("--keep-epoch", help="Keep the selected weights of this epoch, too.")]


def fetch(
    dataset: Annotated[str, typer.Argument(help=f"One of {', '.join(DATASETS)}.")],
    data: DataFolder = Path("data"),
    source: Annotated[
        Path | None,
        typer.Option("--from", envvar="SLOTMACHINES_DATA", help="Local folder to read it from, instead of a download."),
    ] = None,
) -> None:
    """Get a dataset, once, into the data folder."""
    from slotpipeline.data import fetch as fetch_dataset

    typer.echo(f"{dataset} is at {fetch_dataset(dataset, data, source)}")


def train(
    network: Network = "lenet",
    dataset: Dataset = "mnist",
    method: Annotated[str, typer.Option(help=f"{', '.join(METHODS)}.")] = "greedy",
    options: Options = None,
    seeds: Seeds = [0],  # noqa: B006
    recipe: Recipe = "",
    changes: Set = [],  # noqa: B006
    data: DataFolder = Path("data"),
    folder: Folder = None,
    checkpoint: Checkpoint = None,
    keep_epochs: Keep = [],  # noqa: B006
    device: Device = "auto",
    threads: Threads = 1,
    cuda_graph: CudaGraph = None,
) -> None:
    """Train one network: a slot machine, or its learned or random counterpart; one that is finished stays as it is."""
    from slotpipeline.runs.authors_recipes import AUTHORS_RECIPES
    from slotpipeline.runs.run import make_run
    from slotpipeline.training.device import graph_by_default
    from slotpipeline.training.placement import device_of_job

    runs = [
        make_run(
            network=network,
            dataset=dataset,
            method=method,
            options=options,
            seed=seed,
            recipe=recipe or AUTHORS_RECIPES.get(method, DEFAULT_RECIPE),
            changes=_settings(changes),
        )
        for seed in seeds
    ]
    if len(runs) > 1 and (folder, checkpoint) != (None, None):
        raise UserError("each of several seeds has a folder of its own below runs; leave out --folder and --checkpoint")
    with device_of_job(device) as place:
        graph = graph_by_default(place, method) if cuda_graph is None else cuda_graph
        more = {"data_folder": data, "keep_epochs": tuple(keep_epochs), "device": place, "threads": threads}
        if len(runs) == 1:
            _train(runs[0], folder, checkpoint, cuda_graph=graph, **more)
        else:
            _train_together(runs, cuda_graph=graph, **more)


def finetune(
    weights: Annotated[Path, typer.Option(help="Selected weights that the slot machine's run kept.")],
    start_epoch: Annotated[int, typer.Option(help="Epochs that the slot machine was trained for by then.")],
    network: Network = "lenet",
    dataset: Dataset = "mnist",
    method: Annotated[str, typer.Option(help="Of the slot machine: greedy or probabilistic.")] = "greedy",
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
) -> None:
    """Train the selected weights of a slot machine in the usual way, up to as many epochs in total as it was given."""
    from slotpipeline.runs.run import finetuned, make_run
    from slotpipeline.training.device import graph_by_default
    from slotpipeline.training.placement import device_of_job

    parent = make_run(
        network=network,
        dataset=dataset,
        method=method,
        options=options,
        seed=seed,
        recipe=recipe or DEFAULT_RECIPE,
        changes=_settings(changes),
    )
    run = finetuned(parent, start_epoch)
    with device_of_job(device) as place:
        graph = graph_by_default(place, method) if cuda_graph is None else cuda_graph
        more = {"data_folder": data, "start_weights": weights, "device": place, "threads": threads}
        _train(run, folder, checkpoint, cuda_graph=graph, **more)


def plan(
    config: Annotated[Path, typer.Argument(help="Configuration of a grid, such as config/paper.yaml.")],
    order: Annotated[Path, typer.Argument(help="What to run first, such as config/orders/gpu.yaml.")],
    results: Annotated[Path, typer.Option(help="Folder of all grids' results.")] = Path("results"),
) -> None:
    """Print the runs of a grid that are to do in an order, a command per line, for a machine without Snakemake."""
    from slotpipeline.experiments.config_schema import checked_config
    from slotpipeline.planning.plan import in_order, plan_lines, read_order
    from slotpipeline.results.collect import recorded_identities
    from slotpipeline.runs.config import read_config
    from slotpipeline.runs.to_do import runs_to_do

    settings = checked_config(read_config(config))
    folder = results / settings["grid"]
    runs = runs_to_do(in_order(settings, read_order(order)), recorded_identities(folder), folder)
    typer.echo("\n".join(plan_lines(settings, runs, folder)))


def work(
    plan: Annotated[Path, typer.Argument(help="Commands that `slotmachines plan` printed.")],
    jobs: Annotated[int, typer.Option(min=1, help="Runs at a time; several small ones share a GPU.")] = 1,
    minutes: Annotated[float, typer.Option(min=0, help="Stop by then; what was stopped goes on the next time.")] = 1e6,
    log: Annotated[Path, typer.Option(help="What the runs print.")] = Path("logs/work.log"),
) -> None:
    """Run the commands of a plan, one after the other or some at a time, up to a deadline."""
    from slotpipeline.planning.worker import read_plan
    from slotpipeline.planning.worker import work as work_at

    done = work_at(read_plan(plan), jobs=jobs, seconds=60 * minutes, log=log)
    typer.echo(
        f"{done.now} runs finished, {done.before} were before, {done.left} are left; "
        f"make collect gathers them once their folders are in the project"
    )
    if done.failed:
        raise UserError(f"{done.failed} runs failed; {log} says why")


def _train(run: Run, folder: Path | None, checkpoint: Path | None, **more: Any) -> None:
    from slotpipeline.training.result import finished_result
    from slotpipeline.training.train import train_run

    folder = folder or _folder(run)
    metrics = finished_result(run, folder, more.get("keep_epochs", ()))
    if metrics is None:
        metrics = train_run(run, folder=folder, checkpoint=checkpoint or _checkpoint(folder), **more)
    _print_result(metrics, folder)


def _train_together(runs: list[Run], **more: Any) -> None:
    from slotpipeline.training.packed import train_runs
    from slotpipeline.training.result import finished_result

    earlier = [finished_result(run, _folder(run), more["keep_epochs"]) for run in runs]
    left = [run for run, metrics in zip(runs, earlier, strict=True) if metrics is None]
    folders = [_folder(run) for run in left]
    checkpoints = [_checkpoint(folder) for folder in folders]
    trained = iter(train_runs(left, folders=folders, checkpoints=checkpoints, **more) if left else [])
    failed = []
    for run, metrics in zip(runs, earlier, strict=True):
        result = metrics or next(trained)
        if isinstance(result, UserError):
            failed.append(f"seed {run.seed}: {result}")
        else:
            _print_result(result, _folder(run))
    if failed:
        raise UserError("; ".join(failed))


def _folder(run: Run) -> Path:
    return Path("runs") / run.folder


def _checkpoint(folder: Path) -> Path:
    return folder / "checkpoint.pt"


def _print_result(metrics: dict[str, Any], folder: Path) -> None:
    typer.echo(
        f"test accuracy {metrics['test_accuracy']:.2f}% at epoch {metrics['best_epoch']}, the best on validation "
        f"({metrics['val_accuracy']:.2f}%): {folder}"
    )


def _settings(changes: list[str]) -> dict[str, Any]:
    settings = {}
    for change in changes:
        name, equals, value = change.partition("=")
        if not equals:
            raise UserError(f"--set {change} is not of the form NAME=VALUE")
        settings[name] = parse_yaml(value, f"--set {change}")
    return settings
