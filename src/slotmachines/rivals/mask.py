"""Random weights that stay as they are, of which training learns the ones to keep, or those whose sign to flip.

One frame holds the rivals of slot machines. The weight used is w M(s): w is fixed, s is the score of its connection,
trained by the user's optimiser, and M(s) is one of two numbers, 1 for a connection that is kept as it was drawn and a
constant of the method, 0 or -1, for one that is altered. Its score gets the gradient G w slope(s) with
G = dL/d(weight used). So a method is a `ScoreRule`: its candidates, when it keeps, and its slope. A lottery ticket,
whose weights are trained, has a `Mask` of its own. `slotmachines.rivals` has those there are; docs/rivals.md.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import asdict, is_dataclass
from inspect import signature
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from slotmachines.foreign_state import mask_settings, not_of_a_mask, other_settings
from slotmachines.precision import require_trainable
from slotmachines.sharded import whole

_PENALTY = (
    "this rule asks for few changes, but its penalty is not part of the loss: "
    "add slotmachines.change_penalty(network) to the loss of each step"
)


class Rule(ABC):
    """What sets one method apart. Subclasses are frozen dataclasses: their fields are the method's settings.

    Attributes:
        samples: number of networks over which an evaluation takes the mean accuracy; more than one where evaluation
            draws at random.
        reminder: what `mask_` warns of, where the rule needs a call that the training loop may have forgotten.
    """

    samples: int = 1

    @property
    def reminder(self) -> str | None:
        return None

    def settings(self) -> dict[str, Any]:
        """What the state of a mask has to agree in to belong to this rule."""
        fields: dict[str, Any] = asdict(self) if is_dataclass(self) else {}
        return {"rule": type(self).__name__, **fields}

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

    def get_extra_state(self) -> Tensor:
        """The settings of the rule, as bytes of JSON, because `torch.load` takes tensors without running code."""
        return torch.tensor(
            list(json.dumps(self.rule.settings(), default=repr).encode()), dtype=torch.uint8, device="cpu"
        )

    def set_extra_state(self, state: Any) -> None:
        """Compare the settings.

        Raises:
            RuntimeError: they are those of another rule, or other settings of this rule.
        """
        theirs, ours = mask_settings(state), mask_settings(self.get_extra_state())
        if theirs is None or ours is None:
            raise not_of_a_mask(state)
        if wrong := other_settings(theirs, ours):
            raise RuntimeError(
                f"this state belongs to a mask with other settings, {wrong}: "
                "call mask_ with the rule and settings that it was trained with"
            )

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *more: Any) -> None:
        state_dict.setdefault(f"{prefix}_extra_state", self.get_extra_state())  # older states do not name their rule
        super()._load_from_state_dict(state_dict, prefix, *more)

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

    @property
    def reminder(self) -> str | None:
        return _PENALTY if self.penalty else None

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
        scores = whole(scores)
        require_trainable(scores)
        numbers = scores.detach()
        kept = self.rule.draw(numbers)
        return _used(scores, self.weight, kept, self.rule.altered, self.rule.factor(kept), self.rule.slope(numbers))

    def choice(self, scores: Tensor) -> Tensor:
        return self.rule.keeps(whole(scores.detach()))

    def best_weight(self, scores: Tensor) -> Tensor:
        kept = self.choice(scores)
        return torch.where(kept, self.weight, self.rule.altered * self.weight) * self.rule.factor(kept)

    def change_penalty(self, scores: Tensor) -> Tensor | None:
        """Minus the mean of M(s), times the rule's penalty; its gradient goes straight through M."""
        if not self.rule.penalty:
            return None
        scores = whole(scores)
        one = torch.ones((), dtype=scores.dtype, device=scores.device)
        mask = _used(scores, one, self.choice(scores), self.rule.altered, 1.0, None)
        return -self.rule.penalty * mask.mean()


def _used(
    scores: Tensor, weight: Tensor, kept: Tensor, altered: float, factor: Tensor | float, slope: Tensor | None
) -> Tensor:
    """The weights used, (weight or altered weight) x factor, whose gradient G reaches the scores as G w slope."""
    if not torch.compiler.is_compiling():
        used: Tensor = _Masked.apply(scores, weight, kept, altered, factor, slope)
        return used
    # The same in operations that torch.compile can trace and transform: a zero with that gradient is added.
    zero = scores - scores.detach()
    return (
        torch.where(kept, weight, altered * weight) * factor
        + (zero if slope is None else zero * slope) * factor * weight
    )


class _Masked(torch.autograd.Function):
    """As `_used`."""

    generate_vmap_rule = True

    @staticmethod
    def forward(
        scores: Tensor, weight: Tensor, kept: Tensor, altered: float, factor: Tensor | float, slope: Tensor | None
    ) -> Tensor:
        return torch.where(kept, weight, altered * weight) * factor

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _, weight, _, _, factor, slope = inputs
        is_number = not isinstance(factor, Tensor)
        ctx.number = factor if is_number else None
        ctx.save_for_backward(weight, None if is_number else factor, slope)
        ctx.save_for_forward(weight, None if is_number else factor, slope)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None, None, None]:
        return _Masked.jvp(ctx, gradient), None, None, None, None, None

    @staticmethod
    def jvp(ctx: Any, change: Tensor, *others: Any) -> Tensor:
        """The derivative is a diagonal matrix, so a change of the scores and a gradient are multiplied by the same."""
        weight, factor, slope = ctx.saved_tensors
        changed: Tensor = change * weight * (ctx.number if factor is None else factor)
        return changed if slope is None else changed * slope


# In each call PyTorch looks for the signature, which takes 25 us unless it is there.
_Masked.forward.__signature__ = signature(_Masked.forward)  # type: ignore[attr-defined]
