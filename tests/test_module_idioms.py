"""A slot machine in the places where ordinary modules are used: saved, copied, changed, frozen and evaluated."""

import copy
import io
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from conftest import BOTH, images, scramble, theta_of
from slotmachines import bake_, selected_options, slotify_
from small_training import (
    LABELS,
    SETTINGS,
    assert_identical,
    optimiser_of,
    outputs_of_best,
    small_network,
    train,
    trained,
)

pytestmark = pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "plain"])


# Saved and copied in the middle of training


@BOTH
def test_a_saved_training_goes_on_as_if_it_had_not_stopped(selection, compiled):
    network, optimiser = trained(selection, compiled)
    file = io.BytesIO()
    torch.save({"network": network.state_dict(), "optimiser": optimiser.state_dict()}, file)
    train(network, optimiser, range(8, 20))
    file.seek(0)
    saved = torch.load(file, weights_only=True)
    resumed = slotify_(small_network(), selection=selection, compiled=compiled, **SETTINGS)
    with torch.no_grad():
        resumed(images())  # what was selected before the state was loaded must not stay
    resumed.load_state_dict(saved["network"])
    optimiser = optimiser_of(resumed)
    optimiser.load_state_dict(saved["optimiser"])
    train(resumed, optimiser, range(8, 20))
    assert_identical(network, resumed)


@BOTH
def test_a_copy_of_network_and_optimiser_trains_on_independently(selection, compiled):
    network, optimiser = trained(selection, compiled)
    copied, optimiser_of_copy = copy.deepcopy((network, optimiser))
    for number in range(8, 20):  # in turn
        train(network, optimiser, range(number, number + 1))
        train(copied, optimiser_of_copy, range(number, number + 1))
    assert_identical(network, copied)
    straight, _ = trained(selection, compiled, 20)
    assert_identical(network, straight)
    train(copied, optimiser_of_copy, range(100, 120))
    assert_identical(network, straight)
    assert any((selected_options(copied)[name] != best).any() for name, best in selected_options(network).items())


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"seed": 4}, "other settings, seed="),
        ({"options": 9}, "other settings, options="),
        ({"sharing": "layer"}, "other settings, sharing="),
        ({"dtype": torch.float64}, "precision=32 \\(here 64\\)"),
    ],
)
def test_the_state_of_another_slot_machine_is_refused(changed, message, compiled):
    state = trained("greedy", compiled)[0].state_dict()
    settings = {**SETTINGS, "compiled": compiled, **changed}
    network = small_network().to(settings.pop("dtype", torch.float32))
    with pytest.raises(RuntimeError, match=message):
        slotify_(network, **settings).load_state_dict(state)


