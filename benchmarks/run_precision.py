"""Measure what float32 changes: how often another option is selected than in float64, and the accuracy that follows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import torch
import typer
from torch import Tensor, nn
from tqdm import tqdm

from slotmachines.files import replacing
from slotmachines.networks import build_network
from slotmachines.networks.names import find_network
from slotmachines.slots.convert import selected_options, slot_machines, slotify_
from slotmachines.slots.dense import DenseSlotMachine, dense_scores, dense_slotify_
from slotpipeline.analysis.statistics import compare_means
from slotpipeline.command import run
from slotpipeline.data import Splits, load
from slotpipeline.runs.run import Run, make_run
from slotpipeline.training.loop import Trainer
from slotpipeline.training.provenance import provenance

SELECTION_EPOCHS = {2: 5, 8: 5, 64: 1}
"""By K: what is compared in lock-step moves K float32 and K float64 scores per connection in every step."""
COMPARED_EVERY = 10
ACCURACY_OPTIONS, ACCURACY_EPOCHS, ACCURACY_SEEDS = 8, 3, range(5)


def short_run(options: int, seed: int, epochs: int, dataset: str = "mnist") -> Run:
    """A greedy lenet of the recipe that ends after so many epochs, at a learning rate of zero: a single cycle."""
    place = {"network": "lenet", "dataset": dataset, "method": "greedy", "recipe": "paper-glorot"}
    return make_run(**place, options=options, seed=seed, changes={"epochs": epochs, "schedule_epochs": []})


def starting_lenet(run: Run, *, dense: bool) -> nn.Module:
    """The slot machine before its first step, with one trained number or K trained scores per connection, float32."""
    return (dense_slotify_ if dense else slotify_)(
        build_network(run.network),
        options=run.options or 1,
        seed=run.seed,
        value_bound=run.settings.value_bound,
        score_range=run.settings.score_range_linear,
    )


class Follower:
    """A slot machine that is trained on the gradients dL/d(weight used) of another one."""

    def __init__(self, network: nn.Module, run: Run) -> None:
        self.network = network
        settings = run.settings
        self._optimiser = torch.optim.SGD(
            network.parameters(), settings.learning_rate, settings.momentum, weight_decay=settings.weight_decay
        )

    def step(self, gradients: Mapping[str, Tensor], rate: float) -> None:
        """Train on the gradients of the weights by name, cast to the precision of this slot machine."""
        for name, gradient in gradients.items():
            parts = self.network.get_submodule(name.rpartition(".")[0]).get_submodule("parametrizations.weight")
            give_gradient(parts, gradient)
        self._optimiser.param_groups[0]["lr"] = rate
        self._optimiser.step()


def give_gradient(parts: Any, gradient: Tensor) -> None:
    """What the backward pass leaves, without the forward pass, whose choice among K trained scores is slow."""
    machine = parts[0]
    if isinstance(machine, DenseSlotMachine):
        machine.scores.grad = gradient.to(machine.values.dtype).unsqueeze(-1) * machine.values
    else:
        parts.original.grad = gradient.to(parts.original.dtype)
        machine.score_scale.grad = torch.zeros_like(machine.score_scale)


def disagreement(options: Mapping[str, Tensor], scores: Mapping[str, Tensor]) -> tuple[float, float]:
    """Share of the connections whose option is not the one with the highest score (of equal ones, the first).

    Args:
        options: weight name -> int64, of the weight's shape.
        scores: weight name -> (*weight.shape, K).

    Returns:
        The share, and the most by which the score of such an option falls short of the highest one, relative to the
        largest absolute score of its connection; 0 where there is none.
    """
    differing, gap = 0, 0.0
    for name, selected in options.items():
        rows = scores[name].flatten(0, -2)
        others = torch.nonzero(selected.flatten() != rows.argmax(-1)).squeeze(-1)
        if len(others):
            rows, chosen = rows[others], selected.flatten()[others]
            missing = rows.amax(-1) - rows.gather(-1, chosen[:, None]).squeeze(-1)
            gap = max(gap, (missing / rows.abs().amax(-1)).max().item())
            differing += len(others)
    return differing / sum(selected.numel() for selected in options.values()), gap


def compare_selections(run: Run, data: Splits, every: int = COMPARED_EVERY) -> Iterator[dict[str, Any]]:
    """Train, and beside it on the same gradients K float32 scores, K float64 scores and one float64 number.

    Every so many steps, the options that they select are compared with those of the K float64 scores.

    Yields:
        One row per epoch and formulation.
    """
    trainer = Trainer(starting_lenet(run, dense=False), run.settings, data, seed=run.seed)
    float64 = Follower(deepcopy(trainer.network).double(), run)
    scores32 = Follower(starting_lenet(run, dense=True), run)
    scores64 = Follower(starting_lenet(run, dense=True).double(), run)
    for epoch in range(1, run.settings.epochs + 1):
        found: dict[str, list[tuple[float, float]]] = {}
        for step, rate in enumerate(trainer.steps(epoch)):
            gradients: dict[str, Any] = {one.name: one.trained.grad for one in slot_machines(trainer.network)}
            for follower in (float64, scores32, scores64):
                follower.step(gradients, rate)
            if step % every == 0:
                reference = dense_scores(scores64.network)
                options = {
                    "one float32 number": selected_options(trainer.network),
                    "K float32 scores": {n: s.argmax(-1) for n, s in dense_scores(scores32.network).items()},
                    "one float64 number": selected_options(float64.network),
                }
                for formulation, selected in options.items():
                    found.setdefault(formulation, []).append(disagreement(selected, reference))
        for formulation, pairs in found.items():
            shares, gaps = zip(*pairs, strict=True)
            yield {
                "formulation": formulation,
                "epoch": epoch,
                "compared_steps": len(shares),
                "mean_share": sum(shares) / len(shares),
                "max_share": max(shares),
                "largest_gap": max(gaps),
            }


def final_accuracy(run: Run, data: Splits, *, dense: bool) -> float:
    """Test accuracy in percent after the last epoch."""
    trainer = Trainer(starting_lenet(run, dense=dense), run.settings, data, seed=run.seed)
    rows = [trainer.train_epoch(epoch) for epoch in range(1, run.settings.epochs + 1)]
    return rows[-1].test_accuracy


def accuracies(runs: list[Run], data: Splits) -> list[dict[str, Any]]:
    """One row per run, with the mean difference of all and its 95% t-interval in each."""
    one = {run.seed: final_accuracy(run, data, dense=False) for run in tqdm(runs, desc="one number")}
    dense = {run.seed: final_accuracy(run, data, dense=True) for run in tqdm(runs, desc="K scores")}
    difference = compare_means(one, dense)
    low, high = difference.interval or (None, None)
    whole = {"mean_difference": difference.mean, "low": low, "high": high}
    return [{**described(run, data), "one_number": one[run.seed], "k_scores": dense[run.seed], **whole} for run in runs]


def described(run: Run, data: Splits) -> dict[str, Any]:
    """What was trained, as columns."""
    names = ("network", "dataset", "recipe", "method", "options", "seed")
    return {**{name: getattr(run, name) for name in names}, "epochs": run.settings.epochs, "data_note": data.note}


def write(rows: list[dict[str, Any]], origin: Mapping[str, Any], output: Path) -> None:
    """Write the table, with where it was measured."""
    kept = {key: origin[key] for key in ("device", "processor", "threads", "torch", "python", "system", "commit")}
    with replacing(output) as temporary:
        pd.DataFrame([{**row, **kept} for row in rows]).to_csv(temporary, index=False, float_format="%.6g")


def command(
    selections: Annotated[Path, typer.Argument(help="the CSV file of the selections to write")],
    accuracy: Annotated[Path, typer.Argument(help="the CSV file of the accuracies to write")],
    data: Annotated[Path, typer.Option(help="the folder of fetched datasets")] = Path("data"),
) -> None:
    """Train lenet on MNIST with one thread of the processor (half an hour)."""
    torch.set_num_threads(1)
    origin = provenance(torch.device("cpu"))  # now: while it is measured, others may change the source
    runs = [short_run(ACCURACY_OPTIONS, seed, ACCURACY_EPOCHS) for seed in ACCURACY_SEEDS]
    splits = load("mnist", data, find_network("lenet").input_shape, runs[0].settings.validation)
    write(accuracies(runs, splits), origin, accuracy)
    rows: list[dict[str, Any]] = []
    for options, epochs in SELECTION_EPOCHS.items():
        trained = short_run(options, 0, epochs)
        for row in tqdm(compare_selections(trained, splits), total=3 * epochs, desc=f"K = {options}"):
            rows.append({**described(trained, splits), "compared_every": COMPARED_EVERY, **row})
    write(rows, origin, selections)


if __name__ == "__main__":
    run(command)
