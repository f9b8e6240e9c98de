"""Attention as a slot machine: its packed or separate projections, on PyTorch's slow and fast paths."""

import copy
from collections import Counter

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrize

from conftest import BOTH, scramble, tiny_run
from slotmachines import bake_, option_table, selected_options, slotify_
from slotmachines.slots.convert import slot_machines
from slotmachines.slots.dense import dense_scores, dense_slotify_
from slotpipeline.training import start as training_network

KINDS = {
    "packed": {},
    "batch first": {"batch_first": True},
    "separate": {"kdim": 6, "vdim": 4},
    "separate values": {"vdim": 4},
    "no biases": {"bias": False, "batch_first": True},
    "biases of keys and values": {"add_bias_kv": True, "add_zero_attn": True},
}
EVERY_KIND = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
PACKED, SEPARATE = ["in_proj_weight"], ["q_proj_weight", "k_proj_weight", "v_proj_weight"]


def attention(**kind) -> nn.MultiheadAttention:
    torch.manual_seed(0)
    layer = nn.MultiheadAttention(8, 2, **kind)
    with torch.no_grad():
        for name, parameter in layer.named_parameters():
            if "bias" in name:
                parameter.normal_()  # of zeros nothing would show that they stay
    return layer


def attend(layer: nn.MultiheadAttention, **more) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    size = (3, 5) if layer.batch_first else (5, 3)
    query, key, value = (
        torch.randn(*size, width, generator=generator, dtype=layer.out_proj.weight.dtype)
        for width in (layer.embed_dim, layer.kdim, layer.vdim)
    )
    return layer(query, key, value, **more)[0]


def encoder_layer(**more) -> nn.TransformerEncoderLayer:
    torch.manual_seed(0)
    return nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True, **more)


def encoder() -> nn.TransformerEncoder:
    return nn.TransformerEncoder(encoder_layer(), 2)


@pytest.fixture
def fast_calls(monkeypatch) -> Counter:
    """How often PyTorch takes the fast path of attention, and of a whole encoder layer."""
    calls: Counter = Counter()

    def counted(name):
        original = getattr(torch, name)

        def call(*arguments, **more):
            calls[name] += 1
            return original(*arguments, **more)

        monkeypatch.setattr(torch, name, call)

    counted("_native_multi_head_attention")
    counted("_transformer_encoder_layer_fwd")
    return calls


@EVERY_KIND
def test_projections_are_selected_and_biases_stay(kind):
    layer, before = attention(**kind), attention(**kind).state_dict()
    projections = SEPARATE if "vdim" in kind else PACKED
    assert slotify_(layer, options=4) is layer
    options = selected_options(layer)
    assert list(options) == [*projections, "out_proj.weight"]
    assert all(options[name].shape == before[name].shape for name in options)
    kept = [name for name in before if name not in options]
    assert all("bias" in name for name in kept)
    assert all(torch.equal(before[name], layer.state_dict()[name]) for name in kept)


@EVERY_KIND
def test_outputs_and_gradients_are_those_of_the_baked_layer(kind):
    layer = scramble(slotify_(attention(**kind), options=4))
    baked = bake_(copy.deepcopy(layer))
    outputs = [attend(module) for module in (layer, baked)]
    assert torch.equal(*outputs)
    for output in outputs:
        output.square().sum().backward()
    for one in slot_machines(layer):
        gradient = baked.get_parameter(one.name).grad
        assert torch.equal(one.trained.grad, gradient) and gradient.any()
    for name, parameter in layer.named_parameters():
        if "bias" in name:
            assert torch.equal(parameter.grad, baked.get_parameter(name).grad)


@pytest.mark.parametrize("kind", [{}, {"kdim": 6, "vdim": 4}], ids=["packed", "separate"])
def test_training_selects_as_k_trained_scores_do(kind):
    networks = [make(attention(**kind).double(), options=6, seed=2) for make in (slotify_, dense_slotify_)]
    start = selected_options(networks[0])
    for network in networks:
        optimiser = torch.optim.SGD(network.parameters(), lr=0.5, momentum=0.9, weight_decay=1e-3)
        for _ in range(20):
            optimiser.zero_grad()
            attend(network).square().sum().backward()
            optimiser.step()
    scores = dense_scores(networks[1])
    for name, options in selected_options(networks[0]).items():
        assert torch.equal(options, scores[name].argmax(-1)) and not torch.equal(options, start[name])


@BOTH
def test_the_fast_path_of_attention(selection, fast_calls):
    layer = scramble(slotify_(attention(batch_first=True), options=4, selection=selection)).eval()
    inputs = torch.randn(3, 5, 8)
    slow = layer(inputs, inputs, inputs)[0]  # as it keeps what the backward pass needs
    assert not fast_calls
    with torch.no_grad():
        fast = layer(inputs, inputs, inputs)[0]
        assert torch.equal(fast, bake_(copy.deepcopy(layer))(inputs, inputs, inputs)[0])
    assert fast_calls == {"_native_multi_head_attention": 2}
    torch.testing.assert_close(fast, slow)


