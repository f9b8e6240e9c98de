# mypy: ignore-errors
"""The loops that Numba compiles for the processor: the rules of `slotmachines.slots.kernels.plain`.

Some connections at a time are the lanes of vector instructions, and the loops over them are written so that the
compiler makes such instructions. Memory depends neither on their number nor, but for sampling, on K.

These functions stand in one file, and take constants of other files as arguments: Numba keeps compiled functions on
disk until their own file changes.
"""

import math

import numpy as np
from numba import float32, float64, int32, int64, njit, prange, uint64

LANES = 64
"""Connections computed together."""

_LOW = uint64(0xFFFFFFFF)
_PIECE = 1024  # options kept in memory; where there are more, they are drawn twice
_BLOCK = 128  # connections compared at a time; a block without a change is copied and left


def _has_cache_folder():
    """Whether Numba finds a place to keep compiled functions; without one it refuses to be asked for it."""
    try:
        njit(cache=True)(lambda: None)
    except RuntimeError:
        return False
    return True


# Division by zero gives an infinity, as in PyTorch.
_COMPILATION = {"nogil": True, "cache": _has_cache_folder(), "error_model": "numpy"}


@njit(inline="always")
def philox(k0, k1, c0, c1, c2, c3):
    """`slotmachines.slots.philox.philox` on scalars; all words are uint64 below 2^32."""
    for _ in range(10):
        product0 = c0 * uint64(0xD2511F53)
        product1 = c2 * uint64(0xCD9E8D57)
        c0, c1, c2, c3 = (
            (product1 >> uint64(32)) ^ c1 ^ k0,
            product1 & _LOW,
            (product0 >> uint64(32)) ^ c3 ^ k1,
            product0 & _LOW,
        )
        k0 = (k0 + uint64(0x9E3779B9)) & _LOW
        k1 = (k1 + uint64(0xBB67AE85)) & _LOW
    return c0, c1, c2, c3


@njit(inline="always")
def uniform24(high):
    return float32(int64(high >> uint64(8))) * float32(2.0**-24)


@njit(inline="always")
def uniform53(high, low):
    return float64(int64((high << uint64(21)) | (low >> uint64(11)))) * 2.0**-53


@njit(**_COMPILATION)
def draw(pool, connections, option, values, scores):
    """Value and initial score of one option of each of some connections."""
    key, single, value_bound, score_bound, shared = pool
    k0, k1, k = key & _LOW, key >> uint64(32), uint64(option)
    if single:
        bound, highest = float32(value_bound), float32(score_bound)
        for lane in range(connections.shape[0]):
            number = connections[lane]
            a, _, c, _ = philox(k0, k1, number & _LOW, number >> uint64(32), k, uint64(0))
            values[lane] = (float32(2) * uniform24(a) - float32(1)) * bound
            scores[lane] = uniform24(c) * highest
    else:
        for lane in range(connections.shape[0]):
            number = connections[lane]
            a, b, c, d = philox(k0, k1, number & _LOW, number >> uint64(32), k, uint64(0))
            values[lane] = (2.0 * uniform53(a, b) - 1.0) * value_bound
            scores[lane] = uniform53(c, d) * score_bound
    if shared.shape[0]:
        values[:] = shared[option]


@njit(**_COMPILATION)
def compare(option, theta, scale, values, scores, best, value, score):
    """Make `option` the best one of the connections where it is above the best so far: the rule of `plain.best_of`."""
    for lane in range(theta.shape[0]):
        new_value, new_score = float64(values[lane]), float64(scores[lane])
        above = (new_score - score[lane]) * float64(scale) > (value[lane] - new_value) * float64(theta[lane])
        best[lane] = option if above else best[lane]
        value[lane] = new_value if above else value[lane]
        score[lane] = new_score if above else score[lane]


@njit(**_COMPILATION)
def best(connections, theta, scale, pool, options, values, scores):
    """The best option of some connections: its number, value and initial score.

    `values` and `scores`, (piece, lanes), hold the last options afterwards; all, if K is at most a piece.
    """
    lanes = connections.shape[0]
    number, value, score = np.zeros(lanes, np.int64), np.empty(lanes), np.empty(lanes)
    for option in range(options):
        k = option % values.shape[0]
        draw(pool, connections, option, values[k, :lanes], scores[k, :lanes])
        if option == 0:
            value[:], score[:] = values[0, :lanes], scores[0, :lanes]
        else:
            compare(option, theta, scale, values[k, :lanes], scores[k, :lanes], number, value, score)
    return number, value, score


@njit(**_COMPILATION)
def narrow(values, scores, value, score, low, high):
    """Move the ends of the intervals to the breaks with one option, where they are nearer."""
    number = low.dtype.type
    for lane in range(low.shape[0]):
        difference = number(values[lane]) - number(value[lane])
        quotient = (number(score[lane]) - number(scores[lane])) / difference
        below = quotient if difference < number(0) else number(-np.inf)
        above = quotient if difference > number(0) else number(np.inf)
        low[lane] = below if below > low[lane] else low[lane]
        high[lane] = above if above < high[lane] else high[lane]


