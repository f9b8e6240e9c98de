"""DistributedDataParallel and FSDP2: two processes, each with half of every batch."""

import copy
import warnings
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, distributed, multiprocessing, nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.distributed.fsdp import fully_shard
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel
from torch.optim import SGD

from slotmachines import (
    bake_,
    begin_epoch_,
    change_penalty,
    load_ticket,
    mask_,
    save_ticket,
    selected_options,
    slotify_,
)
from slotmachines.rivals.lottery_ticket import LotteryTicket
from slotmachines.slots.convert import baked_state, is_slot_machine

RANKS, STEPS = 2, 12
SHARDED = ("greedy", "probabilistic", "min_flipping", "supermask", "edge_popup", "lottery_ticket")
CASES = [(selection, compiled) for selection in ("greedy", "probabilistic") for compiled in (True, False)]
EVERY_CASE = pytest.mark.parametrize(("selection", "compiled"), CASES)


def layers() -> nn.Sequential:
    return nn.Sequential(nn.Linear(20, 33), nn.Tanh(), nn.Linear(33, 4)).double()  # 33 rows do not split evenly


def build(selection: str, compiled: bool) -> nn.Sequential:
    return slotify_(layers(), options=8, seed=5, selection=selection, compiled=compiled)


def build_sharded(method: str) -> nn.Sequential:
    if method in ("greedy", "probabilistic"):
        return build(method, compiled=True)
    rule = LotteryTicket(round_epochs=1, dense=0.3) if method == "lottery_ticket" else method
    return mask_(layers(), rule, weights="kaiming-constant")


