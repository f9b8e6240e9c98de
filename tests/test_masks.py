"""Each rival is what its paper writes down: compared in float64, step by step, with the plain algorithm."""

import copy
import math
from collections import OrderedDict

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from conftest import images, small_network
from slotmachines import bake_, mask_, selected_options
from slotmachines.methods import RIVALS
from slotmachines.rivals.apply import altered_share, begin_epoch_, change_penalty, evaluation_samples
from slotmachines.rivals.edge_popup import EdgePopup
from slotmachines.rivals.flipping import Flipping
from slotmachines.rivals.lottery_ticket import LotteryTicket
from slotmachines.rivals.pruning import Pruning
from slotmachines.rivals.supermask import Supermask
from slotmachines.selectable import weight_selectors

LABELS = torch.tensor([0, 1, 2, 0, 1])
SIZES = (12, 8, 3)


def dense_network() -> nn.Sequential:
    torch.manual_seed(0)
    first, second = (nn.Linear(*pair, bias=False) for pair in ((12, 8), (8, 3)))
    return nn.Sequential(first, nn.Tanh(), second).double()


def loss_of(weights: list[Tensor], inputs: Tensor) -> Tensor:
    hidden = torch.tanh(inputs @ weights[0].T)
    return functional.cross_entropy(hidden @ weights[1].T, LABELS)


def batch(step: int) -> Tensor:
    return torch.rand(5, 12, generator=torch.Generator().manual_seed(step), dtype=torch.float64)


def scores_of(network: nn.Module) -> list[Tensor]:
    return [one.trained.detach().clone() for one in weight_selectors(network)]


# What each method does, as its paper has it: from scores to (mask, factor), and from (scores, G, w, factor) to dL/ds.
def pruning(s):
    return (s > 0).double(), 1.0


def rescaled_pruning(s):
    mask = (s > 0).double()
    return mask, mask.numel() / (1 + mask.sum())


def flipping(s):
    return torch.sign(s), 1.0


def supermask(s):
    mask = torch.bernoulli(1 / (1 + torch.exp(-s)))
    return mask, mask.numel() / mask.sum()


def edge_popup(s):
    order = s.abs().flatten().argsort()
    mask = torch.ones(s.numel(), dtype=torch.float64)
    mask[order[: s.numel() - round(0.3 * s.numel())]] = 0
    return mask.view(s.shape), 1.0


def straight(s, gradient, weight, factor):
    return gradient * weight * factor


def through_sigmoid(s, gradient, weight, factor):
    p = 1 / (1 + torch.exp(-s))
    return gradient * weight * factor * p * (1 - p)


def through_abs(s, gradient, weight, factor):
    return gradient * weight * torch.sign(s)


CASES = {
    "pruning": (Pruning(), pruning, straight, 0.0),
    "minimal pruning": (Pruning(penalty=1.0), pruning, straight, 1.0),
    "rescaled pruning": (Pruning(rescale=True), rescaled_pruning, straight, 0.0),
    "flipping": (Flipping(), flipping, straight, 0.0),
    "minimal flipping": (Flipping(penalty=1.0), flipping, straight, 1.0),
    "supermask": (Supermask(), supermask, through_sigmoid, 0.0),
    "edge-popup": (EdgePopup(keep=0.3), edge_popup, through_abs, 0.0),
}


@pytest.mark.parametrize("case", CASES)
def test_training_is_the_plain_algorithm(case):
    rule, mask_of, slope, penalty = CASES[case]
    network = mask_(dense_network(), rule, weights="kaiming-normal", seed=3)
    fixed = [one.selector.weight.clone() for one in weight_selectors(network)]
    scores, momenta = scores_of(network), [0.0, 0.0]
    before = [mask_of(s)[0] for s in scores]
    rate = 0.05 if "supermask" not in case else 5.0
    optimiser = torch.optim.SGD(network.parameters(), lr=rate, momentum=0.9, weight_decay=1e-3)
    for step in range(60):
        torch.manual_seed(step)  # of what supermasks draw
        loss, extra = functional.cross_entropy(network(batch(step)), LABELS), change_penalty(network)
        optimiser.zero_grad()
        (loss if extra is None else loss + extra).backward()
        optimiser.step()

        torch.manual_seed(step)
        masks = [mask_of(s) for s in scores]
        used = [(w * m * f).requires_grad_() for w, (m, f) in zip(fixed, masks, strict=True)]
        gradients = torch.autograd.grad(loss_of(used, batch(step)), used)
        for i, (w, (_, f), g) in enumerate(zip(fixed, masks, gradients, strict=True)):
            gradient = slope(scores[i], g, w, f) - penalty / w.numel() + 1e-3 * scores[i]
            momenta[i] = 0.9 * momenta[i] + gradient
            scores[i] = scores[i] - rate * momenta[i]
        for ours, theirs in zip(scores_of(network), scores, strict=True):
            assert torch.allclose(ours, theirs, rtol=0, atol=1e-12 * max(1, theirs.abs().max().item()))
    assert any((mask_of(s)[0] != m).any() for s, m in zip(scores, before, strict=True)), "nothing ever changed"
    if extra is not None:
        assert extra.item() == pytest.approx(-sum(mask_of(s)[0].mean().item() for s in scores), abs=0.1)


