"""Trainers of others, and platforms that tests do not run on."""

import os
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from slotmachines import load_ticket, save_ticket, selected_options, slotify_
from slotmachines.precision import require_double


def train_with_accelerate(data, folder, epochs, *, resume=False):
    """A slot machine after some more epochs; its state is loaded from the folder if asked, and saved there."""
    accelerate = pytest.importorskip("accelerate", reason="needs accelerate, which the project does not install")
    torch.manual_seed(0)
    network = slotify_(nn.Sequential(nn.Linear(20, 32), nn.Tanh(), nn.Linear(32, 4)), options=8)
    optimiser = torch.optim.SGD(network.parameters(), lr=0.3, momentum=0.9, weight_decay=1e-4)
    accelerator = accelerate.Accelerator(cpu=True)
    network, optimiser, loader = accelerator.prepare(network, optimiser, DataLoader(data, 20, shuffle=True))
    if resume:
        accelerator.load_state(folder)  # network, optimiser and random numbers
    for _ in range(epochs):
        for batch, labels in loader:
            optimiser.zero_grad()
            accelerator.backward(cross_entropy(network(batch), labels))
            optimiser.step()
    accelerator.save_state(folder)
    return accelerator.unwrap_model(network)


def test_accelerate_resumes_to_the_same_bits(tmp_path):
    inputs = torch.randn(200, 20, generator=torch.Generator().manual_seed(1))
    data = TensorDataset(inputs, inputs[:, :4].argmax(1))
    whole = train_with_accelerate(data, tmp_path / "whole", epochs=4).state_dict()
    train_with_accelerate(data, tmp_path / "parts", epochs=2)
    network = train_with_accelerate(data, tmp_path / "parts", epochs=2, resume=True)
    assert all(torch.equal(value, network.state_dict()[name]) for name, value in whole.items())
    start = selected_options(slotify_(nn.Sequential(nn.Linear(20, 32), nn.Tanh(), nn.Linear(32, 4)), options=8))
    assert all((chosen != start[name]).any() for name, chosen in selected_options(network).items())
    assert (network(inputs).argmax(1) == data.tensors[1]).double().mean() > 0.6  # chance: 0.25


def test_apples_gpu_is_refused_with_the_way_out():
    require_double(torch.device("cpu"))
    with pytest.raises(TypeError, match="on mps: train on the processor, and move the network there after bake_"):
        require_double(torch.device("mps"))


def test_without_what_windows_lacks(tmp_path, monkeypatch):
    """It can neither open folders, nor flush a file that is open for reading, nor tell its memory as others do."""
    ordinary_open, ordinary_flush = os.open, os.fsync

    def opened(path, *more, **others):
        if Path(path).is_dir():
            raise PermissionError(13, "Permission denied", str(path))
        return ordinary_open(path, *more, **others)

    def flushed(file: int) -> None:
        import fcntl

        if fcntl.fcntl(file, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(9, "Bad file descriptor")
        ordinary_flush(file)

    def no_meminfo(path, *more, **others):
        raise FileNotFoundError(2, "No such file or directory", path)

    with monkeypatch.context() as windows:
        windows.setattr(os, "open", opened)
        windows.setattr(os, "fsync", flushed)
        windows.delattr(os, "sysconf")
        windows.setattr("slotmachines.slots.device_memory.open", no_meminfo, raising=False)
        network = slotify_(nn.Linear(6, 5), options=4, selection="probabilistic")
        save_ticket(network, tmp_path / "ticket.safetensors")
        weight = load_ticket(nn.Linear(6, 5), tmp_path / "ticket.safetensors").weight
    assert torch.equal(weight, network.eval().weight)
