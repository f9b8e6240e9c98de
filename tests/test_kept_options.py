"""The options that sampling on a processor keeps: they change no draw, and go when their pool goes."""

import gc

import pytest
import torch

from slotmachines.slots.random_options import OptionPool

pytest.importorskip("numba")

from slotmachines.slots.kernels import cpu

KEY, SCALE = torch.tensor(7), torch.tensor(0.8)


@pytest.mark.parametrize("sharing", ["none", "layer"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_what_is_kept_changes_no_draw(monkeypatch, dtype, sharing):
    torch.manual_seed(0)
    theta = 3 * torch.randn(1000, dtype=dtype)
    theta[:4] = torch.tensor([100.0, -100.0, 1e30, 0.0])  # beyond what the approximation covers
    pool = OptionPool(1, "kept", 8, 1.0, 1.0, sharing=sharing)
    kept = cpu.select_sample(theta, SCALE.to(dtype), KEY, pool)
    assert torch.equal(kept, cpu.select_sample(theta, SCALE.to(dtype), KEY, pool))

    monkeypatch.setattr(cpu, "_TABLE_BYTES", 0)
    other = OptionPool(1, "kept", 8, 1.0, 1.0, sharing=sharing)
    monkeypatch.setattr(cpu, "_KEPT", type(cpu._KEPT)())
    assert torch.equal(kept, cpu.select_sample(theta, SCALE.to(dtype), KEY, other))
    assert not cpu._KEPT[other].tables


def test_it_goes_with_its_pool(monkeypatch):
    monkeypatch.setattr(cpu, "_KEPT", type(cpu._KEPT)())
    pool = OptionPool(2, "kept", 4, 1.0, 1.0)
    cpu.select_sample(torch.zeros(300), SCALE, KEY, pool)
    assert len(cpu._KEPT) == 1
    del pool
    gc.collect()
    assert len(cpu._KEPT) == 0
