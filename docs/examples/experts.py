"""A layer of experts in two tensors, which slotify_ learns to select."""

import torch
from torch import nn

from slotmachines import register_layer, slotify_


class Experts(nn.Module):
    def __init__(self, experts, inputs, hidden):
        super().__init__()
        self.first = nn.Parameter(torch.randn(experts, inputs, hidden))
        self.second = nn.Parameter(torch.randn(experts, hidden, inputs))

    def forward(self, inputs):  # (batch, inputs); all experts answer, and their mean counts
        hidden = torch.einsum("bi,eih->ebh", inputs, self.first).relu()
        return torch.einsum("ebh,ehi->ebi", hidden, self.second).mean(0)


def connections(layer):
    _, inputs, hidden = layer.first.shape
    return {"first": (inputs, hidden), "second": (hidden, inputs)}  # name of a tensor: (fan_in, fan_out)


register_layer(Experts, connections)
network = slotify_(Experts(experts=4, inputs=8, hidden=16), options=8)