@njit(**_COMPILATION)
def intervals(connections, pool, options, values, scores, value, score, margin):
    """`plain.interval_of`; `best` left in `values` and `scores` all options, or memory to draw them again."""
    lanes = value.shape[0]
    low, high = np.full(lanes, -np.inf).astype(values.dtype), np.full(lanes, np.inf).astype(values.dtype)
    for option in range(options):
        k = option % values.shape[0]
        if options > values.shape[0]:
            draw(pool, connections, option, values[k, :lanes], scores[k, :lanes])
        narrow(values[k, :lanes], scores[k, :lanes], value, score, low, high)
    margin = values.dtype.type(margin * np.finfo(values.dtype).eps)
    for lane in range(lanes):
        if math.isfinite(low[lane]):
            low[lane] += abs(low[lane]) * margin
        if math.isfinite(high[lane]):
            high[lane] -= abs(high[lane]) * margin
    return low, high


@njit(**_COMPILATION)
def copy_and_count(theta, scale, weight, low, high, out):
    """Copy cached weights, and count the connections that are outside their interval."""
    outside = int32(0)
    for i in range(theta.shape[0]):
        out[i] = weight[i]
        outside += int32(1) - int32((theta[i] > low[i] * scale) & (theta[i] < high[i] * scale))
    return outside


@njit(**_COMPILATION)
def renew(connections, theta, scale, margin, weight, low, high, out, pool, options, values, scores):
    """Select the weights of some connections, and their intervals, from all their options."""
    here = np.empty(connections.shape[0], theta.dtype)
    for lane in range(connections.shape[0]):
        here[lane] = theta[connections[lane]]
    _, value, score = best(connections, here, scale, pool, options, values, scores)
    lows, highs = intervals(connections, pool, options, values, scores, value, score, margin)
    for lane in range(connections.shape[0]):
        i = connections[lane]
        weight[i] = out[i] = value[lane]
        low[i], high[i] = lows[lane], highs[lane]


@njit(**_COMPILATION)
def select_best(first, last, theta, scale, certain_scale, margin, weight, low, high, out, pool, options):
    piece = min(options, _PIECE)
    values, scores = np.empty((piece, LANES), theta.dtype), np.empty((piece, LANES), theta.dtype)
    waiting = np.empty(LANES, np.uint64)  # connections outside their interval, computed together
    lanes = 0
    for start in range(first, last, _BLOCK):
        block = slice(start, min(start + _BLOCK, last))
        if not copy_and_count(theta[block], certain_scale, weight[block], low[block], high[block], out[block]):
            continue
        for i in range(block.start, block.stop):
            if not ((theta[i] > low[i] * certain_scale) & (theta[i] < high[i] * certain_scale)):
                waiting[lanes] = i
                lanes += 1
                if lanes == LANES:
                    renew(waiting, theta, scale, margin, weight, low, high, out, pool, options, values, scores)
                    lanes = 0
    if lanes:
        renew(waiting[:lanes], theta, scale, margin, weight, low, high, out, pool, options, values, scores)


