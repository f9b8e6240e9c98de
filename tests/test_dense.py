"""One trained number per connection is the slot machine with K trained scores: compared in float64, step by step."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from slotmachines import build_network, option_table, selected_options, slotify_
from slotmachines.slots.convert import slot_machines
from slotmachines.slots.dense import dense_scores, dense_slotify_

# options, the layers that choose, Nesterov, steps; each step of the paper's form moves K float64 scores for each of the
# connections, so the whole of lenet gets few steps at large K
ALL, LAST = ("dense1", "dense2", "dense3"), ("dense2", "dense3")
CASES = [
    (1, ALL, False, 5),
    (2, ALL, False, 300),
    (8, ALL, False, 100),
    (8, LAST, True, 300),
    (64, ALL, False, 10),
    (64, LAST, False, 200),
]
COMPARED = {1, 2, 5, 10, 20, 50, 100, 200, 300}


def latent_scores(network: nn.Module) -> dict[str, torch.Tensor]:
    """c s + W theta of every option, of the shapes of `dense_scores`."""
    table = option_table(network)
    return {
        one.name: one.selector.score_scale.detach() * table[one.name][1]
        + table[one.name][0] * one.trained.detach()[..., None]
        for one in slot_machines(network)
    }


def step(network: nn.Module, optimiser: torch.optim.Optimizer, inputs: torch.Tensor, labels: torch.Tensor) -> None:
    optimiser.zero_grad()
    functional.cross_entropy(network(inputs), labels).backward()
    optimiser.step()


def assert_same(network: nn.Module, dense: nn.Module, tolerance: float = 1e-12) -> None:
    latent, trained, options = latent_scores(network), dense_scores(dense), selected_options(network)
    assert latent.keys() == trained.keys() == options.keys()
    for name in trained:
        assert (latent[name] - trained[name]).abs().max() <= tolerance * max(1, trained[name].abs().max().item()), name
        assert torch.equal(options[name], trained[name].argmax(-1)), name


@pytest.mark.slow
@pytest.mark.parametrize(("options", "layers", "nesterov", "steps"), CASES)
def test_lenet_selects_the_same_options_all_along(options, layers, nesterov, steps):
    networks = []
    for make in (slotify_, dense_slotify_):
        torch.manual_seed(0)  # of the layers that do not choose
        lenet = build_network("lenet").double()
        networks.append(make(lenet, options=options, seed=options, filter_fn=lambda _, name: name in layers))
    optimisers = [
        torch.optim.SGD(network.parameters(), lr=0.2, momentum=0.9, weight_decay=1e-4, nesterov=nesterov)
        for network in networks
    ]
    generator = torch.Generator().manual_seed(options)
    start = selected_options(networks[0])
    for number in range(1, steps + 1):
        inputs = torch.rand(8, 1, 28, 28, generator=generator, dtype=torch.float64)
        labels = torch.randint(10, (8,), generator=generator)
        for network, optimiser in zip(networks, optimisers, strict=True):
            for group in optimiser.param_groups:
                group["lr"] = 0.2 if number <= steps // 2 else 0.2 * (1 - number / (steps + 1))
            step(network, optimiser, inputs, labels)
        if number in COMPARED:
            assert_same(*networks)
    changed = [(start[name] != options).any().item() for name, options in selected_options(networks[0]).items()]
    assert all(changed) == (options > 1), "the comparison says nothing about options that never change"


@st.composite
def small_networks(draw):
    """A builder of a random network of Conv and Linear layers, with its input's shape."""
    channels, size = draw(st.integers(1, 3)), draw(st.integers(3, 6))
    shape, layers = (channels, size, size), []
    for _ in range(draw(st.integers(0, 2))):
        width, groups = draw(st.integers(1, 3)), draw(st.booleans())
        groups, width = (channels, width * channels) if groups else (1, width)
        layers.append(("conv", channels, width, draw(st.sampled_from([1, 3])), groups, draw(st.booleans())))
        channels = width
    width = channels * size * size
    for _ in range(draw(st.integers(0, 2))):
        layers.append(("linear", width, draw(st.integers(1, 6)), draw(st.booleans())))
        width = layers[-1][2]
    layers.append(("linear", width, 3, False))

    def build() -> nn.Module:
        torch.manual_seed(0)
        network = nn.Sequential()
        for kind, wide, narrow, *more in layers:
            if kind == "conv":
                kernel, groups, bias = more
                network.append(nn.Conv2d(wide, narrow, kernel, padding=kernel // 2, groups=groups, bias=bias))
            else:
                if not any(isinstance(layer, nn.Flatten) for layer in network):
                    network.append(nn.Flatten())
                network.append(nn.Linear(wide, narrow, bias=more[0]))
            network.append(nn.Tanh())
        return network.double()

    return build, shape


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(
    small_networks(),
    st.sampled_from([1, 2, 3, 8, 64]),
    st.floats(1e-3, 5.0),
    st.sampled_from([0.0, 0.5, 0.9]),
    st.sampled_from([0.0, 1e-4, 1e-1]),
    st.booleans(),
    st.integers(0, 2**32),
)
def test_any_network_selects_the_same_options(built, options, rate, momentum, decay, nesterov, seed):
    build, shape = built
    settings = {"options": options, "seed": seed, "score_range": 0.5}
    networks = slotify_(build(), **settings), dense_slotify_(build(), **settings)
    optimisers = [
        torch.optim.SGD(
            n.parameters(), lr=rate, momentum=momentum, weight_decay=decay, nesterov=nesterov and momentum > 0
        )
        for n in networks
    ]
    generator = torch.Generator().manual_seed(seed)
    for number in range(8):
        inputs = torch.randn(4, *shape, generator=generator, dtype=torch.float64)
        labels = torch.randint(3, (4,), generator=generator)
        for network, optimiser in zip(networks, optimisers, strict=True):
            optimiser.param_groups[0]["lr"] = rate / (1 + number)
            step(network, optimiser, inputs, labels)
        assert_same(*networks)


def test_probabilistic_sampling_trains_the_same_scores_whatever_was_drawn():
    torch.manual_seed(0)
    settings = {"options": 8, "selection": "probabilistic"}
    networks = (
        slotify_(build_network("lenet").double(), **settings),
        dense_slotify_(build_network("lenet").double(), **settings),
    )
    optimisers = [torch.optim.SGD(n.parameters(), lr=2.0, momentum=0.9, weight_decay=1e-3) for n in networks]
    for _ in range(10):
        gradients = [torch.randn(one.trained.shape, dtype=torch.float64) for one in slot_machines(networks[0])]
        for network, optimiser in zip(networks, optimisers, strict=True):
            optimiser.zero_grad()
            for layer, gradient in zip((network.dense1, network.dense2, network.dense3), gradients, strict=True):
                layer.weight.backward(gradient)  # a gradient in common, whatever each of them drew
            optimiser.step()
    assert_same(*networks)


def test_probabilistic_sampling_draws_as_often_as_k_trained_scores():
    layers = [make(nn.Linear(400, 50, bias=False), options=4, selection="probabilistic", score_range=30.0)
              for make in (slotify_, dense_slotify_)]  # fmt: skip
    torch.manual_seed(0)
    weights = [torch.stack([layer.weight.detach() for _ in range(40)]) for layer in layers]
    values, scores = option_table(layers[0])["weight"]
    expected = (scores.softmax(-1) * values).sum(-1)
    spread = (scores.softmax(-1) * values.square()).sum(-1) - expected.square()
    for drawn in weights:
        deviation = (drawn.mean(0) - expected) / (spread / 40).sqrt().clamp(min=1e-3)
        assert abs(deviation.mean()) < 0.03 and deviation.square().mean() < 1.1
