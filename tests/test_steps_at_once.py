"""Steps of several runs at once: each network as alone, in a stack but for rounding."""

import copy
from dataclasses import replace
from functools import partialmethod

import pytest
import torch

from conftest import tiny_run
from pretended_gpu import DenseKernels, pretend_graphs
from random_images import random_splits
from slotmachines.slots import machine
from slotpipeline.planning.engine import Engine
from slotpipeline.runs.run import with_seed
from slotpipeline.training import stacked_step
from slotpipeline.training import step as step_module
from slotpipeline.training.branched_step import BranchedStep
from slotpipeline.training.capture import Capture
from slotpipeline.training.loop import Trainer
from slotpipeline.training.own_randomness import OwnRandomness
from slotpipeline.training.stacked_step import StackedStep
from slotpipeline.training.start import starting_network

STACKED = Engine(stacked=True)


def trainers(method="greedy", seeds=(1, 2, 3), engine=STACKED, device="cpu"):
    """On 44 images: five batches and a smaller one in each epoch."""
    data = random_splits(device=device)
    runs = [with_seed(tiny_run(method, batch_size=8, learning_rate=0.02, weight_decay=1e-3), seed) for seed in seeds]
    return [
        Trainer(starting_network(run, torch.device(device), None), run.settings, data, seed=run.seed, engine=engine)
        for run in runs
    ]


def train_stacked(stack, epochs=(1, 2), cuda_graph=False):
    step = StackedStep(stack, cuda_graph=cuda_graph)
    for epoch in epochs:
        for batches in zip(*(one.batches(epoch) for one in stack), strict=True):
            step([indices for indices, _ in batches], batches[0][1])
    return [one.finish_epoch(epochs[-1], batches[0][1]) for one in stack]


def nearly(one, other, tolerance=1e-4):
    for mine, theirs in zip(one.network.parameters(), other.network.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=tolerance, atol=tolerance * float(theirs.detach().abs().max()))


@pytest.mark.parametrize("method", ["greedy", "learned"])
@pytest.mark.parametrize("fused", [False, True])
def test_a_stack_trains_each_network_as_alone_but_for_rounding(method, fused):
    stack, alone = trainers(method, engine=replace(STACKED, fused=fused)), trainers(method, engine=Engine())
    rows = train_stacked(stack)
    for one, other, row in zip(stack, alone, rows, strict=True):
        for epoch in (1, 2):
            expected = other.train_epoch(epoch)
        nearly(one, other)
        assert row.train_loss == pytest.approx(expected.train_loss, rel=1e-5)
        assert row.val_accuracy == pytest.approx(expected.val_accuracy, abs=5)
        assert row.train_accuracy == pytest.approx(expected.train_accuracy, abs=100 / 44)
        for mine, theirs in zip(one.step.optimiser.state.values(), other.step.optimiser.state.values(), strict=True):
            torch.testing.assert_close(mine["momentum_buffer"], theirs["momentum_buffer"], rtol=1e-3, atol=1e-5)
    assert rows[0] != rows[1]


def test_gradients_of_a_stack_are_those_of_each_network_alone(monkeypatch):
    stack, alone = trainers(), trainers(engine=Engine())
    monkeypatch.setattr(torch.optim.SGD, "step", lambda self: None)
    indices = [torch.arange(8) + 8 * number for number in range(3)]
    StackedStep(stack, cuda_graph=False)(indices, 0.02)
    for one, other, batch in zip(stack, alone, indices, strict=True):
        other.step(batch, 0.02)
        for mine, theirs in zip(one.network.parameters(), other.network.parameters(), strict=True):
            torch.testing.assert_close(mine.grad, theirs.grad, rtol=1e-4, atol=1e-7)


def test_a_network_of_a_stack_goes_on_alone():
    """Its own optimiser has its state."""
    stack, alone = trainers(), trainers(engine=Engine())
    train_stacked(stack, epochs=(1,))
    for one, other in zip(stack, alone, strict=True):
        other.load_state(copy.deepcopy(one.state()))
        expected, row = other.train_epoch(2), one.train_epoch(2)
        assert row == expected


