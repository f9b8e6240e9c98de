"""The networks of the paper as ordinary modules without biases."""

from __future__ import annotations

from typing import Any

from torch import nn

from slotmachines.errors import UserError
from slotmachines.networks.conv import CONVOLUTIONS, conv_network
from slotmachines.networks.lenet import lenet
from slotmachines.networks.vgg import vgg19

NETWORKS = {"lenet": lenet, **{name: conv_network(name) for name in CONVOLUTIONS}, "vgg19": vgg19}
INPUT_SHAPES = {"lenet": (1, 28, 28), **dict.fromkeys([*CONVOLUTIONS, "vgg19"], (3, 32, 32))}
"""(channels, height, width) of the images that each network takes."""


def build_network(name: str, **settings: Any) -> nn.Module:
    """A network of the paper with PyTorch's usual initial weights.

    Args:
        name: "lenet", "conv2", "conv4", "conv6" or "vgg19".
        settings: `classes` (10); for the conv nets also `padding` ("same", or "code" for the padding of the
            authors' released code) and `dropout` (0.5, before the first and the second dense layer).

    Raises:
        UserError: the network or a setting is unknown, or a setting has a value that makes no sense.
    """
    if name not in NETWORKS:
        raise UserError(f"unknown network {name!r}: use one of {', '.join(NETWORKS)}")
    try:
        if settings.get("classes", 1) < 1:
            raise ValueError(f"classes must be at least 1, not {settings['classes']}")
        return NETWORKS[name](**settings)
    except UserError:
        raise
    except (TypeError, ValueError) as error:
        raise UserError(f"{name}: {error}; see build_network for its settings") from None
