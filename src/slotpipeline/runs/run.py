"""One run: what it trains, its identity, and the name of its folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from slotmachines.errors import UserError
from slotmachines.methods import SLOT_METHODS, Method, find_method
from slotpipeline.data.datasets import find
from slotpipeline.runs.recipe import Settings, changed_settings, load_recipe


@dataclass(frozen=True)
class Run:
    """One training of one network.

    Attributes:
        network: a name of `slotmachines.networks`.
        dataset: a name of `slotpipeline.data`.
        method: a name of `slotmachines.methods`: "greedy", "edge_popup", "learned" and others.
        options: K of a slot machine; None for all others.
        seed: of the options, the order of the images, and all that is drawn in training.
        recipe: name or file of the recipe that gave the settings.
        settings: resolved for this run.
        start_epoch: of a finetuned network, the epochs that its slot machine was trained before.
        parent: of a finetuned network, the run of its slot machine.
        changes: settings given beside the recipe, which win over it.
    """

    network: str
    dataset: str
    method: str
    options: int | None
    seed: int
    recipe: str
    settings: Settings
    start_epoch: int = 0
    parent: Run | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def variant(self) -> str:
        """ "finetuned", or blank."""
        return "finetuned" if self.parent else ""

    @cached_property
    def identity(self) -> str:
        """Eight hexadecimal digits that depend on the description of the run: on what it trains, not on where.

        Versions, device and number of threads, which can change the result by some bits, are recorded beside it.
        A setting with its default value is left out, so that a setting added later does not change earlier identities.
        """
        description: dict[str, Any] = {
            "network": self.network,
            "dataset": self.dataset,
            "method": self.method,
            "options": self.options,
            "seed": self.seed,
            "settings": changed_settings(self.settings),
        }
        if self.parent is not None:
            description["parent"] = [self.parent.identity, self.start_epoch]
        text = json.dumps(description, sort_keys=True, separators=(",", ":"))
        return hashlib.blake2b(text.encode(), digest_size=4).hexdigest()

    @property
    def arguments(self) -> list[str]:
        """The arguments of the command `slotmachines` that train this run."""
        described = self.parent or self
        words = ["train" if self.parent is None else "finetune"]
        words += ["--network", self.network, "--dataset", self.dataset, "--method", self.method]
        words += [] if self.options is None else ["--options", str(self.options)]
        words += ["--seed", str(self.seed), "--recipe", self.recipe]
        words += [
            word for name, value in described.changes.items() for word in ("--set", f"{name}={json.dumps(value)}")
        ]
        if self.parent is not None:
            words += ["--start-epoch", str(self.start_epoch)]
        return words

    @property
    def folder(self) -> str:
        """Folder of the run's files, relative to the runs of its grid: readable, and unique by the identity.

        It depends only on what the run trains, so experiments that need the same run use the same files.
        """
        options = "" if self.options is None else f"-k{self.options}"
        variant = f"-{self.variant}" if self.variant else ""
        return f"{self.network}-{self.dataset}/{self.method}{options}{variant}/seed{self.seed}-{self.identity}"


def with_seed(run: Run, seed: int) -> Run:
    """The same run, and the same slot machine before it, of another seed.

    Raises:
        UserError: a seed that cannot be one.
    """
    if not 0 <= seed < 2**63:
        raise UserError(f"a seed lies between 0 and 2^63 - 1, not at {seed}")
    return replace(run, seed=seed, parent=None if run.parent is None else with_seed(run.parent, seed))


def make_run(
    *,
    network: str,
    dataset: str,
    method: str,
    seed: int,
    recipe: str,
    options: int | None = None,
    changes: Mapping[str, Any] | None = None,
) -> Run:
    """A run with the settings that its recipe gives it.

    Args:
        changes: settings that win over the recipe's.

    Raises:
        UserError: unknown dataset or method, K < 1, K for a method without options or
            no K for a slot machine, a bad recipe or setting.
    """
    find(dataset)
    found = find_method(method)
    if found.has_options and (options is None or options < 1):
        raise UserError(f"a {method} slot machine needs a number of options K of at least 1, not {options}")
    if not found.has_options and options is not None:
        raise UserError(f"a {method} network has no options; leave out K = {options}")
    changes = dict(changes or {})
    untrained = {} if found.is_trained else {"epochs": 0, "learning_rate": 0.0}
    settings = load_recipe(recipe).resolve(
        network=network, dataset=dataset, method=method, options=options, changes={**changes, **untrained}
    )
    _require_fitting(found, settings)
    return with_seed(Run(network, dataset, method, options, seed, recipe, settings, changes=changes), seed)


def _require_fitting(method: Method, settings: Settings) -> None:
    """Refuse settings that the method would ignore, or that contradict it."""
    name = method.name
    if not method.has_options and settings.sharing != "none":
        raise UserError(f"a {name} network cannot share its weights; set sharing for slot machines only")
    if not method.rule and settings.method_settings:
        raise UserError(f"{name} has no settings of its own; set method_settings for rivals only")
    if method.has_options and (settings.optimiser != "sgd" or settings.weights != "options"):
        raise UserError(
            f"a {name} slot machine is trained by SGD and chooses among its options; "
            "set optimiser and weights for other methods only"
        )
    if settings.weights == "options" and settings.positive_share != 0.5:
        raise UserError(
            "the signs of options are equally likely; set weights to a distribution to change positive_share"
        )


def finetuned(parent: Run, start_epoch: int) -> Run:
    """Ordinary training from what `parent` selects after `start_epoch` epochs, up to as many epochs in total.

    Raises:
        UserError: `parent` is not a slot machine, or does not train beyond that epoch.
    """
    if parent.method not in SLOT_METHODS:
        raise UserError(f"finetuning starts from a slot machine, not from a {parent.method} network")
    if not 0 < start_epoch < parent.settings.epochs:
        raise UserError(
            f"finetuning cannot start after {start_epoch} of {parent.settings.epochs} epochs; lower --start-epoch"
        )
    settings = load_recipe(parent.recipe).resolve(
        network=parent.network,
        dataset=parent.dataset,
        method="finetuned",
        options=parent.options,
        changes={**parent.changes, "epochs": parent.settings.epochs},
    )
    return replace(parent, settings=settings, start_epoch=start_epoch, parent=parent)