@BOTH
@pytest.mark.parametrize("settings", [{}, {"activation": "gelu", "norm_first": True}], ids=["relu", "gelu"])
def test_the_fast_path_of_an_encoder_layer(selection, settings, fast_calls):
    layer = scramble(slotify_(encoder_layer(**settings), options=4, selection=selection)).eval()
    inputs = torch.randn(3, 5, 8)
    slow = layer(inputs)
    assert not fast_calls
    with torch.no_grad():
        fast = layer(inputs)
        assert torch.equal(fast, bake_(copy.deepcopy(layer))(inputs))
    assert fast_calls == {"_transformer_encoder_layer_fwd": 2}
    torch.testing.assert_close(fast, slow)


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors is in prototype stage")
def test_an_encoder_makes_padded_inputs_nested_tensors(fast_calls):
    network = scramble(slotify_(encoder(), options=4)).eval()
    inputs, padding = torch.randn(3, 5, 8), torch.arange(5) >= torch.tensor([[5], [3], [2]])
    slow = network(inputs, src_key_padding_mask=padding)
    assert not fast_calls
    with torch.no_grad():
        fast = network(inputs, src_key_padding_mask=padding)
        assert torch.equal(fast, bake_(copy.deepcopy(network))(inputs, src_key_padding_mask=padding))
        assert fast_calls == {"_transformer_encoder_layer_fwd": 4} and not fast[padding].any()
        torch.testing.assert_close(fast[~padding], slow[~padding])
        nested = network(torch.nested.nested_tensor([inputs[0], inputs[1, :3]]))
    torch.testing.assert_close(nested.to_padded_tensor(0.0), fast[:2])


@BOTH
def test_training_and_evaluation_take_turns(selection):
    network = slotify_(encoder(), options=4, selection=selection)
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    for number in range(4):
        inputs = torch.randn(3, 5, 8, generator=torch.Generator().manual_seed(number))
        network.train()
        optimiser.zero_grad()
        network(inputs).square().mean().backward()
        optimiser.step()
        network.eval()
        with torch.no_grad():
            assert torch.equal(network(inputs), bake_(copy.deepcopy(network))(inputs))


def test_cached_selects_one_sample_in_each_forward_pass():
    """What docs/training.md advises: attention reads its packed weight several times, each time another sample."""
    layer = slotify_(attention(), options=4, selection="probabilistic")
    selector = layer.parametrizations["in_proj_weight"][0]
    samples = []
    selector.register_forward_hook(lambda module, inputs, weight: samples.append(weight))
    inputs = torch.randn(5, 3, 8)
    layer(inputs, inputs, inputs)
    assert len(samples) > 1
    samples.clear()
    with parametrize.cached():
        output = layer(inputs, inputs, inputs)[0]
        assert len(samples) == 1 and samples[0] is layer.in_proj_weight
        with torch.no_grad():
            expected = functional.multi_head_attention_forward(
                inputs, inputs, inputs, 8, 2, samples[0], layer.in_proj_bias, None, None, False, 0.0,
                layer.out_proj.weight, layer.out_proj.bias,
            )[0]  # fmt: skip
    assert torch.equal(output, expected)


def test_the_filter_sees_attention_once_and_its_output_projection_by_itself():
    seen = []

    def all_but_attention(layer: nn.Module, name: str) -> bool:
        seen.append((name, type(layer).__name__))
        return not isinstance(layer, nn.MultiheadAttention)

    network = nn.Sequential(attention(), nn.LayerNorm(8), nn.Linear(8, 3))
    slotify_(network, options=2, filter_fn=all_but_attention)
    assert seen == [
        ("0", "MultiheadAttention"),
        ("0.out_proj", "NonDynamicallyQuantizableLinear"),
        ("2", "Linear"),
    ]
    assert list(selected_options(network)) == ["0.out_proj.weight", "2.weight"]
    assert isinstance(network[0].in_proj_weight, nn.Parameter)


def test_values_of_the_packed_projections_have_the_bound_of_their_shape():
    """As PyTorch initialises them."""
    values = {name: value for name, (value, _) in option_table(slotify_(attention(), options=64)).items()}
    for name, fans in (("in_proj_weight", 8 + 3 * 8), ("out_proj.weight", 8 + 8)):
        bound = (6 / fans) ** 0.5
        assert 0.98 * bound < values[name].abs().max() <= bound
    assert attention().in_proj_weight.abs().max() <= (6 / 32) ** 0.5


def test_in_a_run_projections_have_the_score_range_of_linear_layers(monkeypatch):
    monkeypatch.setattr(training_network, "build_network", lambda *_: nn.Sequential(nn.Conv1d(8, 8, 1), attention()))
    run = tiny_run(score_range_conv=0.5, score_range_linear=0.25)
    network = training_network.starting_network(run, torch.device("cpu"), None)
    ranges = {one.name: one.selector.pool.score_bound / one.selector.pool.value_bound for one in slot_machines(network)}
    assert ranges == {"0.weight": 0.5, "1.in_proj_weight": 0.25, "1.out_proj.weight": 0.25}
