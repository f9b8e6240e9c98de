"""VGG-19 for CIFAR-10, with batch normalisation without learnable parameters."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

BLOCKS = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))
"""Output channels and number of 3x3 convolutions of each block."""


def vgg19(classes: int = 10) -> nn.Sequential:
    """16 convolutions and one dense layer; takes (N, 3, 32, 32). 20,024,000 weights with 10 classes."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    channels, number = 3, 0
    for block, (width, convolutions) in enumerate(BLOCKS, start=1):
        for last in [False] * (convolutions - 1) + [True]:
            number += 1
            layers[f"conv{number}"] = nn.Conv2d(channels, width, 3, padding=1, bias=False)
            layers[f"norm{number}"] = nn.BatchNorm2d(width, affine=False)
            if last and block < len(BLOCKS):
                # Before ReLU, which gives the same bits as after it, gradients included, and leaves a quarter to ReLU.
                layers[f"pool{block}"] = nn.MaxPool2d(2)
            layers[f"relu{number}"] = nn.ReLU()
            channels = width
    layers[f"pool{len(BLOCKS)}"] = nn.AvgPool2d(2)
    layers["flatten"] = nn.Flatten()
    layers["dense1"] = nn.Linear(channels, classes, bias=False)
    return nn.Sequential(layers)
