"""Idioms of other people's code that use selected weights in unusual ways: they work, or a clear line refuses them."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations, parametrize
from torch.utils.checkpoint import checkpoint

from conftest import assert_same
from slotmachines import UserError, bake_, load_ticket, mask_, save_model_folder, save_ticket, slotify_

Change = Callable[[nn.Module], nn.Module]
IMAGES, LABELS = torch.randn(32, 12, generator=torch.Generator().manual_seed(1)), torch.arange(32) % 4


def ordinary() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(12, 16), nn.ReLU(), nn.Linear(16, 4))


def slots(selection: str = "greedy") -> nn.Sequential:
    return slotify_(ordinary(), options=4, selection=selection)  # type: ignore[arg-type]


def train(network: nn.Module, *sizes: int) -> None:
    """A step for each size of a batch."""
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimiser = torch.optim.SGD(trained, lr=0.5, momentum=0.9, weight_decay=1e-4)
    for size in sizes or (32, 32, 32):
        optimiser.zero_grad()
        functional.cross_entropy(network(IMAGES[:size]), LABELS[:size]).backward()
        optimiser.step()


class Half(nn.Module):
    def forward(self, tensor: Tensor) -> Tensor:
        return tensor / 2


def halve(layer: nn.Module) -> nn.Module:
    return parametrize.register_parametrization(layer, "weight", Half(), unsafe=True)


@pytest.mark.parametrize("put_on_top", [halve, parametrizations.spectral_norm])
@pytest.mark.parametrize("attach", [lambda network: slotify_(network, options=4), lambda n: mask_(n, "edge_popup")])
@pytest.mark.parametrize("save", [save_ticket, save_model_folder, lambda network, _: bake_(network)])
def test_what_is_computed_of_a_selected_weight_is_not_lost_silently(
    put_on_top: Change, attach: Change, save: Callable[[nn.Module, Path], object], tmp_path: Path
) -> None:
    network = attach(ordinary())
    put_on_top(network[2])  # type: ignore[index]
    before = copy.deepcopy(network.state_dict())
    with pytest.raises(UserError, match=r"another parametrization on top|a ticket holds slot machines"):
        save(network, tmp_path / "saved")
    assert not (tmp_path / "saved").exists()
    assert_same(network.state_dict(), before)


class TiedByProperty(nn.Module):
    """An autoencoder whose decoder is the transposed encoder, which no parameter shows."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Linear(12, 4, bias=False)

    @property
    def decoder(self) -> Tensor:
        return self.encoder.weight.t()

    def forward(self, images: Tensor) -> Tensor:
        return functional.linear(torch.relu(self.encoder(images)), self.decoder)[:, :4]


def test_a_weight_that_a_property_uses_again() -> None:
    network = slotify_(TiedByProperty(), options=4)
    train(network)
    outputs = network(IMAGES)
    torch.testing.assert_close(bake_(network)(IMAGES), outputs)


@pytest.mark.parametrize("is_before", [True, False])
def test_a_bias_that_is_parametrized_stays_so(is_before: bool) -> None:
    layer = nn.Linear(12, 4)
    for step in (halve_bias, select) if is_before else (select, halve_bias):
        step(layer)
    train(layer)
    outputs = layer(IMAGES)
    torch.testing.assert_close(bake_(layer)(IMAGES), outputs)
    assert parametrize.is_parametrized(layer, "bias") and not parametrize.is_parametrized(layer, "weight")


def halve_bias(layer: nn.Module) -> None:
    parametrize.register_parametrization(layer, "bias", Half())


def select(layer: nn.Module) -> None:
    slotify_(layer, options=4)


@pytest.mark.parametrize("need_weights", [True, False])
def test_the_weights_of_attention(need_weights: bool) -> None:
    attention = slotify_(nn.MultiheadAttention(12, 3, batch_first=True), options=4).eval()
    tokens = torch.randn(2, 5, 12)
    baked = bake_(copy.deepcopy(attention))
    kinds = {"need_weights": need_weights, "average_attn_weights": False}
    for ours, theirs in zip(attention(*[tokens] * 3, **kinds), baked(*[tokens] * 3, **kinds), strict=True):
        assert ours is theirs is None or torch.allclose(ours, theirs)


