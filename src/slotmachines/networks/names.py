"""The networks there are, without building any: nothing here needs torch.

Adding a network takes one file with a function that builds it, and one line below (docs/extending.md).
"""

from __future__ import annotations

from dataclasses import dataclass

from slotmachines.errors import UserError, did_you_mean


@dataclass(frozen=True)
class Network:
    """One network of the registry.

    Attributes:
        name: what the command line and the configs call it.
        label: what readers know it by.
        input_shape: (channels, height, width) of the images that it takes.
        builder: "module:function" that builds it, imported on first use. The function takes the number of `classes`,
            10 by default, and perhaps further settings with defaults.
    """

    name: str
    label: str
    input_shape: tuple[int, int, int]
    builder: str


_NETWORKS = (
    Network("lenet", "LeNet", (1, 28, 28), "slotmachines.networks.lenet:lenet"),
    Network("conv2", "Conv-2", (3, 32, 32), "slotmachines.networks.conv:conv2"),
    Network("conv4", "Conv-4", (3, 32, 32), "slotmachines.networks.conv:conv4"),
    Network("conv6", "Conv-6", (3, 32, 32), "slotmachines.networks.conv:conv6"),
    Network("conv8", "Conv-8", (3, 32, 32), "slotmachines.networks.conv:conv8"),
    Network("vgg19", "VGG-19", (3, 32, 32), "slotmachines.networks.vgg:vgg19"),
    Network("resnet20", "ResNet-20", (3, 32, 32), "slotmachines.networks.resnet:resnet20"),
)

NETWORKS = {network.name: network for network in _NETWORKS}


def find_network(name: str) -> Network:
    """The network of that name.

    Raises:
        UserError: there is none.
    """
    if name not in NETWORKS:
        raise UserError(f"unknown network {name!r}: use one of {', '.join(NETWORKS)}{did_you_mean(name, NETWORKS)}")
    return NETWORKS[name]


def network_label(name: str) -> str:
    """What readers know a network by; of one that is not in the registry, as results may name, its name."""
    return NETWORKS[name].label if name in NETWORKS else name