@njit(parallel=True, **_COMPILATION)
def select_best_parallel(parts, theta, scale, certain_scale, margin, weight, low, high, out, pool, options):
    size = -(-theta.shape[0] // parts)
    for part in prange(parts):
        first = min(part * size, theta.shape[0])
        last = min(first + size, theta.shape[0])
        select_best(first, last, theta, scale, certain_scale, margin, weight, low, high, out, pool, options)


@njit(**_COMPILATION)
def best_option(first, last, theta, scale, out, pool, options):
    piece = min(options, _PIECE)
    values, scores = np.empty((piece, LANES), theta.dtype), np.empty((piece, LANES), theta.dtype)
    for start in range(first, last, LANES):
        end = min(start + LANES, last)
        connections = np.arange(start, end).astype(np.uint64)
        out[start:end], _, _ = best(connections, theta[start:end], scale, pool, options, values, scores)


@njit(parallel=True, **_COMPILATION)
def best_option_parallel(parts, theta, scale, out, pool, options):
    size = -(-theta.shape[0] // parts)
    for part in prange(parts):
        first = min(part * size, theta.shape[0])
        best_option(first, min(first + size, theta.shape[0]), theta, scale, out, pool, options)


@njit(**_COMPILATION)
def exponentials(logits, highest, sums):
    """Put exp(logits - highest) in the place of float32 logits, right to 2 units of the last place; add to `sums`."""
    bits = np.empty(logits.shape[0], np.int32)
    powers = bits.view(np.float32)
    for lane in range(logits.shape[0]):
        x = logits[lane] - highest[lane]
        x = x if x > float32(-87) else float32(-87)
        # x = n log 2 + rest, with n to the nearest integer.
        n = (x * float32(1.44269504) + float32(12582912)) - float32(12582912)
        rest = (x - n * float32(0.693359375)) + n * float32(2.12194440e-4)
        p = float32(1 / 5040)
        p = p * rest + float32(1 / 720)
        p = p * rest + float32(1 / 120)
        p = p * rest + float32(1 / 24)
        p = p * rest + float32(1 / 6)
        p = p * rest + float32(1 / 2)
        p = p * rest + float32(1)
        logits[lane] = p * rest + float32(1)
        bits[lane] = (int32(n) + int32(127)) << int32(23)
    for lane in range(logits.shape[0]):
        logits[lane] *= powers[lane]
        sums[lane] += float64(logits[lane])


@njit(**_COMPILATION)
def scan(connections, theta, scale, draw_key, pool, values, weights):
    """Draw an option of each of some connections by one number in the cumulative distribution: its value."""
    lanes = connections.shape[0]
    scores = np.empty(lanes, theta.dtype)
    highest, sums = np.full(lanes, -np.inf).astype(np.float32), np.zeros(lanes)
    for option in range(values.shape[0]):
        draw(pool, connections, option, values[option, :lanes], scores)
        for lane in range(lanes):
            logit = float32(scores[lane] * scale + values[option, lane] * theta[lane])
            weights[option, lane] = logit
            highest[lane] = logit if logit > highest[lane] else highest[lane]
    for option in range(values.shape[0]):
        exponentials(weights[option, :lanes], highest, sums)
    left, chosen = np.empty(lanes), np.zeros(lanes, np.int64)
    k0, k1 = draw_key & _LOW, draw_key >> uint64(32)
    for lane in range(lanes):
        a, b, _, _ = philox(k0, k1, connections[lane] & _LOW, connections[lane] >> uint64(32), uint64(0), uint64(0))
        left[lane] = uniform53(a, b) * sums[lane]
    for option in range(values.shape[0] - 1):
        for lane in range(lanes):
            left[lane] -= float64(weights[option, lane])
            chosen[lane] += int64(left[lane] >= 0)
    for lane in range(lanes):
        scores[lane] = values[chosen[lane], lane]
    return scores


@njit(**_COMPILATION)
def propose(connection, theta, scale, draw_key, pool, options, proposals, value, score):
    """Rejection sampling: whether an option was accepted; its value is in `value` (1,), `score` (1,) is memory."""
    theta, scale = float64(theta), float64(scale)
    spread = (1.0 + abs(scale) * pool[3]) * (1.0 + 2.0 * abs(theta) * pool[2])
    options_per_spread, trials_per_spread = proposals
    if options < options_per_spread * spread:
        return False
    bound = max(scale, 0.0) * pool[3] + abs(theta) * pool[2]
    k0, k1 = draw_key & _LOW, draw_key >> uint64(32)
    c0, c1 = connection[0] & _LOW, connection[0] >> uint64(32)
    count = uint64(options)
    for trial in range(1, int64(trials_per_spread * spread) + 1):
        a, b, c, d = philox(k0, k1, c0, c1, uint64(trial), uint64(0))
        option = (a * count + ((b * count) >> uint64(32))) >> uint64(32)  # of 64 bits, without rounding
        draw(pool, connection, int64(option), value, score)
        if uniform53(c, d) < math.exp(scale * score[0] + theta * value[0] - bound):
            return True
    return False


@njit(**_COMPILATION)
def select_sample(first, last, theta, scale, draw_key, out, pool, options, proposals):
    values, weights = np.empty((options, LANES), theta.dtype), np.empty((options, LANES), np.float32)
    value, score = np.empty(1, theta.dtype), np.empty(1, theta.dtype)
    here, waiting = np.empty(LANES, theta.dtype), np.empty(LANES, np.uint64)
    connection = np.empty(1, np.uint64)
    lanes = 0
    for i in range(first, last):
        connection[0] = i
        if options >= proposals[0] and propose(
            connection, theta[i], scale, draw_key, pool, options, proposals, value, score
        ):
            out[i] = value[0]
        else:
            waiting[lanes], here[lanes] = i, theta[i]
            lanes += 1
        if lanes == LANES or (lanes and i == last - 1):
            drawn = scan(waiting[:lanes], here[:lanes], scale, draw_key, pool, values, weights)
            for lane in range(lanes):
                out[waiting[lane]] = drawn[lane]
            lanes = 0


@njit(parallel=True, **_COMPILATION)
def select_sample_parallel(parts, theta, scale, draw_key, out, pool, options, proposals):
    size = -(-theta.shape[0] // parts)
    for part in prange(parts):
        first = min(part * size, theta.shape[0])
        select_sample(first, min(first + size, theta.shape[0]), theta, scale, draw_key, out, pool, options, proposals)
