"""One layer in several places, and one tensor in several layers: one selector, used wherever the tensor is."""

import copy

import pytest
import torch
from torch import Tensor, nn

from conftest import BOTH
from every_kind import every_kind
from slotmachines import bake_, load_ticket, mask_, option_table, save_ticket, selected_options, slotify_
from slotmachines.slots.convert import baked_state
from slotmachines.slots.dense import dense_scores, dense_slotify_


class Folded(nn.Module):
    """One hidden layer, used three times, as in ALBERT and hidden-fold networks."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 6)
        hidden = nn.Linear(6, 6)
        self.hidden = nn.ModuleList([hidden, hidden, hidden])

    def forward(self, inputs: Tensor) -> Tensor:
        outputs = self.first(inputs)
        for layer in self.hidden:
            outputs = layer(outputs).tanh()
        return outputs


class Language(nn.Module):
    """Input and output embedding are one, as in GPT-2 and BERT."""

    def __init__(self, padding_idx: int | None = None) -> None:
        super().__init__()
        self.words = nn.Embedding(7, 6, padding_idx=padding_idx)
        self.hidden = nn.Linear(6, 6)
        self.last = nn.Linear(6, 7)
        self.last.weight = self.words.weight

    def forward(self, inputs: Tensor) -> Tensor:
        return self.last(self.hidden(self.words(inputs)).tanh())


def built(kind: type[nn.Module]) -> nn.Module:
    torch.manual_seed(0)
    return kind().double()


INPUTS = {Folded: torch.eye(4, dtype=torch.float64), Language: torch.tensor([[1, 2, 3], [4, 5, 6]])}
NAMES = {Folded: ["first.weight", "hidden.0.weight"], Language: ["words.weight", "hidden.weight"]}
TIES = {Folded: ["hidden.0.weight", "hidden.1.weight", "hidden.2.weight"], Language: ["words.weight", "last.weight"]}
KINDS = pytest.mark.parametrize("kind", [Folded, Language])
SETTINGS = {"embeddings": True, "seed": 3}


def trained(network: nn.Module, kind: type[nn.Module], steps: int = 4) -> nn.Module:
    optimiser = torch.optim.SGD(network.parameters(), lr=1.0, momentum=0.9, weight_decay=1e-3)
    for step in range(steps):
        torch.manual_seed(step)
        optimiser.zero_grad()
        (network(INPUTS[kind]) - 1).square().mean().backward()
        optimiser.step()
    return network


@KINDS
def test_it_is_selected_once_and_trained_as_k_trained_scores_are(kind):
    network, dense = (trained(make(built(kind), options=6, **SETTINGS), kind) for make in (slotify_, dense_slotify_))
    assert list(selected_options(network)) == list(option_table(network)) == NAMES[kind]
    assert len(list(network.parameters())) == len(list(built(kind).parameters())) + len(NAMES[kind])
    scores = dense_scores(dense)
    start = selected_options(slotify_(built(kind), options=6, **SETTINGS))
    for name, options in selected_options(network).items():
        assert torch.equal(options, scores[name].argmax(-1)) and not torch.equal(options, start[name]), name
    first, *others = [network.get_submodule(name.removesuffix(".weight")) for name in TIES[kind]]
    assert all(torch.equal(first.weight, other.weight) for other in others)


@KINDS
@BOTH
def test_it_is_saved_copied_baked_and_stays_tied(kind, selection, tmp_path):
    network = trained(slotify_(built(kind), options=6, selection=selection, **SETTINGS), kind)
    loaded = slotify_(built(kind), options=6, selection=selection, **SETTINGS)
    loaded.load_state_dict(network.state_dict())
    copied = copy.deepcopy(network)
    network.eval()
    expected, state = network(INPUTS[kind]).detach(), baked_state(network)
    save_ticket(network, tmp_path / "ticket")
    for other in (loaded, copied):
        assert torch.equal(other.eval()(INPUTS[kind]), expected)
    ticket = load_ticket(built(kind), tmp_path / "ticket")
    into_slots = load_ticket(slotify_(built(kind), options=2, **SETTINGS), tmp_path / "ticket")
    for baked in (bake_(network), bake_(copied), ticket, into_slots):
        assert torch.equal(baked(INPUTS[kind]), expected)
        assert len({id(baked.get_parameter(name)) for name in TIES[kind]}) == 1
        assert baked.state_dict().keys() == state.keys() == built(kind).state_dict().keys()
        assert all(torch.equal(state[name], value) for name, value in baked.state_dict().items())
    first, *_ = NAMES[kind]
    with torch.no_grad():
        network.get_parameter(first).zero_()
    assert not torch.equal(network(INPUTS[kind]), expected)


@KINDS
@pytest.mark.parametrize("rule", ["edge_popup", "free_flipping", "lottery_ticket"])
@pytest.mark.filterwarnings("ignore:a lottery ticket prunes")
def test_masks_are_tied_too(kind, rule):
    network = trained(mask_(built(kind), rule, weights="kaiming-normal", embeddings=True), kind)
    assert list(selected_options(network)) == NAMES[kind]
    expected = network(INPUTS[kind]).detach()
    assert torch.equal(bake_(copy.deepcopy(network))(INPUTS[kind]), expected)
    loaded = mask_(built(kind), rule, weights="kaiming-normal", embeddings=True)
    loaded.load_state_dict(network.state_dict())
    assert torch.equal(loaded(INPUTS[kind]), expected)


@pytest.mark.parametrize("tie", [
    lambda network: setattr(network.across.out_proj, "weight", network.attention.out_proj.weight),
    lambda network: setattr(network.across, "q_proj_weight", network.attention.out_proj.weight),
    lambda network: setattr(network.across, "v_proj_weight", network.across.k_proj_weight),
    lambda network: setattr(network.across, "out_proj", network.attention.out_proj),
])  # fmt: skip
def test_tied_projections(tie):
    network = every_kind()
    tie(network)
    names = list(network.state_dict())
    assert len(selected_options(slotify_(network, options=2))) == 7  # of 8
    assert set(bake_(network).state_dict()) == set(names)


def test_a_tie_to_what_would_stay_trained_is_refused():
    network = built(Language)
    for settings in ({}, {"embeddings": True, "filter_fn": lambda _, name: name != "last"}):
        with pytest.raises(
            ValueError, match=r"^words\.weight and last\.weight are one tied weight, of which \w+\.weight"
        ):
            slotify_(network, options=2, **settings)
    for make, settings in ((slotify_, {"options": 2}), (mask_, {"rule": "supermask"})):
        left = make(built(Language), filter_fn=lambda _, name: name == "hidden", **settings)
        assert list(selected_options(left)) == ["hidden.weight"] and left.words.weight is left.last.weight


def test_the_row_of_padding_is_selected_where_the_output_layer_trains_it():
    """As the embedding alone does not keep it at zero, as in BERT."""
    network = slotify_(Language(padding_idx=0), options=4, embeddings=True)
    assert list(selected_options(network)) == NAMES[Language]
