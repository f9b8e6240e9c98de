"""ResNet-20 for CIFAR-10 (He et al., CVPR 2016, section 4.2), whose batch normalisation learns scales and shifts.

Ivan and Florian (arXiv 2006.16627) train it, too: their code has the shortcuts called "projection" here.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn
from torch.nn import functional

from slotmachines.errors import UserError

STAGES = ((16, 3), (32, 3), (64, 3))
"""Output channels and number of blocks of each stage; the first block of the second and the third halves the image."""

SHORTCUTS = ("projection", "zero-padding")
"""How a shortcut leads into the next stage: by a strided 1x1 convolution without normalisation, or without parameters
(option A of He et al.): every second pixel, and zeros in the new channels."""


class Block(nn.Module):
    """Two 3x3 convolutions with batch normalisation, a shortcut around both, and ReLU of the sum."""

    def __init__(self, channels: int, width: int, shortcut: nn.Module) -> None:
        super().__init__()
        stride = 1 if width == channels else 2
        self.conv1 = nn.Conv2d(channels, width, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.shortcut = shortcut
        self.relu2 = nn.ReLU()

    def forward(self, images: Tensor) -> Tensor:
        """From (N, channels, H, W) to (N, width, H, W), or half of H and W where the number of channels changes."""
        inner = self.relu1(self.norm1(self.conv1(images)))
        output: Tensor = self.relu2(self.norm2(self.conv2(inner)) + self.shortcut(images))
        return output


class ZeroPadding(nn.Module):
    """Every second pixel, with new channels of zeros behind the others."""

    def __init__(self, new_channels: int) -> None:
        super().__init__()
        self.new_channels = new_channels

    def forward(self, images: Tensor) -> Tensor:
        """From (N, C, H, W) to (N, C + new_channels, H / 2, W / 2)."""
        return functional.pad(images[:, :, ::2, ::2], (0, 0, 0, 0, 0, self.new_channels))


def resnet20(classes: int = 10, shortcut: str = "projection") -> nn.Sequential:
    """A convolution, 9 blocks of two, global average pooling, a dense layer; takes (N, 3, 32, 32).

    With 10 classes 270,896 weights, or 268,336 with `shortcut="zero-padding"`, and 1,376 scales and shifts.
    """
    if shortcut not in SHORTCUTS:
        raise UserError(f"unknown shortcut {shortcut!r}: use one of {', '.join(SHORTCUTS)}")
    channels = STAGES[0][0]
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["conv1"] = nn.Conv2d(3, channels, 3, padding=1, bias=False)
    layers["norm1"] = nn.BatchNorm2d(channels)
    layers["relu1"] = nn.ReLU()
    for stage, (width, blocks) in enumerate(STAGES, start=1):
        for block in range(1, blocks + 1):
            layers[f"stage{stage}_block{block}"] = Block(channels, width, _shortcut(shortcut, channels, width))
            channels = width
    layers["pool"] = nn.AdaptiveAvgPool2d(1)
    layers["flatten"] = nn.Flatten()
    layers["dense1"] = nn.Linear(channels, classes, bias=False)
    return nn.Sequential(layers)


def _shortcut(kind: str, channels: int, width: int) -> nn.Module:
    """The shortcut of a block: the images as they are, but where a stage begins."""
    if width == channels:
        return nn.Identity()
    if kind == "projection":
        return nn.Conv2d(channels, width, 1, stride=2, bias=False)
    return ZeroPadding(width - channels)