WAYS = {
    "load_state_dict": lambda network, other: network.load_state_dict(other.state_dict()),
    "load_state_dict, assigned": lambda network, other: network.load_state_dict(other.state_dict(), assign=True),
    "vector_to_parameters": lambda network, other: vector_to_parameters(
        parameters_to_vector(other.parameters()), network.parameters()
    ),
    "copy_": lambda network, other: [
        mine.copy_(its) for mine, its in zip(network.parameters(), other.parameters(), strict=True)
    ],
    "data": lambda network, other: [
        setattr(mine, "data", its.data.clone())
        for mine, its in zip(network.parameters(), other.parameters(), strict=True)
    ],
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_the_selection_follows_theta_and_scale_however_they_change(way, compiled):
    network, other = (slotify_(small_network(), compiled=compiled, **SETTINGS).eval() for _ in range(2))
    for number, scale in enumerate((1.0, 0.1, 1e-30, 0.0, -1.0, 1.0)):
        scramble(other, seed=number)
        other[4].parametrizations.weight[0].score_scale.data.fill_(scale)
        with torch.no_grad():
            way(network, other)
        for name in (0, 4, 6):
            fresh = slotify_(small_network(), compiled=compiled, **SETTINGS)
            fresh.load_state_dict(other.state_dict())
            assert torch.equal(network[name].weight, fresh[name].weight), (name, scale)


# Frozen, evaluated, switched


@BOTH
def test_a_frozen_network_is_evaluated_and_hands_on_the_gradient_of_its_input(selection, compiled):
    network = trained(selection, compiled)[0].eval().requires_grad_(False)
    network.zero_grad()
    inputs, same = (images().requires_grad_() for _ in range(2))
    outputs = network(inputs)
    assert torch.equal(outputs, outputs_of_best(network, same)) and not network(images()).requires_grad
    outputs.square().sum().backward()
    outputs_of_best(network, same).square().sum().backward()
    assert torch.equal(inputs.grad, same.grad) and inputs.grad.any()
    assert all(parameter.grad is None for parameter in network.parameters())


def test_a_frozen_layer_stays_and_the_others_train_as_before(compiled):
    networks = [slotify_(small_network(), compiled=compiled, **SETTINGS) for _ in range(2)]
    networks[0][0].requires_grad_(False)
    before = copy.deepcopy(networks[0][0].state_dict())
    for network in networks:
        functional.cross_entropy(network(images()), LABELS).backward()
    for name in (4, 6):
        assert torch.equal(theta_of(networks[0][name]).grad, theta_of(networks[1][name]).grad)
    optimiser = optimiser_of(networks[0])
    train(networks[0], optimiser, range(5))
    assert all(torch.equal(before[name], value) for name, value in networks[0][0].state_dict().items())
    networks[0].requires_grad_(True)
    train(networks[0], optimiser, range(5, 10))
    assert not torch.equal(theta_of(networks[0][0]), before["parametrizations.weight.original"])


@BOTH
@pytest.mark.parametrize("without_gradient", [torch.no_grad, torch.inference_mode])
def test_evaluation_on_the_way_does_not_change_the_training(selection, without_gradient, compiled):
    network = slotify_(small_network(), selection=selection, compiled=compiled, **SETTINGS)

    def evaluate() -> None:  # before the first step too
        network.eval()
        with without_gradient():
            assert torch.equal(network(images(seed=50)), network(images(seed=50)))
        expected = outputs_of_best(network, images(seed=50))
        assert torch.equal(network(images(seed=50)), expected)
        network.train()

    train(network, optimiser_of(network), range(8), evaluate)
    assert_identical(network, trained(selection, compiled)[0])


def test_a_weight_selected_in_inference_mode_in_training(compiled):
    """The first forward pass of all, in training mode, and in inference mode."""
    network = slotify_(small_network(), compiled=compiled, **SETTINGS)
    with torch.inference_mode():
        theta_of(network[4]).grad = None
        network[4].weight.zero_()  # whose memory is the caller's
    train(network, optimiser_of(network), range(8))
    straight, _ = trained("greedy", compiled)
    assert_identical(network, straight)


@BOTH
def test_zeroed_gradients_are_as_good_as_none(selection, compiled):
    network = slotify_(small_network(), selection=selection, compiled=compiled, **SETTINGS)
    optimiser = optimiser_of(network)
    train(network, optimiser, range(8), lambda: optimiser.zero_grad(set_to_none=False))
    for number in range(8, 16):
        torch.manual_seed(number)
        optimiser.zero_grad(set_to_none=False)
        functional.cross_entropy(network(images(seed=number)), LABELS).backward()
        optimiser.step()
    assert_identical(network, trained(selection, compiled, 16)[0])


def test_threads_evaluate_one_network_at_the_same_time(compiled):
    network = slotify_(nn.Linear(100, 100, bias=False), compiled=compiled, options=64).eval()

    @torch.no_grad()
    def evaluate(number: int) -> Tensor:
        return network.weight if number % 2 else network(torch.eye(100)).T

    with ThreadPoolExecutor(4) as pool:
        for number in range(30 if compiled else 2):
            scramble(network, seed=number)
            expected = bake_(copy.deepcopy(network)).weight
            assert all(torch.equal(weight, expected) for weight in pool.map(evaluate, range(8)))
