"""Random weights that stay as they are, of which training learns the ones to keep, or those whose sign to flip.

One frame holds the rivals of slot machines. The weight used is w M(s): w is fixed, s is the score of its connection,
trained by the user's optimiser, and M(s) is one of two numbers, 1 for a connection that is kept as it was drawn and a
constant of the method, 0 or -1, for one that is altered. Its score gets the gradient G w slope(s) with
G = dL/d(weight used). So a method is a `ScoreRule`: its candidates, when it keeps, and its slope. A lottery ticket,
whose weights are trained, has a `Mask` of its own. `slotmachines.methods` has those there are; docs/rivals.md.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from importlib import import_module
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from slotmachines.distributions import fans_of
from slotmachines.errors import UserError
from slotmachines.initial import draw_weights_, uniform_numbers
from slotmachines.methods.registry import METHODS, RIVALS
from slotmachines.philox import key_of
from slotmachines.weights import Place, select_by_, selectable, weight_selectors


class Rule(ABC):
    """What sets one method apart. Subclasses are frozen dataclasses: their fields are the method's settings.

    Attributes:
        samples: number of networks over which an evaluation takes the mean accuracy; more than one where evaluation
            draws at random.
    """

    samples: int = 1

    @abstractmethod
    def mask(self, weight: Tensor, uniform: Tensor, fan_in: int, *, is_output: bool) -> Mask:
        """The parametrization of one weight.

        Args:
            weight: as it was drawn.
            uniform: numbers U(0, 1) of its shape.
            fan_in: number of inputs of each output.
            is_output: whether it is the last weight of the network.
        """


class Mask(nn.Module, ABC):
    """Parametrization of one weight of which some connections are kept as they were drawn, and the others altered.

    Its methods take what is trained in the place of the weight: scores, or the weight itself.

    Attributes:
        rule: which connections are kept.
    """

    def __init__(self, rule: Rule, start: Tensor) -> None:
        super().__init__()
        self.rule = rule
        self._start: Tensor | None = start

    def right_inverse(self, weight: Tensor) -> Tensor:
        """Where training starts; afterwards a weight cannot be assigned.

        Raises:
            RuntimeError: something assigns to a weight under a mask.
        """
        start, self._start = self._start, None
        if start is None:
            raise RuntimeError("the weights under a mask are not assigned; call bake_ first")
        return start

    @abstractmethod
    def choice(self, trained: Tensor) -> Tensor:
        """Which connections are kept, bool; where there is chance, which probably are."""

    @abstractmethod
    def best_weight(self, trained: Tensor) -> Tensor:
        """The weights used, detached; where there is chance, those of the most probable mask."""

    def best_option(self, trained: Tensor) -> Tensor:
        """1 for each connection that is (probably) kept, 0 for the others; int64."""
        return self.choice(trained).to(torch.int64)

    def change_penalty(self, trained: Tensor) -> Tensor | None:
        """What the method adds to the loss for this weight."""
        return None

    def begin_epoch_(self, trained: Tensor, epoch: int) -> bool:
        """Prepare for an epoch, counted from 1; returns whether training starts anew."""
        return False

    def extra_repr(self) -> str:
        return repr(self.rule)


class ScoreRule(Rule):
    """A rule by which trained scores keep fixed weights.

    Attributes:
        altered: what the weight of a connection that is not kept is multiplied by.
        penalty: the mean of M of each weight, times this, is subtracted from the loss; see `change_penalty`.
    """

    altered: ClassVar[float] = 0.0
    penalty: float = 0.0

    @abstractmethod
    def initial_scores(self, uniform: Tensor, fan_in: int) -> Tensor:
        """The scores that training starts from, given numbers U(0, 1) of the shape of the weight."""

    @abstractmethod
    def keeps(self, scores: Tensor) -> Tensor:
        """Which connections are kept as they were drawn, bool; where there is chance, which probably are."""

    def draw(self, scores: Tensor) -> Tensor:
        """Which connections a forward pass keeps, bool."""
        return self.keeps(scores)

    def slope(self, scores: Tensor) -> Tensor | None:
        """The score's gradient is G w times this; None stands for 1."""
        return None

    def factor(self, kept: Tensor) -> Tensor | float:
        """What all weights of a layer are multiplied by; it counts as constant in the gradient."""
        return 1.0

    def mask(self, weight: Tensor, uniform: Tensor, fan_in: int, *, is_output: bool) -> Mask:
        return ScoredMask(self, weight, self.initial_scores(uniform, fan_in).to(weight.dtype))


class ScoredMask(Mask):
    """Maps the scores of one weight tensor to the weights used.

    Attributes:
        weight: the fixed weights.
    """

    rule: ScoreRule
    weight: Tensor

    def __init__(self, rule: ScoreRule, weight: Tensor, scores: Tensor) -> None:
        super().__init__(rule, scores)
        self.register_buffer("weight", weight.detach().clone())

    def forward(self, scores: Tensor) -> Tensor:
        numbers = scores.detach()
        kept = self.rule.draw(numbers)
        weight: Tensor = _Masked.apply(
            scores, self.weight, kept, self.rule.altered, self.rule.factor(kept), self.rule.slope(numbers)
        )
        return weight

    def choice(self, scores: Tensor) -> Tensor:
        return self.rule.keeps(scores.detach())

    def best_weight(self, scores: Tensor) -> Tensor:
        kept = self.choice(scores)
        return torch.where(kept, self.weight, self.rule.altered * self.weight) * self.rule.factor(kept)

    def change_penalty(self, scores: Tensor) -> Tensor | None:
        """Minus the mean of M(s), times the rule's penalty; its gradient goes straight through M."""
        if not self.rule.penalty:
            return None
        one = torch.ones((), dtype=scores.dtype, device=scores.device)
        mask: Tensor = _Masked.apply(scores, one, self.choice(scores), self.rule.altered, 1.0, None)
        return -self.rule.penalty * mask.mean()


