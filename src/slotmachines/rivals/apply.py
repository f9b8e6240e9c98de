"""Apply a rival to a network: fix its weights under masks, and what a training loop then has to know.

`slotmachines.rivals.mask` is the frame, `slotmachines.rivals` has the rules.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

from slotmachines.arguments import seed_number
from slotmachines.attachment import select_by_
from slotmachines.errors import UserError
from slotmachines.foreign_state import refuse_foreign_state_
from slotmachines.methods import METHODS, RIVALS
from slotmachines.rivals.initial import drawn_weights, scale_inputs_, uniform_numbers
from slotmachines.rivals.mask import Mask, Rule
from slotmachines.selectable import AnyModule, Place, selectable, weight_selectors
from slotmachines.slots.philox import key_of


def mask_(
    module: AnyModule,
    rule: str | Rule,
    *,
    weights: str | None = None,
    positive_share: float | None = None,
    seed: int = 0,
    filter_fn: Callable[[nn.Module, str], bool] | None = None,
    embeddings: bool = False,
) -> AnyModule:
    """Fix the weights of `module`, in place, and train by `rule` which of them are kept, or whose sign is flipped.

    The sibling of `slotify_`: it converts the same layers, and `selected_options`, `bake_` and any training loop work
    as they do there. The parameter of a weight becomes its scores; make the optimiser **after** this call. Where the
    rule has a penalty, add `change_penalty(module)` to the loss; where it trains in rounds, call
    `begin_epoch_(module, epoch)` before each epoch. A warning says so once, if that was forgotten.

    Args:
        module: any module whose weights to be selected are float32 or float64. Frozen weights stay as they are.
        rule: the name of a rival ("edge_popup", "supermask", "free_flipping", ...) with its usual settings, or a rule
            with settings of yours, such as `EdgePopup(keep=0.3)`.
        weights: the distribution that the fixed weights are drawn from, a name of
            `slotmachines.distributions.DISTRIBUTIONS`; None fixes those that `module` has.
        positive_share: probability of a positive sign of the weights drawn, 0.5 unless it is given.
        seed: weights drawn and initial scores depend on it, on the weight's name in `module`, and on nothing else.
        filter_fn: leaves out the layers for which it is false, as for `slotify_`.
        embeddings: take the weights of embeddings too, as for `slotify_`.

    Returns:
        `module`.

    Raises:
        UserError: an unknown rule or distribution, a share that is no probability or is given without `weights`, a
            seed of more than 64 bits, or layers that cannot be converted, as for `slotify_`. `module` then stays.
        TypeError: an argument is of a wrong type, or a weight is neither float32 nor float64.

    Example:
        >>> network = mask_(build_network("lenet"), "edge_popup", weights="kaiming-constant")
        >>> optimiser = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    """
    chosen, seed = rule if isinstance(rule, Rule) else named_rule(rule), seed_number(seed)
    places = selectable(module, filter_fn, embeddings=embeddings)
    if weights is not None:
        share = 0.5 if positive_share is None else positive_share
        fixed = drawn_weights(places, weights, positive_share=share, seed=seed)
    elif positive_share is not None:
        raise UserError("positive_share is of weights that are drawn; name their distribution by weights=")
    else:
        fixed = (place.weight for place in places)
    output = _last(module, places)
    masks = [
        _mask(place, weight, chosen, seed, is_output=place is output)
        for place, weight in zip(places, fixed, strict=True)
    ]
    for place, mask in zip(places, masks, strict=True):  # only now, so that what is refused stays as it was
        select_by_(place.sites, mask)
    refuse_foreign_state_(module)
    if weights == "binary":
        scale_inputs_(module, places)
    if chosen.reminder:
        masks[0].register_forward_pre_hook(Reminder(chosen.reminder))
    return module


def _mask(place: Place, weight: Tensor, rule: Rule, seed: int, *, is_output: bool) -> Mask:
    uniform = uniform_numbers(key_of("scores", seed, place.name), weight.numel()).view(weight.shape).to(weight.device)
    return rule.mask(weight, uniform, place.fans[0], is_output=is_output)


def _last(module: nn.Module, places: list[Place]) -> Place:
    """The place whose weight the last layer holds, which may hold it with another one before it."""
    layers = {id(layer): place for place in places for layer, _ in place.sites}
    return [layers[id(layer)] for layer in module.modules() if id(layer) in layers][-1]


def named_rule(name: str, **settings: Any) -> Rule:
    """The rule of a rival by the name of its method.

    Raises:
        UserError: there is no such rival, or it knows no such setting.
    """
    if name not in RIVALS:
        raise UserError(f"unknown rule {name!r}: use one of {', '.join(RIVALS)}, or a slotmachines.Rule")
    module, _, kind = METHODS[name].rule.partition(":")
    build: Callable[..., Rule] = getattr(import_module(f"slotmachines.rivals.{module}"), kind)
    try:
        return build(**settings, **METHODS[name].arguments)
    except TypeError as error:
        raise UserError(f"{name}: {error}; see slotmachines/rivals/{module}.py for its settings") from None


def masks_of(module: nn.Module) -> list[tuple[Tensor, Mask]]:
    """What is trained, and its mask, of each weight within `module` that `mask_` converted."""
    found = weight_selectors(module)
    return [(one.trained, one.selector) for one in found if isinstance(one.selector, Mask)]


def altered_share(module: nn.Module) -> Tensor:
    """Share of the connections under masks that are not used as they were drawn, float64 scalar: pruned or flipped.

    Raises:
        UserError: there are no masks.
    """
    choices = [mask.choice(trained) for trained, mask in masks_of(module)]
    if not choices:
        raise UserError("this module has no masks; call mask_ first")
    kept = torch.stack([choice.sum() for choice in choices]).sum()
    return 1 - kept.double() / sum(choice.numel() for choice in choices)


def change_penalty(module: nn.Module) -> Tensor | None:
    """What a rule that is to alter few connections adds to the loss, or None where none does.

    For each weight minus the mean of M (Ivan and Florian 2020, "minimal" pruning and flipping).
    """
    return penalty_of(masks_of(module))


def penalty_of(masks: Sequence[tuple[Tensor, Mask]]) -> Tensor | None:
    """As `change_penalty`, from `masks_of` the module, for a training loop that asks for them once."""
    _remembered(masks)
    found = [mask.change_penalty(trained) for trained, mask in masks]
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
    masks = masks_of(module)
    _remembered(masks)
    anew = [mask.begin_epoch_(trained, epoch) for trained, mask in masks]  # of all, whatever the first says
    return any(anew)


class Reminder:
    """A hook of a mask: warns once, if its numbers are trained without the call that its rule needs.

    That is known in the first forward pass after a step of the optimiser.
    """

    def __init__(self, what: str) -> None:
        self.what: str | None = what
        self._version: int | None = None

    def __call__(self, mask: nn.Module, inputs: tuple[Tensor]) -> None:
        trained = inputs[0]
        if self.what is None or torch.compiler.is_compiling() or not (mask.training and torch.is_grad_enabled()):
            return
        if not isinstance(trained, nn.Parameter):  # not those of torch.func, which have no versions
            return
        if self._version is None:
            self._version = trained._version
        elif self._version != trained._version:
            warnings.warn(self.what, stacklevel=2)
            self.what = None


def _remembered(masks: Sequence[tuple[Tensor, Mask]]) -> None:
    for _, mask in masks:
        for hook in mask._forward_pre_hooks.values():
            if isinstance(hook, Reminder):
                hook.what = None
