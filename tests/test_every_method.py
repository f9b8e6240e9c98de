"""Every method on every kind of network: trained, resumed, baked and kept as a ticket, or refused by a clear line.

The table of docs/layers.md is written by `REWRITE_DOCS=1 pytest tests/test_every_method.py`, and checked otherwise.
"""

import copy
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from conftest import assert_same
from slotmachines import (
    UserError,
    bake_,
    begin_epoch_,
    change_penalty,
    load_ticket,
    mask_,
    save_ticket,
    selected_options,
    slotify_,
)
from slotmachines.methods import METHODS, RIVALS, SLOT_METHODS
from slotmachines.slots.convert import baked_state
from test_tied_and_shared import Folded, Language

PAGE = Path(__file__).parents[1] / "docs/layers.md"
BEGIN, END = "<!-- written by tests/test_every_method.py -->\n", "<!-- end -->\n"


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words, self.lstm, self.last = nn.Embedding(7, 4), nn.LSTM(4, 5, batch_first=True), nn.Linear(5, 3)

    def forward(self, words: Tensor) -> Tensor:
        return self.last(self.lstm(self.words(words))[0][:, -1])


class Experts(nn.Module):
    """A mixture of experts, each a layer."""

    def __init__(self) -> None:
        super().__init__()
        self.router, self.experts = nn.Linear(4, 2), nn.ModuleList([nn.Linear(4, 3), nn.Linear(4, 3)])

    def forward(self, inputs: Tensor) -> Tensor:
        shares = self.router(inputs).softmax(-1)
        return torch.stack([expert(inputs) for expert in self.experts], -1).mul(shares.unsqueeze(-2)).sum(-1)


