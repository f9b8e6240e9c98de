"""What is measured: which networks, at which K, and which ways of training are affordable there."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import torch
from torch import nn

from benchmarks.resnet18 import resnet18
from slotmachines.networks import build_network
from slotmachines.networks.names import NETWORKS, find_network
from slotmachines.slots.convert import slotify_
from slotmachines.slots.dense import dense_slotify_
from slotmachines.slots.machine import Selection
from slotpipeline.data.datasets import DATASETS
from slotpipeline.runs.recipe import Settings
from slotpipeline.runs.run import make_run

RECIPE, SEED = "paper-glorot", 0
OPTIONS = (2, 8, 64, 1024)
MANY_OPTIONS = 65_536  # of the smallest network only
OUTSIDE = "resnet18"
"""A network that is not in the registry; it is trained with the settings and data of `_LIKE`, in smaller batches."""
_LIKE = "resnet20"
OUTSIDE_OPTIONS = (8, 64)
AFFORDABLE = 150_000_000
"""The most options, connections times K, of sampling, which touches all of them in every step."""
AFFORDABLE_IN_MEMORY = 40_000_000
"""The most options of what is slower still: dense training, and, for the smallest network, plain PyTorch."""

Method = Literal["ordinary", "one-number", "plain", "dense"]
"""`ordinary` training; the library, `one-number` per connection; the same in `plain` PyTorch, without kernels; and
`dense`, the paper's own K scores per connection (`slotmachines.slots.dense`)."""


@dataclass(frozen=True)
class Case:
    """One slot machine that is compared with ordinary training of the same network."""

    network: str
    selection: Selection
    options: int

    @property
    def name(self) -> str:
        """Such as `conv6-greedy-k8`."""
        return f"{self.network}-{self.selection}-k{self.options}"

    def settings(self, method: Method) -> Settings:
        """Learning rate, momentum and so on of the recipe, on the dataset of the network.

        All have the weight decay of the slot machine: optimisers that do the same work are compared.
        """
        dataset, network = dataset_of(self.network), _registered(self.network)
        slots = make_run(
            network=network, dataset=dataset, method=self.selection, options=self.options, seed=SEED, recipe=RECIPE
        )
        if method != "ordinary":
            return slots.settings
        changes = {"weight_decay": slots.settings.weight_decay}
        learned = make_run(
            network=network, dataset=dataset, method="learned", seed=SEED, recipe=RECIPE, changes=changes
        )
        return learned.settings

    def methods(self, *, on_gpu: bool) -> list[Method]:
        """The ways of training to compare, ordinary training first."""
        methods: list[Method] = ["ordinary", "one-number"]
        if connections(self.network) * self.options <= AFFORDABLE_IN_MEMORY:
            # Some ways wait for the host, and cannot be captured in a graph: the look-up of the few connections that
            # left their interval in plain PyTorch, and torch.multinomial.
            if self.selection == "greedy" and self.network == "lenet" and not on_gpu:
                methods.append("plain")
            if self.selection == "greedy" or not on_gpu:
                methods.append("dense")
        return methods


def all_cases() -> list[Case]:
    """Every network at every K; sampling, which touches all options in every step, only where it is affordable.

    Then one network that is not in the registry.
    """
    selections: tuple[Selection, ...] = ("greedy", "probabilistic")
    cases = [Case(network, rule, k) for network in NETWORKS for rule in selections for k in OPTIONS]
    cases = [c for c in cases if c.selection == "greedy" or connections(c.network) * c.options <= AFFORDABLE]
    outside = [Case(OUTSIDE, rule, k) for rule in selections for k in OUTSIDE_OPTIONS]
    return [*cases, Case("lenet", "greedy", MANY_OPTIONS), *outside]


def quick_cases() -> list[Case]:
    """A few small cases, to see whether all of it works."""
    return [Case("lenet", "greedy", 8), Case("lenet", "greedy", 64), Case("lenet", "probabilistic", 8)]


def dataset_of(network: str) -> str:
    """The first dataset of the registry whose images fit a network; the paper's, for a network of the paper."""
    shape = input_shape(network)
    return next((dataset.name for dataset in DATASETS.values() if dataset.shape == shape), "digits")


def input_shape(network: str) -> tuple[int, int, int]:
    """(channels, height, width) of the images."""
    return find_network(_registered(network)).input_shape


def batch_of(network: str) -> int:
    """Images in a batch."""
    return 32 if network == OUTSIDE else 128


def _registered(network: str) -> str:
    """The network of the registry whose settings and data are used."""
    return _LIKE if network == OUTSIDE else network


def _build(network: str, **settings: Any) -> nn.Module:
    return resnet18() if network == OUTSIDE else build_network(network, **settings)


@cache
def connections(network: str) -> int:
    """Number of weights of a network, without the scales and shifts of batch normalisation."""
    with torch.device("meta"):
        return sum(weight.numel() for weight in _build(network).parameters() if weight.ndim > 1)


def starting_network(case: Case, device: torch.device) -> nn.Module:
    """The ordinary network of a case."""
    return _build(case.network, **case.settings("ordinary").network_settings).to(device)


def make_slots_(network: nn.Module, case: Case, method: Method) -> nn.Module:
    """Turn a network into what `method` trains, in place.

    Raises:
        MemoryError: that would not fit into memory.
    """
    settings: dict[str, Any] = {
        "options": case.options,
        "selection": case.selection,
        "seed": SEED,
        "value_bound": case.settings(method).value_bound,
    }
    if method == "dense":
        dense_slotify_(network, **settings)
    elif method != "ordinary":
        slotify_(network, **settings, compiled=method == "one-number")
    return network
