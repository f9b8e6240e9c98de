"""The two rules in plain PyTorch: on any device, and the reference of the compiled kernels.

A connection with values W_1..W_K and initial scores s_1..s_K has, after any number of SGD steps, the scores
s_k(t) = c(t) s_k(0) + W_k theta(t) (docs/method.md).
"""

from __future__ import annotations

import torch
from torch import Tensor

from slotmachines.slots.kernels.cache import Cache
from slotmachines.slots.philox import philox, uniform
from slotmachines.slots.random_options import OptionPool

MARGIN = 16
"""Rounding units by which certificates are on the safe side; each break is rounded five times at most."""
SMALLEST_SCALE = 2.0**-64
"""Below this c, the ends of intervals times c could be subnormal, with a rounding that the margin does not cover (as
long as score ranges are no smaller than about 1e-11)."""
OPTIONS_PER_SPREAD = 16
"""Proposals are tried from this many options per expected trial on; below, a scan of all options is faster."""
TRIALS_PER_SPREAD = 4
"""Proposals before the scan, in expected trials."""

_CHUNK = 1 << 18  # options computed at a time


def best_of(theta: Tensor, score_scale: Tensor, values: Tensor, scores: Tensor) -> Tensor:
    """The option with the highest score; of equal scores the lowest option wins.

    Option k is above option j if (s_k - s_j) c > (W_j - W_k) theta, in float64. Where the numbers are float32, both
    differences are exact and each product is rounded once; so the rule is exact unless the two products agree to a
    relative 2^-52.

    Args:
        theta: (m,).
        score_scale: scalar c.
        values: (K, m).
        scores: (K, m), the initial scores.

    Returns:
        (m,) int64.
    """
    theta, score_scale, values, scores = (tensor.double() for tensor in (theta, score_scale, values, scores))
    best = torch.addcmul(scores * score_scale, values, theta).nan_to_num(-torch.inf).argmax(0)
    for _ in range(len(values)):  # the sum that argmax looks at is rounded: compare with the best so far, exactly
        value, score = values.gather(0, best[None]), scores.gather(0, best[None])
        gain, loss = (scores - score) * score_scale, (value - values) * theta
        above = gain > loss
        better = above.any(0)
        if not better.any():
            equal = gain == loss
            return torch.where(equal.any(0), equal.byte().argmax(0), best)  # infinite theta: no score equals another
        best = torch.where(better, above.byte().argmax(0), best)
    return best


def interval_of(values: Tensor, scores: Tensor, best: Tensor) -> tuple[Tensor, Tensor]:
    """An open interval of theta / c, for c > 0, in which `best` certainly has the highest score.

    Args:
        values, scores: (K, m).
        best: (m,) int64.

    Returns:
        Lower and upper end, each (m,).
    """
    difference = values - values.gather(0, best[None])
    breaks = (scores.gather(0, best[None]) - scores) / difference
    low = torch.where(difference < 0, breaks, -torch.inf).amax(0)
    high = torch.where(difference > 0, breaks, torch.inf).amin(0)
    margin = MARGIN * torch.finfo(values.dtype).eps
    # Infinities stay: inf - inf would be no number.
    low = torch.where(low.isfinite(), low + low.abs() * margin, low)
    return low, torch.where(high.isfinite(), high - high.abs() * margin, high)


def certain(score_scale: Tensor) -> Tensor:
    """c where intervals of theta / c decide; elsewhere a NaN, so that no connection is inside its interval."""
    return torch.where(score_scale > SMALLEST_SCALE, score_scale, torch.nan)


