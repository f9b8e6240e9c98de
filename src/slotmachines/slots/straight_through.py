"""The straight-through gradient of a selection.

The gradient of the score of option k is G W_k, with G = dL/d(weight used) (paper, section 3, "backward pass"): one
number per connection times a constant of the option. SGD with momentum and weight decay is linear in both, so that
the scores are at all times

    s_k(t) = c(t) s_k(0) + W_k theta(t)

where theta, one number per connection, is trained with the gradient G and c, one scalar per weight tensor, with the
gradient 0. docs/method.md has the proof and its limits.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from typing import Any

import torch
from torch import Tensor

Select = Callable[[Tensor, Tensor], Tensor]


def straight_through(theta: Tensor, score_scale: Tensor, select: Select) -> Tensor:
    """The weights that `select(theta, score_scale)` gives, whose gradient goes to theta as it is."""
    # What transformations take, PyTorch is slow to call.
    function: Any = StraightThrough if _IS_TRANSFORMED() else _Direct
    weight: Tensor = function.apply(theta, score_scale, select)
    return weight


_IS_TRANSFORMED: Callable[[], bool] = getattr(torch._C, "_are_functorch_transforms_active", lambda: True)


class _Direct(torch.autograd.Function):
    """`straight_through` outside of the transformations of `torch.func`."""

    @staticmethod
    def forward(ctx: Any, theta: Tensor, score_scale: Tensor, select: Select) -> Tensor:
        ctx.scale = score_scale
        return select(theta, score_scale)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        # The scale takes part in weight decay only; a gradient of None would make the optimiser skip it.
        return gradient, torch.zeros_like(ctx.scale), None

    @staticmethod
    def jvp(ctx: Any, theta: Tensor, score_scale: Tensor, select: None) -> Tensor:
        return theta.view_as(theta)


class StraightThrough(torch.autograd.Function):
    """`straight_through`, for the transformations of `torch.func` too."""

    @staticmethod
    def forward(theta: Tensor, score_scale: Tensor, select: Select) -> Tensor:
        return select(theta, score_scale)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(inputs[1])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        (score_scale,) = ctx.saved_tensors
        return gradient, torch.zeros_like(score_scale), None

    @staticmethod
    def jvp(ctx: Any, theta: Tensor, score_scale: Tensor, select: None) -> Tensor:
        return theta.view_as(theta)

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[Any, ...], theta: Tensor, score_scale: Tensor, select: Select
    ) -> tuple[Tensor, None]:
        """One selection for a batch of inputs, as for gradients per example."""
        if in_dims != (None, None, None):
            raise NotImplementedError(
                "vmap over the trained numbers of slot machines: train one module for each instead"
            )
        weight: Tensor = StraightThrough.apply(theta, score_scale, select)
        return weight, None


# In each call PyTorch looks for the signature, which takes 25 us unless it is there.
StraightThrough.forward.__signature__ = signature(StraightThrough.forward)  # type: ignore[attr-defined]


def traced_straight_through(theta: Tensor, score_scale: Tensor, weight: Tensor) -> Tensor:
    """As `straight_through`, given the selected weight, in operations that `torch.compile` can trace and transform.

    To the weight it adds theta - theta and a sum of no elements of the scale: zero, as long as theta is finite, with
    the gradients G and 0. Dynamo takes no function with a `jvp`, and would make the tangent of one without zero.
    """
    return weight + (theta - theta.detach()) + score_scale[:0].sum()
