"""Evaluation as a CUDA graph: the same numbers, with a recording in place of the graph where there is no GPU."""

import pytest
import torch

from conftest import tiny_run
from pretended_gpu import DenseKernels, pretend_graphs
from random_images import random_splits
from slotmachines import UserError
from slotmachines.slots import machine
from slotpipeline.planning.engine import Engine
from slotpipeline.training import evaluation
from slotpipeline.training.device import prepare_device
from slotpipeline.training.loop import Trainer
from slotpipeline.training.start import starting_network

CAPTURED = Engine(captured_evaluation=True)


def trainer(run, engine: Engine, device: str = "cpu") -> Trainer:
    network = starting_network(run, torch.device(device), None)
    shape = (3, 32, 32) if run.network == "conv2" else (1, 28, 28)
    return Trainer(network, run.settings, random_splits(shape, device=device), seed=1, engine=engine)


def rows(run, engine: Engine, device: str = "cpu", epochs: int = 3):
    one = trainer(run, engine, device)
    return [one.train_epoch(epoch) for epoch in range(1, epochs + 1)]


@pytest.mark.parametrize(
    ("method", "network", "last"),
    [
        ("greedy", "lenet", False),
        pytest.param("probabilistic", "lenet", False, marks=pytest.mark.slow),
        ("edge_popup", "lenet", False),
        ("learned", "conv2", True),
    ],
)
def test_captured_evaluation_gives_the_bits_of_single_operations(monkeypatch, method, network, last):
    monkeypatch.setattr(machine, "kernels_for", lambda *_, **__: DenseKernels())
    monkeypatch.setattr(evaluation, "_BATCH", 8)
    run = tiny_run(method, network, batch_size=8, learning_rate=0.02)
    plain = rows(run, Engine(channels_last=last))
    done = pretend_graphs(monkeypatch)
    assert rows(run, Engine(channels_last=last, captured_evaluation=True)) == plain
    assert done == ["capture", "replay", "replay"]
    assert len({row.val_loss for row in plain}) == 3


def test_masks_that_are_drawn_in_evaluation_are_drawn_anew_in_each_replay(monkeypatch):
    run = tiny_run("supermask", batch_size=8, learning_rate=0.02)
    plain = rows(run, Engine())
    done = pretend_graphs(monkeypatch)
    assert rows(run, CAPTURED) == plain
    assert done.count("replay") == 2


@pytest.mark.slow
def test_evaluation_is_captured_anew_where_the_state_was_replaced(monkeypatch):
    monkeypatch.setattr(machine, "kernels_for", lambda *_, **__: DenseKernels())
    run = tiny_run(batch_size=8)
    done = pretend_graphs(monkeypatch)
    one = trainer(run, CAPTURED)
    for epoch in (1, 2):
        one.train_epoch(epoch)
    state = one.state()
    one.load_state(state)
    one.train_epoch(3)
    row = one.train_epoch(4)
    assert done == ["capture", "replay"] * 2
    assert row == rows(run, Engine(), epochs=4)[-1]


def test_lottery_tickets_are_captured_anew_in_each_round(monkeypatch):
    changes = {"method_settings": {"round_epochs": 2}, "epochs": 4, "schedule_epochs": []}
    run = tiny_run("lottery_ticket", batch_size=8, **changes)
    plain = rows(run, Engine(), epochs=4)
    pretend_graphs(monkeypatch)
    assert rows(run, CAPTURED, epochs=4) == plain


def test_captured_evaluation_needs_a_gpu():
    with pytest.raises(UserError, match="captured evaluation needs a GPU, and this run would use the cpu; leave out"):
        prepare_device("cpu", 1, False, CAPTURED)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("method", ["greedy", "probabilistic", "learned", "edge_popup"])
def test_captured_evaluation_agrees_on_a_gpu(monkeypatch, method):
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    run = tiny_run(method, batch_size=8, learning_rate=0.02)
    plain, captured = (rows(run, engine, "cuda") for engine in (Engine(), CAPTURED))
    for one, other in zip(plain, captured, strict=True):
        assert vars(other) == pytest.approx(vars(one), rel=1e-3)
