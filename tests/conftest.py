"""What several tests need: the digits, fetched once; small slot machines and short runs; and one processor thread, as a
run has by default."""

from pathlib import Path

import pytest
import torch
from torch import nn

from slotmachines.slots.convert import slot_machines
from slotpipeline.data import fetch
from slotpipeline.runs.authors_recipes import AUTHORS_RECIPES
from slotpipeline.runs.run import Run, make_run
from slotpipeline.training.train import train_run

BOTH = pytest.mark.parametrize("selection", ["greedy", "probabilistic"])


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def digits_folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("digits")
    fetch("digits", folder)
    return folder


def small_network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 3)
    )


def images(count: int = 5, seed: int = 0, **more) -> torch.Tensor:
    return torch.rand(count, 1, 6, 6, generator=torch.Generator().manual_seed(seed), **more)


def assert_same(before: dict, after: dict) -> None:
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)


def scramble(network: nn.Module, seed: int = 1, scale: float = 0.3) -> nn.Module:
    """Give theta values as training would."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for one in slot_machines(network):
            one.trained.copy_(scale * torch.randn(one.trained.shape, generator=generator))
    return network


def theta_of(layer: nn.Module) -> nn.Parameter:
    return layer.parametrizations.weight.original


def tiny_run(method: str = "greedy", network: str = "lenet", **changes) -> Run:
    return make_run(
        network=network, dataset="digits", method=method, options=4 if method in ("greedy", "probabilistic") else None,
        seed=1, recipe=AUTHORS_RECIPES.get(method, "paper-glorot"),
        changes={"epochs": 4, "schedule_epochs": [2], **changes},
    )  # fmt: skip


@pytest.fixture
def train(tmp_path, digits_folder):
    """Train into a folder of the given name below tmp_path."""

    def call(run: Run, name: str = "run", **more):
        places = {"folder": tmp_path / name, "checkpoint": tmp_path / f"{name}.pt", "data_folder": digits_folder}
        return train_run(run, **{**places, "show_progress": False, **more})

    return call


def files_of(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
