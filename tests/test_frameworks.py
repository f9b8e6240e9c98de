"""Trainers of others, and platforms that tests do not run on."""

import os
import re
from pathlib import Path

import pytest
import torch
from torch import nn

from slotmachines import load_ticket, save_ticket, selected_options, slotify_
from slotmachines.precision import require_double

PAGE = Path(__file__).parents[1] / "docs" / "frameworks.md"


def test_accelerate_resumes_to_the_same_bits(tmp_path, monkeypatch):
    pytest.importorskip("accelerate", reason="needs accelerate, which the project does not install")
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    left: dict = {}
    exec(code, left)
    whole, resumed = left["whole"].state_dict(), left["resumed"].state_dict()
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())
    start = selected_options(slotify_(nn.Sequential(nn.Linear(20, 32), nn.Tanh(), nn.Linear(32, 4)), options=8))
    assert all((chosen != start[name]).any() for name, chosen in selected_options(left["resumed"]).items())
    accuracy = (left["resumed"](left["inputs"]).argmax(1) == left["data"].tensors[1]).double().mean()
    assert accuracy > 0.6  # chance: 0.25


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