@pytest.mark.slow
def test_a_stack_as_a_graph(monkeypatch):
    """Every tensor that a step reads or writes stays where it is, and the rate is no number of the host."""
    monkeypatch.setattr(machine, "kernels_for", lambda *_, **__: DenseKernels())

    def optimiser(parameters, settings, device, *, capturable):
        rate = torch.tensor(settings.learning_rate)
        return torch.optim.SGD(parameters, lr=rate, momentum=0.9, weight_decay=settings.weight_decay, fused=True)

    monkeypatch.setattr(stacked_step, "make_optimiser", optimiser)
    stack, single = trainers(), trainers()
    train_stacked(single)
    done = pretend_graphs(monkeypatch)
    train_stacked(stack, cuda_graph=True)
    assert done == ["capture", *["replay"] * 7]
    for one, other in zip(stack, single, strict=True):
        assert all(map(torch.equal, one.network.parameters(), other.network.parameters()))
        assert (one.step.loss_sum, one.step.correct) == (other.step.loss_sum, other.step.correct)


# Branches of one graph

BRANCHES = Engine(branches=True)


def train_branched(group, cuda_graph=False, epochs=(1, 2)):
    """Two epochs of networks with dropout, augmentation and sampling."""
    randomness = [OwnRandomness(one.data.train.labels.device) for one in group]
    step = BranchedStep(group, randomness, cuda_graph=cuda_graph)
    for epoch in epochs:
        batches = []
        for one, own in zip(group, randomness, strict=True):
            with own.in_use():
                batches.append(list(one.batches(epoch)))
        for together in zip(*batches, strict=True):
            step([indices for indices, _ in together], together[0][1])
    return randomness


def random_group(device="cpu", cuda_graph=False):
    """Of different methods, so that they draw different numbers of random numbers."""
    group = []
    for method, network, augmentation in (
        ("learned", "conv2", "crop-flip"), ("probabilistic", "lenet", "none"), ("greedy", "lenet", "none"),
    ):  # fmt: skip
        run = tiny_run(
            method, network, batch_size=8, learning_rate=0.02, augmentation=augmentation, schedule="constant",
            schedule_epochs=[],
        )  # fmt: skip
        data = random_splits((3, 32, 32) if network == "conv2" else (1, 28, 28), device=device, train=20)
        network = starting_network(run, torch.device(device), None)
        group.append(Trainer(network, run.settings, data, seed=len(group), engine=BRANCHES, cuda_graph=cuda_graph))
    return group


def same_as_alone(group, alone):
    for one, other in zip(group, alone, strict=True):
        for epoch in (1, 2):
            assert len(list(other.steps(epoch))) == 3
        states = one.state(), other.state()
        assert all(map(torch.equal, states[0].network.values(), states[1].network.values()))
        assert (one.step.loss_sum, one.step.correct) == (other.step.loss_sum, other.step.correct)


def test_branches_have_the_bits_of_runs_alone():
    group = random_group()
    before = torch.get_rng_state()
    train_branched(group)
    assert torch.equal(torch.get_rng_state(), before)  # nobody else's numbers were drawn
    same_as_alone(group, random_group())


def test_branches_of_a_graph_have_the_bits_of_runs_alone(monkeypatch):
    monkeypatch.setattr(machine, "kernels_for", lambda *_, **__: DenseKernels())

    def optimiser(parameters, settings, device, *, capturable):
        return torch.optim.SGD(parameters, lr=torch.tensor(settings.learning_rate), momentum=0.9, fused=True)

    monkeypatch.setattr(step_module, "make_optimiser", optimiser)
    monkeypatch.setattr(Capture, "__init__", partialmethod(Capture.__init__, calls_before=1))
    alone = random_group()
    with monkeypatch.context() as patch:
        done = pretend_graphs(patch)
        group = random_group(cuda_graph=True)
        train_branched(group, cuda_graph=True)
    assert done == ["capture", *["replay"] * 3]
    same_as_alone(group, alone)


# On a GPU


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_branches_of_a_graph_agree_with_runs_alone_on_a_gpu(monkeypatch):
    """Another mask of dropout, crop or sample would show at once."""
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    group, alone = random_group("cuda", cuda_graph=True), random_group("cuda", cuda_graph=True)
    train_branched(group, cuda_graph=True, epochs=(1, 2, 3))
    for one, other in zip(group, alone, strict=True):
        for epoch in (1, 2, 3):
            list(other.steps(epoch))
        nearly(one, other, 1e-3)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("method", ["greedy", "learned"])
def test_a_stack_as_a_graph_on_a_gpu(method):
    stack, alone = trainers(method, device="cuda"), trainers(method, engine=Engine(), device="cuda")
    train_stacked(stack, cuda_graph=True)
    for one, other in zip(stack, alone, strict=True):
        for epoch in (1, 2):
            other.train_epoch(epoch)
        nearly(one, other, 1e-2)
