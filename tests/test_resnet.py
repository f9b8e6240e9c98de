"""ResNet-20 is that of He et al.; what trains, keeps and counts slot machines copes with its batch normalisation."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from conftest import tiny_run
from random_images import random_splits
from slotmachines import UserError, build_network, load_ticket, save_ticket, slotify_
from slotmachines.networks.resnet import Block
from slotpipeline.results.weight_histograms import histogram
from slotpipeline.runs.run import Run, finetuned
from slotpipeline.runs.run_files import RunFiles
from slotpipeline.training import train as train_module
from slotpipeline.training.loop import Trainer

# 3x3 convolutions: the first one, 6 of 16 channels, 1 + 5 of 32, 1 + 5 of 64; then the dense layer.
WEIGHTS = 9 * (3 * 16 + 6 * 16 * 16 + 16 * 32 + 5 * 32 * 32 + 32 * 64 + 5 * 64 * 64) + 64 * 10
SCALES_AND_SHIFTS = 2 * (7 * 16 + 6 * 32 + 6 * 64)
PROJECTIONS = 16 * 32 + 32 * 64


def count(network: nn.Module, dimensions: Callable[[int], bool]) -> int:
    return sum(parameter.numel() for parameter in network.parameters() if dimensions(parameter.ndim))


@pytest.mark.parametrize(("shortcut", "more"), [("zero-padding", 0), ("projection", PROJECTIONS)])
def test_numbers_of_parameters(shortcut: str, more: int) -> None:
    network = build_network("resnet20", shortcut=shortcut)
    assert count(network, lambda ndim: ndim > 1) == WEIGHTS + more == 268_336 + more
    assert count(network, lambda ndim: ndim == 1) == SCALES_AND_SHIFTS == 1_376
    # He et al. give 0.27 million; with the 10 biases of their dense layer the network without projections has these.
    assert WEIGHTS + SCALES_AND_SHIFTS + 10 == 269_722


def test_projections_are_the_default_and_another_shortcut_is_refused() -> None:
    assert count(build_network("resnet20"), lambda ndim: ndim > 1) == 270_896
    with pytest.raises(UserError, match=r"^unknown shortcut 'none': use one of projection, zero-padding$"):
        build_network("resnet20", shortcut="none")
    with pytest.raises(UserError, match=r"resnet20: .*unexpected keyword argument 'padding'"):
        build_network("resnet20", padding="same")


def test_depth_and_sizes() -> None:
    network, sizes = build_network("resnet20"), []
    for block in (module for module in network if isinstance(module, Block)):
        block.register_forward_hook(lambda _module, _inputs, output: sizes.append(tuple(output.shape)))
    assert network(torch.rand(2, 3, 32, 32)).shape == (2, 10)
    assert sizes == [(2, 16, 32, 32)] * 3 + [(2, 32, 16, 16)] * 3 + [(2, 64, 8, 8)] * 3
    on_the_long_way = [name for name, _ in network.named_parameters() if "conv" in name or "dense" in name]
    assert len(on_the_long_way) == 20


@pytest.mark.parametrize("shortcut", ["projection", "zero-padding"])
def test_where_the_blocks_add_nothing_the_shortcuts_are_all_there_is(shortcut: str) -> None:
    network = build_network("resnet20", shortcut=shortcut).eval()
    blocks = [module for module in network if isinstance(module, Block)]
    for block in blocks:
        nn.init.zeros_(block.norm2.weight)
    images = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        shown = torch.relu(network.norm1(network.conv1(images)))
        for before, block in zip(blocks[2::3], blocks[3::3], strict=False):
            assert isinstance(before.shortcut, nn.Identity)
            if shortcut == "projection":
                weight = block.shortcut.weight[:, :, 0, 0]
                shown = torch.relu(torch.einsum("oc,nchw->nohw", weight, shown[:, :, ::2, ::2]))
            else:
                shown = shown[:, :, ::2, ::2]
                shown = torch.cat([shown, torch.zeros_like(shown)], dim=1)
        expected = shown.mean((2, 3)) @ network.dense1.weight.T
        torch.testing.assert_close(network(images), expected)


def test_a_ticket_holds_the_batch_normalisation(tmp_path: Path) -> None:
    network = slotify_(build_network("resnet20"), options=4)
    network(torch.rand(4, 3, 32, 32)).sum().backward()
    torch.optim.SGD(network.parameters(), lr=0.1).step()
    save_ticket(network, tmp_path / "ticket.safetensors")
    images = torch.rand(2, 3, 32, 32)
    ordinary = load_ticket(build_network("resnet20"), tmp_path / "ticket.safetensors")
    assert torch.equal(ordinary.eval()(images), network.eval()(images))
    assert not torch.equal(ordinary.norm1.weight, torch.ones(16))


# Runs


@pytest.fixture
def small_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        train_module, "load", lambda name, folder, shape, validation, device: random_splits(shape, device=device)
    )


def short_run(method: str) -> Run:
    return tiny_run(method, "resnet20", epochs=2, schedule_epochs=[], batch_size=22)


def stopped_after_the_first_epoch(monkeypatch: pytest.MonkeyPatch, train: Callable[..., Any], run: Run) -> None:
    """Leave the checkpoint of a run."""
    train_epoch = Trainer.train_epoch

    def stopping(self: Trainer, epoch: int) -> dict[str, Any]:
        if epoch == 2:
            raise KeyboardInterrupt
        return train_epoch(self, epoch)

    with monkeypatch.context() as patch:
        patch.setattr(train_module, "_SECONDS_BETWEEN_CHECKPOINTS", -1.0)
        patch.setattr(Trainer, "train_epoch", stopping)
        with pytest.raises(KeyboardInterrupt):
            train(run, "resumed")


def test_a_slot_machine_is_trained_resumed_kept_counted_and_finetuned(
    train: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, small_data: None
) -> None:
    run = short_run("greedy")
    train(run, "whole", keep_epochs=(1,))
    stopped_after_the_first_epoch(monkeypatch, train, run)
    train(run, "resumed")
    best = [tmp_path / name / "weights/best.safetensors" for name in ("whole", "resumed")]
    assert best[0].read_bytes() == best[1].read_bytes()
    assert (tmp_path / "whole/curve.csv").read_bytes() == (tmp_path / "resumed/curve.csv").read_bytes()

    weights = load_file(tmp_path / "whole/weights/epoch-1.safetensors")
    assert weights.keys() == build_network("resnet20").state_dict().keys()
    assert not torch.equal(weights["norm1.weight"], torch.ones(16))  # learned
    assert weights["norm1.num_batches_tracked"] == 2

    layers = histogram(RunFiles(tmp_path / "whole"), run).groupby("layer")["count"].sum()
    assert layers.sum() == 270_896 and len(layers) == 22
    assert layers["stage2_block1.shortcut"] == 16 * 32

    child = finetuned(run, 1)
    record = train(child, "child", start_weights=tmp_path / "whole/weights/epoch-1.safetensors")
    assert record.parent == run.identity and math.isfinite(record.test_accuracy)


@pytest.mark.parametrize("method", ["learned", "random"])
def test_ordinary_networks(train: Callable[..., Any], tmp_path: Path, small_data: None, method: str) -> None:
    train(short_run(method))
    learned = load_file(tmp_path / "run/weights/best.safetensors")
    assert torch.equal(learned["norm1.weight"], torch.ones(16)) == (method == "random")
    assert json.loads((tmp_path / "run/metrics.json").read_text())["network"] == "resnet20"