def test_the_lottery_ticket_is_pruned_by_magnitude_and_rewound():
    network = mask_(dense_network(), LotteryTicket(round_epochs=2, dense=0.25), weights="glorot-normal", seed=1)
    start = scores_of(network)
    weights, masks = [w.clone() for w in start], [torch.ones_like(w) for w in start]
    anew = []
    optimiser = torch.optim.Adam(network.parameters(), lr=0.01)
    reference = torch.optim.Adam([w.requires_grad_() for w in weights], lr=0.01)
    for epoch in range(1, 8):
        anew.append(begin_epoch_(network, epoch))
        if epoch in (3, 5, 7):
            for i, share in enumerate((0.25, 0.125)):  # the last layer loses half of its share
                left = masks[i].flatten().nonzero().flatten()
                sizes = weights[i].detach().abs().flatten()[left]
                masks[i].view(-1)[left[sizes.argsort()[: round(share * len(left))]]] = 0
                weights[i] = start[i].clone().requires_grad_()
        if anew[-1]:
            optimiser = torch.optim.Adam(network.parameters(), lr=0.01)
            reference = torch.optim.Adam(weights, lr=0.01)
        for step in range(5):
            optimiser.zero_grad()
            functional.cross_entropy(network(batch(step)), LABELS).backward()
            optimiser.step()
            reference.zero_grad()
            loss_of([w * m for w, m in zip(weights, masks, strict=True)], batch(step)).backward()
            reference.step()
    assert anew == [False, False, True, False, True, False, True]
    assert [int(mask.sum()) for mask in masks] == [40, 16]  # of 96: 72, 54, 40; of 24: 21, 18, 16
    for one, w, m in zip(weight_selectors(network), weights, masks, strict=True):
        assert torch.equal(one.selector.choice(one.trained), m.bool())
        assert torch.allclose(one.selector.best_weight(one.trained), w * m, rtol=0, atol=1e-12)
    assert altered_share(network) == pytest.approx(1 - (40 + 16) / (96 + 24))


@pytest.mark.parametrize("name", RIVALS)
def test_a_network_of_convolutions_is_masked_trained_and_baked(name):
    network = small_network()
    norm = copy.deepcopy(network[1].state_dict())
    rule = LotteryTicket(round_epochs=1, conv=0.3, dense=0.3) if name == "lottery_ticket" else name
    mask_(network, rule, weights="kaiming-constant", seed=2)
    assert all(torch.equal(network[1].state_dict()[key], value) for key, value in norm.items())
    start = {key: option.clone() for key, option in selected_options(network).items()}
    assert list(start) == ["0.weight", "4.weight", "6.weight"]
    rate = 20.0 if name == "supermask" else 0.5
    for epoch in range(1, 4):
        begin_epoch_(network, epoch)
        optimiser = torch.optim.SGD(network.parameters(), lr=rate, momentum=0.9)
        for step in range(15):
            torch.manual_seed(step)
            loss, extra = functional.cross_entropy(network(images(seed=step)), LABELS), change_penalty(network)
            optimiser.zero_grad()
            (loss if extra is None else loss + extra).backward()
            optimiser.step()
    chosen = selected_options(network)
    assert any((chosen[key] != start[key]).any() for key in start)
    kept = sum(int(option.sum()) for option in chosen.values()) / sum(option.numel() for option in chosen.values())
    assert altered_share(network).item() == pytest.approx(1 - kept)
    fixed = {one.name: getattr(one.selector, "weight", one.trained) for one in weight_selectors(network)}
    fixed = {key: weight.detach().clone() for key, weight in fixed.items()}
    outputs = network.eval()(images(seed=9))
    baked = bake_(copy.deepcopy(network))
    state = dict(baked.named_parameters())
    for key, option in chosen.items():
        ratio = state[key] / fixed[key]
        factor = ratio[option == 1].max()
        altered = -factor if "flipping" in name else torch.zeros(())
        assert torch.allclose(ratio, torch.where(option == 1, factor, altered))
        assert factor == 1 or name == "supermask"
    if name != "supermask":  # which draws in evaluation too
        assert torch.equal(baked.eval()(images(seed=9)), outputs)


