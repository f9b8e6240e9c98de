"""The experiments: which cells each consists of, given its networks, numbers of options K and more in the config."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, replace

from slotmachines.errors import UserError
from slotmachines.methods import RIVALS, SLOT_METHODS
from slotpipeline.runs.authors_recipes import AUTHORS_RECIPES
from slotpipeline.runs.cell import Cell, Changes, Config, cell_run
from slotpipeline.runs.recipe import recipe_name

FACTORS: Mapping[str, Sequence[str]] = {
    "value bound": ("value_bound",),
    "score range": ("score_range_conv", "score_range_linear"),
    "learning rate": ("learning_rate",),
    "restarts": ("schedule", "schedule_epochs"),
    "weight decay": ("weight_decay",),
    "padding": ("network_settings",),
    "augmentation": ("augmentation",),
}
"""What two recipes may disagree about, and the settings that hold it."""

POSITIVE = "P(+) = "
"""Variants of signs: the probability of a positive weight, which follows."""

RATE, GROWS = "learning rate ", "score range grows"
"""Variants of large-k: another learning rate, which follows; a score range that grows with K."""

AS_TRAINED_BY = {"ivan-florian": "as Ivan and Florian train them", "zhou": "as Zhou et al. train them"}
"""Recipes of rivals that say how learned weights are trained beside them -> the variant of these."""

CONNECTIVITIES = ("free_pruning", "min_pruning", "free_flipping", "min_flipping")
"""The methods of Ivan and Florian, of which they count the connections that change."""


def _pairs(config: Config, experiment: Config) -> list[tuple[str, str]]:
    return [(config["networks"][network], network) for network in experiment["networks"]]


def _slot_machines(config: Config, experiment: Config, *methods: str) -> Iterator[Cell]:
    for pair in _pairs(config, experiment):
        for method in methods:
            yield from (Cell(*pair, method, options) for options in experiment["options"])


def _random_vs_selected(config: Config, experiment: Config) -> Iterator[Cell]:
    for pair in _pairs(config, experiment):
        yield Cell(*pair, "random", None)
        yield from (Cell(*pair, "greedy", options) for options in experiment["options"])


def _against_learned(config: Config, experiment: Config) -> Iterator[Cell]:
    for pair in _pairs(config, experiment):
        yield from (Cell(*pair, "greedy", options) for options in experiment["options"])
        yield Cell(*pair, "learned", None)


def _both_rules(config: Config, experiment: Config) -> Iterator[Cell]:
    return _slot_machines(config, experiment, *SLOT_METHODS)


def _finetune(config: Config, experiment: Config) -> Iterator[Cell]:
    """Slot machine, finetuned from it, and training from scratch, for equally many epochs in total."""
    for pair in _pairs(config, experiment):
        for options in experiment["options"]:
            yield Cell(*pair, "greedy", options)
            yield _finetuned(pair, options, experiment["start_epoch"])
        yield from _from_scratch(config, experiment, pair)


def _finetune_checkpoints(config: Config, experiment: Config) -> Iterator[Cell]:
    """As `finetune`, from every so many epochs of the slot machine."""
    for pair in _pairs(config, experiment):
        for options in experiment["options"]:
            slot = Cell(*pair, "greedy", options)
            yield slot
            starts = range(experiment["every"], _epochs(config, slot), experiment["every"])
            if not starts:
                raise UserError(
                    f"finetune-checkpoints: {pair[1]} has no checkpoint every {experiment['every']} epochs, as it is "
                    f"trained for {_epochs(config, slot)}; lower `every`"
                )
            yield from (_finetuned(pair, options, start_epoch) for start_epoch in starts)
        yield from _from_scratch(config, experiment, pair)


def _vgg(config: Config, experiment: Config) -> Iterator[Cell]:
    """Slot machine and finetuned at its epochs, learned weights at theirs."""
    for pair in _pairs(config, experiment):
        for options in experiment["options"]:
            yield Cell(*pair, "greedy", options)
            yield _finetuned(pair, options, experiment["start_epoch"])
        yield Cell(*pair, "learned", None)
        yield from (cell for cell in _from_scratch(config, experiment, pair) if cell.changes)


def _finetuned(pair: tuple[str, str], options: int, start_epoch: int) -> Cell:
    variant = f"finetuned after {start_epoch}"
    return Cell(*pair, "greedy", options, variant, start_epoch=start_epoch, is_comparable=False)


def _from_scratch(config: Config, experiment: Config, pair: tuple[str, str]) -> Iterator[Cell]:
    """Learned weights, trained for as many epochs as each slot machine and what is finetuned from it."""
    learned = Cell(*pair, "learned", None)
    for epochs in sorted({_epochs(config, Cell(*pair, "greedy", options)) for options in experiment["options"]}):
        # The plain learned baseline serves where its recipe trains it exactly that long already.
        if _epochs(config, learned) == epochs:
            yield learned
        else:
            yield replace(learned, variant=f"{epochs} epochs", changes=(("epochs", epochs),), is_comparable=False)


def _epochs(config: Config, cell: Cell) -> int:
    return cell_run(config, cell, 0).settings.epochs


def _sharing(config: Config, experiment: Config) -> Iterator[Cell]:
    for cell in _slot_machines(config, experiment, "greedy"):
        yield cell
        for sharing in ("layer", "network"):
            changes = (("sharing", sharing),)
            yield replace(cell, variant=f"one set per {sharing}", changes=changes, is_comparable=False)


def _rivals(config: Config, experiment: Config) -> Iterator[Cell]:
    for pair in _pairs(config, experiment):
        yield from (Cell(*pair, "greedy", options) for options in experiment["options"])
        yield Cell(*pair, "learned", None)
        yield from (_learned_as(pair, recipe) for recipe in AS_TRAINED_BY)
        yield from (Cell(*pair, rival, None) for rival in RIVALS)
        yield Cell(*pair, "random", None)


def _learned_as(pair: tuple[str, str], recipe: str) -> Cell:
    return Cell(*pair, "learned", None, AS_TRAINED_BY[recipe], recipe)


def _connections_changed(config: Config, experiment: Config) -> Iterator[Cell]:
    """What pruning and flipping reach, and learned weights in the same settings."""
    for pair in _pairs(config, experiment):
        yield from (Cell(*pair, method, None) for method in CONNECTIVITIES)
        yield _learned_as(pair, AUTHORS_RECIPES[CONNECTIVITIES[0]])


def _signs(config: Config, experiment: Config) -> Iterator[Cell]:
    """One rival, its random weights positive with different probabilities."""
    for pair in _pairs(config, experiment):
        for share in experiment["positive_shares"]:
            changes = (("positive_share", share),)
            yield Cell(*pair, experiment["method"], None, f"{POSITIVE}{share:g}", changes=changes, is_comparable=False)


def _initial_weights(config: Config, experiment: Config) -> Iterator[Cell]:
    """One rival, its random weights from different distributions."""
    for pair in _pairs(config, experiment):
        for name in experiment["distributions"]:
            yield Cell(*pair, experiment["method"], None, name, changes=(("weights", name),), is_comparable=False)


def _bits(config: Config, experiment: Config) -> Iterator[Cell]:
    """Everything that was compared, by how many bits per connection its result takes."""
    for pair in _pairs(config, experiment):
        yield Cell(*pair, "random", None)
        yield from (Cell(*pair, "greedy", options) for options in experiment["options"])
        yield from (Cell(*pair, rival, None) for rival in RIVALS)
        yield Cell(*pair, "learned", None)


def _recipe_study(config: Config, experiment: Config) -> Iterator[Cell]:
    """Each of two recipes as it is, and with single factors or some together taken from the other one."""
    first, second = experiment["recipes"]
    for pair in _pairs(config, experiment):
        for options in experiment["options"]:
            for base, other in ((first, second), (second, first)):
                plain = Cell(*pair, "greedy", options, recipe_name(base), base)
                yield plain
                taken = _differences(config, plain, replace(plain, recipe=other))
                for factors in [*([name] for name in FACTORS), *experiment["together"]]:
                    # What the two recipes agree about for this network (lenet has no padding) cannot be taken.
                    if set(factors) <= set(taken):
                        variant = f"{recipe_name(base)} + {recipe_name(other)}'s {', '.join(factors)}"
                        changes = tuple(change for factor in factors for change in taken[factor])
                        yield replace(plain, variant=variant, changes=changes)


def unvaried(config: Config, experiment: Config, network: str) -> list[str]:
    """The settings that two studied recipes disagree about for a network, but that are no factor of the study."""
    first, second = (
        cell_run(config, Cell(config["networks"][network], network, "greedy", options, recipe=recipe), 0).settings
        for options in experiment["options"][:1]
        for recipe in experiment["recipes"]
    )
    factors = {name for names in FACTORS.values() for name in names}
    return [
        f"{field.name} ({getattr(first, field.name)} against {getattr(second, field.name)})"
        for field in fields(first)
        if field.name not in factors and getattr(first, field.name) != getattr(second, field.name)
    ]


def _differences(config: Config, cell: Cell, other: Cell) -> dict[str, Changes]:
    """Factor -> the settings of `other` that differ from those of `cell`."""
    ours, theirs = (cell_run(config, one, 0).settings for one in (cell, other))
    found = {
        factor: tuple((name, getattr(theirs, name)) for name in names if getattr(theirs, name) != getattr(ours, name))
        for factor, names in FACTORS.items()
    }
    return {factor: changes for factor, changes in found.items() if changes}


def _large_k(config: Config, experiment: Config) -> Iterator[Cell]:
    """Greedy selection at large K: by the recipe, at other learning rates, with a score range that grows with K."""
    for cell in _slot_machines(config, experiment, "greedy"):
        yield cell
        ours = cell_run(config, cell, 0).settings.learning_rate
        for rate in experiment["learning_rates"]:
            if rate != ours:
                yield replace(cell, variant=f"{RATE}{rate:g}", changes=(("learning_rate", rate),))
        times = cell.options / experiment["score_range_base"] if cell.options else 1.0
        if times > 1:
            changes = (("score_range_conv", times), ("score_range_linear", times))
            yield replace(cell, variant=GROWS, changes=changes)


EXPERIMENTS: Mapping[str, Callable[[Config, Config], Iterator[Cell]]] = {
    "random-vs-selected": _random_vs_selected,
    "k-sweep": _against_learned,
    "selection": _both_rules,
    "cost": _against_learned,
    "finetune": _finetune,
    "finetune-checkpoints": _finetune_checkpoints,
    "sharing": _sharing,
    "rivals": _rivals,
    "vgg": _vgg,
    "selected-weights": lambda config, experiment: _slot_machines(config, experiment, "greedy"),
    "churn": _both_rules,
    "recipe-study": _recipe_study,
    "large-k": _large_k,
    "connections-changed": _connections_changed,
    "signs": _signs,
    "initial-weights": _initial_weights,
    "bits": _bits,
}
