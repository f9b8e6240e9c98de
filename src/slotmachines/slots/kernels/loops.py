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
from numba.extending import intrinsic

LANES = 256
"""Connections computed together: as many as make the cost of calls small, and fit into the fast caches at small K."""

_LOW, _HALF = uint64(0xFFFFFFFF), uint64(32)
_MULTIPLIER0, _MULTIPLIER1 = uint64(0xD2511F53), uint64(0xCD9E8D57)
_WEYL0, _WEYL1 = uint64(0x9E3779B9), uint64(0xBB67AE85)
_PIECE = 1024  # options kept in memory; where there are more, they are drawn twice
BLOCK = 128  # connections compared at a time; a block without a change is left


_HIGH = float32(30)  # the highest score, in amount, that `locate` approximates


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
def rounds(number, k0, k1, c0, c1, c2, c3):
    """Some rounds of Philox; all words are uint64, of which the lower 32 bits count."""
    for _ in range(number):
        product0, product1 = (c0 & _LOW) * _MULTIPLIER0, (c2 & _LOW) * _MULTIPLIER1
        c0, c1, c2, c3 = (product1 >> _HALF) ^ c1 ^ k0, product1, (product0 >> _HALF) ^ c3 ^ k1, product0
        k0, k1 = (k0 + _WEYL0) & _LOW, (k1 + _WEYL1) & _LOW
    return c0 & _LOW, c1 & _LOW, c2 & _LOW, c3 & _LOW


@njit(inline="always")
def philox(k0, k1, c0, c1, c2, c3):
    """`slotmachines.slots.philox.philox` on scalars; all words are uint64 below 2^32."""
    return rounds(10, k0, k1, c0, c1, c2, c3)


@intrinsic
def bits_of(_, number):
    """The bits of a float32 or float64 as an integer of that size."""

    def generate(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], context.get_value_type(signature.return_type))

    return (int32 if number == float32 else int64)(number), generate


@intrinsic
def float32_of_bits(_, bits):
    """The float32 of the same 32 bits as an int32."""

    def generate(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], context.get_value_type(signature.return_type))

    return float32(int32), generate


@njit(inline="always")
def uniform24(high):
    return float32(int32(high >> uint64(8))) * float32(2.0**-24)


@njit(inline="always")
def uniform53(high, low):
    return float64(int64((high << uint64(21)) | (low >> uint64(11)))) * 2.0**-53


@njit(**_COMPILATION)
def start(pool, connections, started):
    """What the first two rounds of `draw` compute of a connection alone: three words of each, for all its options."""
    k1 = pool[0] >> _HALF
    for lane in range(connections.shape[0]):
        product0 = (connections[lane] & _LOW) * _MULTIPLIER0
        product1 = (((product0 >> _HALF) ^ k1) & _LOW) * _MULTIPLIER1
        started[0, lane] = product0 & _LOW
        started[1, lane] = product1 & _LOW
        started[2, lane] = product1 >> _HALF


@njit(inline="always")
def finish(k0, k1, c0, c1, c2, c3):
    """Rounds 3 to 10."""
    return rounds(8, (k0 + _WEYL0 + _WEYL0) & _LOW, (k1 + _WEYL1 + _WEYL1) & _LOW, c0, c1, c2, c3)


