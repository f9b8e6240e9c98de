"""conv2, conv4 and conv6 of Frankle and Carbin, small relatives of VGG for CIFAR-10, and conv8 of Ramanujan et al."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from torch import nn

from slotmachines.errors import UserError

CONVOLUTIONS = {
    "conv2": (64, 64),
    "conv4": (64, 64, 128, 128),
    "conv6": (64, 64, 128, 128, 256, 256),
    "conv8": (64, 64, 128, 128, 256, 256, 512, 512),
}
"""Output channels of the 3x3 convolutions; a 2x2 max-pool follows each pair."""

# The released code leaves out the padding, except for the last two convolutions of conv6; it has no conv8.
PADDINGS = {
    "same": {name: (1,) * len(channels) for name, channels in CONVOLUTIONS.items()},
    "code": {"conv2": (0, 0), "conv4": (0, 0, 0, 0), "conv6": (0, 0, 0, 0, 1, 1)},
}


def _conv_network(name: str) -> Callable[..., nn.Sequential]:
    """The builder of one of `CONVOLUTIONS`."""

    def build(classes: int = 10, padding: str = "same", dropout: float = 0.5) -> nn.Sequential:
        """Convolutions, then dense layers 256-256-classes, with ReLU; takes (N, 3, 32, 32)."""
        if padding not in PADDINGS:
            raise UserError(f"unknown padding {padding!r}: use one of {', '.join(PADDINGS)}")
        if name not in PADDINGS[padding]:
            raise UserError(f"the released code has no {name}, so its padding is not known: use same")
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        channels, size = 3, 32
        for number, (width, pad) in enumerate(zip(CONVOLUTIONS[name], PADDINGS[padding][name], strict=True), start=1):
            layers[f"conv{number}"] = nn.Conv2d(channels, width, 3, padding=pad, bias=False)
            channels, size = width, size - 2 + 2 * pad
            # Before ReLU, which gives the same bits as after it, gradients included, and leaves a quarter to ReLU.
            if number % 2 == 0:
                layers[f"pool{number // 2}"] = nn.MaxPool2d(2)
                size //= 2
            layers[f"conv_relu{number}"] = nn.ReLU()
        layers["flatten"] = nn.Flatten()
        layers["dropout1"] = nn.Dropout(dropout)
        layers["dense1"] = nn.Linear(channels * size * size, 256, bias=False)
        layers["dense_relu1"] = nn.ReLU()
        layers["dropout2"] = nn.Dropout(dropout)
        layers["dense2"] = nn.Linear(256, 256, bias=False)
        layers["dense_relu2"] = nn.ReLU()
        layers["dense3"] = nn.Linear(256, classes, bias=False)
        return nn.Sequential(layers)

    return build


conv2, conv4, conv6, conv8 = map(_conv_network, CONVOLUTIONS)
