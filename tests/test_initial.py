"""Random weights have the distribution that their name says, and depend on seed and name alone."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from conftest import small_network
from slotmachines.distributions import DISTRIBUTIONS
from slotmachines.networks import build_network
from slotmachines.rivals.apply import mask_
from slotmachines.rivals.initial import draw_weights_, normal_numbers, uniform_numbers

LAYERS = {"dense": (nn.Linear(300, 200), 300, 200), "grouped": (nn.Conv2d(64, 128, 3, groups=2), 32 * 9, 128 * 9)}


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_variance_and_range_of_the_weights(name, kind):
    layer, fan_in, fan_out = LAYERS[kind]
    draw_weights_(layer, name, seed=1)
    weight = layer.weight.detach().double()
    variance = {"kaiming": 2 / fan_in, "glorot": 2 / (fan_in + fan_out), "binary": 1.0}[name.partition("-")[0]]
    assert weight.mean().abs() < 4 * math.sqrt(variance / weight.numel())
    assert weight.square().mean().item() == pytest.approx(variance, rel=0.02)
    sizes = weight.abs()
    if name.endswith(("constant", "binary")):
        assert len(sizes.unique()) == 1
    elif name.endswith("uniform"):
        assert sizes.max().item() == pytest.approx(math.sqrt(3 * variance), rel=1e-3)
    else:
        inside = (sizes < math.sqrt(variance)).double().mean().item()
        assert inside == pytest.approx(math.erf(1 / math.sqrt(2)), abs=0.01)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.9, 1.0])
def test_share_of_positive_weights(share):
    layer = draw_weights_(nn.Linear(300, 200), "kaiming-normal", positive_share=share)
    assert (layer.weight > 0).double().mean().item() == pytest.approx(share, abs=0.005)


def test_a_weight_depends_on_seed_and_name_alone():
    one, same = (draw_weights_(small_network(), "kaiming-normal", seed=4) for _ in range(2))
    other = draw_weights_(small_network(), "kaiming-normal", seed=5)
    alone = draw_weights_(nn.Sequential(*[nn.Identity()] * 4, nn.Linear(64, 8)), "kaiming-normal", seed=4)
    assert torch.equal(one[4].weight, same[4].weight) and torch.equal(one[4].weight, alone[4].weight)
    assert not torch.equal(one[4].weight, other[4].weight)
    assert torch.equal(one[4].bias, small_network()[4].bias), "biases stay as they were"


def test_binary_weights_with_scaled_inputs_are_the_network_of_constant_weights():
    layers = [nn.Conv2d(3, 8, 3, bias=False), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(72, 5, bias=False)]
    inputs = torch.rand(4, 3, 8, 8, dtype=torch.float64)
    outputs = []
    for name in ("binary", "kaiming-constant"):
        network = draw_weights_(nn.Sequential(*layers).double(), name, seed=2)
        outputs.append(network(inputs).detach())
        sizes = {float(size) for size in layers[0].weight.detach().abs().unique()}
        assert sizes == ({1.0} if name == "binary" else {math.sqrt(2 / 27)})
    assert torch.allclose(*outputs, rtol=1e-12)


@pytest.mark.parametrize(("share", "silent"), [(0.01, True), (0.1, True), (0.5, False), (1.0, False)])
def test_mostly_negative_weights_of_rectified_units_leave_no_gradient(share, silent):
    network = draw_weights_(build_network("lenet"), "kaiming-normal", positive_share=share)
    mask_(network, "free_flipping")
    pixels = torch.rand(64, 1, 28, 28, generator=torch.Generator().manual_seed(1))
    functional.cross_entropy(network(pixels), torch.arange(64) % 10).backward()
    gradients = [score.grad for score in network.parameters() if score.requires_grad]
    assert len(gradients) == 3 and all(bool((gradient == 0).all()) == silent for gradient in gradients)


def test_what_is_no_distribution_is_refused():
    with pytest.raises(ValueError, match=r"unknown distribution 'normal': use one of kaiming-normal"):
        draw_weights_(nn.Linear(2, 2), "normal")
    with pytest.raises(ValueError, match=r"between 0 and 1, not at 1\.5"):
        draw_weights_(nn.Linear(2, 2), "binary", positive_share=1.5)


def test_numbers_do_not_depend_on_how_many_are_drawn():
    assert torch.equal(uniform_numbers(3, 10), uniform_numbers(3, 1000)[:10])
    assert torch.equal(normal_numbers(3, 10), normal_numbers(3, 1000)[:10])
    assert not torch.equal(uniform_numbers(3, 10, stream=1), uniform_numbers(3, 10))
    assert normal_numbers(3, 100_000).abs().max().isfinite()