@njit(**_COMPILATION)
def draw(pool, started, option, values, scores):
    """Value and initial score of one option of some connections, of which `start` made `started`, (3, lanes)."""
    key, single, value_bound, score_bound, shared = pool
    k0, k1 = key & _LOW, key >> _HALF
    # The first two rounds for counters (connection, 0, option, 0): what they compute of the option alone, and an
    # exclusive or with what they compute of the connection.
    product1 = uint64(option) * _MULTIPLIER1
    product0 = ((product1 >> _HALF) ^ k0) * _MULTIPLIER0
    w0 = (product1 & _LOW) ^ ((k0 + _WEYL0) & _LOW)
    w2 = (product0 >> _HALF) ^ ((k1 + _WEYL1) & _LOW)
    w3 = product0 & _LOW
    if single:
        bound, highest = float32(value_bound), float32(score_bound)
        for lane in range(values.shape[0]):
            a, _, c, _ = finish(k0, k1, started[2, lane] ^ w0, started[1, lane], started[0, lane] ^ w2, w3)
            values[lane] = (float32(2) * uniform24(a) - float32(1)) * bound
            scores[lane] = uniform24(c) * highest
    else:
        for lane in range(values.shape[0]):
            a, b, c, d = finish(k0, k1, started[2, lane] ^ w0, started[1, lane], started[0, lane] ^ w2, w3)
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
    started = np.empty((3, lanes), np.uint64)
    start(pool, connections, started)
    for option in range(options):
        k = option % values.shape[0]
        draw(pool, started, option, values[k, :lanes], scores[k, :lanes])
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
    started = np.empty((3, lanes), np.uint64)
    start(pool, connections, started)
    for option in range(options):
        k = option % values.shape[0]
        if options > values.shape[0]:
            draw(pool, started, option, values[k, :lanes], scores[k, :lanes])
        narrow(values[k, :lanes], scores[k, :lanes], value, score, low, high)
    margin = values.dtype.type(margin * np.finfo(values.dtype).eps)
    for lane in range(lanes):
        if math.isfinite(low[lane]):
            low[lane] += abs(low[lane]) * margin
        if math.isfinite(high[lane]):
            high[lane] -= abs(high[lane]) * margin
    return low, high


@njit(inline="always")
def mark_of(out, bits, odd):
    """What the bits of one weight add to the mark of a block; `odd` is another number for each."""
    number = out.dtype.type
    half = number(4 * out.itemsize)
    mixed = number((bits ^ (bits >> half)) * number(0x9E3779B1))  # a product that Numba makes one of 64 bits
    return number((mixed ^ (mixed >> half)) * odd)


@njit(inline="always")  # a call takes as long as the loop
def look(theta, scale, low, high, out):
    """Of a block: how many connections are outside their interval, and the mark of what `out` holds.

    Other weights have another mark, but for one case in about 2^32, and for a number of which all bits are turned over.
    """
    number = out.dtype.type
    outside, mark, odd = int32(0), number(0), number(1)
    for i in range(theta.shape[0]):
        outside += int32(1) - int32((theta[i] > low[i] * scale) & (theta[i] < high[i] * scale))
        mark = number(mark + mark_of(out, out[i], odd))
        odd = number(odd + number(2))
    return outside, mark


