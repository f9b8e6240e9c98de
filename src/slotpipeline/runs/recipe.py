"""Recipes: the settings of training as data, one YAML file per recipe, resolved for one run."""

from __future__ import annotations

import math
import typing
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from functools import cache, lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from slotmachines.distributions import DISTRIBUTIONS
from slotmachines.errors import UserError, did_you_mean, one_line
from slotpipeline.data.datasets import find
from slotpipeline.plain_yaml import parse_yaml
from slotpipeline.runs.checked_fields import Prose, from_fields
from slotpipeline.runs.setting_types import converted

SCHEDULES = ("constant", "warm-restarts", "steps")
SHARINGS = ("none", "layer", "network")
OPTIMISERS = ("sgd", "adam")
PRECISIONS = ("float32", "bfloat16")
INITIAL_WEIGHTS = ("options", *DISTRIBUTIONS)


@dataclass(frozen=True)
class Settings:
    """How one network is trained. Every field is part of a run's identity.

    Attributes:
        epochs: number of epochs; of a finetuned network those of the slot machine included.
        learning_rate: of the optimiser, at the start of each cycle of the schedule.
        validation: number of training images held out to choose the best epoch.
        batch_size: images per step; the last, smaller batch of an epoch is used too.
        optimiser: "sgd" or "adam"; a slot machine needs the first.
        momentum: of SGD.
        weight_decay: L2 decay, on the scores where scores are trained, on the weights of an ordinary network.
        schedule: "constant"; "warm-restarts", cosine to zero in each cycle; or "steps", times 0.1 at each epoch given.
        schedule_epochs: the epochs at which cycles start, or steps are taken.
        value_bound: of the random values; see `slotmachines.slotify_`.
        score_range_conv: range of the initial scores of convolutions, times the value bound.
        score_range_linear: the same for dense layers.
        sharing: which connections have the same K values; see `slotmachines.slotify_`.
        weights: distribution of the initial weights of networks that are not slot machines, a name of
            `slotmachines.distributions`; "options" takes the first option of each connection.
        positive_share: probability of a positive sign of weights that are drawn from a distribution.
        method_settings: of the rule of a rival, see `slotmachines.rivals`.
        augmentation: see `slotpipeline.data`.
        network_settings: further arguments of `slotmachines.build_network`.
        precision: "float32", or "bfloat16" for products and activations in training; all else stays in float32.
    """

    epochs: int
    learning_rate: float
    validation: int
    batch_size: int = 128
    optimiser: str = "sgd"
    momentum: float = 0.9
    weight_decay: float = 0.0
    schedule: str = "constant"
    schedule_epochs: tuple[int, ...] = ()
    value_bound: str | float = "glorot-uniform"
    score_range_conv: float = 1.0
    score_range_linear: float = 1.0
    sharing: str = "none"
    weights: str = "options"
    positive_share: float = 0.5
    method_settings: Mapping[str, Any] = field(default_factory=dict)
    augmentation: str = "none"
    network_settings: Mapping[str, Any] = field(default_factory=dict)
    precision: str = "float32"


@dataclass(frozen=True)
class Condition:
    """The runs that an override is for: of these networks, datasets and methods, and with more options than that."""

    network: str | list[str] | None = None
    dataset: str | list[str] | None = None
    method: str | list[str] | None = None
    options_above: int | None = None

    def holds(self, run: Mapping[str, Any]) -> bool:
        """Whether a run, given by its network, dataset, method and options, is one of them."""
        for name in ("network", "dataset", "method"):
            accepted = getattr(self, name)
            if accepted is not None and run[name] not in (accepted if isinstance(accepted, list) else [accepted]):
                return False
        return self.options_above is None or (run["options"] or 0) > self.options_above


@dataclass(frozen=True)
class Override:
    """Settings for some runs only."""

    when: Condition
    set: Mapping[str, Any]


@dataclass(frozen=True)
class RecipeFile:
    """What the file of a recipe holds."""

    description: Prose
    extends: str | None = None
    settings: Mapping[str, Any] | None = None
    overrides: list[Override] | None = None


