"""The verbs about tickets: made of a run, shown, and handed to other programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from slotmachines.errors import UserError
from slotmachines.networks.names import NETWORKS, find_network
from slotpipeline.data.datasets import DATASETS
from slotpipeline.runs.run_files import RunFiles

if TYPE_CHECKING:
    from torch import nn

    from slotmachines.model_card import Score

_FOLDER_TICKET = "ticket.safetensors"

Ticket = Annotated[Path, typer.Argument(help="A ticket, or a folder that to-folder wrote.")]
Network = Annotated[
    str, typer.Option(help=f"One of {', '.join(NETWORKS)}; default: the one whose weights have these names and shapes.")
]
Dataset = Annotated[str, typer.Option(help=f"Measure the accuracy on the test images of one of {', '.join(DATASETS)}.")]
Data = Annotated[Path, typer.Option("--data", help="Folder of the datasets that `slotmachines fetch` wrote.")]


def inspect(
    ticket: Ticket,
    dataset: Dataset = "",
    network: Network = "",
    data: Data = Path("data"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for a program.")] = False,
) -> None:
    """Show what is in a ticket: its layers, the options that they use, its size, and on request its accuracy.

    Example: slotmachines inspect lenet.ticket.safetensors --dataset mnist
    """
    from slotmachines.slots.ticket_contents import inspect_ticket

    path = _ticket_file(ticket)
    contents = inspect_ticket(path)
    scores = []
    if dataset or network:
        name, settings = _network_of(path, network)
    if dataset:
        scores.append(_score(_loaded(path, name, settings), name, dataset, data))
    if as_json:
        typer.echo(json.dumps({**contents.as_dict(), "scores": [vars(score) for score in scores]}, indent=2))
        return
    typer.echo(str(contents))
    for score in scores:
        note = f" ({score.note})" if score.note else ""
        typer.echo(f"Accuracy on {score.count:,} test images of {score.dataset}: {score.value:.2f}%{note}")


def to_ticket(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run of a slot machine, with its weights.")],
    output: Annotated[Path, typer.Argument(help="The ticket to write.")],
    epoch: Annotated[int | None, typer.Option(help="An epoch whose weights were kept; default: the best one.")] = None,
) -> None:
    """Write the ticket of a finished run of a slot machine, such as one of `slotmachines train`.

    Example: slotmachines to-ticket runs/lenet-mnist/greedy-k8/seed0 lenet.ticket.safetensors
    """
    from slotmachines.files import replacing
    from slotmachines.slots.ticket_contents import inspect_ticket
    from slotpipeline.training.run_ticket import ticket_of_run

    content = ticket_of_run(run, epoch)
    with replacing(output) as temporary:
        temporary.write_bytes(content)
    typer.echo(f"{output}: {inspect_ticket(output).file_bytes:,} bytes")


def to_onnx(
    ticket: Ticket,
    output: Annotated[Path, typer.Argument(help="The ONNX file to write.")],
    network: Network = "",
    tolerance: Annotated[
        float, typer.Option(help="Largest difference of two outputs, relative to the largest output.")
    ] = 1e-4,
) -> None:
    """Write the network of a ticket as an ONNX file, and compare onnxruntime's outputs with PyTorch's.

    Example: slotmachines to-onnx lenet.ticket.safetensors lenet.onnx
    """
    import torch

    from slotmachines.onnx_file import export_onnx

    path = _ticket_file(ticket)
    name, settings = _network_of(path, network)
    images = torch.rand(8, *find_network(name).input_shape, generator=torch.Generator().manual_seed(0))
    check = export_onnx(_loaded(path, name, settings), output, images, tolerance=tolerance)
    typer.echo(
        f"{output}: {check.file_bytes:,} bytes; on {check.examples} random inputs onnxruntime's outputs differ from "
        f"PyTorch's by at most {check.difference:.2g} (largest output: {check.scale:.2g})"
    )


def to_folder(
    ticket: Ticket,
    folder: Annotated[Path, typer.Argument(help="The folder to write.")],
    dataset: Dataset = "",
    network: Network = "",
    data: Data = Path("data"),
    license: Annotated[str, typer.Option(help="License of the weights for the model card, such as mit.")] = "",
    description: Annotated[str, typer.Option(help="A sentence for the model card.")] = "",
) -> None:
    """Write a ticket as a folder for Hugging Face: weights, ticket, config.json, a model card with the numbers.

    Example: slotmachines to-folder lenet.ticket.safetensors lenet-8 --dataset mnist --license mit
    """
    from slotmachines.model_folder import save_model_folder

    path = _ticket_file(ticket)
    name, settings = _network_of(path, network)
    module = _loaded(path, name, settings)
    scores = [_score(module, name, dataset, data)] if dataset else []
    save_model_folder(
        module, folder, network=name, settings=settings, scores=scores, ticket=path, license=license or None,
        description=description,
    )  # fmt: skip
    typer.echo(f"{folder} holds {', '.join(sorted(file.name for file in folder.iterdir()))}")


def _ticket_file(path: Path) -> Path:
    if not path.is_dir():
        return path
    if RunFiles(path).metrics.is_file() and not (path / _FOLDER_TICKET).exists():
        raise UserError(f"{path} is the folder of a run; make its ticket first: slotmachines to-ticket {path} FILE")
    return path / _FOLDER_TICKET


def _network_of(path: Path, name: str) -> tuple[str, dict[str, Any]]:
    """The name and settings of the network whose weights have the names and shapes of a ticket's.

    Raises:
        UserError: none has; or not the one of the name given.
    """
    from slotmachines.slots.ticket_contents import inspect_ticket

    shapes = {row.name: row.shape for row in inspect_ticket(path).rows}
    for candidate in [find_network(name).name] if name else NETWORKS:
        for settings in _settings(shapes):
            if _shapes(candidate, settings) == shapes:
                return candidate, settings
    raise UserError(
        f"{path} is not a ticket of {name or 'a network that this library builds'}; for a network of your own, use "
        "slotmachines.load_ticket in Python"
    )


def _settings(shapes: dict[str, tuple[int, ...]]) -> list[dict[str, Any]]:
    """The settings of `build_network` that change the shape of a weight."""
    # The last matrix is the layer that classifies; one before it may be smaller.
    classes = next((shape[0] for shape in reversed(shapes.values()) if len(shape) == 2), 10)
    common = {} if classes == 10 else {"classes": classes}
    return [common, {**common, "padding": "code"}, {**common, "shortcut": "zero-padding"}]


def _shapes(name: str, settings: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """Those of a network's state dict; none of a network that does not know the settings."""
    import torch

    from slotmachines import build_network

    try:
        with torch.device("meta"):  # no memory
            return {key: tuple(value.shape) for key, value in build_network(name, **settings).state_dict().items()}
    except UserError:
        return {}


def _loaded(path: Path, name: str, settings: dict[str, Any]) -> nn.Module:
    from slotmachines import build_network, load_ticket

    return load_ticket(build_network(name, **settings), path)


def _score(module: nn.Module, name: str, dataset: str, data: Path) -> Score:
    from slotmachines.model_card import Score
    from slotpipeline.data import load
    from slotpipeline.training.evaluation import evaluate

    splits = load(dataset, data, find_network(name).input_shape, validation=1)
    _, accuracy = evaluate(module, splits.test, splits)
    return Score(dataset, round(accuracy, 4), len(splits.test), note=splits.note)
