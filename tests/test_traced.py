"""Slot machines and masks in torch.compile, torch.export and torch.func.

Compilation uses the backends "aot_eager" and "eager": they make the same graphs as "inductor", the default, but do not
compile C++ for a minute. docs/frameworks.md says what was tried with "inductor".
"""

import copy
import sys

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, hessian, jvp, vmap
from torch.nn import functional

import slotmachines
from conftest import images, scramble
from slotmachines import mask_, slotify_
from slotmachines.methods import RIVALS
from slotmachines.slots.operators import select_best, select_sample, settings_of
from slotmachines.slots.random_options import OptionPool
from small_training import LABELS, SETTINGS, assert_identical, optimiser_of, small_network

# PyTorch's own forward-mode derivatives use it
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script:FutureWarning")

METHODS = ("greedy", "probabilistic", *RIVALS)
EVERY_METHOD = pytest.mark.parametrize("method", METHODS)
KINDS = ("greedy", "probabilistic", "edge_popup", "supermask", "lottery_ticket")  # others have the same operations
EVERY_KIND = pytest.mark.parametrize("method", KINDS)
WEIGHT = "6.parametrizations.weight.original"


def network_of(method: str, compiled: bool = True) -> nn.Sequential:
    if method in RIVALS:
        return mask_(small_network(), method, weights="kaiming-constant")
    return slotify_(small_network(), selection=method, compiled=compiled, **SETTINGS)


@pytest.fixture(autouse=True)
def nothing_compiled():
    torch._dynamo.reset()


class Graphs:
    """A backend that counts the graphs that it is given."""

    def __init__(self, backend: str) -> None:
        self.count, self._backend = 0, torch._dynamo.lookup_backend(backend)

    def __call__(self, graph: torch.fx.GraphModule, inputs: list[Tensor]):
        self.count += 1
        return self._backend(graph, inputs)


# torch.compile and torch.export


def test_importing_the_public_class_registers_the_operators():
    home = sys.modules[slotmachines.SlotMachine.__module__]
    assert home.select_best is select_best and home.select_sample is select_sample