@dataclass(frozen=True)
class Recipe:
    """A named list of settings and of overrides, later ones winning.

    Attributes:
        files: the user's files that it was read from: its own, and those that it extends.
    """

    name: str
    description: str
    settings: Mapping[str, Any]
    overrides: tuple[Override, ...]
    files: tuple[Path, ...]

    def resolve(self, *, changes: Mapping[str, Any] | None = None, **run: Any) -> Settings:
        """The settings of one run.

        A `validation` between 0 and 1 is the share of the dataset's training images that is held out.

        Args:
            changes: settings that win over the recipe's.
            run: network, dataset, method ("finetuned" for the ordinary training of a selected network) and options.

        Raises:
            UserError: a setting is unknown, missing or of the wrong type, in the recipe or in `changes`.
        """
        settings = dict(self.settings)
        for override in self.overrides:
            if override.when.holds(run):
                settings.update(override.set)
        given, changed = (_held_out(values, run["dataset"]) for values in (settings, changes or {}))
        return make_settings(given, f"recipe {self.name}", changed)


def load_recipe(name: str, *, extended_by: tuple[str, ...] = ()) -> Recipe:
    """A recipe by its name, or from a YAML file of the user's.

    A file holds `description`, `settings` and `overrides` (a list of `when`/`set`), and may build on another recipe
    by `extends: NAME`. `extended_by` are the recipes that build on this one.

    Raises:
        UserError: the recipe or file does not exist, the file is not a recipe, or it has the name of a recipe of the
            package.
    """
    if name in extended_by:
        raise UserError(f"recipe {name} extends itself; remove an extends from {' -> '.join([*extended_by, name])}")
    chain = (*extended_by, name)
    text, files, name = _recipe_text(name), tuple(_own_file(name)), recipe_name(name)
    content = _parsed(text, f"recipe {name}")
    overrides, settings = content.overrides or [], content.settings or {}
    if content.extends is not None:
        base = load_recipe(content.extends, extended_by=chain)
        # The settings of the file win over the overrides of the recipe that it extends.
        overrides = [*base.overrides, Override(Condition(), settings), *overrides]
        settings, files = base.settings, (*files, *base.files)
    return Recipe(name, content.description, settings, tuple(overrides), files)


@lru_cache(maxsize=16)
def _parsed(text: str, where: str) -> RecipeFile:
    """What a recipe's text says; read once, as a large grid asks for the same recipe for each of its cells."""
    try:
        return from_fields(RecipeFile, parse_yaml(text, where))
    except UserError:
        raise
    except ValueError as error:
        raise UserError(f"{where}: {one_line(error)}; the recipes in src/slotpipeline/recipes show the form") from None


_types = lru_cache(maxsize=4)(typing.get_type_hints)


def _recipe_text(name: str) -> str:
    packaged = _packaged_text(name)
    if packaged is not None:
        return packaged
    names = ", ".join(recipe_names())
    if not _own_file(name):
        near = did_you_mean(name, recipe_names())
        raise UserError(f"unknown recipe {name!r}: use one of {names}, or a path to a YAML file{near}")
    if not Path(name).is_file():
        raise UserError(f"the recipe file {name} does not exist; give a name ({names}) or a YAML file")
    if recipe_name(name) in recipe_names():
        raise UserError(f"the recipe file {name} has the name of a recipe of the package; rename the file")
    try:
        return Path(name).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read the recipe file {name}: {error}") from None


@lru_cache(maxsize=16)
def _packaged_text(name: str) -> str | None:
    """The text of a recipe of the package; read once, as a large grid asks for it for each of its cells."""
    packaged = resources.files("slotpipeline") / "recipes" / f"{name}.yaml"
    return packaged.read_text() if packaged.is_file() else None


def _own_file(recipe: str) -> list[Path]:
    """The file of a recipe, unless it comes with the package."""
    return [Path(recipe)] if recipe.endswith((".yaml", ".yml")) else []