class PackedExperts(nn.Module):
    """A mixture of experts whose matrices are one tensor, as in Mixtral."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.down_proj = nn.Linear(4, 4), nn.Parameter(torch.randn(2, 4, 3))

    def forward(self, inputs: Tensor) -> Tensor:
        return torch.einsum("bi,eio->bo", self.first(inputs), self.down_proj)


def partly_frozen() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 6).requires_grad_(False), nn.Tanh(), nn.Linear(6, 3))


IMAGES, ROWS, WORDS = (5, 2, 6, 6), (5, 4), None

KINDS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...] | None]] = {
    "convolutions": (lambda: nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 3)), IMAGES),
    "batch normalisation": (lambda: nn.Sequential(nn.Conv2d(2, 3, 3, bias=False), nn.BatchNorm2d(3)), IMAGES),
    "transposed convolutions": (lambda: nn.Sequential(nn.Conv2d(2, 3, 3), nn.ConvTranspose2d(3, 2, 3)), IMAGES),
    "attention": (lambda: nn.TransformerEncoderLayer(4, 2, 6, dropout=0.0, batch_first=True), (5, 3, 4)),
    "recurrent": (Recurrent, WORDS),
    "tied embeddings": (Language, WORDS),
    "one layer in several places": (Folded, ROWS),
    "partly frozen": (partly_frozen, ROWS),
    "experts, each a layer": (Experts, ROWS),
    "experts in one tensor": (PackedExperts, ROWS),
}
NAMES = [method for method in METHODS if method in (*SLOT_METHODS, *RIVALS)]


def built(kind: str) -> nn.Module:
    torch.manual_seed(0)
    return KINDS[kind][0]()


def converted(kind: str, method: str) -> nn.Module:
    embeddings = kind == "tied embeddings"
    if method in SLOT_METHODS:
        return slotify_(built(kind), options=4, selection=method, embeddings=embeddings, compiled=False)
    return mask_(built(kind), method, weights="kaiming-normal", embeddings=embeddings)


def batch(kind: str) -> Tensor:
    shape = KINDS[kind][1]
    generator = torch.Generator().manual_seed(1)
    return torch.randint(7, (5, 3), generator=generator) if shape is None else torch.randn(shape, generator=generator)


def optimiser_of(network: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(network.parameters(), lr=0.5, momentum=0.9, weight_decay=1e-3)


def train(network: nn.Module, optimiser: torch.optim.Optimizer, kind: str, steps: range) -> None:
    for step in steps:
        torch.manual_seed(step)
        begin_epoch_(network, 1)
        optimiser.zero_grad()
        loss, penalty = (network(batch(kind)) - 1).square().mean(), change_penalty(network)
        (loss if penalty is None else loss + penalty).backward()
        optimiser.step()


def require_that_it_trains_resumes_and_bakes(kind: str, method: str) -> nn.Module:
    """The trained network, before it is baked."""
    network, straight = converted(kind, method), converted(kind, method)
    before = copy.deepcopy(network.state_dict())
    frozen = {name for name, parameter in network.named_parameters() if not parameter.requires_grad}
    optimiser, other = optimiser_of(network), optimiser_of(straight)
    train(straight, other, kind, range(3))
    train(network, optimiser, kind, range(2))
    resumed = converted(kind, method)
    resumed.load_state_dict(network.state_dict())
    again = optimiser_of(resumed)
    again.load_state_dict(optimiser.state_dict())
    train(resumed, again, kind, range(2, 3))
    assert_same(straight.state_dict(), resumed.state_dict())
    moved = {name for name, value in straight.state_dict().items() if not torch.equal(value, before[name])}
    assert not frozen & moved and {name for name in before if name.endswith(".original")} <= moved
    network = straight.eval()
    expected, state = network(batch(kind)).detach(), baked_state(network)
    baked = bake_(copy.deepcopy(network))
    assert_same(state, baked.state_dict())
    assert baked.state_dict().keys() == built(kind).state_dict().keys()
    if method != "supermask":  # which draws in evaluation too
        torch.testing.assert_close(baked(batch(kind)), expected, rtol=1e-5, atol=1e-6)
    return network


@cache
def outcome(kind: str, method: str, folder: Path) -> str:
    """What the table says."""
    network = built(kind)
    before = copy.deepcopy(network.state_dict())
    try:
        network = converted(kind, method)
    except ValueError as error:
        assert_same(before, network.state_dict())
        return f"refused: {error}"
    network = require_that_it_trains_resumes_and_bakes(kind, method)
    path = folder / "ticket"
    try:
        save_ticket(network, path)
    except UserError:
        assert method in RIVALS and selected_options(network)
        return "yes, no ticket"
    assert_same(bake_(network).state_dict(), load_ticket(built(kind), path).state_dict())
    return "yes"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tickets")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", NAMES)
def test_a_method_on_a_kind_of_network(method, kind, folder):
    expected = "yes" if method in SLOT_METHODS else "yes, no ticket"
    if kind == "experts in one tensor":
        expected = "refused: down_proj: weights of PackedExperts cannot be selected"
    assert outcome(kind, method, folder).startswith(expected)


def table(folder: Path) -> str:
    """A row per kind of network: what slot machines do on it, and what rivals do, each named only where they differ."""
    lines = ["| network | slot machines | rivals |", "| --- | --- | --- |"]
    refusals: list[str] = []
    for kind in KINDS:
        row = []
        for group in (SLOT_METHODS, RIVALS):
            said: dict[str, list[str]] = {}
            for method in group:
                cell, _, reason = outcome(kind, method, folder).partition(": ")
                if reason and reason not in refusals:
                    refusals.append(reason)
                said.setdefault(f"{cell} ({refusals.index(reason) + 1})" if reason else cell, []).append(method)
            one = len(said) == 1
            row.append("; ".join(cell if one else f"{cell}: {', '.join(names)}" for cell, names in said.items()))
        lines.append(f"| {kind} | {' | '.join(row)} |")
    notes = [f"{number}. `{reason}`" for number, reason in enumerate(refusals, 1)]
    return "\n".join([*lines, "", *notes, ""])


def test_the_table_in_the_documentation_is_what_was_found(folder):
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    written, _, after = rest.partition(END)
    found = table(folder)
    if os.environ.get("REWRITE_DOCS"):
        PAGE.write_text(f"{before}{BEGIN}{found}{END}{after}", encoding="utf-8")
    else:
        assert written == found