class LowRank(nn.Module):
    """A frozen layer and a trained product of rank 2."""

    def __init__(self, base: nn.Linear) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.down = nn.Parameter(torch.randn(2, base.in_features))
        self.up = nn.Parameter(torch.zeros(base.out_features, 2))

    def forward(self, inputs: Tensor) -> Tensor:
        return self.base(inputs) + inputs @ self.down.t() @ self.up.t()


def test_a_low_rank_update_of_a_frozen_slot_machine() -> None:
    network = slots()
    train(network)
    weight = network[0].weight.detach().clone()
    network[0] = LowRank(network[0])
    train(network)
    assert network[0].up.any() and torch.equal(network[0].base.weight, weight)  # type: ignore[union-attr, operator]
    outputs = network(IMAGES)
    torch.testing.assert_close(bake_(network)(IMAGES), outputs)
    with pytest.raises(UserError, match=r"^0\.down: weights of LowRank cannot be selected"):
        slotify_(nn.Sequential(LowRank(nn.Linear(12, 16))), options=4)


def test_a_state_that_is_assigned_to_a_network_without_memory_trains_on() -> None:
    network = slots()
    train(network)
    with torch.device("meta"):
        other = nn.Sequential(nn.Linear(12, 16), nn.ReLU(), nn.Linear(16, 4))
    slotify_(other, options=4).load_state_dict(copy.deepcopy(network.state_dict()), assign=True)
    for one in (network, other):
        train(one)
    assert_same(network.state_dict(), other.state_dict())


@pytest.mark.parametrize("selection", ["greedy", "probabilistic"])
@pytest.mark.parametrize("use_reentrant", [True, False])
def test_activations_that_are_computed_twice_use_the_same_weights(selection: str, use_reentrant: bool) -> None:
    gradients = []
    for again in (True, False):
        network, images = slots(selection), IMAGES.clone().requires_grad_()
        torch.manual_seed(3)
        outputs = checkpoint(network, images, use_reentrant=use_reentrant) if again else network(images)
        functional.cross_entropy(outputs, LABELS).backward()
        gradients.append([parameter.grad for parameter in network.parameters()])
    torch.testing.assert_close(*gradients)


