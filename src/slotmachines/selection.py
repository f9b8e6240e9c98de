"""The two rules that choose an option, and the straight-through gradient.

A connection with values W_1..W_K and initial scores s_1..s_K has, after any number of SGD steps, the scores

    s_k(t) = c(t) s_k(0) + W_k theta(t)

where theta is one trained number per connection and c one scalar per weight tensor: the straight-through gradient of
the score of option k is G W_k (paper, section 3, "backward pass"), one number per connection times a constant of the
option, and SGD with momentum and weight decay is linear in both. docs/method.md has the proof and its limits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

Rule = Callable[[Tensor, Tensor, Tensor, Tensor, Sequence[Tensor] | Tensor], Tensor]

_CHUNK = 1 << 16  # connections sampled at a time, so that their K probabilities stay in the processor's cache


def select_best(
    theta: Tensor, score_scale: Tensor, values: Tensor, scores: Tensor, payload: Sequence[Tensor] | Tensor
) -> Tensor:
    """The payload of the option with the highest score; of equal scores the lowest option wins.

    Args:
        theta: (n,), the trained number of each connection.
        score_scale: scalar c.
        values: (K, n).
        scores: (K, n), the initial scores.
        payload: K tensors that broadcast to (n,): `values` to obtain weights, K scalars to obtain options.

    Returns:
        (n,), a new tensor.
    """
    best = torch.addcmul(scores[0] * score_scale, values[0], theta)
    chosen = payload[0].expand_as(theta).clone()
    for option in range(1, len(values)):
        score = torch.addcmul(scores[option] * score_scale, values[option], theta)
        chosen = torch.where(score > best, payload[option], chosen)
        best = torch.maximum(score, best)
    return chosen


def select_sample(
    theta: Tensor, score_scale: Tensor, values: Tensor, scores: Tensor, payload: Sequence[Tensor] | Tensor
) -> Tensor:
    """The payload of an option drawn from softmax(scores): "probabilistic sampling", drawn anew at each call.

    Takes one number per connection from torch's global generator and inverts the cumulative distribution.
    Arguments and result are those of `select_best`.
    """
    uniform = torch.rand_like(theta)
    parts = []
    for first in range(0, len(theta), _CHUNK):
        chunk = slice(first, first + _CHUNK)
        logits = torch.addcmul(scores[:, chunk] * score_scale, values[:, chunk], theta[chunk])
        weights = logits.sub_(logits.amax(0)).exp_()
        left = uniform[chunk] * weights.sum(0)
        chosen = _part(payload[0], chunk).expand_as(left)
        for option in range(1, len(values)):
            left = left - weights[option - 1]
            chosen = torch.where(left >= 0, _part(payload[option], chunk), chosen)
        parts.append(chosen)
    return torch.cat(parts)


def _part(tensor: Tensor, chunk: slice) -> Tensor:
    return tensor[chunk] if tensor.dim() else tensor


class StraightThrough(torch.autograd.Function):
    """The selected weights, whose gradient goes to theta as it is."""

    @staticmethod
    def forward(theta: Tensor, score_scale: Tensor, values: Tensor, scores: Tensor, rule: Rule) -> Tensor:
        return rule(theta.reshape(-1), score_scale, values, scores, values).view(theta.shape)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(inputs[1])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        # The scale takes part in weight decay only; a gradient of None would make the optimiser skip it.
        (score_scale,) = ctx.saved_tensors
        return gradient, torch.zeros_like(score_scale), None, None, None
