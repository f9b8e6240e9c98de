"""Ways of training that ordinary modules know, in float64 against K trained scores per connection, step by step."""

import copy
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import clip_grad_norm_, clip_grad_value_, get_total_norm, parametrize
from torch.optim import SGD, lr_scheduler
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from conftest import BOTH, scramble, theta_of
from slotmachines import bake_, option_table, selected_options, slotify_
from slotmachines.slots.convert import slot_machines
from slotmachines.slots.dense import dense_slotify_
from test_dense import assert_same

pytestmark = pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "plain"])

LAYERS = (0, 2)


def layers(bias: bool = True) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(20, 32, bias=bias), nn.Tanh(), nn.Linear(32, 4, bias=bias)).double()


def pair(compiled: bool, bias: bool = True) -> tuple[nn.Sequential, nn.Sequential]:
    """One number per connection, and K scores, from the same values and initial scores."""
    settings = {"options": 8, "seed": 5, "compiled": compiled}
    return slotify_(layers(bias), **settings), dense_slotify_(layers(bias), **settings)


def batches(steps: int, size: int = 12) -> Iterator[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(1)
    for _ in range(steps):
        yield torch.randn(size, 20, generator=generator).double(), torch.randint(4, (size,), generator=generator)


def loss_of(network: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    return functional.cross_entropy(network(batch[0]), batch[1])


def assert_trained_alike(
    networks: tuple[nn.Sequential, nn.Sequential], steps: list[Callable[[tuple[Tensor, Tensor]], None]], count: int = 40
) -> None:
    """After each step the scores and the selections are the same; and the selections do change."""
    start = selected_options(networks[0])
    for batch in batches(count):
        for step in steps:
            step(batch)
        assert_same(*networks)
    assert all((start[name] != chosen).any() for name, chosen in selected_options(networks[0]).items())


def ordinary_step(network: nn.Module, optimiser: torch.optim.Optimizer, *, to_none: bool = True):
    def step(batch: tuple[Tensor, Tensor]) -> None:
        optimiser.zero_grad(set_to_none=to_none)
        loss_of(network, batch).backward()
        optimiser.step()

    return step


# The optimiser


@pytest.mark.parametrize(
    "settings",
    [
        {"weight_decay": 0.05},
        {"momentum": 0.9, "weight_decay": 1e-3, "nesterov": True},
        {"momentum": 0.8, "weight_decay": 1e-2, "dampening": 0.5},
        {"momentum": 0.9, "weight_decay": 1e-3, "fused": True},
        {"lr": torch.tensor(0.5, dtype=torch.float64), "momentum": 0.9, "weight_decay": 1e-3},
    ],
    ids=lambda settings: "-".join(settings),
)
def test_any_setting_of_sgd(settings, compiled):
    networks = pair(compiled)
    optimisers = [SGD(network.parameters(), **{"lr": 0.5, **settings}) for network in networks]
    assert_trained_alike(networks, [*map(ordinary_step, networks, optimisers)])


def test_a_group_of_parameters_for_each_layer(compiled):
    networks = pair(compiled)
    optimisers = [
        SGD([
            {"params": network[0].parameters(), "lr": 1.0, "weight_decay": 1e-2},
            {"params": network[2].parameters(), "lr": 0.1, "momentum": 0.5, "nesterov": True},
        ])
        for network in networks
    ]  # fmt: skip
    assert_trained_alike(networks, [*map(ordinary_step, networks, optimisers)])
    scales = [one.selector.score_scale.item() for one in slot_machines(networks[0])]
    assert scales[0] == pytest.approx(0.99**40) and scales[1] == 1


def test_a_layer_joins_the_training_later(compiled):
    networks = pair(compiled)
    optimisers = [SGD(network[2].parameters(), lr=0.5, momentum=0.9, weight_decay=1e-2) for network in networks]
    steps = [*map(ordinary_step, networks, optimisers)]
    for batch in batches(5):
        for step in steps:
            step(batch)
    for network, optimiser in zip(networks, optimisers, strict=True):
        optimiser.add_param_group({"params": network[0].parameters(), "lr": 1.0})
    assert_trained_alike(networks, steps)


def test_without_decay_of_the_scale_scores_decay_towards_their_initial_values(compiled):
    network, dense = pair(compiled, bias=False)
    start = {name: scores for name, (_, scores) in option_table(network).items()}
    optimisers = [
        SGD([
            {"params": [p for p in network.parameters() if p.dim() >= 2], "weight_decay": 0.05},
            {"params": [p for p in network.parameters() if p.dim() < 2]},
        ], lr=0.5, momentum=0.9),
        SGD(dense.parameters(), lr=0.5, momentum=0.9),
    ]  # fmt: skip

    def dense_step(batch: tuple[Tensor, Tensor]) -> None:
        optimisers[1].zero_grad()
        loss_of(dense, batch).backward()
        for number in LAYERS:
            scores = dense[number].parametrizations.weight[0].scores
            scores.grad += 0.05 * (scores.detach() - start[f"{number}.weight"])
        optimisers[1].step()

    assert_trained_alike((network, dense), [ordinary_step(network, optimisers[0]), dense_step])


def test_adams_l2_decay_wears_the_scale_down_whatever_its_size_and_adamw_does_not(compiled):
    def scale(optimiser: type[torch.optim.Optimizer], decay: float) -> float:
        network = slotify_(layers(), options=8, compiled=compiled)
        step = ordinary_step(network, optimiser(network.parameters(), lr=0.01, weight_decay=decay))
        for batch in batches(50):
            step(batch)
        first, second = (one.selector.score_scale.item() for one in slot_machines(network))
        assert first == second
        return first

    assert scale(torch.optim.Adam, 0) == 1
    assert scale(torch.optim.AdamW, 1e-2) == pytest.approx((1 - 0.01 * 1e-2) ** 50)
    assert scale(torch.optim.Adam, 1e-2) < 0.6
    assert scale(torch.optim.Adam, 1e-2) == pytest.approx(scale(torch.optim.Adam, 1e-4), rel=1e-3)


# The gradient


class ClippedGradient(nn.Module):
    """On top of another parametrization: the gradient of its weight is clipped before it goes on."""

    def forward(self, weight: Tensor) -> Tensor:
        if weight.requires_grad:
            weight.register_hook(lambda gradient: gradient.clamp(-1e-2, 1e-2))
        return weight


def test_clipping_by_value_clips_the_gradient_of_the_weight(compiled):
    network, dense = pair(compiled, bias=False)
    for number in LAYERS:
        parametrize.register_parametrization(dense[number], "weight", ClippedGradient())
    optimisers = [SGD(net.parameters(), lr=5.0, momentum=0.9) for net in (network, dense)]

    def step(batch: tuple[Tensor, Tensor]) -> None:
        optimisers[0].zero_grad()
        loss_of(network, batch).backward()
        assert any((theta_of(network[number]).grad.abs() > 1e-2).any() for number in LAYERS)
        clip_grad_value_(network.parameters(), 1e-2)
        optimisers[0].step()

    assert_trained_alike((network, dense), [step, ordinary_step(dense, optimisers[1])], count=10)


def test_clipping_by_norm_scales_all_scores_by_one_factor(compiled):
    """The factor is that of an ordinary network with the same weights, not that of K scores."""
    network, dense = pair(compiled, bias=False)
    values = [option_table(network)[f"{number}.weight"][0] for number in LAYERS]
    optimisers = [SGD(net.parameters(), lr=20.0, momentum=0.9) for net in (network, dense)]
    for batch in batches(10):
        ordinary = bake_(copy.deepcopy(network))
        for net in (network, dense, ordinary):
            net.zero_grad()
            loss_of(net, batch).backward()
        products = [theta_of(network[n]).grad[..., None] * w for n, w in zip(LAYERS, values, strict=True)]
        norm = clip_grad_norm_(network.parameters(), 1e-2)
        torch.testing.assert_close(norm, get_total_norm([weight.grad for weight in ordinary.parameters()]))
        scores = [dense[number].parametrizations.weight[0].scores for number in LAYERS]
        torch.testing.assert_close(get_total_norm([s.grad for s in scores]), get_total_norm(products))
        assert norm > 2e-2 and not torch.isclose(norm, get_total_norm(products), rtol=0.1)
        for trained in scores:
            trained.grad *= 1e-2 / (norm + 1e-6)  # as clip_grad_norm_ has it
        for optimiser in optimisers:
            optimiser.step()
        assert_same(network, dense)


@BOTH
def test_micro_batches_add_up(selection, compiled):
    settings = {"options": 8, "selection": selection, "compiled": compiled}
    network = scramble(slotify_(layers(), **settings))
    (batch,) = batches(1)
    parts = [(inputs, labels) for inputs, labels in zip(batch[0].chunk(3), batch[1].chunk(3), strict=True)]
    alone = []
    for number, part in enumerate(parts):
        torch.manual_seed(number)
        network.zero_grad()
        loss_of(network, part).backward()
        alone.append([p.grad.clone() for p in network.parameters()])
    network.zero_grad()
    for number, part in enumerate(parts):
        torch.manual_seed(number)
        loss_of(network, part).backward()
    together = [p.grad for p in network.parameters()]
    torch.testing.assert_close(together, [sum(gradients) for gradients in zip(*alone, strict=True)])


def test_training_on_micro_batches_is_training_on_the_batch(compiled):
    network, dense = pair(compiled)
    optimisers = [SGD(net.parameters(), lr=0.5, momentum=0.9, weight_decay=1e-3) for net in (network, dense)]

    def accumulate(batch: tuple[Tensor, Tensor]) -> None:
        optimisers[0].zero_grad()
        for inputs, labels in zip(batch[0].chunk(3), batch[1].chunk(3), strict=True):
            (loss_of(network, (inputs, labels)) / 3).backward()
        optimisers[0].step()

    assert_trained_alike((network, dense), [accumulate, ordinary_step(dense, optimisers[1])])


@pytest.mark.parametrize("to_none", [True, False])
def test_steps_in_which_a_layer_takes_no_part(to_none, compiled):
    """A gradient of None leaves theta and the scale alone; of zeros, both decay and follow their momentum."""
    networks = pair(compiled)
    optimisers = [SGD(network.parameters(), lr=0.5, momentum=0.9, weight_decay=1e-2) for network in networks]
    for number, (inputs, labels) in enumerate(batches(30)):
        for network, optimiser in zip(networks, optimisers, strict=True):
            optimiser.zero_grad(set_to_none=to_none)
            hidden = torch.tanh(network[0](inputs)) if number % 3 < 2 else torch.zeros(len(inputs), 32).double()
            functional.cross_entropy(network[2](hidden), labels).backward()
            optimiser.step()
        assert_same(*networks)
    first, second = (one.selector.score_scale.item() for one in slot_machines(networks[0]))
    assert 0 < second <= first < 1 and (first != second) == to_none


# The learning rate


SCHEDULES = {
    "cosine with restarts": lambda optimiser: lr_scheduler.CosineAnnealingWarmRestarts(optimiser, 10, T_mult=2),
    "one cycle": lambda optimiser: lr_scheduler.OneCycleLR(optimiser, max_lr=1.0, total_steps=40, cycle_momentum=True),
    "warm-up, then steps": lambda optimiser: lr_scheduler.SequentialLR(
        optimiser, [lr_scheduler.LinearLR(optimiser, 0.1, total_iters=5), lr_scheduler.StepLR(optimiser, 8)], [5]
    ),
}


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_learning_rate_schedules(schedule, compiled):
    networks = pair(compiled)
    steps, rates = [], []
    for network in networks:
        optimiser = SGD(network.parameters(), lr=0.8, momentum=0.9, weight_decay=1e-3)
        scheduler, step = schedule(optimiser), ordinary_step(network, optimiser)

        def scheduled(batch, step=step, scheduler=scheduler):
            rates.append(scheduler.get_last_lr()[0])
            step(batch)
            scheduler.step()

        steps.append(scheduled)
    assert_trained_alike(networks, steps)
    assert len(set(rates)) > 3


# The average


@pytest.mark.parametrize("average", [{}, {"multi_avg_fn": get_ema_multi_avg_fn(0.8)}], ids=["mean", "exponential"])
def test_the_average_of_theta_and_scale_is_that_of_all_scores(average, compiled):
    networks = pair(compiled)
    averages = [AveragedModel(network, **average) for network in networks]
    optimisers = [SGD(network.parameters(), lr=0.5, momentum=0.9, weight_decay=1e-2) for network in networks]
    steps = [*map(ordinary_step, networks, optimisers)]
    (inputs, _), *_ = batches(1)
    for batch in batches(20):
        for step, network, averaged in zip(steps, networks, averages, strict=True):
            step(batch)
            averaged.update_parameters(network)
        assert_same(averages[0].module, averages[1].module)
        torch.testing.assert_close(averages[0](inputs), averages[1](inputs))
    chosen, of_average = selected_options(networks[0]), selected_options(averages[0].module)
    assert any((chosen[name] != of_average[name]).any() for name in chosen)
