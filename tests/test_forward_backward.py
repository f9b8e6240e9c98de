"""The forward and backward pass of a slot machine: selection, gradients, and learning in an ordinary loop."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from conftest import BOTH, images, scramble, small_network, theta_of
from slotmachines import bake_, slotify_
from slotmachines.slots.convert import slot_machines


@BOTH
def test_evaluation_uses_the_best_option_and_training_follows_the_rule(selection):
    network = scramble(slotify_(small_network(), options=8, selection=selection))
    best = network[4].parametrizations.weight[0].best_weight(theta_of(network[4]))
    network.eval()
    assert torch.equal(network[4].weight, best) and torch.equal(network[4].weight, best)
    network.train()
    same = (network[4].weight == best).float().mean().item()
    assert same == 1 if selection == "greedy" else 0.05 < same < 0.5


def test_probabilistic_selection_draws_anew_in_each_forward_pass():
    network = slotify_(nn.Sequential(nn.Linear(8, 8)), options=8, selection="probabilistic")
    outputs = [network(torch.eye(8)) for _ in range(2)]
    assert not torch.equal(*outputs)


def test_theta_receives_the_gradient_of_the_weight_and_the_scale_zeros():
    network = scramble(slotify_(small_network(), options=4))
    plain = bake_(copy.deepcopy(network))
    for net in (network, plain):
        functional.cross_entropy(net(images()), torch.tensor([0, 1, 2, 0, 1])).backward()
    for number in (0, 4, 6):
        assert torch.equal(theta_of(network[number]).grad, plain[number].weight.grad)
        scale = network[number].parametrizations.weight[0].score_scale
        assert scale.grad is not None and scale.grad.item() == 0
        assert torch.equal(network[number].bias.grad, plain[number].bias.grad)


def test_weight_decay_shrinks_the_score_scale():
    network = slotify_(small_network(), options=4)
    optimiser = torch.optim.SGD(network.parameters(), lr=0.5, weight_decay=0.1)
    for _ in range(3):
        optimiser.zero_grad()
        network(images()).sum().backward()
        optimiser.step()
    for one in slot_machines(network):
        assert one.selector.score_scale.item() == pytest.approx((1 - 0.5 * 0.1) ** 3)


@BOTH
def test_two_forward_passes_before_one_backward_pass(selection):
    network = scramble(slotify_(small_network(), options=4, selection=selection)).eval()
    network(images(seed=1)).square().sum().backward()
    network(images(seed=2)).square().sum().backward()
    one_by_one = [p.grad.clone() for p in network.parameters()]
    network.zero_grad()
    first, second = network(images(seed=1)), network(images(seed=2))
    (first.square().sum() + second.square().sum()).backward()
    torch.testing.assert_close([p.grad for p in network.parameters()], one_by_one)


def test_steps_between_two_forward_passes_do_not_change_the_first():
    network = scramble(slotify_(small_network(), options=4))
    before = network[4].weight
    kept = before.detach().clone()
    scramble(network, seed=2)
    assert not torch.equal(network[4].weight, kept) and torch.equal(before, kept)


def test_activation_checkpointing_redraws_the_same_sample():
    gradients = []
    for wrapped in (False, True):
        network = slotify_(
            nn.Sequential(nn.Linear(36, 16, bias=False), nn.Linear(16, 3, bias=False)),
            options=8,
            selection="probabilistic",
        )
        torch.manual_seed(0)
        inputs = images().flatten(1)
        outputs = checkpoint(network, inputs, use_reentrant=False) if wrapped else network(inputs)
        outputs.square().sum().backward()
        gradients.append([p.grad for p in network.parameters()])
    torch.testing.assert_close(*gradients, rtol=0, atol=0)


@BOTH
def test_an_ordinary_loop_learns_the_digits(selection):
    from sklearn.datasets import load_digits

    data, labels = load_digits(return_X_y=True)
    inputs, labels = torch.tensor(data, dtype=torch.float32) / 16, torch.tensor(labels)
    torch.manual_seed(0)
    network = slotify_(nn.Sequential(nn.Linear(64, 64, bias=False), nn.ReLU(), nn.Linear(64, 10, bias=False)),
                       options=4, selection=selection)  # fmt: skip
    optimiser = torch.optim.SGD(network.parameters(), lr=0.2 if selection == "greedy" else 10.0, momentum=0.9)
    for _ in range(12):
        for batch in torch.randperm(1400).split(64):
            optimiser.zero_grad()
            functional.cross_entropy(network(inputs[batch]), labels[batch]).backward()
            optimiser.step()
    network.eval()
    assert (network(inputs[1400:]).argmax(1) == labels[1400:]).float().mean() > 0.8


def test_gradients_per_example():
    network = scramble(slotify_(small_network(), options=4)).eval()
    theta = dict(network.named_parameters())

    def loss(theta, image, label):
        return functional.cross_entropy(torch.func.functional_call(network, theta, (image[None],)), label[None])

    labels = torch.tensor([0, 1, 2, 0, 1])
    each = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0, 0))(theta, images(), labels)
    functional.cross_entropy(network(images()), labels).backward()
    for name, parameter in network.named_parameters():
        torch.testing.assert_close(each[name].mean(0), parameter.grad)
    with pytest.raises(NotImplementedError, match="train one module for each instead"):
        stacked = {name: torch.stack([value, value]) for name, value in theta.items()}
        torch.func.vmap(loss, in_dims=(0, None, None))(stacked, images()[0], labels[0])
