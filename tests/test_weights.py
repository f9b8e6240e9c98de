"""Which weights of a network are selected: every kind at once, grouped convolutions, embeddings, bounds."""

import copy

import pytest
import torch
from torch import Tensor, nn

from conftest import BOTH, scramble, theta_of
from every_kind import every_kind, words
from slotmachines import bake_, load_ticket, option_table, save_ticket, selected_options, slotify_
from slotmachines.selectable import selectable, weight_selectors
from slotmachines.slots.convert import baked_state
from slotmachines.slots.dense import DenseSlotMachine, dense_scores, dense_slotify_

SELECTED = [
    "words.weight",
    "convolution.weight",
    "attention.in_proj_weight",
    "attention.out_proj.weight",
    "across.q_proj_weight",
    "across.k_proj_weight",
    "across.v_proj_weight",
    "across.out_proj.weight",
    "last.weight",
]


def output(network: nn.Module) -> Tensor:
    """Without gradients; PyTorch rounds otherwise where a weight is still to be trained."""
    return copy.deepcopy(network).requires_grad_(False).eval()(words())


def trained_a_little(network: nn.Module) -> nn.Module:
    optimiser = torch.optim.SGD(network.parameters(), lr=4.0, momentum=0.9, weight_decay=1e-3)
    for number in range(3):
        torch.manual_seed(number)
        optimiser.zero_grad()
        network(words()).square().mean().backward()
        optimiser.step()
    return network


# Every kind of weight at once


def test_which_weights_are_selected():
    assert [place.name for place in selectable(every_kind(), embeddings=True)] == SELECTED
    assert [place.name for place in selectable(every_kind())] == SELECTED[1:]
    network = slotify_(every_kind(), options=3, embeddings=True)
    assert [one.name for one in weight_selectors(network)] == SELECTED == list(selected_options(network))
    before = every_kind().state_dict()
    kept = before.keys() - set(SELECTED)
    assert {"position", "norm.weight", "attention.in_proj_bias", "convolution.bias"} < kept
    assert all(torch.equal(before[name], network.state_dict()[name]) for name in kept)


@BOTH
def test_baked_and_in_evaluation_it_computes_the_same(selection):
    network = trained_a_little(slotify_(every_kind(), options=8, selection=selection, embeddings=True))
    table, options, state = option_table(network), selected_options(network), baked_state(network)
    expected = output(network)
    baked = bake_(copy.deepcopy(network))
    assert torch.equal(output(baked), expected)
    assert torch.equal(output(network), expected), "baking the copy changed the original"
    names = {name: type(module).__name__ for name, module in every_kind().named_modules()}
    assert {name: type(module).__name__ for name, module in baked.named_modules()} == names
    assert state.keys() == baked.state_dict().keys() == every_kind().state_dict().keys()
    assert all(torch.equal(state[name], value) for name, value in baked.state_dict().items())
    for name in SELECTED:
        weight = baked.get_parameter(name)
        assert torch.equal(weight, table[name][0].gather(-1, options[name][..., None])[..., 0])


def test_a_saved_state_and_a_copy_train_on_alike():
    network = trained_a_little(slotify_(every_kind(), options=8, embeddings=True))
    loaded = slotify_(every_kind(), options=8, embeddings=True)
    loaded.load_state_dict(network.state_dict())
    states = [trained_a_little(one).state_dict() for one in (copy.deepcopy(network), loaded, network)]
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name]) and torch.equal(value, states[2][name]), name
    other = slotify_(every_kind(), options=8, embeddings=True, seed=1)
    with pytest.raises(RuntimeError, match="other settings, seed="):
        other.load_state_dict(states[0])


def test_a_ticket_keeps_every_kind(tmp_path):
    network = trained_a_little(slotify_(every_kind(), options=5, embeddings=True))
    save_ticket(network, tmp_path / "ticket.safetensors")
    for target in (every_kind(), slotify_(every_kind(), options=2, seed=9)):
        loaded = load_ticket(target, tmp_path / "ticket.safetensors")
        assert torch.equal(output(loaded), output(network))
        assert not list(weight_selectors(loaded))


def test_training_selects_as_k_trained_scores_do():
    settings = {"options": 6, "seed": 2, "embeddings": True, "value_bound": 0.5}
    networks = [trained_a_little(make(every_kind().double(), **settings)) for make in (slotify_, dense_slotify_)]
    start = selected_options(slotify_(every_kind().double(), **settings))
    scores = dense_scores(networks[1])
    options = selected_options(networks[0])
    assert list(options) == list(scores) == SELECTED
    assert all(torch.equal(chosen, scores[name].argmax(-1)) for name, chosen in options.items())
    assert all(not torch.equal(chosen, start[name]) for name, chosen in options.items())


def test_what_tells_two_selections_apart():
    network = scramble(slotify_(nn.Linear(6, 5), options=4))
    dense = dense_slotify_(nn.Linear(6, 5), options=4)
    (one,), (other,) = weight_selectors(network), weight_selectors(dense)
    assert torch.equal(one.selector.choice(one.trained), network.weight)
    assert isinstance(other.selector, DenseSlotMachine)
    assert torch.equal(other.selector.choice(other.trained), selected_options(dense)["weight"])


