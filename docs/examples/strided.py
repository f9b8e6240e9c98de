"""A small convolutional network without pooling, for colour images of 32 x 32."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn


def strided(classes: int = 10) -> nn.Sequential:
    """Two strided convolutions and a dense layer, with ReLU; takes (N, 3, 32, 32)."""
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(3, 16, 5, stride=2, bias=False),
            relu1=nn.ReLU(),
            conv2=nn.Conv2d(16, 32, 5, stride=2, bias=False),
            relu2=nn.ReLU(),
            flatten=nn.Flatten(),
            dense1=nn.Linear(32 * 5 * 5, classes, bias=False),
        )
    )