@pytest.mark.filterwarnings("ignore:a lottery ticket prunes")
@pytest.mark.parametrize(("method", "compiled"), [*((method, True) for method in KINDS), ("greedy", False)])
def test_one_graph_trains_bit_for_bit_as_the_network_does(method, compiled):
    network, other = network_of(method, compiled), network_of(method, compiled)
    graphs = Graphs("aot_eager")
    traced = torch.compile(network, backend=graphs, fullgraph=True)
    optimisers = [optimiser_of(network), optimiser_of(other)]
    for number in range(5):
        outputs = []
        for net, optimiser in zip((traced, other), optimisers, strict=True):
            torch.manual_seed(number)
            optimiser.zero_grad()
            outputs.append(net(images(seed=number)))
            functional.cross_entropy(outputs[-1], LABELS).backward()
            optimiser.step()
        assert torch.equal(*outputs)
    assert graphs.count == 1
    if method not in RIVALS:
        assert_identical(network, other)
    assert all(torch.equal(one, two) for one, two in zip(network.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize("method", ["greedy", "probabilistic", "edge_popup"])
def test_evaluation_is_one_graph_too_and_follows_the_state(method):
    network = network_of(method).eval()
    traced = torch.compile(network, backend="eager", fullgraph=True)
    for number in range(3):
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(0.2 * torch.randn(parameter.shape))
            assert torch.equal(traced(images(seed=number)), network(images(seed=number)))


@EVERY_KIND
def test_an_exported_network_computes_the_same_and_keeps_no_table(method):
    network = network_of(method).eval()
    if method not in RIVALS:
        scramble(network)
    with torch.no_grad():
        network(images())  # selects, and remembers the selection
    exported = torch.export.export(network, (images(),))
    outputs = []
    for net in (exported.module(), network):
        torch.manual_seed(0)
        outputs.append(net(images(seed=1)))
    assert torch.equal(*outputs)
    kept = sum(value.numel() for value in exported.constants.values() if isinstance(value, Tensor))
    assert kept == 0 and exported.state_dict.keys() <= network.state_dict().keys()


@pytest.mark.parametrize("operator", [select_best, select_sample])
def test_the_operators_keep_the_rules_of_operators(operator):
    pool = OptionPool(3, "weight", 8, 0.5, 0.5)
    theta = torch.randn(30, generator=torch.Generator().manual_seed(0))
    remembered = (torch.zeros(30), torch.full((30,), torch.inf), torch.full((30,), -torch.inf))
    cache = remembered if operator is select_best else ()
    torch.library.opcheck(operator, (theta, torch.tensor(1.0), *cache, True, *settings_of(pool)))


# torch.func


def loss_of(method: str):
    """A network's parameters, and its loss as a function of them and of the images."""
    network = network_of(method).eval()
    if method not in RIVALS:
        scramble(network)

    def loss(state: dict[str, Tensor], inputs: Tensor) -> Tensor:
        return functional.cross_entropy(functional_call(network, state, (inputs,)), LABELS)

    return {name: value.detach().double() for name, value in network.double().named_parameters()}, loss


@EVERY_METHOD
def test_grad_is_what_backward_gives(method):
    state, loss = loss_of(method)
    inputs = images(dtype=torch.float64)
    torch.manual_seed(0)
    gradients = grad(loss)(state, inputs)
    leaves = {name: value.clone().requires_grad_() for name, value in state.items()}
    torch.manual_seed(0)
    loss(leaves, inputs).backward()
    assert all(torch.equal(gradients[name], leaf.grad) for name, leaf in leaves.items())
    assert gradients[WEIGHT].any()


@pytest.mark.parametrize(
    ("method", "traced"), [*((method, False) for method in METHODS), *((method, True) for method in KINDS[:3])]
)
def test_jvp_is_the_product_with_the_gradient(method, traced):
    """Of a custom operator, and of functions in torch.compile, PyTorch makes a tangent of zero without a word."""
    state, loss = loss_of(method)
    inputs = images(dtype=torch.float64)
    generator = torch.Generator().manual_seed(2)
    change = {name: torch.randn(value.shape, generator=generator, dtype=value.dtype) for name, value in state.items()}

    def along(state: dict[str, Tensor], change: dict[str, Tensor]) -> Tensor:
        return jvp(lambda moved: loss(moved, inputs), (state,), (change,))[1]

    torch.manual_seed(0)
    gradients = grad(loss)(state, inputs)
    torch.manual_seed(0)
    tangent = (torch.compile(along, backend="eager") if traced else along)(state, change)
    torch.testing.assert_close(tangent, sum((gradients[name] * change[name]).sum() for name in state))
    alone = (gradients[WEIGHT] * change[WEIGHT]).sum()
    torch.manual_seed(0)
    only = {name: value if name == WEIGHT else torch.zeros_like(value) for name, value in change.items()}
    torch.testing.assert_close(along(state, only), alone)
    assert alone != 0


@pytest.mark.parametrize("method", [method for method in METHODS if method != "supermask"])  # draws in evaluation too
def test_gradients_per_example_and_second_derivatives(method):
    state, loss = loss_of(method)
    inputs = images(dtype=torch.float64)
    per_image = vmap(grad(loss), in_dims=(None, 0))(state, inputs[:, None].expand(-1, 5, -1, -1, -1))
    for number, image in enumerate(inputs):
        for name, gradient in grad(loss)(state, image.expand(5, -1, -1, -1)).items():
            torch.testing.assert_close(per_image[name][number], gradient)

    def of_weight(weight: Tensor) -> Tensor:
        return loss({**state, WEIGHT: weight}, inputs)

    direction = torch.randn(state[WEIGHT].shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    _, product = jvp(grad(of_weight), (state[WEIGHT],), (direction,))
    assert product.any()
    torch.testing.assert_close(hessian(of_weight)(state[WEIGHT]).flatten(2).flatten(0, 1) @ direction.flatten(),
                               product.flatten())  # fmt: skip


@EVERY_METHOD
def test_several_states_at_once_are_right_or_refused(method):
    """Masks are ordinary operations; the kernels of slot machines select for one state."""
    state, loss = loss_of(method)
    inputs = images(dtype=torch.float64)
    states = [state, {name: -2 * value for name, value in state.items()}]
    stacked = {name: torch.stack([one[name] for one in states]) for name in state}
    together = vmap(loss, in_dims=(0, None), randomness="different")
    if method not in RIVALS:
        with pytest.raises(NotImplementedError, match="train one module for each instead"):
            together(stacked, inputs)
    elif method == "supermask":
        assert together(stacked, inputs).shape == (2,)
    else:
        torch.testing.assert_close(together(stacked, inputs), torch.stack([loss(one, inputs) for one in states]))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@EVERY_KIND
def test_half_precision_is_not_trained(method, dtype):
    network = network_of(method).to(dtype)
    with pytest.raises(TypeError, match=rf"not in {dtype}: .*torch.autocast, or call bake_"):
        network(images(dtype=dtype))
    with torch.no_grad():
        assert network.eval()(images(dtype=dtype)).dtype == dtype
    assert copy.deepcopy(network).float()(images()).requires_grad
