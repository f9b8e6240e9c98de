"""LeNet-300-100, the fully connected network for MNIST."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn


def lenet(classes: int = 10) -> nn.Sequential:
    """784-300-100-classes with ReLU; takes (N, 1, 28, 28). 266,200 weights with 10 classes."""
    return nn.Sequential(
        OrderedDict(
            flatten=nn.Flatten(),
            dense1=nn.Linear(28 * 28, 300, bias=False),
            relu1=nn.ReLU(),
            dense2=nn.Linear(300, 100, bias=False),
            relu2=nn.ReLU(),
            dense3=nn.Linear(100, classes, bias=False),
        )
    )
