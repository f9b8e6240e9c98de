"""Ordinary training from the weights that a slot machine selected, against both alone at equally many epochs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import fmean, linear_regression
from typing import ClassVar

from slotmachines.errors import UserError
from slotpipeline.analysis.cell_results import CellResult, only
from slotpipeline.analysis.comparisons import Pairs, each_against, label, slot_machines_against_learned
from slotpipeline.analysis.evidence import Evidence, accuracy, compared, tally
from slotpipeline.analysis.statistics import t_interval
from slotpipeline.analysis.text import interval_text, number
from slotpipeline.experiments.experiment import Experiment, Parameters, networks_of
from slotpipeline.runs.cell import Cell, Changes, Config, Variant, cell_run


@dataclass(frozen=True)
class Finetuned(Variant):
    """Finetuned after some epochs of the slot machine."""

    after: int
    is_comparable: ClassVar[bool] = False

    @property
    def words(self) -> str:
        return f"finetuned after {self.after}"

    @property
    def start_epoch(self) -> int:
        return self.after


@dataclass(frozen=True)
class TrainedFor(Variant):
    """Trained for another number of epochs than the plain cell."""

    epochs: int
    is_comparable: ClassVar[bool] = False

    @property
    def words(self) -> str:
        return f"{self.epochs} epochs"

    @property
    def changes(self) -> Changes:
        return (("epochs", self.epochs),)


def _finetune_cells(config: Config, parameters: Parameters) -> Iterator[Cell]:
    """Slot machine, finetuned from it, and training from scratch, for equally many epochs in total."""
    for pair in networks_of(config, parameters):
        for options in parameters["options"]:
            yield Cell(*pair, "greedy", options)
            yield Cell(*pair, "greedy", options, Finetuned(parameters["start_epoch"]))
        yield from _from_scratch(config, parameters, pair)


def _checkpoint_cells(config: Config, parameters: Parameters) -> Iterator[Cell]:
    """The same, finetuned from every so many epochs of the slot machine."""
    for pair in networks_of(config, parameters):
        for options in parameters["options"]:
            slot = Cell(*pair, "greedy", options)
            yield slot
            starts = range(parameters["every"], _epochs(config, slot), parameters["every"])
            if not starts:
                raise UserError(
                    f"finetune-checkpoints: {pair[1]} has no checkpoint every {parameters['every']} epochs, as it is "
                    f"trained for {_epochs(config, slot)}; lower `every`"
                )
            yield from (Cell(*pair, "greedy", options, Finetuned(start)) for start in starts)
        yield from _from_scratch(config, parameters, pair)


def _vgg_cells(config: Config, parameters: Parameters) -> Iterator[Cell]:
    """Slot machine and finetuned at its epochs, learned weights at theirs."""
    for pair in networks_of(config, parameters):
        for options in parameters["options"]:
            yield Cell(*pair, "greedy", options)
            yield Cell(*pair, "greedy", options, Finetuned(parameters["start_epoch"]))
        yield Cell(*pair, "learned", None)
        yield from (cell for cell in _from_scratch(config, parameters, pair) if cell.variant)


def _from_scratch(config: Config, parameters: Parameters, pair: tuple[str, str]) -> Iterator[Cell]:
    """Learned weights, trained for as many epochs as each slot machine and what is finetuned from it."""
    learned = _epochs(config, Cell(*pair, "learned", None))
    for epochs in sorted({_epochs(config, Cell(*pair, "greedy", options)) for options in parameters["options"]}):
        # The plain learned baseline serves where its recipe trains it exactly that long already.
        yield Cell(*pair, "learned", None, None if learned == epochs else TrainedFor(epochs))


def _epochs(config: Config, cell: Cell) -> int:
    return cell_run(config, cell, 0).settings.epochs


def _finetuned(found: list[CellResult]) -> list[CellResult]:
    return [result for result in found if result.cell.start_epoch]


def _against_scratch(found: list[CellResult], result: CellResult) -> Pairs:
    """A finetuned network and training from scratch for as many epochs."""
    scratch = (one for one in found if one.method == "learned" and one.epochs == result.epochs)
    yield from each_against([result], next(scratch, None))


def _finetune_pairs(found: list[CellResult]) -> Pairs:
    for result in _finetuned(found):
        yield from each_against([result], only(found, "greedy", result.options))
        yield from _against_scratch(found, result)


def _checkpoint_pairs(found: list[CellResult]) -> Pairs:
    for result in _finetuned(found):
        yield from _against_scratch(found, result)


def _vgg_pairs(found: list[CellResult]) -> Pairs:
    yield from slot_machines_against_learned(found)
    yield from _finetune_pairs(found)


def _role(result: CellResult) -> str:
    return "the slot machine" if result.method == "greedy" else f"{result.epochs} epochs of training from scratch"


def _finetune_sentences(here: Evidence) -> list[str]:
    """Finetuned against the slot machine and against training from scratch."""
    text = []
    for result in _finetuned(here.found):
        against = [compared(one, _role(one.second)) for one in here.of(result)]
        when = f"after {result.cell.start_epoch} of {result.epochs} epochs"
        said = f"finetuned from K = {result.options} {when} it reaches {accuracy(result)}"
        text.append(", ".join([said, " and ".join(against)]) if against else said)
    return text


def _checkpoint_sentences(here: Evidence) -> list[str]:
    """The earliest and the latest start, the trend over all, and how many differ from training from scratch."""
    text = []
    finetuned = _finetuned(here.found)
    for options in sorted({result.options or 0 for result in finetuned}):
        starts = [result for result in finetuned if result.options == options]
        starts.sort(key=lambda result: result.cell.start_epoch)
        first, last = starts[0], starts[-1]
        text.append(
            f"K = {options}: finetuned from epoch {first.cell.start_epoch} it ends at {accuracy(first)}, from epoch "
            f"{last.cell.start_epoch} at {accuracy(last)}"
        )
        text += _trend(starts)
        chosen = [one for one in here.comparisons if one.first.options == options]
        text.append(f"against training from scratch, {tally(chosen)}")
    return text


def _trend(starts: list[CellResult]) -> list[str]:
    """The slope of the final accuracy against the epoch at which finetuning starts: a line per seed, their mean."""
    seeds = sorted(set.intersection(*(set(result.seeds) for result in starts)))
    if len(starts) < 3 or len(seeds) < 2:
        return []
    epochs = [result.cell.start_epoch for result in starts]
    slopes = [linear_regression(epochs, [one.by_seed[seed] for one in starts]).slope * 100 for seed in seeds]
    interval = t_interval(slopes)
    if interval is None:
        return []
    return [
        f"a start 100 epochs later changes the final accuracy by {number(fmean(slopes), '+.2f')} points (slope per "
        f"seed, 95% interval over {len(seeds)} seeds {interval_text(interval, '+.2f')})"
    ]


def _vgg_sentences(here: Evidence) -> list[str]:
    """Each comparison of learned, selected and finetuned."""
    return [
        f"{label(one.first)} ({accuracy(one.first)}) ends {compared(one, _role(one.second))}"
        for one in here.comparisons
    ]


_START_EPOCH = {
    "start_epoch": {
        "description": "Epochs of the slot machine before finetuning starts.",
        "type": "integer",
        "minimum": 1,
        "examples": [75],
    }
}

FINETUNE = Experiment(
    name="finetune",
    title="Selected weights as a starting point",
    description="Slot machine, then ordinary training, against both alone, for equally many epochs in total.",
    claim="Ordinary training that starts from the selected weights of a slot machine ends, after as many epochs "
    "in total, above training from scratch for the convolutional networks other than VGG-19.",
    cells=_finetune_cells,
    pairs=_finetune_pairs,
    sentences=_finetune_sentences,
    figure="finetune.py",
    parameters=_START_EPOCH,
    in_curves=True,
)

FINETUNE_CHECKPOINTS = Experiment(
    name="finetune-checkpoints",
    title="When to stop selecting and start finetuning",
    description="The same from every so many epochs of the slot machine, with the total held equal.",
    claim="With the total number of epochs held equal, the later the slot machine hands over to ordinary "
    "training, the higher the final accuracy.",
    cells=_checkpoint_cells,
    pairs=_checkpoint_pairs,
    sentences=_checkpoint_sentences,
    figure="finetune_checkpoints.py",
    parameters={
        "every": {
            "description": "Epochs between two of the checkpoints that finetuning starts from.",
            "type": "integer",
            "minimum": 1,
            "examples": [25],
        }
    },
)

VGG = Experiment(
    name="vgg",
    title="A large network: VGG-19",
    description="A large network, learned, as a slot machine, and finetuned.",
    claim="At K = 8 a slot machine of 20 million connections comes close to learned weights; finetuned it is "
    "better than the slot machine and slightly below training from scratch.",
    cells=_vgg_cells,
    pairs=_vgg_pairs,
    sentences=_vgg_sentences,
    figure="large_network.py",
    parameters=_START_EPOCH,
)