def test_a_scaled_loss_under_autocast() -> None:
    network = slots()
    optimiser, scaler = torch.optim.SGD(network.parameters(), lr=0.5), torch.amp.GradScaler("cpu")
    before = copy.deepcopy(network.state_dict())
    with torch.autocast("cpu", torch.bfloat16):
        loss = functional.cross_entropy(network(IMAGES), LABELS)
    scaler.scale(loss).backward()
    scaler.step(optimiser)
    assert all(parameter.grad.dtype == torch.float32 for parameter in network.parameters())  # type: ignore[union-attr]
    assert any(not torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_a_compiled_network_follows_what_is_done_to_the_ordinary_one() -> None:
    network = ordinary()
    compiled = torch.compile(network, backend="eager")
    for change in (lambda: network, lambda: slotify_(network, options=4), lambda: bake_(network)):
        change()
        torch.testing.assert_close(compiled(IMAGES), network(IMAGES))


@pytest.mark.slow
def test_batches_of_any_size_in_one_dynamic_graph() -> None:
    network, other = slots(), slots()
    train(torch.compile(network, backend="aot_eager", dynamic=True, fullgraph=True), 32, 7, 19)
    train(other, 32, 7, 19)
    assert_same(network.state_dict(), other.state_dict())


def test_copies_of_a_layer_in_one_network_have_a_ticket(tmp_path: Path) -> None:
    layer = slotify_(nn.Linear(12, 12), options=4)
    network = nn.Sequential(*(copy.deepcopy(layer) for _ in range(3)))
    train(network)
    save_ticket(network, tmp_path / "ticket")
    other = load_ticket(nn.Sequential(*(nn.Linear(12, 12) for _ in range(3))), tmp_path / "ticket")
    torch.testing.assert_close(other(IMAGES), network(IMAGES))


def test_quantisation_comes_after_baking() -> None:
    network = slots()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch is about to move quantisation
        with pytest.raises(AssertionError, match="ParametrizedLinear"):
            torch.ao.quantization.quantize_dynamic(copy.deepcopy(network), {nn.Linear}, dtype=torch.qint8)
        quantised = torch.ao.quantization.quantize_dynamic(bake_(copy.deepcopy(network)), {nn.Linear})
    assert not isinstance(quantised[0], nn.Linear)
    torch.testing.assert_close(quantised(IMAGES), network(IMAGES), atol=0.1, rtol=0.1)


def test_a_pretrained_part_is_not_loaded_beside_random_weights() -> None:
    """Not even by strict=False, which is the habit for a backbone whose head differs."""
    network = slotify_(nn.Sequential(ordinary(), nn.Linear(4, 2)), options=4)
    before = copy.deepcopy(network.state_dict())
    backbone = network[0]
    for part, state in ((backbone, ordinary()), (backbone[2], nn.Linear(16, 4))):  # type: ignore[index]
        with pytest.raises(RuntimeError, match="as an ordinary weight, which is selected here"):
            part.load_state_dict(state.state_dict(), strict=False)
    assert_same(network[1].state_dict(), {name[2:]: value for name, value in before.items() if name[0] == "1"})
    backbone.load_state_dict(backbone.state_dict())
    bake_(network)[0].load_state_dict(ordinary().state_dict())  # an ordinary network again


def test_what_the_error_says_takes_a_parametrization_off_the_top(tmp_path: Path) -> None:
    network = slots()
    layer: Any = network[0]
    before = layer.weight
    parametrize.register_parametrization(layer, "weight", Half(), unsafe=True)
    with pytest.raises(UserError, match=r"del layer\.parametrizations\.weight\[1\]"):
        save_ticket(network, tmp_path / "ticket")
    del layer.parametrizations.weight[1]
    assert torch.equal(layer.weight, before)
    save_ticket(network, tmp_path / "ticket")
    assert torch.equal(load_ticket(ordinary(), tmp_path / "ticket")[0].weight, before)  # type: ignore[arg-type]


@pytest.mark.parametrize("save", [lambda network, _: bake_(network), save_ticket])
def test_diverged_training_is_neither_baked_nor_saved(
    save: Callable[[nn.Module, Path], object], tmp_path: Path
) -> None:
    network = slots()
    layer: Any = network[2]
    layer.parametrizations.weight.original.data[0, 0] = torch.nan
    with pytest.raises(UserError, match=r"2\.weight hold NaN"):
        save(network, tmp_path / "saved")
    assert not (tmp_path / "saved").exists() and torch.isfinite(network(IMAGES)).all()


class Named(nn.Module):
    def __init__(self, name: str) -> None:
        super().__init__()
        self.register_parameter(name, nn.Parameter(torch.zeros(64, 64)))
        self.last = nn.Linear(4, 4)


@pytest.mark.parametrize("name", ["token_mix", "positionwise_w", "debiased_w", "unbiased_projection", "tokenizer"])
def test_a_matrix_of_connections_is_not_trained_because_of_a_part_of_its_name(name: str) -> None:
    with pytest.raises(UserError, match=f"{name}: weights of Named"):
        slotify_(Named(name), options=4)


@pytest.mark.parametrize(
    "name",
    [
        "pos_embedding", "pos_embed", "position", "position_embeddings", "relative_position_bias_table", "query_tokens",
        "cls_token", "mask_token2", "attention_biases", "absolute_pos_embed", "positional_encoding",
    ],
)  # fmt: skip
def test_what_is_added_to_activations_stays_trained(name: str) -> None:
    network = slotify_(Named(name), options=4)
    assert isinstance(getattr(network, name), nn.Parameter)
