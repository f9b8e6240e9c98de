"""A small network with every kind of weight that can be selected."""

import torch
from torch import Tensor, nn


class EveryKind(nn.Module):
    """Rows of words of 8 numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(7, 8)
        self.position = nn.Parameter(torch.randn(4, 8))
        self.convolution = nn.Conv1d(8, 6, 3, padding=1, groups=2)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.norm = nn.LayerNorm((4, 8))
        self.across = nn.MultiheadAttention(8, 2, kdim=6, vdim=6, batch_first=True)
        self.last = nn.Linear(8, 3)

    def forward(self, words: Tensor) -> Tensor:
        inputs = self.words(words) + self.position
        others = self.convolution(inputs.mT).mT
        attended = self.norm(inputs + self.attention(inputs, inputs, inputs)[0])
        return self.last(self.across(attended, others, others)[0].mean(1))


def every_kind() -> EveryKind:
    torch.manual_seed(0)
    return EveryKind()


def words() -> Tensor:
    return torch.randint(7, (5, 4), generator=torch.Generator().manual_seed(0))
