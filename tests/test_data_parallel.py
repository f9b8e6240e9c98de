"""A slot machine in DistributedDataParallel: two processes, each with half of every batch."""

import copy
import warnings
from datetime import timedelta

import pytest
import torch
from torch import Tensor, distributed, multiprocessing, nn
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel
from torch.optim import SGD

from slotmachines import selected_options, slotify_

RANKS, STEPS = 2, 12
CASES = [(selection, compiled) for selection in ("greedy", "probabilistic") for compiled in (True, False)]
EVERY_CASE = pytest.mark.parametrize(("selection", "compiled"), CASES)


def build(selection: str, compiled: bool) -> nn.Sequential:
    network = nn.Sequential(nn.Linear(20, 32), nn.Tanh(), nn.Linear(32, 4)).double()
    return slotify_(network, options=8, seed=5, selection=selection, compiled=compiled)


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
    torch.save(results, f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


@pytest.fixture(scope="module")
def ranks(tmp_path_factory) -> list[dict]:
    """What each of the processes ended with, by case."""
    folder = tmp_path_factory.mktemp("ranks")
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
    assert 0.1 < (one != other).double().mean() < 0.9