class _Masked(torch.autograd.Function):
    """The weights used, whose gradient G reaches the scores as G w slope."""

    @staticmethod
    def forward(
        ctx: Any,
        scores: Tensor,
        weight: Tensor,
        kept: Tensor,
        altered: float,
        factor: Tensor | float,
        slope: Tensor | None,
    ) -> Tensor:
        ctx.factor, ctx.slope = factor, slope
        ctx.save_for_backward(weight)
        return torch.where(kept, weight, altered * weight) * factor

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None, None, None]:
        (weight,) = ctx.saved_tensors
        scores = gradient * weight * ctx.factor
        return scores if ctx.slope is None else scores * ctx.slope, None, None, None, None, None


def mask_(
    module: nn.Module,
    rule: str | Rule,
    *,
    weights: str | None = None,
    positive_share: float = 0.5,
    seed: int = 0,
    filter_fn: Callable[[nn.Module, str], bool] | None = None,
    embeddings: bool = False,
) -> nn.Module:
    """Fix the weights of `module`, in place, and train by `rule` which of them are kept, or whose sign is flipped.

    The sibling of `slotify_`: it converts the same layers, and `selected_options`, `bake_` and any training loop work
    as they do there. The parameter of a weight becomes its scores; make the optimiser **after** this call. Where the
    rule has a penalty, add `change_penalty(module)` to the loss; where it trains in rounds, call
    `begin_epoch_(module, epoch)` before each epoch.

    Args:
        module: any module whose weights are float32 or float64.
        rule: the name of a rival ("edge_popup", "supermask", "free_flipping", ...) with its usual settings, or a rule
            with settings of yours, such as `EdgePopup(keep=0.3)`.
        weights: the distribution that the fixed weights are drawn from, a name of
            `slotmachines.distributions.DISTRIBUTIONS`; None fixes those that `module` has.
        positive_share: probability of a positive sign of the weights drawn.
        seed: weights drawn and initial scores depend on it, on the weight's name in `module`, and on nothing else.
        filter_fn, embeddings: which layers are left out, as for `slotify_`.

    Returns:
        `module`.

    Raises:
        ValueError: an unknown rule or distribution, a share that is no probability, or layers that cannot be
            converted, as for `slotify_`.

    Example:
        >>> network = mask_(build_network("lenet"), "edge_popup", weights="kaiming-constant")
        >>> optimiser = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    """
    places = selectable(module, filter_fn, embeddings=embeddings)
    chosen = rule if isinstance(rule, Rule) else named_rule(rule)
    if weights is not None:
        draw_weights_(module, weights, positive_share=positive_share, seed=seed, places=places)
    for place in places:
        select_by_(place, _mask(place, chosen, seed, is_output=place is places[-1]))
    return module


def _mask(place: Place, rule: Rule, seed: int, *, is_output: bool) -> Mask:
    weight = getattr(place.layer, place.tensor)
    uniform = uniform_numbers(key_of("scores", seed, place.name), weight.numel()).view(weight.shape).to(weight.device)
    return rule.mask(weight, uniform, fans_of(place.fans)[0], is_output=is_output)


def named_rule(name: str, **settings: Any) -> Rule:
    """The rule of a rival by the name of its method.

    Raises:
        UserError: there is no such rival, or it knows no such setting.
    """
    if name not in RIVALS:
        raise UserError(f"unknown rule {name!r}: use one of {', '.join(RIVALS)}")
    module, _, kind = METHODS[name].rule.partition(":")
    build: Callable[..., Rule] = getattr(import_module(f"slotmachines.methods.{module}"), kind)
    try:
        return build(**settings, **METHODS[name].arguments)
    except TypeError as error:
        raise UserError(f"{name}: {error}; see slotmachines/methods/{module}.py for its settings") from None


def masks_of(module: nn.Module) -> list[tuple[Tensor, Mask]]:
    """What is trained, and its mask, of each weight within `module` that `mask_` converted."""
    found = weight_selectors(module)
    return [(one.trained, one.selector) for one in found if isinstance(one.selector, Mask)]


def altered_share(module: nn.Module) -> Tensor:
    """Share of the connections under masks that are not used as they were drawn, float64 scalar: pruned or flipped.

    Raises:
        ValueError: there are no masks.
    """
    choices = [mask.choice(trained) for trained, mask in masks_of(module)]
    if not choices:
        raise ValueError("this module has no masks; call mask_ first")
    kept = torch.stack([choice.sum() for choice in choices]).sum()
    return 1 - kept.double() / sum(choice.numel() for choice in choices)


def change_penalty(module: nn.Module) -> Tensor | None:
    """What a rule that is to alter few connections adds to the loss, or None where none does.

    For each weight minus the mean of M (Ivan and Florian 2020, "minimal" pruning and flipping).
    """
    found = [mask.change_penalty(trained) for trained, mask in masks_of(module)]
    parts = [penalty for penalty in found if penalty is not None]
    return torch.stack(parts).sum() if parts else None


def evaluation_samples(module: nn.Module) -> int:
    """Over how many evaluations of `module` the mean accuracy is taken."""
    return max((mask.rule.samples for _, mask in masks_of(module)), default=1)


def begin_epoch_(module: nn.Module, epoch: int) -> bool:
    """Do what rules that train in rounds do before an epoch, counted from 1.

    Returns:
        Whether training starts anew: make a new optimiser then.
    """
    anew = [mask.begin_epoch_(trained, epoch) for trained, mask in masks_of(module)]  # of all, whatever the first says
    return any(anew)