def batch_of(step: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(step)
    return torch.randn(12, 20, generator=generator).double(), torch.randint(4, (12,), generator=generator)


def train(network: nn.Module, rank: int = 0, ranks: int = 1) -> None:
    """On every `ranks`-th image of each batch."""
    optimiser = SGD(network.parameters(), lr=0.5, momentum=0.9, weight_decay=1e-3)
    for step in range(STEPS):
        inputs, labels = (tensor[rank::ranks] for tensor in batch_of(step))
        optimiser.zero_grad()
        functional.cross_entropy(network(inputs), labels).backward()
        optimiser.step()


def train_every_method(network: nn.Module, rank: int = 0, ranks: int = 1) -> None:
    """As `train`, in two epochs, with penalties, and with the same samples in all processes."""
    optimiser = SGD(network.parameters(), lr=0.5, momentum=0.9, weight_decay=1e-3)
    for step in range(STEPS):
        if step in (0, STEPS // 2):
            begin_epoch_(network, 1 if step == 0 else 2)
        torch.manual_seed(step)
        inputs, labels = (tensor[rank::ranks] for tensor in batch_of(step))
        optimiser.zero_grad()
        loss, penalty = functional.cross_entropy(network(inputs), labels), change_penalty(network)
        (loss if penalty is None else loss + penalty).backward()
        optimiser.step()


def sharded_results(method: str, rank: int, folder: str) -> dict[str, Any]:
    """What a network that FSDP2 splits ends with. All processes ask for everything at the same time."""
    torch.manual_seed(0)
    network = build_sharded(method)
    for part in (network[0], network[2], network):
        fully_shard(part)
    train_every_method(network, rank, RANKS)
    results = {
        "state": get_model_state_dict(network, options=StateDictOptions(full_state_dict=True)),
        "options": selected_options(network),
        "baked": baked_state(network),
        "rows": [len(parameter.to_local()) for parameter in network.parameters()],
    }
    if is_slot_machine(network):
        save_ticket(network, f"{folder}/{method}.safetensors")
    with pytest.raises(ValueError, match="split over processes by fully_shard, and cannot be baked in place"):
        bake_(network)
    return results


def process(rank: int, folder: str) -> None:
    warnings.simplefilter("error")
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=RANKS, timeout=timedelta(minutes=3)
    )
    results = {}
    for case in CASES:
        torch.manual_seed(rank)  # biases and samples of its own
        network = build(*case)
        start = copy.deepcopy(network.state_dict())
        parallel = DistributedDataParallel(network)
        train(parallel, rank, RANKS)
        results[case] = {
            "start": start,
            "state": network.state_dict(),
            "options": selected_options(network),
            "drawn": network[0].weight.detach(),
            "buffers": len(list(parallel.buffers())),
        }
    results |= {method: sharded_results(method, rank, folder) for method in SHARDED}
    torch.save(results, f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("ranks")


@pytest.fixture(scope="module")
def ranks(folder) -> list[dict]:
    """What each of the processes ended with, by case."""
    other = multiprocessing.get_context("spawn").Process(target=process, args=(1, str(folder)), daemon=True)
    other.start()
    process(0, str(folder))
    other.join()
    assert other.exitcode == 0
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(RANKS)]


@EVERY_CASE
def test_the_processes_stay_in_step(selection, compiled, ranks):
    one, other = (results[selection, compiled] for results in ranks)
    assert not torch.equal(one["start"]["0.bias"], other["start"]["0.bias"])  # until DistributedDataParallel begins
    for part in ("state", "options"):
        assert one[part].keys() == other[part].keys()
        assert all(torch.equal(value, other[part][name]) for name, value in one[part].items())
    assert one["state"]["0.parametrizations.weight.0.score_scale"] < 1
    assert not torch.equal(one["state"]["0.bias"], one["start"]["0.bias"])


@EVERY_CASE
def test_nothing_but_parameters_is_sent(selection, compiled, ranks):
    assert ranks[0][selection, compiled]["buffers"] == 0


@pytest.mark.parametrize("compiled", [True, False])
def test_two_processes_train_as_one_does_on_the_whole_batch(compiled, ranks):
    result = ranks[0]["greedy", compiled]
    network = build("greedy", compiled)
    network.load_state_dict(result["start"])
    before = selected_options(network)
    train(network)
    for name, value in network.state_dict().items():
        torch.testing.assert_close(result["state"][name], value, rtol=0, atol=1e-12)
    options = selected_options(network)
    assert all(torch.equal(options[name], result["options"][name]) for name in options)
    assert all((options[name] != before[name]).any() for name in options)


@pytest.mark.parametrize("compiled", [True, False])
def test_each_process_draws_its_own_sample(compiled, ranks):
    one, other = (results["probabilistic", compiled]["drawn"] for results in ranks)
    assert 0.1 < (one != other).double().mean() < 0.95


@pytest.mark.parametrize("method", SHARDED)
def test_two_processes_of_fsdp2_train_as_one_does(method, ranks):
    result = ranks[0][method]
    torch.manual_seed(0)
    network = build_sharded(method)
    before = selected_options(network)
    train_every_method(network)
    for name, value in network.state_dict().items():
        torch.testing.assert_close(result["state"][name], value, rtol=0, atol=1e-12)
    options = selected_options(network)
    assert all(torch.equal(options[name], result["options"][name]) for name in options)
    assert any((options[name] != before[name]).any() for name in options)
    for name, value in baked_state(network).items():
        torch.testing.assert_close(result["baked"][name], value, rtol=0, atol=1e-12)
    rows = [sum(rank[method]["rows"][number] for rank in ranks) for number in range(len(result["rows"]))]
    assert rows == [len(parameter) for parameter in network.parameters()] and rows != result["rows"]


@pytest.mark.parametrize("method", ["greedy", "probabilistic"])
def test_the_gathered_state_and_the_ticket_of_fsdp2_give_the_same_ordinary_network(method, ranks, folder):
    network = build_sharded(method)
    network.load_state_dict(ranks[0][method]["state"])
    baked = bake_(network).state_dict()
    ticket = load_ticket(layers(), folder / f"{method}.safetensors").state_dict()
    assert all(torch.equal(baked[name], value) and torch.equal(ticket[name], value)
               for name, value in ranks[0][method]["baked"].items())  # fmt: skip
