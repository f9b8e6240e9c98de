"""From a grid's config to its cells and runs. An experiment is a list of cells; a cell is run once per seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from slotmachines.replication.run import Run, finetuned, make_run

Config = Mapping[str, Any]


@dataclass(frozen=True)
class Cell:
    """What the seeds of one configuration have in common; the columns of runs.csv that identify it."""

    dataset: str
    network: str
    method: str
    options: int | None
    variant: str = ""


def cells_of(config: Config, experiment: str) -> list[Cell]:
    """The cells of one experiment of the grid, in the order of its tables."""
    return list(_EXPERIMENTS[experiment](config, config["experiments"][experiment]))


def grid_runs(config: Config) -> list[Run]:
    """Every run of the grid once, whichever experiments need it."""
    runs = {
        run.identity: run
        for experiment in config["experiments"]
        for cell in cells_of(config, experiment)
        for run in cell_runs(config, cell)
    }
    return list(runs.values())


def cell_runs(config: Config, cell: Cell) -> list[Run]:
    """The runs of one cell, one per seed.

    Raises:
        UserError: the recipe cannot give a cell its settings.
    """
    return [_cell_run(config, cell, seed) for seed in config["seeds"]]


def kept_epochs(config: Config, run: Run) -> list[int]:
    """The epochs after which some other run of the grid starts from the selected weights of `run`."""
    finetune = config["experiments"].get("finetune")
    wanted = finetune is not None and run.options in finetune["options"] and run.network in finetune["networks"]
    return [finetune["start_epoch"]] if wanted and run.method == "greedy" and not run.variant else []


def _cell_run(config: Config, cell: Cell, seed: int) -> Run:
    changes = dict(config.get("settings", {}).get(cell.network, {}))

    def run(method: str, options: int | None, **more: Any) -> Run:
        return make_run(
            network=cell.network,
            dataset=cell.dataset,
            method=method,
            options=options,
            seed=seed,
            recipe=config["recipe"],
            **{"changes": changes, **more},
        )

    if cell.variant == "finetuned":
        return finetuned(run(cell.method, cell.options), config["experiments"]["finetune"]["start_epoch"])
    if cell.variant == "equal-epochs":
        epochs = run("greedy", 2).settings.epochs
        return run(cell.method, cell.options, variant=cell.variant, changes={**changes, "epochs": epochs})
    return run(cell.method, cell.options)


def _pairs(config: Config, experiment: Config) -> list[tuple[str, str]]:
    return [(config["networks"][network], network) for network in experiment["networks"]]


def _random_vs_selected(config: Config, experiment: Config) -> Iterator[Cell]:
    for pair in _pairs(config, experiment):
        yield Cell(*pair, "random", None)
        yield from (Cell(*pair, "greedy", options) for options in experiment["options"])


def _k_sweep(config: Config, experiment: Config) -> Iterator[Cell]:
    for pair in _pairs(config, experiment):
        yield from (Cell(*pair, "greedy", options) for options in experiment["options"])
        yield Cell(*pair, "learned", None)


def _selection(config: Config, experiment: Config) -> Iterator[Cell]:
    for pair in _pairs(config, experiment):
        for method in ("greedy", "probabilistic"):
            yield from (Cell(*pair, method, options) for options in experiment["options"])


def _finetune(config: Config, experiment: Config) -> Iterator[Cell]:
    """Slot machine, finetuned from it, and training from scratch, for equally many epochs in total."""
    for pair in _pairs(config, experiment):
        for options in experiment["options"]:
            yield Cell(*pair, "greedy", options)
            yield Cell(*pair, "greedy", options, "finetuned")
        learned, equal = (Cell(*pair, "learned", None, variant) for variant in ("", "equal-epochs"))
        # The plain learned baseline serves where its recipe trains it exactly that long already.
        seed = config["seeds"][0]
        same = _cell_run(config, learned, seed).identity == _cell_run(config, equal, seed).identity
        yield learned if same else equal


_EXPERIMENTS: dict[str, Callable[[Config, Config], Iterator[Cell]]] = {
    "random-vs-selected": _random_vs_selected,
    "k-sweep": _k_sweep,
    "selection": _selection,
    "finetune": _finetune,
}
