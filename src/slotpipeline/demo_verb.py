"""The verb that shows the method in a minute: demo."""

from __future__ import annotations

import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from slotmachines.errors import UserError, how_to_install

if TYPE_CHECKING:
    from slotpipeline.reporting.demo_picture import Answers
    from slotpipeline.runs.run import Run

_OPTIONS = 8
_NAMES = {"greedy": "slot machine", "learned": "learned weights", "random": "random weights"}
_WORDS = {
    "greedy": f"each weight is one of {_OPTIONS} fixed random values; training only chose which",
    "learned": "ordinary training of every weight",
    "random": "the first of these values for each weight; nothing was trained",
}


def demo(
    folder: Annotated[Path, typer.Option(help="Folder for the results of the demo.")] = Path("demo"),
    epochs: Annotated[int, typer.Option(min=2, max=1000, help="Epochs of each training.")] = 30,
) -> None:
    """See the method in a minute: a slot machine reads digits, beside learned and random weights, with a picture.

    Example: slotmachines demo
    """
    began = time.monotonic()
    missing = [name for module, name in (("sklearn", "scikit-learn"), ("matplotlib",) * 2) if find_spec(module) is None]
    if missing:
        raise UserError(f"the demo needs {' and '.join(missing)}; {how_to_install('pipeline,demo')}")
    from slotmachines.files import require_writable
    from slotpipeline.data import fetch, load
    from slotpipeline.planning.training_job import TrainingJob
    from slotpipeline.reporting.demo_picture import draw_demo
    from slotpipeline.runs.csv_tables import read_table
    from slotpipeline.runs.run import make_run
    from slotpipeline.runs.run_files import RunFiles
    from slotpipeline.training.jobs import train_job

    require_writable(folder)
    data = folder / "data"
    fetch("digits", data)
    runs = {
        method: make_run(
            network="lenet", dataset="digits", method=method, options=_OPTIONS if method == "greedy" else None, seed=0,
            recipe="paper-glorot", changes={"epochs": epochs, "schedule_epochs": []},
        )
        for method in _NAMES
    }  # fmt: skip
    splits = load("digits", data, (1, 28, 28), runs["greedy"].settings.validation)
    typer.echo(
        f"LeNet learns to read handwritten digits: {len(splits.train):,} images to learn from, "
        f"{len(splits.validation)} to choose the best epoch, {len(splits.test)} to test. "
        "This takes up to a minute on one processor core."
    )
    curves, accuracies = {}, {}
    for method, run in runs.items():
        where = folder / "runs" / run.folder
        record = train_job(TrainingJob(run, where, folder / f"{method}.checkpoint", data, device="cpu"))
        accuracies[method] = record.test_accuracy
        rows = read_table(RunFiles(where).curve, ["test_accuracy"], "") if run.settings.epochs else None
        curves[method] = [record.test_accuracy] if rows is None else rows["test_accuracy"].tolist()
    picture = folder / "demo.png"
    draw_demo(picture, curves, _NAMES, _answers(runs["greedy"], folder))
    typer.echo(f"\nTest accuracy at the best of {epochs} epochs on validation:")
    for method, name in _NAMES.items():
        typer.echo(f"  {name:<16}{accuracies[method]:5.1f}%   {_WORDS[method]}")
    typer.echo(
        "One seed on a small dataset is an illustration, not a result.\n"
        f"It took {time.monotonic() - began:.0f} seconds. The picture: {picture.resolve()}\n"
        "Next: slotmachines train --help"
    )


def _answers(run: Run, folder: Path) -> Answers:
    """Test images, and what the trained slot machine says they show: first right answers, then wrong ones."""
    import torch
    from safetensors.torch import load_file

    from slotmachines import build_network
    from slotpipeline.data import load
    from slotpipeline.reporting.demo_picture import SHOWN, Answers
    from slotpipeline.runs.run_files import RunFiles

    network = build_network(run.network).eval()
    network.load_state_dict(load_file(RunFiles(folder / "runs" / run.folder).best_weights))
    splits = load(run.dataset, folder / "data", (1, 28, 28), run.settings.validation)
    with torch.no_grad():
        answers = network(splits.normalise(splits.test.images)).argmax(1)
    is_wrong = answers != splits.test.labels
    wrong, right = is_wrong.nonzero().flatten()[: SHOWN // 2], (~is_wrong).nonzero().flatten()
    shown = torch.cat([right[: SHOWN - len(wrong)], wrong])
    return Answers(
        images=splits.test.images[shown, 0].numpy(),
        labels=splits.test.labels[shown].tolist(),
        answers=answers[shown].tolist(),
        wrong=int(is_wrong.sum()),
        count=len(answers),
    )