def select_best_(theta: Tensor, score_scale: Tensor, cache: Cache, pool: OptionPool) -> Tensor:
    """The weights of the options with the highest scores.

    Args:
        theta: (n,), float32 or float64, the trained number of each connection.
        score_scale: scalar c.
        cache: of the last step; brought up to date in place.
        pool: the options.

    Returns:
        (n,), a new tensor.
    """
    scale = certain(score_scale)
    size = max(_CHUNK // pool.options, 1)
    for first in range(0, len(theta), _CHUNK):
        part = slice(first, first + _CHUNK)
        inside = (theta[part] > cache.low[part] * scale) & (theta[part] < cache.high[part] * scale)
        for outside in ((~inside).nonzero()[:, 0] + first).split(size):
            values, scores = _options(outside, pool, theta.dtype)
            best = best_of(theta[outside], score_scale, values, scores)
            cache.weight[outside] = values.gather(0, best[None])[0]
            cache.low[outside], cache.high[outside] = interval_of(values, scores, best)
    return cache.weight.clone()


def select_sample(theta: Tensor, score_scale: Tensor, key: Tensor, pool: OptionPool) -> Tensor:
    """The weights of options drawn from softmax(scores): "probabilistic sampling".

    Where the scores of a connection do not spread much against K, an option is proposed uniformly and accepted with
    probability exp(score - bound), again and again: an exact draw that touches few options. Elsewhere, and where no
    proposal was accepted, one uniform number is located in the cumulative distribution.

    Args:
        theta: (n,), the trained number of each connection.
        score_scale: scalar c.
        key: 64 random bits, scalar int64; the draw depends on them, and on the number of the connection, alone.
        pool: the options.

    Returns:
        (n,), a new tensor.
    """
    draw_key = int(key.item()) % 2**64
    weight = torch.empty_like(theta)
    for first in range(0, len(theta), _CHUNK):
        part = torch.arange(first, min(first + _CHUNK, len(theta)), device=theta.device)
        left = part[~_try_proposals(theta[part], score_scale, draw_key, pool, part, weight)]
        for connections in left.split(max(_CHUNK // pool.options, 1)):
            values, scores = _options(connections, pool, theta.dtype)
            logits = torch.addcmul(scores * score_scale, values, theta[connections])
            weights = (logits - logits.amax(0)).float().clamp(min=-87).exp().double()
            high, low, _, _ = philox(draw_key, (connections & 0xFFFFFFFF, connections >> 32, 0, 0))
            position = uniform(high, low, torch.float64) * weights.sum(0)
            chosen = (weights[:-1].cumsum(0) <= position).sum(0)
            weight[connections] = values.gather(0, chosen[None])[0]
    return weight


def _try_proposals(
    theta: Tensor, score_scale: Tensor, draw_key: int, pool: OptionPool, connections: Tensor, weight: Tensor
) -> Tensor:
    """Draw by rejection where that pays, into `weight`; returns which connections have one, (m,) bool."""
    theta, scale = theta.double(), score_scale.double()
    # The probability of acceptance is about 1 / spread for values and scores that fill their ranges.
    spread = (1 + scale.abs() * pool.score_bound) * (1 + 2 * theta.abs() * pool.value_bound)
    bound = scale.clamp(min=0) * pool.score_bound + theta.abs() * pool.value_bound
    trials = torch.where(spread * OPTIONS_PER_SPREAD <= pool.options, TRIALS_PER_SPREAD * spread, 0).long()
    done = torch.zeros_like(theta, dtype=torch.bool)
    for trial in range(1, int(trials.max()) + 1):
        (trying,) = (~done & (trials >= trial)).nonzero(as_tuple=True)
        number = connections[trying]
        a, b, c, d = philox(draw_key, (number & 0xFFFFFFFF, number >> 32, trial, 0))
        options = (a * pool.options + (b * pool.options >> 32)) >> 32
        values, scores = (drawn.to(weight.dtype).double() for drawn in pool.draw(number, options))
        accepted = uniform(c, d, torch.float64) < (scale * scores + theta[trying] * values - bound[trying]).exp()
        weight[number[accepted]] = values[accepted].to(weight.dtype)
        done[trying[accepted]] = True
    return done


def best_option(theta: Tensor, score_scale: Tensor, pool: OptionPool) -> Tensor:
    """The option with the highest score of each connection: (n,) -> (n,) int64."""
    size = max(_CHUNK // pool.options, 1)
    parts = [
        best_of(theta[part], score_scale, *_options(part, pool, theta.dtype))
        for part in torch.arange(len(theta), device=theta.device).split(size)
    ]
    return torch.cat(parts)


def _options(connections: Tensor, pool: OptionPool, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Values and initial scores of some connections, each (K, m)."""
    values, scores = pool.draw(connections, torch.arange(pool.options, device=connections.device)[:, None])
    return values.to(dtype), scores.to(dtype)