def recipe_name(recipe: str) -> str:
    """What results call a recipe that is given by its name or its file."""
    return next((file.stem for file in _own_file(recipe)), recipe)


def recipe_names() -> list[str]:
    """The recipes that come with the package."""
    folder = resources.files("slotpipeline") / "recipes"
    return sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def make_settings(values: Mapping[str, Any], where: str, changes: Mapping[str, Any] | None = None) -> Settings:
    """`Settings` from plain values, as in a YAML file, and changes to them.

    Raises:
        UserError: a setting is unknown, missing, of the wrong type or out of range; `where` names the source of
            the values.
    """
    known = {**_checked(values, where), **_checked(changes or {}, "the changed settings")}
    missing = [name for name in ("epochs", "learning_rate", "validation") if name not in known]
    if missing:
        raise UserError(f"{where} does not set {', '.join(missing)} for this run; add it to its settings or overrides")
    return Settings(**known)


def changed_settings(settings: Settings | Mapping[str, Any]) -> dict[str, Any]:
    """The settings that differ from their defaults, which a run's identity depends on; from `Settings` or by name."""
    values = vars(settings) if isinstance(settings, Settings) else settings
    defaults = _defaults(Settings)
    return {name: value for name, value in values.items() if name not in defaults or _plain(value) != defaults[name]}


@cache
def _defaults(settings: type[Settings]) -> dict[str, Any]:
    """Name of a setting -> its default, if it has one."""
    made = {one.name: one.default_factory() for one in fields(settings) if one.default_factory is not MISSING}
    return {one.name: _plain(made.get(one.name, one.default)) for one in fields(settings)}


def _plain(value: Any) -> Any:
    """A value as JSON would give it back."""
    return list(value) if isinstance(value, tuple) else value


def _held_out(values: Mapping[str, Any], dataset: str) -> dict[str, Any]:
    """The values with `validation` as a number of images, where it is a share of them."""
    share = values.get("validation")
    if isinstance(share, float) and 0 < share < 1:
        return {**values, "validation": round(share * find(dataset).train_count)}
    return dict(values)


def checked_settings(values: Mapping[str, Any], where: str, dataset: str) -> dict[str, Any]:
    """Some settings of runs on a dataset in their types; `where` names their source in the message.

    Raises:
        UserError: a setting is unknown, of the wrong type or out of range.
    """
    return _checked(_held_out(values, dataset), where)


def _checked(values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The values in the types of their settings."""
    types = _types(Settings)
    unknown = sorted(map(str, set(values) - set(types)))
    if unknown:
        near = did_you_mean(unknown[0], types)
        raise UserError(f"{where}: unknown setting {', '.join(unknown)}; the settings are {', '.join(types)}{near}")
    settings = {name: converted(name, types[name], value, where) for name, value in values.items()}
    lowest = {"epochs": 0, "batch_size": 1, "validation": 1}
    not_negative = ("learning_rate", "momentum", "weight_decay", "score_range_conv", "score_range_linear")
    lowest |= dict.fromkeys([*not_negative, "positive_share"], 0)
    for name, low in lowest.items():
        if not low <= settings.get(name, low) < math.inf:
            raise UserError(f"{where}: {name} must be a number of at least {low}, not {settings[name]}")
    # More epochs or larger batches are typing errors, which would plan without end or overflow.
    for name, high in {"epochs": 100_000, "batch_size": 1_000_000, "positive_share": 1}.items():
        if settings.get(name, 0) > high:
            raise UserError(f"{where}: {name} must be at most {high}, not {settings[name]}")
    choices = {"schedule": SCHEDULES, "sharing": SHARINGS, "optimiser": OPTIMISERS, "weights": INITIAL_WEIGHTS}
    choices["precision"] = PRECISIONS
    for name, names in choices.items():
        if settings.get(name, names[0]) not in names:
            raise UserError(f"{where}: unknown {name} {settings[name]!r}; use one of {', '.join(names)}")
    return settings
