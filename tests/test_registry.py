"""The networks and datasets are listed once, and everything that names them asks there."""

from __future__ import annotations

import subprocess
import sys

import pytest

from benchmarks.cases import dataset_of
from slotmachines import UserError, build_network
from slotmachines.methods import METHODS
from slotmachines.networks.names import NETWORKS, Network, find_network, network_label
from slotpipeline.data.datasets import DATASETS, dataset_label
from slotpipeline.experiments.config_schema import checked_config, config_schema


def test_networks_and_datasets_are_listed_without_torch() -> None:
    modules = "slotmachines.networks, slotmachines.networks.names, slotpipeline.data.datasets, slotpipeline.cli"
    code = f"import {modules}, sys; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_readers_know_them_by_their_labels() -> None:
    names = ("lenet", "conv2", "conv8", "vgg19", "resnet20")
    assert [network_label(name) for name in names] == ["LeNet", "Conv-2", "Conv-8", "VGG-19", "ResNet-20"]
    assert [dataset_label(name) for name in ("digits", "mnist", "cifar10")] == ["digits", "MNIST", "CIFAR-10"]
    # Results may name what a later version no longer has.
    assert (network_label("alexnet"), dataset_label("svhn")) == ("alexnet", "svhn")
    for labels in ([network.label for network in NETWORKS.values()], [data.label for data in DATASETS.values()]):
        assert len(set(labels)) == len(labels)


def test_an_unknown_network_is_refused() -> None:
    with pytest.raises(UserError, match=r"^unknown network 'alexnet': use one of lenet, conv2, "):
        find_network("alexnet")


def test_a_new_line_is_known_to_the_schema_and_to_the_builder(monkeypatch: pytest.MonkeyPatch) -> None:
    new = Network("lenet2", "LeNet 2", (1, 28, 28), NETWORKS["lenet"].builder)
    monkeypatch.setitem(NETWORKS, "lenet2", new)
    assert config_schema()["$defs"]["network"]["enum"] == list(NETWORKS)
    config = {
        "grid": "new", "description": "A new network", "recipe": "paper-glorot", "networks": {"lenet2": "mnist"},
        "settings": {"lenet2": {"epochs": 1}}, "chosen_by": {"lenet2": [2]}, "tolerance": {"mnist": 1.0},
        "experiments": {"k-sweep": {"networks": ["lenet2"], "options": [2]}},
    }  # fmt: skip
    assert checked_config(config)["networks"] == {"lenet2": "mnist"}
    assert len(list(build_network("lenet2").parameters())) == 3


def test_networks_are_benchmarked_on_the_papers_datasets() -> None:
    assert {dataset_of(name) for name in ("conv2", "conv4", "conv6", "vgg19")} == {"cifar10"}
    assert dataset_of("lenet") == "mnist"


@pytest.mark.parametrize(("altered", "bits"), [(0.0, "0"), (1.0, "0"), (0.5, "1"), (0.25, "0.811")])
def test_a_mask_takes_the_entropy_of_its_altered_share(altered: float, bits: str) -> None:
    assert f"{METHODS['free_flipping'].bits(None, altered):.3g}" == bits
