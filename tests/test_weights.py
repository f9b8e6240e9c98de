"""Which weights of a network are selected: every kind at once, grouped convolutions, embeddings; what is refused."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize, prune
from torchvision.ops import DeformConv2d

from conftest import BOTH, scramble, theta_of
from slotmachines import bake_, load_ticket, option_table, save_ticket, selected_options, slotify_
from slotmachines.dense import DenseSlotMachine, dense_scores, dense_slotify_
from slotmachines.slots import baked_state
from slotmachines.weights import selectable, weight_selectors

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
    with pytest.raises(RuntimeError, match="another seed"):
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


# What is refused: weights that would stay trained, and that the method is about


class Table(nn.Module):
    """A layer of somebody's own."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3, 3))


OTHERS = {
    "RNN": (lambda: nn.RNN(3, 3), "weight_ih_l0"),
    "LSTM": (lambda: nn.LSTM(3, 3, proj_size=2), "weight_ih_l0"),
    "GRU": (lambda: nn.GRU(3, 3), "weight_ih_l0"),
    "RNNCell": (lambda: nn.RNNCell(3, 3), "weight_ih"),
    "LSTMCell": (lambda: nn.LSTMCell(3, 3), "weight_ih"),
    "GRUCell": (lambda: nn.GRUCell(3, 3), "weight_ih"),
    "ConvTranspose1d": (lambda: nn.ConvTranspose1d(3, 3, 2), "weight"),
    "ConvTranspose2d": (lambda: nn.ConvTranspose2d(3, 3, 2), "weight"),
    "ConvTranspose3d": (lambda: nn.ConvTranspose3d(3, 3, 2), "weight"),
    "LazyConvTranspose2d": (lambda: nn.LazyConvTranspose2d(3, 2), "weight"),
    "Bilinear": (lambda: nn.Bilinear(3, 3, 3), "weight"),
    "EmbeddingBag": (lambda: nn.EmbeddingBag(3, 3), "weight"),
    "DeformConv2d": (lambda: DeformConv2d(3, 3, 2), "weight"),
    "Table": (Table, "weight"),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_layers_of_another_kind_are_refused_or_left_out(kind):
    build, tensor = OTHERS[kind]
    network = nn.ModuleDict({"first": nn.Linear(3, 3), "other": build()})
    message = rf"^other\.{tensor}: weights of {kind} cannot be selected, and would be trained; leave the layer out"
    with pytest.raises(ValueError, match=message):
        slotify_(network, options=2)
    assert not list(weight_selectors(network))
    before = {name: id(parameter) for name, parameter in network["other"].named_parameters()}
    slotify_(network, options=2, filter_fn=lambda _, name: name != "other")
    assert list(selected_options(network)) == ["first.weight"]
    assert {name: id(parameter) for name, parameter in network["other"].named_parameters()} == before


@pytest.mark.parametrize("normalise", [parametrizations.weight_norm, parametrizations.spectral_norm])
def test_a_parametrized_layer_of_another_kind_is_refused_without_being_computed(normalise):
    network = nn.Sequential(nn.Linear(3, 3), normalise(nn.ConvTranspose1d(3, 3, 2)))
    before = copy.deepcopy(network.state_dict())
    with pytest.raises(ValueError, match=r"^1\.weight: weights of ConvTranspose1d cannot be selected"):
        slotify_(network, options=2)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_normalisation_and_activations_stay_and_nobody_asks_about_them():
    layers = [
        nn.BatchNorm2d(2),
        nn.GroupNorm(1, 2),
        nn.LayerNorm((2, 3)),
        nn.RMSNorm((2, 3)),
        nn.LazyBatchNorm1d(),
        nn.PReLU(4),
    ]
    asked = []
    network = nn.Sequential(*layers, nn.Linear(3, 3))
    slotify_(network, options=2, filter_fn=lambda _, name: asked.append(name) or True)
    assert asked == ["6"] and not any(parametrize.is_parametrized(layer) for layer in layers)


def weight_norm(layer: nn.Module) -> None:
    with pytest.warns(FutureWarning, match="weight_norm"):
        nn.utils.weight_norm(layer)


@pytest.mark.parametrize("compute", [weight_norm, lambda layer: prune.random_unstructured(layer, "weight", 0.5)])
def test_a_weight_that_is_computed_is_refused(compute):
    network = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    compute(network[1])
    with pytest.raises(
        ValueError, match=r"^1\.weight is computed from other parameters, .*; make it a parameter again"
    ):
        slotify_(network, options=2)
    assert list(selected_options(slotify_(network, options=2, filter_fn=lambda _, name: name == "0"))) == ["0.weight"]


@pytest.mark.parametrize("tie", [
    lambda network: setattr(network.across.out_proj, "weight", network.attention.out_proj.weight),
    lambda network: setattr(network.across, "q_proj_weight", network.attention.out_proj.weight),
    lambda network: setattr(network.across, "v_proj_weight", network.across.k_proj_weight),
    lambda network: setattr(network.across, "out_proj", network.attention.out_proj),
])  # fmt: skip
def test_tied_projections(tie):
    network = every_kind()
    tie(network)
    with pytest.raises(ValueError, match=r"^\S+weight and across\.\S+weight are one tied weight; untie it, or leave"):
        slotify_(network, options=2)


def test_an_embedding_tied_to_the_last_layer():
    network = nn.Sequential(nn.Embedding(4, 4), nn.Linear(4, 4))
    network[1].weight = network[0].weight
    for embeddings in (False, True):
        with pytest.raises(ValueError, match=r"^0\.weight and 1\.weight are one tied weight"):
            slotify_(network, options=2, embeddings=embeddings)


def test_twice():
    network = slotify_(every_kind(), options=2)
    with pytest.raises(ValueError, match=r"^convolution\.weight is parametrized already"):
        slotify_(network, options=2)
    attention = slotify_(nn.MultiheadAttention(4, 2), options=2)
    with pytest.raises(ValueError, match=r"^in_proj_weight is parametrized already"):
        slotify_(attention, options=2)