def test_part_slot_machine_part_ordinary():
    network = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3))
    before = copy.deepcopy(network.state_dict())
    slotify_(network, options=4, filter_fn=lambda layer, name: name != "2")
    optimiser = torch.optim.SGD(network.parameters(), lr=0.5)
    network(torch.ones(2, 4)).square().sum().backward()
    optimiser.step()
    learned = network[2].weight.detach().clone()
    assert isinstance(network[2].weight, nn.Parameter) and not torch.equal(learned, before["2.weight"])
    assert torch.equal(bake_(network)[2].weight, learned)


# Grouped convolutions


@pytest.mark.parametrize("layer", [
    lambda: nn.Conv1d(4, 6, 3, groups=2),
    lambda: nn.Conv2d(4, 8, (3, 2), groups=4),
    lambda: nn.Conv3d(4, 2, 2, groups=2, bias=False),
])  # fmt: skip
def test_grouped_convolutions(layer):
    """Values, their bound and the gradient of the scores are those of K trained scores."""
    grouped, dense = (make(layer().double(), options=16) for make in (slotify_, dense_slotify_))
    dense.load_state_dict({name: value for name, value in grouped.state_dict().items() if name == "bias"}, strict=False)
    values, scores = option_table(grouped)["weight"]
    outputs, inputs, *kernel = grouped.weight.shape
    assert inputs == grouped.in_channels // grouped.groups
    bound = (6 / ((inputs + outputs) * torch.Size(kernel).numel())) ** 0.5
    assert 0.95 * bound < values.abs().max() <= bound
    selector = dense.parametrizations.weight[0]
    assert torch.equal(values, selector.values) and torch.equal(scores, selector.scores)
    images = torch.randn(2, 4, *(5 for _ in kernel), dtype=torch.float64)
    results = [module(images) for module in (grouped, dense)]
    assert torch.equal(*results)
    for result in results:
        result.square().sum().backward()
    torch.testing.assert_close(theta_of(grouped).grad[..., None] * values, selector.scores.grad, rtol=1e-12, atol=0)
    assert theta_of(grouped).grad.all()


# Embeddings


def test_embeddings_stay_ordinary_unless_asked_for():
    network = slotify_(every_kind(), options=3)
    assert torch.equal(network.words.weight, every_kind().words.weight)
    asked = []
    slotify_(every_kind(), options=3, filter_fn=lambda _, name: asked.append(name) or True)
    assert "words" not in asked
    kept = slotify_(every_kind(), options=3, embeddings=True, filter_fn=lambda _, name: name != "words")
    assert torch.equal(kept.words.weight, every_kind().words.weight)


def test_an_embedding_selects_its_rows():
    layer = slotify_(nn.Embedding(9, 5), options=32, embeddings=True)
    assert list(selected_options(layer)) == ["weight"]
    values, _ = option_table(layer)["weight"]
    bound = (6 / (1 + 5)) ** 0.5  # one input reaches an output, an input reaches 5
    assert 0.98 * bound < values.abs().max() <= bound
    layer(torch.tensor([2, 2, 4])).sum().backward()
    expected = torch.zeros(9, 5)
    expected[2], expected[4] = 2, 1
    assert torch.equal(theta_of(layer).grad, expected)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"padding_idx": 0}, "padding_idx keeps a row of zeros"),
        ({"max_norm": 1.0}, "max_norm rescales its rows"),
        ({"sparse": True}, "sparse gradients leave out the rows that weight decay has to reach"),
    ],
)
def test_embeddings_whose_rows_are_more_than_looked_up(settings, reason):
    network = nn.Sequential(nn.Embedding(4, 3, **settings), nn.Linear(3, 3))
    with pytest.raises(ValueError, match=rf"^0\.weight cannot be selected: {reason}; .* leave the layer out"):
        slotify_(network, options=2, embeddings=True)
    assert list(selected_options(slotify_(network, options=2))) == ["1.weight"]


# Bounds of the values


def test_the_value_bound_may_depend_on_the_layer():
    network = slotify_(
        every_kind(),
        options=32,
        value_bound=lambda layer: 0.25 if isinstance(layer, nn.MultiheadAttention) else "glorot-deviation",
    )
    values = {name: value.abs().max() for name, (value, _) in option_table(network).items()}
    for name, bound in {
        "attention.in_proj_weight": 0.25,
        "across.v_proj_weight": 0.25,
        "attention.out_proj.weight": (2 / 16) ** 0.5,
        "last.weight": (2 / 11) ** 0.5,
    }.items():
        assert 0.97 * bound < values[name] <= bound, name


def test_a_value_bound_that_is_none_for_a_layer():
    network = every_kind()
    with pytest.raises(ValueError, match="the value bound must be positive and finite, not 0"):
        slotify_(network, options=2, value_bound=lambda layer: 0 if isinstance(layer, nn.MultiheadAttention) else 1)
    assert not list(weight_selectors(network))