def test_attention_and_embeddings_are_masked_and_what_the_filter_leaves_out_is_trained():
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
    network = nn.Sequential(OrderedDict(words=nn.Embedding(20, 8), layer=layer, head=nn.Linear(8, 3)))
    mask_(network, "free_flipping", filter_fn=lambda _, name: name != "head", embeddings=True)
    assert list(selected_options(network)) == [
        "words.weight", "layer.self_attn.in_proj_weight", "layer.self_attn.out_proj.weight", "layer.linear1.weight",
        "layer.linear2.weight",
    ]  # fmt: skip
    words, head = torch.randint(20, (5, 7)), network.head.weight.detach().clone()
    norm = layer.norm1.weight.detach().clone()
    optimiser = torch.optim.Adam(network.parameters(), lr=0.01)
    losses = []
    for _ in range(40):
        loss = functional.cross_entropy(network(words).mean(1), LABELS)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0] and 0 < altered_share(network) < 1
    assert not torch.equal(network.head.weight, head) and not torch.equal(layer.norm1.weight, norm)
    outputs = network.eval()(words)
    assert torch.allclose(bake_(network)(words), outputs, atol=1e-5)


def test_supermasks_draw_in_evaluation_too_and_bake_what_is_most_probable():
    network = mask_(nn.Linear(4, 2000, bias=False), Supermask(rescale=False), weights="kaiming-constant")
    assert evaluation_samples(network) == 10 and evaluation_samples(nn.Linear(1, 1)) == 1
    with torch.no_grad():
        network.parametrizations.weight.original[:1000] = 2.0
        network.parametrizations.weight.original[1000:] = -2.0
    torch.manual_seed(0)
    drawn = [(network.eval().weight != 0).double() for _ in range(10)]
    assert not torch.equal(drawn[0], drawn[1])
    probability = 1 / (1 + math.exp(-2))
    shares = torch.stack(drawn).mean((0, 2))
    assert shares[:1000].mean().item() == pytest.approx(probability, abs=0.01)
    assert shares[1000:].mean().item() == pytest.approx(1 - probability, abs=0.01)
    bake_(network)
    assert (network.weight[:1000] != 0).all() and (network.weight[1000:] == 0).all()


def test_dynamic_rescaling_makes_up_for_what_a_supermask_drops():
    network = mask_(nn.Linear(50, 40, bias=False), "supermask", weights="kaiming-constant")
    torch.manual_seed(0)
    weight = network.weight.detach()
    kept = (weight != 0).sum()
    assert weight.abs().max().item() == pytest.approx(math.sqrt(2 / 50) * 2000 / int(kept))


@given(st.integers(1, 60), st.floats(0.01, 1), st.integers(0, 2**31))
def test_edge_popup_keeps_the_largest_scores(count, keep, seed):
    scores = torch.randn(count, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    kept = EdgePopup(keep=keep).keeps(scores)
    assert kept.sum() == max(1, round(keep * count))
    assert scores[kept].abs().min() > scores[~kept].abs().max() if not kept.all() else kept.any()


def test_edge_popup_starts_from_kaiming_uniform_scores_and_may_scale_the_fan():
    network = mask_(nn.Conv2d(8, 64, 3, bias=False), EdgePopup(keep=0.25, scale_fan=True), weights="kaiming-constant")
    scores = network.parametrizations.weight.original.detach()
    bound = 1 / math.sqrt(8 * 9)
    assert -bound <= scores.min() < -0.99 * bound and 0.99 * bound < scores.max() < bound
    assert network.weight.abs().max().item() == pytest.approx(math.sqrt(2 / (8 * 9 * 0.25)), rel=1e-6)
    assert (network.weight != 0).double().mean().item() == 0.25


def test_pruning_and_flipping_start_as_the_network_was_drawn():
    plain = small_network()
    for name in ("free_pruning", "min_flipping"):
        network = mask_(small_network(), name)
        assert altered_share(network) == 0
        assert torch.equal(network.eval()(images()), plain.eval()(images()))
        scores = torch.cat([score.flatten() for score in scores_of(network)])
        assert 0.01 <= scores.min() < 0.02 and 0.09 < scores.max() < 0.1


def test_scores_depend_on_seed_and_name_alone():
    one, same = (mask_(small_network(), "edge_popup", seed=5) for _ in range(2))
    part = mask_(small_network(), "edge_popup", seed=5, filter_fn=lambda layer, name: name == "4")
    other = mask_(small_network(), "edge_popup", seed=6)
    first, again, second = scores_of(one)[1], scores_of(same)[1], scores_of(other)[1]
    assert torch.equal(first, again) and torch.equal(first, scores_of(part)[0]) and not torch.equal(first, second)
    assert type(part[6]) is nn.Linear, "what the filter leaves out stays ordinary"


def test_a_state_goes_on_where_it_was_saved():
    network = mask_(small_network(), "edge_popup", seed=1, weights="kaiming-normal")
    with torch.no_grad():
        network[4].parametrizations.weight.original.add_(torch.randn(8, 64))
    other = mask_(small_network(), "edge_popup", seed=2, weights="kaiming-normal")
    other.load_state_dict(network.state_dict())
    assert torch.equal(other.eval()(images()), network.eval()(images()))
