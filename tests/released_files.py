"""Networks and files of the layout of the authors' released code."""

from pathlib import Path

import numpy as np
import torch
from torch import nn

LENET = {"classifier.fc1": (300, 784), "classifier.fc2": (100, 300), "classifier.fc3": (10, 100)}
CONV = {"features.conv_1": (4, 1, 3, 3), "classifier.fc1": (3, 64)}
STATISTICS = {"running_mean": (4,), "running_var": (4,)}


def released_state(shapes: dict[str, tuple[int, ...]], options: int, seed: int = 0, **more) -> dict[str, torch.Tensor]:
    """Values and scores of K options per connection."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for layer, shape in shapes.items():
        state[f"{layer}.weight"] = 0.2 * torch.rand(*shape, options, generator=generator, **more) - 0.1
        state[f"{layer}.score"] = 0.1 * torch.rand(*shape, options, generator=generator, **more)
    return state


def conv_state(options: int = 5) -> dict[str, torch.Tensor]:
    """Of a convolution, a batch normalisation and a dense layer."""
    state = released_state(CONV, options)
    statistics = {f"features.bn_0.{part}": torch.rand(shape) + 0.5 for part, shape in STATISTICS.items()}
    statistics["features.bn_0.num_batches_tracked"] = torch.tensor(7)
    first, last = list(state.items())[:2], list(state.items())[2:]
    return dict([*first, *statistics.items(), *last])


def conv_network() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, bias=False),
        nn.BatchNorm2d(4, affine=False),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(64, 3, bias=False),
    )


def saved(content, path: Path) -> Path:
    torch.save(content, path)
    return path


def selected(state: dict[str, torch.Tensor], layer: str) -> tuple[np.ndarray, np.ndarray]:
    """The selected options of a layer and their values, by numpy."""
    options = state[f"{layer}.score"].numpy().argmax(-1)
    return options, np.take_along_axis(state[f"{layer}.weight"].numpy(), options[..., None], -1)[..., 0]