@njit(**_COMPILATION)
def renew(connections, theta, scale, margin, weight, low, high, out, marks, pool, options, values, scores):
    """Select the weights of some connections, and their intervals, from all their options."""
    here = np.empty(connections.shape[0], theta.dtype)
    for lane in range(connections.shape[0]):
        here[lane] = theta[connections[lane]]
    _, value, score = best(connections, here, scale, pool, options, values, scores)
    lows, highs = intervals(connections, pool, options, values, scores, value, score, margin)
    for lane in range(connections.shape[0]):
        i = int64(connections[lane])
        bits, odd = out.dtype.type(bits_of(theta.dtype.type(value[lane]))), out.dtype.type(2 * (i % BLOCK) + 1)
        marks[i // BLOCK] += mark_of(out, bits, odd) - mark_of(out, out[i], odd)
        weight[i] = out[i] = bits
        low[i], high[i] = lows[lane], highs[lane]


@njit(**_COMPILATION)
def select_best(first, last, theta, scale, certain_scale, margin, weight, low, high, out, marks, lent, pool, options):
    """`plain.select_best_` for the connections from `first`, a multiple of the block, to `last`.

    Args:
        weight: the bits of the cached weights.
        out: the bits of the selected weights.
        marks: one number of each block, by which it is known whether `out` still is what was selected.
        lent: whether `out` holds the selection of the last call, unless someone wrote there; otherwise nothing.
    """
    piece = min(options, _PIECE)
    values, scores = np.empty((piece, LANES), theta.dtype), np.empty((piece, LANES), theta.dtype)
    waiting = np.empty(LANES, np.uint64)  # connections outside their interval, computed together
    lanes = 0
    for begin in range(first, last, BLOCK):
        block = slice(begin, min(begin + BLOCK, last))
        if not lent:
            out[block] = weight[block]
        outside, mark = look(theta[block], certain_scale, low[block], high[block], out[block])
        if not lent:
            marks[begin // BLOCK] = mark
        elif mark != marks[begin // BLOCK]:
            out[block] = weight[block]
            _, marks[begin // BLOCK] = look(theta[block], certain_scale, low[block], high[block], out[block])
        if not outside:
            continue
        for i in range(block.start, block.stop):
            if not ((theta[i] > low[i] * certain_scale) & (theta[i] < high[i] * certain_scale)):
                waiting[lanes] = i
                lanes += 1
                if lanes == LANES:
                    renew(waiting, theta, scale, margin, weight, low, high, out, marks, pool, options, values, scores)
                    lanes = 0
    if lanes:
        renew(waiting[:lanes], theta, scale, margin, weight, low, high, out, marks, pool, options, values, scores)


@njit(parallel=True, **_COMPILATION)
def select_best_parallel(
    parts, theta, scale, certain_scale, margin, weight, low, high, out, marks, lent, pool, options
):
    size = -(-theta.shape[0] // (parts * BLOCK)) * BLOCK  # marks are those of whole blocks
    for part in prange(parts):
        first = min(part * size, theta.shape[0])
        last = min(first + size, theta.shape[0])
        select_best(
            first, last, theta, scale, certain_scale, margin, weight, low, high, out, marks, lent, pool, options
        )


@njit(**_COMPILATION)
def best_option(first, last, theta, scale, out, pool, options):
    piece = min(options, _PIECE)
    values, scores = np.empty((piece, LANES), theta.dtype), np.empty((piece, LANES), theta.dtype)
    for begin in range(first, last, LANES):
        end = min(begin + LANES, last)
        connections = np.arange(begin, end).astype(np.uint64)
        out[begin:end], _, _ = best(connections, theta[begin:end], scale, pool, options, values, scores)


@njit(parallel=True, **_COMPILATION)
def best_option_parallel(parts, theta, scale, out, pool, options):
    size = -(-theta.shape[0] // parts)
    for part in prange(parts):
        first = min(part * size, theta.shape[0])
        best_option(first, min(first + size, theta.shape[0]), theta, scale, out, pool, options)


@njit(inline="always")
def exponential(x):
    """exp(x) of a float32 from -87 to 0, right to 2 units of the last place."""
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
    return (p * rest + float32(1)) * float32_of_bits((int32(n) + int32(127)) << int32(23))


@njit(**_COMPILATION)
def exponentials(logits, highest, sums):
    """Put exp(logits - highest) in the place of float32 logits; add to `sums`."""
    for lane in range(logits.shape[0]):
        x = logits[lane] - highest[lane]
        power = exponential(x if x > float32(-87) else float32(-87))
        logits[lane] = power
        sums[lane] += float64(power)


@njit(**_COMPILATION)
def sample_memory(options, lanes, dtype):
    """What `scan` and `locate` work in."""
    values, weights = np.empty(options * lanes, dtype), np.empty(options * lanes, np.float32)
    scores, started, highest = np.empty(lanes, dtype), np.empty((3, lanes), np.uint64), np.empty(lanes, np.float32)
    few = np.empty(lanes, np.uint64), np.empty(lanes, dtype), np.empty(lanes, dtype), np.empty(lanes, np.int64)
    totals, unsure = np.empty(lanes, np.float32), np.empty(lanes, np.int32)
    return values, weights, scores, started, highest, np.empty(lanes), np.empty(lanes, np.int32), totals, unsure, few


@njit(**_COMPILATION)
def scan(connections, theta, scale, draw_key, pool, options, memory, out):
    """Draw an option of each of some connections by one number in the cumulative distribution: its value."""
    all_values, all_weights, scores, started, highest, sums, chosen, _, _, _ = memory
    lanes = connections.shape[0]
    # In one piece, however few the connections.
    values = all_values[: options * lanes].reshape(options, lanes)
    weights = all_weights[: options * lanes].reshape(options, lanes)
    start(pool, connections, started)
    highest[:], sums[:], chosen[:] = float32(-np.inf), 0.0, int32(0)
    for option in range(options):
        draw(pool, started, option, values[option, :lanes], scores)
        for lane in range(lanes):
            logit = float32(scores[lane] * scale + values[option, lane] * theta[lane])
            weights[option, lane] = logit
            highest[lane] = logit if logit > highest[lane] else highest[lane]
    for option in range(options):
        exponentials(weights[option, :lanes], highest, sums)
    k0, k1 = draw_key & _LOW, draw_key >> _HALF
    for lane in range(lanes):
        a, b, _, _ = philox(k0, k1, connections[lane], uint64(0), uint64(0), uint64(0))
        sums[lane] *= uniform53(a, b)
    for option in range(options - 1):
        for lane in range(lanes):
            sums[lane] -= float64(weights[option, lane])
            chosen[lane] += int32(sums[lane] >= 0)
    for lane in range(lanes):
        out[lane] = values[chosen[lane], lane]


@njit(inline="always")
def rough_power(x):
    """2^x of a float32 from -126 to 126, right to a relative 2e-7 but for the rounding of x."""
    shifted = x + float32(12582912)  # whose lowest bits are the nearest integer
    rest = x - (shifted - float32(12582912))
    p = float32(0.0013400432653725147)
    p = p * rest + float32(0.009676037356257439)
    p = p * rest + float32(0.05550327152013779)
    p = p * rest + float32(0.2402210682630539)
    p = p * rest + float32(0.6931471824645996)
    p = p * rest + float32(1.0000001192092896)
    return float32_of_bits(bits_of(p) + (bits_of(shifted) << int32(23)))


@njit(**_COMPILATION)
def locate(connections, theta, scale, draw_key, pool, options, memory, tabled, out):
    """As `scan`, by sums in float32 of approximated powers; where their error could matter, `scan` decides.

    Where no score is beyond `_HIGH`, logits and powers here and there are right to a relative 6e-6 of their sum, and
    each sum of K of them in float32 adds less than K 2^-24.

    Args:
        tabled: (2, K, lanes), values and initial scores of the options; without rows where they have to be drawn.
    """
    all_values, all_weights, scores, started, _, _, chosen, totals, unsure, few = memory
    lanes = connections.shape[0]
    values = all_values[: options * lanes].reshape(options, lanes)
    weights = all_weights[: options * lanes].reshape(options, lanes)
    has_table = tabled.shape[1] > 0
    if not has_table:
        start(pool, connections, started)
    totals[:], chosen[:] = float32(0), int32(0)
    for option in range(options):
        if has_table:
            row_values, row_scores = tabled[0, option, :lanes], tabled[1, option, :lanes]
        else:
            row_values, row_scores = values[option, :lanes], scores[:lanes]
            draw(pool, started, option, row_values, row_scores)
        for lane in range(lanes):
            logit = float32(row_scores[lane] * scale + row_values[lane] * theta[lane])
            logit = logit if abs(logit) <= float32(2) * _HIGH else float32(0)  # no number: decided by `scan`
            totals[lane] += rough_power(logit * float32(1.4426950408889634))
            weights[option, lane] = totals[lane]
    k0, k1 = draw_key & _LOW, draw_key >> _HALF
    margin = float32(3e-5 + 3e-7 * options)
    value_bound, score_bound = float32(pool[2]), float32(abs(scale) * pool[3])
    for lane in range(lanes):
        a, b, _, _ = philox(k0, k1, connections[lane], uint64(0), uint64(0), uint64(0))
        scores[lane] = float32(uniform53(a, b)) * totals[lane]  # the place
        # The distance from the nearest end of an option; it starts as that to a margin.
        totals[lane] *= margin
    count = 0
    for lane in range(lanes):
        small = abs(float32(theta[lane])) * value_bound + score_bound <= _HIGH
        unsure[lane] = int32(0) if small else int32(1)
    for option in range(options - 1):
        for lane in range(lanes):
            distance = float32(scores[lane]) - weights[option, lane]
            chosen[lane] += int32(distance >= float32(0))
            unsure[lane] |= int32(0) if abs(distance) > totals[lane] else int32(1)
    for lane in range(lanes):
        count += unsure[lane]
    if has_table:
        for lane in range(lanes):
            out[lane] = tabled[0, chosen[lane], lane]
    else:
        for lane in range(lanes):
            out[lane] = values[chosen[lane], lane]
    if count:
        count = 0
        numbers, thetas, drawn, places = few
        for lane in range(lanes):
            if unsure[lane]:
                numbers[count], thetas[count], places[count] = connections[lane], theta[lane], lane
                count += 1
        scan(numbers[:count], thetas[:count], scale, draw_key, pool, options, memory, drawn)
        for lane in range(count):
            out[places[lane]] = drawn[lane]


@njit(**_COMPILATION)
def draw_proposals(pool, connections, numbers, values, scores):
    """Value and initial score of an option of each of some connections, another one for each."""
    key, single, value_bound, score_bound, shared = pool
    k0, k1 = key & _LOW, key >> _HALF
    if single:
        bound, highest = float32(value_bound), float32(score_bound)
        for lane in range(connections.shape[0]):
            a, _, c, _ = philox(k0, k1, connections[lane], uint64(0), numbers[lane], uint64(0))
            values[lane] = (float32(2) * uniform24(a) - float32(1)) * bound
            scores[lane] = uniform24(c) * highest
    else:
        for lane in range(connections.shape[0]):
            a, b, c, d = philox(k0, k1, connections[lane], uint64(0), numbers[lane], uint64(0))
            values[lane] = (2.0 * uniform53(a, b) - 1.0) * value_bound
            scores[lane] = uniform53(c, d) * score_bound
    if shared.shape[0]:
        for lane in range(connections.shape[0]):
            values[lane] = shared[numbers[lane]]


@njit(**_COMPILATION)
def accept(scores, values, theta, scale, bound, position, accepted):
    """Whether position < exp(score - bound), position in [0, 1): decided by an approximation where that is enough."""
    unsure = int32(0)
    for lane in range(accepted.shape[0]):
        x = scale * float64(scores[lane]) + theta[lane] * float64(values[lane]) - bound[lane]
        power = float64(exponential(float32(x if x > -80.0 else -80.0)))
        # The approximation is right to a relative 1e-5, most of it the rounding of x.
        sure = (x > -80.0) & (abs(position[lane] - power) > 1e-4 * power)
        accepted[lane] = int32(position[lane] < power) if sure else int32(-1)
        unsure += int32(0) if sure else int32(1)
    if unsure:
        for lane in range(accepted.shape[0]):
            if accepted[lane] < 0:
                x = scale * float64(scores[lane]) + theta[lane] * float64(values[lane]) - bound[lane]
                accepted[lane] = position[lane] < math.exp(x)


@njit(**_COMPILATION)
def propose(connections, theta, scale, draw_key, pool, options, proposals, out):
    """Rejection sampling of some connections into `out`; `connections` holds those without a draw afterwards.

    Returns:
        How many those are.
    """
    lanes = connections.shape[0]
    bound, trials, position = np.empty(lanes), np.empty(lanes, np.int64), np.empty(lanes)
    values, scores = np.empty(lanes, out.dtype), np.empty(lanes, out.dtype)
    trying, numbers, accepted = np.empty(lanes, np.uint64), np.empty(lanes, np.uint64), np.empty(lanes, np.int32)
    here = np.empty(lanes)
    scale = float64(scale)
    count, k0, k1 = uint64(options), draw_key & _LOW, draw_key >> _HALF
    tried = left = 0
    for lane in range(lanes):
        number = float64(theta[connections[lane]])
        spread = (1.0 + abs(scale) * pool[3]) * (1.0 + 2.0 * abs(number) * pool[2])
        often = int64(0) if options < proposals[0] * spread else int64(proposals[1] * spread)
        if often >= 1:
            trying[tried], here[tried], trials[tried] = connections[lane], number, often
            bound[tried] = max(scale, 0.0) * pool[3] + abs(number) * pool[2]
            tried += 1
        else:
            connections[left] = connections[lane]
            left += 1
    trial = uint64(1)
    while tried:
        for lane in range(tried):
            a, b, c, d = philox(k0, k1, trying[lane], uint64(0), trial, uint64(0))
            numbers[lane] = (a * count + ((b * count) >> _HALF)) >> _HALF  # of 64 bits, without rounding
            position[lane] = uniform53(c, d)
        draw_proposals(pool, trying[:tried], numbers, values, scores)
        accept(scores, values, here, scale, bound, position, accepted[:tried])
        again = 0
        for lane in range(tried):
            if accepted[lane]:
                out[trying[lane]] = values[lane]
            elif trials[lane] > int64(trial):
                trying[again], here[again] = trying[lane], here[lane]
                bound[again], trials[again] = bound[lane], trials[lane]
                again += 1
            else:
                connections[left] = trying[lane]
                left += 1
        tried = again
        trial += uint64(1)
    return left


@njit(**_COMPILATION)
def select_sample(first, last, theta, scale, draw_key, out, pool, options, proposals, table):
    lanes = LANES if options <= _PIECE else LANES // 4  # memory is that of K lanes
    memory = sample_memory(options, lanes, theta.dtype)
    waiting = np.empty(2 * lanes, np.uint64)
    if options < proposals[0]:
        for begin in range(first, last, lanes):
            block = slice(begin, min(begin + lanes, last))
            for lane in range(block.stop - begin):
                waiting[lane] = uint64(begin + lane)
            numbers = waiting[: block.stop - begin]
            tabled = table[begin // lanes if table.shape[0] > 1 else 0]
            locate(numbers, theta[block], scale, draw_key, pool, options, memory, tabled, out[block])
        return
    here, drawn = np.empty(lanes, theta.dtype), np.empty(lanes, theta.dtype)
    waits = 0  # connections without an accepted proposal
    for begin in range(first, last, lanes):
        count = min(lanes, last - begin)
        for lane in range(count):
            waiting[waits + lane] = uint64(begin + lane)
        block = waiting[waits : waits + count]
        waits += propose(block, theta, scale, draw_key, pool, options, proposals, out)
        while waits >= lanes or (waits and begin + lanes >= last):
            numbers = waiting[max(waits - lanes, 0) : waits]
            for lane in range(numbers.shape[0]):
                here[lane] = theta[numbers[lane]]
            locate(numbers, here, scale, draw_key, pool, options, memory, table[0], drawn)
            for lane in range(numbers.shape[0]):
                out[numbers[lane]] = drawn[lane]
            waits -= numbers.shape[0]


@njit(parallel=True, **_COMPILATION)
def select_sample_parallel(parts, theta, scale, draw_key, out, pool, options, proposals, table):
    size = -(-theta.shape[0] // (parts * LANES)) * LANES  # a table is one of whole blocks
    for part in prange(parts):
        first = min(part * size, theta.shape[0])
        last = min(first + size, theta.shape[0])
        select_sample(first, last, theta, scale, draw_key, out, pool, options, proposals, table)


@njit(**_COMPILATION)
def tabulate(connections, pool, table):
    """All options of the first connections: (blocks of LANES, 2, K, LANES), values and initial scores."""
    started = np.empty((3, LANES), np.uint64)
    for block in range(table.shape[0]):
        numbers = np.arange(block * LANES, min((block + 1) * LANES, connections)).astype(np.uint64)
        start(pool, numbers, started)
        for option in range(table.shape[2]):
            lanes = numbers.shape[0]
            draw(pool, started, option, table[block, 0, option, :lanes], table[block, 1, option, :lanes])
